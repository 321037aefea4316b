"""Makes the project's virtual environment from a pinned lock, and says what it does and how long it took.

It needs nothing but Python's standard library, and knows nothing of what the packages are for.

    python3 tools/environment.py --environment .venv --lock requirements/demo-cpu.txt
"""

import argparse
import fcntl
import hashlib
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
STAMP_NAME = "thumbtune-lock.sha256"
_STARTED = time.monotonic()


class SetupFailed(Exception):
    """The environment could not be made; the message says what to do."""


def report(text: str) -> None:
    """Print one line with the seconds since the set-up began."""
    print(f"[set-up {time.monotonic() - _STARTED:4.0f} s] {text}", flush=True)


class Installation:
    """One pip process installing pinned packages, followed line by line for its progress."""

    def __init__(self, python: Path, requirements: list[str], *, options: list[str]) -> None:
        self.total = len(requirements)
        self.collected = 0
        self.installing = False
        self.lines: list[str] = []
        self._list = tempfile.NamedTemporaryFile("w", suffix=".txt")  # noqa: SIM115 - pip reads it until finish()
        self._list.write("\n".join(requirements) + "\n")
        self._list.flush()
        command = [
            *(str(python), "-m", "pip", "install", "--no-deps", "--no-compile", "--disable-pip-version-check"),
            *("--no-input", "--progress-bar", "off", "--requirement", self._list.name, *options),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip())
            self.collected += line.startswith(("Collecting ", "Requirement already satisfied"))
            self.installing = self.installing or line.startswith("Installing collected packages")

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def finish(self) -> int:
        """Wait for pip and return its exit code."""
        code = self._process.wait()
        self._reader.join()
        self._list.close()
        return code

    def end(self) -> None:
        if self.is_running:
            self._process.terminate()

    def tail(self) -> str:
        """The last lines that matter, without the notes about folders that some indexes lack."""
        kept = [line for line in self.lines if line and not line.startswith("WARNING: Location")]
        return "\n".join(kept[-12:])


def install(python: Path, requirements: list[str]) -> None:
    """Install every pinned requirement; torch and the rest at once, since together they take half the time.

    No two packages of the lock write the same file, and pip looks at what is installed only before it begins.
    """
    torch = [line for line in requirements if re.match(r"torch==", line)]
    rest = [line for line in requirements if line not in torch]
    running = [Installation(python, part, options=[]) for part in (torch, rest) if part]
    try:
        follow(running)
        failed = [one for one in running if one.finish() != 0]
        if torch and running[0] in failed:
            report(f"the configured package sources have no {torch[0]}; asking PyTorch's own index")
            retry = Installation(python, torch, options=["--extra-index-url", PYTORCH_CPU_INDEX])
            failed[0] = retry
            running.append(retry)
            follow([retry])
            if retry.finish() == 0:
                failed.pop(0)
    finally:
        for one in running:
            one.end()
    if failed:
        raise SetupFailed(
            f"pip could not install the packages. Its last lines:\n\n{failed[0].tail()}\n\n"
            f"Packages come from pip's configured sources (`pip config list`), and torch's CPU build from there or from "
            f"{PYTORCH_CPU_INDEX}; a folder with wheels can be named in PIP_FIND_LINKS. Then run the same command again."
        )


def follow(running: list[Installation]) -> None:
    """Print how far the installations are, until all have ended."""
    total = sum(one.total for one in running)
    told_at, told = 0.0, ""
    while any(one.is_running for one in running):
        if all(one.installing or not one.is_running for one in running):
            text = f"unpacking {total} packages"
        else:
            text = f"fetching packages: {sum(one.collected for one in running)} of {total}"
        if time.monotonic() - told_at > (5 if text != told else 20):
            report(text)
            told_at, told = time.monotonic(), text
        time.sleep(0.2)


def read_lock(lock: Path) -> list[str]:
    """The pinned requirements of a lock file."""
    return [line.strip() for line in lock.read_text().splitlines() if line.strip() and not line.startswith("#")]


def is_usable(python: Path) -> bool:
    """Whether an environment's Python is there, is one we support and has pip."""
    probe = "import pip, sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
    return python.exists() and subprocess.run([python, "-c", probe], capture_output=True).returncode == 0


def make_environment(environment: Path, lock: Path) -> None:
    """Bring `environment` to exactly what `lock` pins, with this project installed in place; cheap when nothing changed."""
    python = environment / "bin" / "python"
    stamp = environment / STAMP_NAME
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not is_usable(python):
        report(f"making a virtual environment in {environment.name} with Python {platform.python_version()}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
    if not stamp.exists() or stamp.read_text() != wanted:
        requirements = read_lock(lock)
        report(f"installing {len(requirements)} packages of {lock.name} (about 2 GB on disk; 1 to 3 minutes)")
        install(python, requirements)
    report("installing Thumbtune itself, in place")
    install_options = ["--no-deps", "--no-build-isolation", "--quiet", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([python, "-m", "pip", "install", *install_options, "--editable", ROOT])
    if done.returncode != 0:
        raise SetupFailed("pip could not install the project itself (its lines are above)")
    stamp.write_text(wanted)
    report("the environment is ready")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", type=Path, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    arguments = parser.parse_args()
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print(
            "set-up: the pinned packages are built for Linux on x86-64; elsewhere use a virtual machine or a container"
        )
        return 1
    guard = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(guard, fcntl.LOCK_EX)  # two set-ups of one clone wait for each other
    try:
        make_environment(arguments.environment.absolute(), arguments.lock.absolute())
    except SetupFailed as failure:
        print(f"set-up: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: stopped; the same command takes it up again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
