"""Runs `thumbtune demo` as a person does and looks at what it leaves."""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from thumbtune.core.store import Store, connect_store
from thumbtune.demo.installation import read_settings

DEMO_TIMEOUT_S = 900.0
END_TIMEOUT_S = 60.0


class DemoRun:
    """One `thumbtune demo` with a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.report_path = folder / "report.json"
        command = [sys.executable, "-m", "thumbtune.cli.main", "demo", "--report", str(self.report_path)]
        env = {**os.environ, "THUMBTUNE_DATA_DIR": str(folder / "data"), "COLUMNS": "120"}
        self.output_path = folder / "output.txt"
        with self.output_path.open("wb") as output:
            self.process = subprocess.Popen([*command, *arguments], cwd=folder, env=env, stdout=output, stderr=output)

    @property
    def data_dir(self) -> Path:
        """The demo's own folder."""
        return self.folder / "data" / "demo"

    def wait_started(self) -> None:
        """Wait until the processes are about to start: the store is made by then."""
        self.wait_until((self.data_dir / "run" / "supervisor.conf").exists, "the processes started")

    @functools.cached_property
    def store(self) -> Store:
        """The demo's store, once it has started."""
        data_dir = self.data_dir
        return connect_store(read_settings({"THUMBTUNE_DATA_DIR": str(data_dir)}))

    def finish(self) -> dict[str, Any]:  # Any: the report's JSON
        """Wait for the end, check that it went well and return the report."""
        code = self.process.wait(DEMO_TIMEOUT_S)
        assert code == 0, self.describe()
        return dict(json.loads(self.report_path.read_text(encoding="utf-8")))

    def describe(self) -> str:
        """What it printed, and the ends of its processes' logs."""
        parts = [self.output_path.read_text(errors="replace")[-3000:]]
        for log in sorted((self.folder / "data" / "demo" / "logs").glob("*.log")):
            parts.append(f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}")
        return "\n".join(parts)

    def wait_until(self, condition: Callable[[], bool], what: str, *, timeout_s: float = 300.0) -> None:
        """Wait for something to become true while the demo runs."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, f"the demo ended before {what}\n{self.describe()}"
            assert time.monotonic() < deadline, f"{what} did not happen\n{self.describe()}"
            time.sleep(0.1)

    def kill(self, *words: str) -> int:
        """Kill -9 the innermost process of this demo whose command line holds all the words; return its id."""
        found: list[psutil.Process] = []

        def is_there() -> bool:  # what the store says has begun may not have started yet
            found[:] = [process for process in self.family() if all(word in _command(process) for word in words)]
            return bool(found)

        self.wait_until(is_there, f"a process with {words}")
        found[-1].kill()
        return int(found[-1].pid)

    def family(self) -> list[psutil.Process]:
        """Every process of this demo."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self.process.pid).children(recursive=True))
        return []

    def interrupt(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(END_TIMEOUT_S)


def list_running(family: list[psutil.Process]) -> list[str]:
    """Which of these processes still run."""
    return [_command(item) for item in family if item.is_running() and item.status() != psutil.STATUS_ZOMBIE]


@contextlib.contextmanager
def start_demo(folder: Path, *arguments: str) -> Iterator[DemoRun]:
    """Run the demo for the length of the block and leave no process behind."""
    run = DemoRun(folder, *arguments)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.interrupt()
        run.process.kill()
        run.process.wait()
        if "store" in vars(run):
            run.store.engine.dispose()


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return " ".join(process.cmdline())
    return ""
