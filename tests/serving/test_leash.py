"""The guardian with real families of processes, among them a grandchild that ignores its parent's death."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

LEASH = [sys.executable, "-m", "thumbtune.serving.leash"]
FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[2] == "stubborn" else signal.SIG_DFL)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}\\n")
time.sleep(600)
"""
PARENT = """
import sys
from pathlib import Path
from thumbtune.core.processes import spawn_child
spawn_child(sys.argv[2:], log_path=Path(sys.argv[1])).wait()
"""


def wait_for_family(path: Path, guardian: psutil.Process) -> list[psutil.Process]:
    while not (path.exists() and path.read_text().endswith("\n")):
        assert guardian.is_running()
    return [psutil.Process(int(pid)) for pid in path.read_text().split()]


def start_family(tmp_path: Path, *, kind: str = "meek") -> tuple[psutil.Popen, list[psutil.Process]]:
    path = tmp_path / "pids"
    guardian = psutil.Popen([*LEASH, sys.executable, "-c", FAMILY, str(path), kind])
    return guardian, wait_for_family(path, guardian)


def list_alive(family: list[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(family, timeout=15)
    return alive


def test_exit_code_is_passed_on() -> None:
    assert subprocess.run([*LEASH, sys.executable, "-c", "raise SystemExit(7)"], check=False).returncode == 7


def test_command_that_is_killed_takes_its_family_along(tmp_path: Path) -> None:
    guardian, family = start_family(tmp_path)
    family[0].kill()
    assert guardian.wait(15) == 128 + signal.SIGKILL
    assert list_alive(family) == []


def test_guardian_that_is_asked_to_end_ends_all(tmp_path: Path) -> None:
    guardian, family = start_family(tmp_path)
    guardian.terminate()
    assert guardian.wait(15) == 128 + signal.SIGTERM
    assert list_alive(family) == []


@pytest.mark.parametrize("kind", ["meek", "stubborn"])
def test_parent_that_is_killed_takes_all_along(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pids"
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log"), *LEASH, sys.executable, "-c", FAMILY]
    parent = psutil.Popen([*command, str(path), kind])
    family = [*wait_for_family(path, parent), *parent.children(recursive=True)]
    parent.kill()
    assert parent.wait(15) == -signal.SIGKILL
    assert list_alive(family) == []
