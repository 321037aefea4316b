"""Finds which of very many conversations ask the same: near duplicates, which must not train and judge at once.

It does not know pairs or sides. Conversations are compared by short signatures alone, so that a hundred thousand of them fit
into memory: two whose conversations and last questions are each 80 % alike, with the same facts, agree as a rule in at
least 70 % of the places of both.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b, shake_128

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from thumbtune.core.curation.likeness import read_asked
from thumbtune.core.prompt import Turn

PLACES = 120
BANDS, ROWS = 24, 5
"""Of the conversation's places. Texts that are 80 % alike share a band with probability 0.9999, at 50 % in half of cases."""
AGREEING = 84
"""Places of each text in which two signatures agree when they ask the same: 70 %. Those of texts 80 % alike do in 99.7 %
of cases, and of texts 60 % alike in 1.6 %."""
_SEED = 1
_FACTS = 8
SIGNATURE_BYTES = _FACTS + 2 * PLACES

Rows = NDArray[np.uint8]


def sign_conversation(turns: Sequence[Turn]) -> bytes | None:
    """Return the signature of a conversation; None when its question is too short to be compared."""
    asked = read_asked(turns)
    if asked is None:
        return None
    facts = blake2b("\x1e".join(sorted(asked.question_facts)).encode(), digest_size=_FACTS).digest()
    return facts + _hash_runs(asked.conversation) + _hash_runs(asked.question)


def sign_exactly(digest: bytes) -> bytes:
    """Return a signature that agrees with no other than that of the same digest."""
    return shake_128(digest).digest(SIGNATURE_BYTES)


class Crowd:
    """Many conversations by their signatures, each known by its position."""

    def __init__(self, signatures: Sequence[bytes]) -> None:
        self._rows = _read_rows(signatures)  # (conversation, SIGNATURE_BYTES) uint8

    def find_alike(self, signature: bytes) -> list[int]:
        """Return the positions of those that ask the same as a signature, rising."""
        (row,) = _read_rows([signature])
        found: list[int] = _compare(self._rows, row).tolist()
        return found

    def is_alike(self, position: int, others: Sequence[int]) -> bool:
        """Return whether one of the others asks the same as that at a position."""
        return bool(others) and len(_compare(self._rows[np.asarray(others)], self._rows[position])) > 0

    def group(self) -> Iterator[list[int]]:
        """Yield the positions, rising, of those that ask the same as one another, directly or through others."""
        rows, copies = np.unique(self._rows, axis=0, return_inverse=True)
        labels = np.arange(len(rows))  # (different,) int64, the same number for those that belong together
        for members in _list_sharing(rows):
            while len(members) > 1:
                one, members = members[0], members[1:]
                others = members[labels[members] != labels[one]]
                if not len(others):  # then all that are left belong together
                    break
                alike = others[_compare(rows[others], rows[one])]
                if len(alike):
                    joined = np.unique(labels[np.append(alike, one)])
                    labels[np.isin(labels, joined)] = joined[0]
        labels = labels[copies.reshape(-1)]  # (conversation,) int64
        order = np.argsort(labels, kind="stable")
        for part in _split_runs(labels[order], order):
            yield part.tolist()


def _hash_runs(runs: frozenset[str]) -> bytes:
    """Return the MinHash of a text's runs, of each place its last byte: by chance, one in 256 agrees."""
    minhash = RMinHash(num_perm=PLACES, seed=_SEED)
    minhash.update(list(runs))
    return bytes(value & 0xFF for value in minhash.digest())


def _read_rows(signatures: Sequence[bytes]) -> Rows:
    return np.frombuffer(b"".join(signatures), dtype=np.uint8).reshape(len(signatures), SIGNATURE_BYTES)


def _compare(rows: Rows, row: Rows) -> NDArray[np.intp]:
    """Return which rows ask the same as one, rising."""
    found = np.arange(len(rows))
    middle = _FACTS + PLACES
    for part, needed in ((slice(_FACTS), _FACTS), (slice(_FACTS, middle), AGREEING), (slice(middle, None), AGREEING)):
        found = found[np.count_nonzero(rows[found, part] == row[part], axis=1) >= needed]
    return found


def _list_sharing(rows: Rows) -> Iterator[NDArray[np.intp]]:
    """Yield the rows that share a band and the facts, two and more of them, band by band."""
    facts = np.ascontiguousarray(rows[:, :_FACTS]).view(np.uint64)[:, 0]  # (different,) uint64
    for band in range(BANDS):
        keys = facts.copy()
        for place in range(band * ROWS, (band + 1) * ROWS):
            keys = keys * np.uint64(1_000_003) + rows[:, _FACTS + place]  # wraps; what collides is compared
        order = np.argsort(keys, kind="stable")
        yield from _split_runs(keys[order], order)


def _split_runs(keys: NDArray[np.generic], order: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield the parts of `order`, two long and longer, in which sorted keys are the same."""
    cuts = np.flatnonzero(keys[1:] != keys[:-1]) + 1
    bounds = np.concatenate(([0], cuts, [len(keys)]))
    for at in np.flatnonzero(np.diff(bounds) > 1):
        yield order[bounds[at] : bounds[at + 1]]
