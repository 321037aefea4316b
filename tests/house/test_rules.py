"""The rules of the house that a machine can check."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from thumbtune.core import records

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
    product = [path for path in python_files() if not path.is_relative_to(ROOT / "tests")]
    assert [str(path.relative_to(ROOT)) for path in product if not starts_with_docstring(path.read_text())] == []


def starts_with_docstring(source: str) -> bool:
    """Whether a module opens with a docstring; an empty one has nothing to say."""
    return not source.strip() or source.lstrip().startswith('"""')


def test_no_error_is_logged_with_its_text() -> None:
    product = [path for path in python_files() if path.is_relative_to(ROOT / "thumbtune")]
    with_text = re.compile(r"logger\.exception\(|exc_info=(?!hide_text\()")
    assert [str(path.relative_to(ROOT)) for path in product if with_text.search(path.read_text())] == []


@pytest.mark.parametrize("forbidden", ["/work" + "/", "/opt/" + "wheels", "/opt/" + "pypi", "/tmp/" + "lock"])
def test_no_file_names_a_path_of_the_machine_it_was_written_on(forbidden: str) -> None:
    texts = [path for path in tracked_files() if path.suffix not in GENERATED_OR_DATA]
    naming = [str(path.relative_to(ROOT)) for path in texts if forbidden in path.read_text(errors="replace")]
    assert naming == []


def test_every_state_in_the_code_is_explained_in_the_glossary() -> None:
    states = {state for name in ("PairState", "DraftState", "RunState", "AdapterState", "DraftMode", "PairSource")
              for state in get_args(getattr(records, name))}  # fmt: skip
    glossary = (ROOT / "docs/glossary.md").read_text()
    assert {state for state in states if f"`{state}`" not in glossary} == set()


def test_every_link_between_documents_leads_somewhere() -> None:
    documents = [
        path for path in tracked_files() if path.suffix == ".md" and not path.is_relative_to(ROOT / "thumbtune")
    ]
    links = [(path, link) for path in documents for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())]
    broken = [f"{path.relative_to(ROOT)}: {link}" for path, link in links if is_broken(path, link)]
    assert broken == []


def is_broken(document: Path, link: str) -> bool:
    """Whether a relative link names no file; addresses elsewhere are not looked at."""
    return not link.startswith(("http:", "https:")) and not (document.parent / link).exists()
