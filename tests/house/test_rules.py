"""The rules of the house that a machine can check."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 400
GENERATED_OR_DATA = {".jsonl", ".safetensors", ".png", ".woff2", ".svg"}


def tracked_files() -> list[Path]:
    """The files of the project as the next commit would hold them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def test_no_python_file_is_longer_than_a_reader_bears() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in python_files()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_imports_only_go_down() -> None:
    done = subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path.relative_to(ROOT)) for path in python_files() if not starts_with_docstring(path.read_text())]
    assert silent == []


def starts_with_docstring(source: str) -> bool:
    """Whether a module opens with a docstring; an empty one has nothing to say."""
    return not source.strip() or source.lstrip().startswith('"""')


@pytest.mark.parametrize("forbidden", ["/work" + "/", "/opt/" + "wheels", "/opt/" + "pypi", "/tmp/" + "lock"])
def test_no_file_names_a_path_of_the_machine_it_was_written_on(forbidden: str) -> None:
    texts = [path for path in tracked_files() if path.suffix not in GENERATED_OR_DATA]
    naming = [str(path.relative_to(ROOT)) for path in texts if forbidden in path.read_text(errors="replace")]
    assert naming == []
