"""Finds the programs of the system that the tests need, and installs the missing ones where it may.

`make demo` needs none of them. It installs with apt-get, as root or through a sudo that asks for no password;
elsewhere it says plainly what to install. It knows nothing of the tests.

    python3 tools/system_packages.py
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """A program of the system, and where it comes from."""

    label: str
    names: tuple[str, ...]
    folders: tuple[str, ...]
    package: str


PROGRAMS = (
    Program("Chromium", ("chromium", "chromium-browser", "google-chrome"), (), "chromium"),
    Program("PostgreSQL's server", ("initdb",), ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin"), "postgresql"),
)


def find(program: Program) -> str | None:
    """The path of an installed program."""
    beside = [str(folder) for pattern in program.folders for folder in Path("/").glob(pattern)]
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), *beside])
    return next((path for name in program.names if (path := shutil.which(name, path=search))), None)


def find_privilege() -> list[str] | None:
    """What to put before a command that installs: nothing as root, sudo where it asks nothing, None where neither."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def install(packages: list[str]) -> bool:
    """Install Debian packages; False where this machine or this user cannot."""
    privilege = find_privilege()
    if privilege is None or not shutil.which("apt-get"):
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = [*privilege, "apt-get", "install", "--yes", "--no-install-recommends", *packages]
    print(f"[set-up] installing {' and '.join(packages)} with apt-get, for the tests", flush=True)
    for step in ([*privilege, "apt-get", "update", "--quiet=2"], [*command, "--quiet=2"]):
        if subprocess.run(step, stdout=subprocess.DEVNULL, env=environment).returncode != 0:
            return False
    return True


def main() -> int:
    missing = [program for program in PROGRAMS if not find(program)]
    if missing:
        install([program.package for program in missing])
        missing = [program for program in PROGRAMS if not find(program)]
    for program in missing:
        print(
            f"The tests need {program.label}, which is not on this machine and could not be installed from here.\n"
            f"Debian or Ubuntu: sudo apt-get install {program.package}. Elsewhere: put {program.names[0]} on the PATH.",
            file=sys.stderr,
        )
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
