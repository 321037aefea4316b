"""Starts and ends child processes so that none outlives its parent, even after kill -9.

It does not know what the children do.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
_PRIVATE_PREFIXES = ("THUMBTUNE_", "SLACK_", "HF_TOKEN", "AWS_", "PG")


def drop_secrets(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without our settings and the tokens and keys that programs of others have no use for."""
    return {name: value for name, value in inherited.items() if not name.startswith(_PRIVATE_PREFIXES)}


def spawn_child(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    log_path: Path | None = None,
    cwd: Path | None = None,
    niceness: int = 0,
) -> subprocess.Popen[str]:
    """Start a child in its own process group; the kernel kills it when this process dies.

    Its standard output is a pipe of text lines when `log_path` is None, else both outputs are appended to that file.
    With a niceness it and its own children have that much less priority than this process.
    Call it from a thread that lives as long as the child may: Linux ties the signal to the thread that forked.
    Source: prctl(2) PR_SET_PDEATHSIG, seen 2026-11-21.
    """
    parent_pid = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None

    def prepare() -> None:
        if niceness:
            os.nice(niceness)
            with contextlib.suppress(OSError):  # where the kernel schedules a session as one, see sched(7)
                Path("/proc/self/autogroup").write_text(str(niceness))
        if libc is not None and hasattr(libc, "prctl"):
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent_pid:
                os.kill(os.getpid(), signal.SIGKILL)

    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log_path.open("ab")) if log_path else subprocess.PIPE
        return subprocess.Popen(
            list(command),
            env=dict(env) if env is not None else None,
            cwd=cwd,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            bufsize=1 if log_path is None else -1,
            start_new_session=True,
            preexec_fn=prepare,
        )


def end_child(child: subprocess.Popen[str], *, timeout_s: float = 10.0) -> int:
    """Ask a child and all its descendants to end, kill what is left after `timeout_s`, and return the exit code."""
    try:
        family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout_s)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return child.wait()


def die_with_parent(*, parent_word: str) -> None:
    """End when the parent dies, and at once if it is gone already; `parent_word` stands in its command line."""
    libc = ctypes.CDLL(None)
    if os.name == "posix" and hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(psutil.Error):
        if any(parent_word in part for part in psutil.Process(os.getppid()).cmdline()):
            return
    os.kill(os.getpid(), signal.SIGKILL)
