import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from thumbtune.bot.watchdog import DEAF_EXIT_CODE
from thumbtune.cli.supervision import Program, count_ends, describe_logs, spawn_supervisor
from thumbtune.core.errors import ConfigError
from thumbtune.core.processes import end_child

WORKER = """
import os, sys, time
from pathlib import Path
from thumbtune.core.processes import die_with_parent
die_with_parent(parent_word="supervisord")
with Path(sys.argv[1]).open("a") as file:
    file.write(f"{os.getpid()} {os.environ.get('TOKEN', '')}\\n")
time.sleep(600)
"""
LIMIT_S = 20.0


def write_worker(folder: Path) -> str:
    script = folder / "worker 1.py"
    script.write_text(WORKER)
    return str(script)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def read_starts(path: Path) -> list[tuple[int, str]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(pid), token) for pid, token in (f"{line} ".split(" ")[:2] for line in lines)]


def test_killed_program_comes_back_and_all_end_together(tmp_path: Path) -> None:
    trace = tmp_path / "50% of starts"
    program = Program("worker", (sys.executable, write_worker(tmp_path), str(trace)), hidden=("TOKEN",))
    env = {**os.environ, "TOKEN": "secret"}
    supervisor = spawn_supervisor([program], run_dir=tmp_path / "run", logs_dir=tmp_path / "logs", env=env)
    try:
        wait_for(lambda: len(read_starts(trace)) == 1)
        (first, token), *_ = read_starts(trace)
        assert token == ""
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: len(read_starts(trace)) == 2)
    finally:
        end_child(supervisor, timeout_s=LIMIT_S)
    assert not any(psutil.pid_exists(pid) for pid, _ in read_starts(trace))


def test_bot_that_ended_itself_deaf_is_started_again(tmp_path: Path) -> None:
    trace = tmp_path / "starts"
    ends_deaf = f"import time; open({str(trace)!r}, 'a').write('x'); time.sleep(2); raise SystemExit({DEAF_EXIT_CODE})"
    program = Program("bot", (sys.executable, "-c", ends_deaf))
    supervisor = spawn_supervisor([program], run_dir=tmp_path / "run", logs_dir=tmp_path / "logs", env=os.environ)
    try:
        wait_for(lambda: trace.exists() and len(trace.read_text()) >= 2)
    finally:
        end_child(supervisor, timeout_s=LIMIT_S)


def test_program_that_keeps_ending_is_counted_and_its_last_words_are_told(tmp_path: Path) -> None:
    refuses = "import sys; print('The settings need attention:\\n  • run `thumbtune migrate`\\n'); sys.exit(2)"
    programs = [
        Program("bot", (sys.executable, "-c", refuses)),
        Program("trainer", (sys.executable, "-c", "import time; time.sleep(600)")),
    ]
    run_dir, logs_dir = tmp_path / "run", tmp_path / "logs"
    assert count_ends(run_dir, within_s=60) == {}
    supervisor = spawn_supervisor(programs, run_dir=run_dir, logs_dir=logs_dir, env=os.environ)
    try:
        wait_for(lambda: count_ends(run_dir, within_s=60)["bot"] >= 3)
        assert set(count_ends(run_dir, within_s=60)) == {"bot"}
        assert count_ends(run_dir, within_s=-60) == {}
        told = describe_logs(programs, logs_dir=logs_dir)
        assert told == f"see {logs_dir}\n  bot: • run `thumbtune migrate`\n  trainer: (nothing yet)"
    finally:
        end_child(supervisor, timeout_s=LIMIT_S)


def test_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    trace = tmp_path / "starts"
    program = Program("worker", (sys.executable, write_worker(tmp_path), str(trace)))
    supervisor = spawn_supervisor([program], run_dir=tmp_path / "run", logs_dir=tmp_path / "logs", env=os.environ)
    wait_for(lambda: len(read_starts(trace)) == 1)
    ((pid, _),) = read_starts(trace)
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_folder_that_supervisor_would_read_as_a_comment_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a ;b"
    with pytest.raises(ConfigError, match="use a folder without"):
        spawn_supervisor([Program("x", ("true",))], run_dir=folder, logs_dir=folder, env={})
