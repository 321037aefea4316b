"""Remakes the pinned locks in requirements/ from pyproject.toml, with every package at its newest fitting version.

It pins; it installs nothing into the project's environment. It uses `uv` where that is installed, else a copy of it
in a temporary environment. torch's CPU build comes from the folder in PIP_FIND_LINKS, else from PyTorch's own index.

    make lock
"""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
UV_VERSION = "0.13.8"
DEMO_EXTRAS = ("trainer", "serving-cpu", "postgres", "demo", "dev")
_HEADER = "# Made by `make lock` from pyproject.toml; install with `pip install --no-deps -r requirements/{name}`.\n"


def find_uv(folder: Path) -> str:
    """The path of uv: the installed one, or one put into `folder`."""
    found = shutil.which("uv")
    if found:
        return found
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", f"uv=={UV_VERSION}"], check=True)
    return str(folder / "bin" / "uv")


def find_cpu_torch() -> list[str]:
    """Where uv finds torch's CPU build: in the folder that pip is told of, else in PyTorch's own index."""
    folder = os.environ.get("PIP_FIND_LINKS")
    return ["--find-links", *folder.split()] if folder else ["--torch-backend", "cpu"]


def compile_lock(uv: str, name: str, *, inputs: list[str]) -> None:
    """Resolve `inputs` and write requirements/`name`, which then names no folder of this machine."""
    certificates = {"SSL_CERT_FILE": os.environ["PIP_CERT"]} if "PIP_CERT" in os.environ else {}
    command = [
        *(
            uv,
            "pip",
            "compile",
            "--quiet",
            *inputs,
        ),
        *("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"),
        *("--no-annotate", "--no-header", "--no-emit-find-links", "--no-emit-index-url"),
    ]
    environment = {**os.environ, **certificates}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    lock = REQUIREMENTS / name
    lock.write_text(_HEADER.format(name=name) + done.stdout)
    print(f"requirements/{name}: {len(done.stdout.splitlines())} packages")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        uv = find_uv(Path(folder))
        extras = [part for extra in DEMO_EXTRAS for part in ("--extra", extra)]
        demo = ["pyproject.toml", "requirements/demo-cpu.in", *extras, "--override", "requirements/overrides.txt"]
        compile_lock(uv, "demo-cpu.txt", inputs=[*demo, *find_cpu_torch()])
        same_versions = Path(folder) / "same-versions.txt"
        same_versions.write_text((REQUIREMENTS / "demo-cpu.txt").read_text().replace("+cpu", ""))
        light = ["pyproject.toml", "requirements/bot.in", "--extra", "postgres", "--constraint", str(same_versions)]
        compile_lock(uv, "bot.txt", inputs=light)
        compile_lock(uv, "trainer-gpu.txt", inputs=[*light, "--extra", "trainer"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
