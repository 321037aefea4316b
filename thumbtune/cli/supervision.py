"""Keeps several processes running by supervisor, an established process manager, and ends them together.

It does not know what the processes do. Source: supervisord.org/configuration.html, seen 2026-11-21.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from thumbtune.core.errors import ConfigError
from thumbtune.core.processes import spawn_child

SUPERVISED = "THUMBTUNE_SUPERVISED"
"""Set for processes that end with their supervisor; those started by hand live on."""

SUPERVISOR_MODULE = "supervisor.supervisord"

_LOG_NAME = "supervisor.log"
_LOG_TIME = "%Y-%m-%d %H:%M:%S"
_ENDED = re.compile(r"^(\S+ \S+),\d+ \w+ exited: (\S+) \(", re.MULTILINE)

STARTS_BEFORE_GIVING_UP = 1_000_000
"""In practice never; supervisor waits a second longer after each failed start."""


@dataclass(frozen=True)
class Program:
    """One process to keep running."""

    name: str
    command: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    """Environment variables it must not see."""
    stop_timeout_s: int = 15
    """Seconds between being asked to end and being killed."""


def python_command(*arguments: str) -> tuple[str, ...]:
    """Return the command line of a `thumbtune` command in this environment."""
    return (sys.executable, "-m", "thumbtune.cli.main", *arguments)


def become_supervisor(programs: Sequence[Program], *, run_dir: Path) -> NoReturn:
    """Turn this process into supervisor over the programs, with their output on this terminal, until interrupted."""
    command = _prepare(programs, run_dir=run_dir, logs_dir=None)
    sys.stdout.flush()
    os.execv(command[0], command)


def spawn_supervisor(
    programs: Sequence[Program], *, run_dir: Path, logs_dir: Path, env: Mapping[str, str]
) -> "subprocess.Popen[str]":
    """Start supervisor over the programs as a child, with their output in one file each in `logs_dir`."""
    logs_dir.mkdir(parents=True, exist_ok=True)
    command = _prepare(programs, run_dir=run_dir, logs_dir=logs_dir)
    return spawn_child(command, env=env, cwd=run_dir, log_path=run_dir / "supervisor.out")


def count_ends(run_dir: Path, *, within_s: float) -> Counter[str]:
    """Return how often each program ended by itself of late, as supervisor's own log says."""
    since = time.strftime(_LOG_TIME, time.localtime(time.time() - within_s))
    try:
        text = (run_dir / _LOG_NAME).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return Counter()
    return Counter(name for ended_at, name in _ENDED.findall(text) if ended_at >= since)


def describe_logs(programs: Sequence[Program], *, logs_dir: Path) -> str:
    """Return where the programs' output is and the last line of each."""
    lines = [f"see {logs_dir}"]
    for program in programs:
        path = _name_log(program, logs_dir)
        said = path.read_text(encoding="utf-8", errors="replace").strip() if path.exists() else ""
        lines.append(f"  {program.name}: {said.splitlines()[-1].strip() if said else '(nothing yet)'}")
    return "\n".join(lines)


def stop_time_s(programs: Sequence[Program]) -> float:
    """Return how long ending all programs may take, in seconds."""
    return max(program.stop_timeout_s for program in programs) + 5.0


def _prepare(programs: Sequence[Program], *, run_dir: Path, logs_dir: Path | None) -> list[str]:
    run_dir.mkdir(parents=True, exist_ok=True)
    config = run_dir / "supervisor.conf"
    config.write_text(_write_config(programs, run_dir=run_dir, logs_dir=logs_dir), encoding="utf-8")
    return [sys.executable, "-m", SUPERVISOR_MODULE, "--nodaemon", "--silent", "--configuration", str(config)]


def _write_config(programs: Sequence[Program], *, run_dir: Path, logs_dir: Path | None) -> str:
    lines = ["[supervisord]", f"logfile={_escape(str(run_dir / _LOG_NAME))}", "loglevel=info"]
    lines += [f"pidfile={_escape(str(run_dir / 'supervisor.pid'))}", f"childlogdir={_escape(str(run_dir))}"]
    lines += ["user=root"] if os.geteuid() == 0 else []
    for program in programs:
        output = str(_name_log(program, logs_dir)) if logs_dir is not None else "/dev/fd/1"
        lines += [
            f"[program:{program.name}]",
            f"command={_escape(shlex.join(program.command))}",
            "autorestart=true",
            "startsecs=1",
            f"startretries={STARTS_BEFORE_GIVING_UP}",
            f"stopwaitsecs={program.stop_timeout_s}",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={_escape(output)}",
            f"stdout_logfile_maxbytes={'20MB' if logs_dir is not None else '0'}",
        ]
        environment = {SUPERVISED: "1"} | dict.fromkeys(program.hidden, "")
        lines.append("environment=" + ",".join(f'{name}="{value}"' for name, value in environment.items()))
    return "\n".join(lines) + "\n"


def _name_log(program: Program, logs_dir: Path) -> Path:
    return logs_dir / f"{program.name}.log"


def _escape(value: str) -> str:
    """Return a value that supervisor's own expansion of % leaves as it is.

    Raises: ConfigError when supervisor would take the rest of the value for a comment or another line.
    """
    if " ;" in value or "\n" in value:
        raise ConfigError([f"{value!r} cannot be given to supervisor: use a folder without ' ;' and line breaks"])
    return value.replace("%", "%%")
