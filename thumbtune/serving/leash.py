"""Runs a command and lets nothing of its family live on: not when the command ends, nor when our parent is killed.

vLLM's engine process outlives a kill -9 of the server process that started it, with all its memory (seen with 0.32.0
on 2026-11-21); so the family gets a guardian of its own. It does not know what it runs.

Run: python -m thumbtune.serving.leash COMMAND [ARGUMENT…]
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from types import FrameType
from typing import NoReturn

import psutil

END_TIMEOUT_S = 5.0

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run the command to its end and return its exit code, leaving no descendant behind."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)  # orphans of the family become our children, where we find them
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent_pid = os.getppid()
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # in place of the SIGKILL we were started with: we must clean up
    if os.getppid() != parent_pid:
        return 128 + signal.SIGTERM

    own_pid = os.getpid()

    def tie_to_leash() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != own_pid:
            os.kill(os.getpid(), signal.SIGKILL)

    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=tie_to_leash)
    try:
        code = child.wait()
        return code if code >= 0 else 128 - code
    except SystemExit:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(END_TIMEOUT_S)
        raise
    finally:
        _kill_descendants()


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + signum)


def _kill_descendants() -> None:
    while left := psutil.Process().children(recursive=True):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
