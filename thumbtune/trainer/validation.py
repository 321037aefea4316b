"""Sets training conversations aside by which the best moment of a training is chosen, and says when to look.

It does not know torch. The held-out replies are not touched: whoever chose a moment by them would let the gate judge
a candidate on what it was chosen for (docs/decisions/0019).
"""

import hashlib
from collections.abc import Sequence

from thumbtune.core.records import FEWEST_TO_SET_ASIDE
from thumbtune.trainer.examples import Example

_FEWEST_THREADS, _MOST_THREADS = 8, 40
_FEWEST_LOOKS = 4


def split_validation(examples: Sequence[Example], *, share: float) -> tuple[list[Example], list[Example]]:
    """Return what is trained on, and what the best moment is chosen by: whole conversations, the same in every run.

    With fewer than 100 conversations nothing is set aside: they are needed for training.
    """
    threads = sorted({example.thread_id for example in examples}, key=_draw)
    if not share or len(threads) < FEWEST_TO_SET_ASIDE:
        return list(examples), []
    chosen = set(threads[: min(_MOST_THREADS, max(_FEWEST_THREADS, round(share * len(threads))))])
    return (
        [example for example in examples if example.thread_id not in chosen],
        [example for example in examples if example.thread_id in chosen],
    )


def plan_looks(steps: int, *, epochs: int) -> set[int]:
    """Return the steps after which to look: as often as there are epochs, at least 4 times, and at the end."""
    looks = max(epochs, _FEWEST_LOOKS)
    return {-(-steps * number // looks) for number in range(1, looks + 1)}


def _draw(thread_id: str) -> bytes:
    return hashlib.sha256(f"validation:{thread_id}".encode()).digest()
