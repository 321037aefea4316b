"""Where the trainer's child programs run: the seam between the pipeline and a process, or one day a cluster's job.

It does not know runs or what the programs do.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from thumbtune.core.processes import drop_secrets, end_child, spawn_child

NICENESS = 5
"""By how much a child's priority is below ours: a draft that somebody waits for goes first where both need the same cores."""


@dataclass(frozen=True)
class JobStatus:
    """What a job did since it was last asked: its new events, and its exit code once it has ended."""

    events: list[dict[str, Any]] = field(default_factory=list)  # Any: JSON
    exit_code: int | None = None


class Job(Protocol):
    """A running child program."""

    def poll(self) -> JobStatus:
        """Return what is new; never waits."""

    def cancel(self) -> None:
        """End it and return when it is gone; does nothing when it has ended."""


class TrainerBackend(Protocol):
    """Starts child programs."""

    def submit(self, program: str, *, arguments: Sequence[str], log_path: Path, processes: int = 1) -> Job:
        """Start `thumbtune.trainer.<program>` with its output in a file, in one process or one for each of several GPUs."""


class LocalBackend:
    """Runs child programs as processes of this machine that end when this process does."""

    def submit(self, program: str, *, arguments: Sequence[str], log_path: Path, processes: int = 1) -> Job:
        """Start a child; call it from a thread that lives as long as the child."""
        log_path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [
            sys.executable,
            *(torchrun if processes > 1 else ()),
            "-m",
            f"thumbtune.trainer.{program}",
            *arguments,
        ]
        child = spawn_child(command, env=build_env(os.environ), log_path=log_path, niceness=NICENESS)
        return _LocalJob(child, log_path)


class _LocalJob:
    def __init__(self, child: "subprocess.Popen[str]", log_path: Path) -> None:
        self._child = child
        self._log = log_path.open("rb")
        self._rest = b""
        self._told_code: int | None = None

    def poll(self) -> JobStatus:
        exit_code = self._child.poll()
        *lines, self._rest = (self._rest + self._log.read()).split(b"\n")
        events = [event for line in lines if (event := _read_event(line))]
        self._told_code = next((event["exit_code"] for event in events if "exit_code" in event), self._told_code)
        if exit_code and self._told_code is not None:  # torchrun ends with a code of its own
            exit_code = self._told_code
        return JobStatus(events, exit_code)

    def cancel(self) -> None:
        end_child(self._child)
        self._log.close()


def _read_event(line: bytes) -> dict[str, Any] | None:  # Any: JSON
    if not line.startswith(b'{"event"'):
        return None  # a library's own words
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return event


def build_env(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return this environment without our secrets, offline and without usage reports."""
    return drop_secrets(inherited) | {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "true",
    }
