"""What the trainer's child programs and the pipeline agree on: exit codes and progress lines on standard output.

It does not know what a child computes.
"""

import json
import signal
import sys
import time
from types import FrameType

EXIT_OK = 0
EXIT_BAD_INPUT = 2
EXIT_NOT_FINITE = 3
EXIT_OUT_OF_MEMORY = 4
EXIT_CANCELLED = 143

REASONS = {
    EXIT_BAD_INPUT: "the snapshot, recipe or base model cannot be used",
    EXIT_NOT_FINITE: "the loss stopped being a number; lower train_learning_rate",
    EXIT_OUT_OF_MEMORY: "the device ran out of memory; lower train_batch_tokens or gpu_memory_share",
    EXIT_CANCELLED: "it was cancelled",
}


class ProgressReporter:
    """Prints progress as JSON lines, at most one every `interval_s` seconds and always the last step."""

    def __init__(self, phase: str, *, steps: int, interval_s: float = 0.5) -> None:
        self._phase = phase
        self._steps = steps
        self._interval_s = interval_s
        self._began = time.monotonic()
        self._last = 0.0
        self._tokens = 0

    def report(self, step: int, *, tokens: int, loss: float | None = None) -> None:
        """Count `tokens` more and print when it is time; `step` counts from 1."""
        self._tokens += tokens
        now = time.monotonic()
        if now - self._last < self._interval_s and step < self._steps:
            return
        self._last = now
        elapsed = max(now - self._began, 1e-6)
        emit(
            "progress",
            phase=self._phase,
            step=step,
            steps=self._steps,
            loss=None if loss is None else round(loss, 4),
            tokens_per_s=round(self._tokens / elapsed),
            eta_s=round(elapsed / step * (self._steps - step), 1),
        )


def emit(event: str, **fields: object) -> None:
    """Print one JSON line for the pipeline. Fields hold numbers and ids, never message text."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def exit_on_sigterm() -> None:
    """End this program with EXIT_CANCELLED when it is asked to end."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(EXIT_CANCELLED)

    signal.signal(signal.SIGTERM, leave)
