"""Keeps one vLLM running as a child: starts it, waits until it is well, says why it is not, and ends it whole.

It does not know adapters or the store. vLLM is a command here; `cpu_worker` alone imports it, inside vLLM.
"""

import contextlib
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from thumbtune.core.errors import EngineUnavailable
from thumbtune.core.inference import InferenceClient
from thumbtune.core.processes import end_child, spawn_child
from thumbtune.serving.plan import EnginePlan, build_command, build_env, check_installed

logger = logging.getLogger(__name__)

TYPICAL_START_S = {True: 90.0, False: 40.0}
"""Seconds a start takes on a GPU and on 2 CPU cores, before one was measured here."""

LOG_SIZE_BYTES = 20_000_000

_POLL_S = 0.25
_LOG_PREFIX = re.compile(r"^\([A-Za-z0-9_-]+ pid=\d+\) (?:[A-Z]+ [\d-]+ [\d:]+ \[[^\]]+\] ?)?")
_ERROR_LINE = re.compile(r"^[A-Za-z_.]*(?:Error|Exception)\b.*")

Progress = Callable[[float, float], None]
"""Called with the seconds gone and the seconds a start typically takes."""


class Engine:
    """One vLLM child of this process; not shared between threads."""

    def __init__(self, plan: EnginePlan) -> None:
        self.plan = plan
        self._child: subprocess.Popen[str] | None = None
        self._log_start = 0
        self._typical_path = plan.log_path.with_suffix(".start-s")

    @property
    def pid(self) -> int | None:
        """Process id of the family's guardian while it runs."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def start(self, *, stop: threading.Event | None = None, on_progress: Progress | None = None) -> bool:
        """Start vLLM and return True once it is well, False when `stop` was set meanwhile.

        Raises: EngineUnavailable with the last words of its log when it ended or ran out of time; ConfigError when it
        is not installed.
        """
        check_installed()
        self.end()
        self.plan.socket_path.unlink(missing_ok=True)
        self._open_log()
        started = time.monotonic()
        command = [sys.executable, "-m", "thumbtune.serving.leash", *build_command(self.plan)]
        self._child = spawn_child(command, env=build_env(self.plan, os.environ), log_path=self.plan.log_path)
        typical_s = self._load_typical()
        with InferenceClient(self.plan.url, self.plan.api_key) as client:
            while not client.check_health():
                elapsed_s = time.monotonic() - started
                if on_progress is not None:
                    on_progress(elapsed_s, typical_s)
                if self._child.poll() is not None:
                    raise EngineUnavailable(f"vLLM did not start: {self.read_last_words()}")
                if elapsed_s > self.plan.start_timeout_s:
                    self.end()
                    raise EngineUnavailable(
                        f"vLLM was not ready after {elapsed_s:.0f} s; raise THUMBTUNE_ENGINE_START_TIMEOUT_S or see "
                        f"{self.plan.log_path}"
                    )
                if (stop or threading.Event()).wait(_POLL_S):
                    self.end()
                    return False
        seconds = time.monotonic() - started
        with contextlib.suppress(OSError):
            self._typical_path.write_text(f"{seconds:.1f}")
        logger.info("engine_started", extra={"seconds": round(seconds, 1), "url": self.plan.url})
        return True

    def is_running(self) -> bool:
        """Return whether the child lives; it may still be unwell."""
        return self._child is not None and self._child.poll() is None

    def end(self) -> None:
        """End vLLM and everything it started; does nothing when there is none."""
        if self._child is None:
            return
        end_child(self._child, timeout_s=15.0)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, 9)  # whoever outlived a guardian that was itself killed
        self._child = None
        self.plan.socket_path.unlink(missing_ok=True)

    def read_last_words(self) -> str:
        """Return why the child ended, as well as its log tells: the last error, else the last lines."""
        with self.plan.log_path.open("rb") as stream:
            stream.seek(self._log_start)
            text = stream.read()[-200_000:].decode("utf-8", "replace")
        lines = [_LOG_PREFIX.sub("", line).strip() for line in text.splitlines()]
        errors = [line for line in lines if _ERROR_LINE.match(line)]
        told = [errors[-1]] if errors else [line for line in lines if line][-5:]
        return f"{' / '.join(told)[:600] or 'it said nothing'} (log: {self.plan.log_path})"

    def _open_log(self) -> None:
        """Make the log a file only we can read, and put a large one aside."""
        path = self.plan.log_path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LOG_SIZE_BYTES:
            path.replace(path.with_suffix(".old.log"))
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        self._log_start = path.stat().st_size

    def _load_typical(self) -> float:
        try:
            return float(self._typical_path.read_text())
        except (OSError, ValueError):
            return TYPICAL_START_S[self.plan.on_gpu]
