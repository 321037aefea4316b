"""What the trainer's child programs and the pipeline agree on: exit codes and progress lines on standard output.

It does not know what a child computes.
"""

import contextlib
import errno
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from thumbtune.core.errors import BadInput

EXIT_OK = 0
EXIT_BAD_INPUT = 2
EXIT_NOT_FINITE = 3
EXIT_OUT_OF_MEMORY = 4
EXIT_DISK_FULL = 5
EXIT_CANCELLED = 143

REASONS = {
    EXIT_BAD_INPUT: "the snapshot, recipe or base model cannot be used",
    EXIT_NOT_FINITE: "the loss stopped being a number; lower train_learning_rate",
    EXIT_OUT_OF_MEMORY: "the device ran out of memory; lower train_batch_tokens or gpu_memory_share",
    EXIT_DISK_FULL: "the disk is full; free some space in data_dir and start the run again",
    EXIT_CANCELLED: "it was cancelled",
}

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NotFinite(Exception):
    """A loss, a gradient or a weight is not a number."""


class ProgressReporter:
    """Prints progress as JSON lines, at most one every `interval_s` seconds and always the last step."""

    def __init__(
        self,
        phase: str,
        *,
        steps: int,
        interval_s: float = 0.5,
        on_progress: Callable[[dict[str, Any]], None] = lambda _: None,  # Any: JSON
    ) -> None:
        self._on_progress = on_progress
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
        progress = {
            "phase": self._phase,
            "step": step,
            "steps": self._steps,
            "loss": None if loss is None else round(loss, 4),
            "tokens_per_s": round(self._tokens / elapsed),
            "eta_s": round(elapsed / step * (self._steps - step), 1),
        }
        emit("progress", **progress)
        self._on_progress(progress)


def emit(event: str, **fields: object) -> None:
    """Print one JSON line for the pipeline. Fields hold numbers and ids, never message text."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def run_program(work: Callable[[], None]) -> int:
    """Do a child's work and return its exit code; what ends it early is told in its last line."""
    try:
        work()
    except BadInput as exc:
        return _fail(EXIT_BAD_INPUT, str(exc))
    except NotFinite as exc:
        return _fail(EXIT_NOT_FINITE, str(exc))
    except OSError as exc:
        if exc.errno not in _FULL:
            raise
        return _fail(EXIT_DISK_FULL, "no space left")
    except MemoryError:  # perhaps before anything could be imported
        return _fail(EXIT_OUT_OF_MEMORY, "out of memory")
    except RuntimeError as exc:
        from thumbtune.trainer.model import is_out_of_memory

        if not is_out_of_memory(exc):
            raise
        return _fail(EXIT_OUT_OF_MEMORY, "out of memory")
    return EXIT_OK


def exit_on_sigterm() -> None:
    """End this program with EXIT_CANCELLED when it is asked to end."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(EXIT_CANCELLED)

    signal.signal(signal.SIGTERM, leave)


def _fail(exit_code: int, reason: str) -> int:
    try:
        emit("failed", exit_code=exit_code, reason=reason)  # torchrun, which runs several of us, ends with its own code
    except OSError:  # the log lies on the same full disk; what is left in the buffer would be tried again at the end
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_code
