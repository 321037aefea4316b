"""What decides about a pair when a run's pairs are chosen: its thread, what it asks and says, and who wrote it.

It does not know what is decided. No texts are kept, so that a desk's pairs fit into memory, however many there are.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from thumbtune.core.curation.alike import sign_conversation, sign_exactly
from thumbtune.core.prompt import Turn
from thumbtune.core.records import TrainingPair

Place = tuple[str, str, str]
"""Workspace, channel and thread."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What decides about one pair."""

    pair_id: int
    place: Place
    digest: bytes
    """What two pairs share when the same conversation got the same reply."""
    asked: bytes
    """What two pairs share whose conversations are the same."""
    signature: bytes
    """By what those that ask the same are found; of one that asks too little, those that are the same."""
    is_self_taught: bool
    """The model's own draft, sent and approved as it was."""


def weigh_pair(pair: TrainingPair) -> Candidate:
    """Return what decides about a pair."""
    asked, signature = weigh_conversation(pair.turns)
    digest = hashlib.sha256(asked + _level(pair.reply)).digest()
    place = (pair.team_id, pair.channel_id, pair.thread_ts)
    return Candidate(
        pair.pair_id,
        place,
        digest=digest,
        asked=asked,
        signature=signature or sign_exactly(digest),
        is_self_taught=pair.source == "draft",
    )


def weigh_conversation(turns: Sequence[Turn]) -> tuple[bytes, bytes | None]:
    """Return the digest of a conversation and its signature, if it asks enough to have one."""
    text = "\x1f".join(f"{turn.role} {turn.text}" for turn in turns)
    return hashlib.sha256(_level(text)).digest(), sign_conversation(turns)


def _level(text: str) -> bytes:
    return " ".join(text.lower().split()).encode("utf-8", "surrogatepass")
