"""The files of a frozen data set: their names, and the facts written beside the examples.

It does not know the store or torch, so the pipeline and the child programs can share it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from thumbtune.core.errors import BadInput
from thumbtune.core.prompt import ChatMessage

TRAIN_NAME = "train.jsonl"
HELD_OUT_NAME = "held_out.jsonl"
TRIAGE_NAME = "train_triage.jsonl"
PREFERENCES_NAME = "preferences.jsonl"
HELD_OUT_PREFERENCES_NAME = "preferences_held_out.jsonl"
"""These two are there only when the run has a second stage."""
META_NAME = "snapshot.json"
RECIPE_NAME = "recipe.json"


@dataclass(frozen=True)
class SnapshotMeta:
    """What a snapshot holds; written last, so that a snapshot with this file is whole."""

    run_id: str
    desk_id: str
    voice: str
    snapshot_hash: str
    """SHA-256 over the files of examples and the recipe."""
    trained_pair_ids: tuple[int, ...]
    held_out_pair_ids: tuple[int, ...]
    newest_pair_id: int
    dropped: dict[str, int]
    """How many active pairs were left out, by reason."""
    left_out_pair_ids: tuple[int, ...] = ()
    """Those pairs: seen by the run, and neither trained on nor judged by."""
    trained_triage_ids: tuple[int, ...] = ()
    held_out_triage_ids: tuple[int, ...] = ()
    rejected_draft_ids: tuple[str, ...] = ()
    """The drafts in its preference pairs, of both sides."""


def dump_line(*, pair_id: str, thread_id: str, prompts: Iterable[list[ChatMessage]], reply: str, **more: str) -> bytes:
    """Return one line of a file of examples; of `prompts`, the longest first, each that differs from the one before."""
    longest, *shorter = [prompt for prompt, _ in groupby(prompts)]
    line: dict[str, Any] = {
        "pair_id": pair_id,
        "thread_id": thread_id,
        "messages": longest,
        "reply": reply,
    }  # Any: JSON
    if shorter:
        line["shorter"] = shorter
    return (json.dumps(line | more, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def load_meta(snapshot: Path) -> SnapshotMeta:
    """Read what a snapshot holds.

    Raises: BadInput when the snapshot was never completed.
    """
    try:
        fields = json.loads((snapshot / META_NAME).read_bytes())
        ids = {name: tuple(value) for name, value in fields.items() if name.endswith("_ids")}
        return SnapshotMeta(**{**fields, **ids})
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise BadInput(f"snapshot {snapshot} is not complete: {type(exc).__name__}") from exc


def dump_meta(meta: SnapshotMeta) -> bytes:
    """Return the facts as the bytes of their file."""
    return (json.dumps(asdict(meta), indent=1, ensure_ascii=False) + "\n").encode()
