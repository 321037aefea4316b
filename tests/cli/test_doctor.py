"""The doctor says what is wrong in words, whatever is missing."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from setuptools import build_meta
from typer.testing import CliRunner

from thumbtune.cli.context import SLACK_MANIFEST
from thumbtune.cli.doctor import load_scopes
from thumbtune.cli.main import app
from thumbtune.core.errors import BadInput
from thumbtune.core.store import Store
from thumbtune.demo.slack.local_slack import ServerOptions
from thumbtune.demo.slack.seed import BOT_TOKEN
from thumbtune.demo.slack.server import ServerThread

ROOT = Path(__file__).resolve().parents[2]
Findings = dict[str, tuple[bool, str]]


@pytest.fixture
def ask_doctor() -> Callable[[], Findings]:
    """Run the command and return what it found by what it checked; errors are raised."""

    def run_doctor() -> Findings:
        result = CliRunner().invoke(app, ["doctor", "--json"], catch_exceptions=False)
        return {item["check"]: (item["ok"], item["finding"]) for item in json.loads(result.stdout)}

    return run_doctor


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_store_that_was_never_migrated_is_told_once(
    kind: str,
    ask_doctor: Callable[[], Findings],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("THUMBTUNE_DATA_DIR", str(tmp_path / "data"))
    if kind == "postgresql":
        monkeypatch.setenv("THUMBTUNE_DATABASE_URL", request.getfixturevalue("postgres_url"))
    found = ask_doctor()
    assert not found["store"][0]
    assert "thumbtune migrate" in found["store"][1]
    assert found["desks"] == found["vLLM"] == (False, "not checked: mend the store first")


def test_scopes_are_compared_with_the_manifest_of_the_package(
    store: Store, ask_doctor: Callable[[], Findings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = json.loads(SLACK_MANIFEST.read_text(encoding="utf-8"))
    fewer["oauth_config"]["scopes"]["bot"].remove("reactions:write")
    short = tmp_path / "fewer.json"
    short.write_text(json.dumps(fewer), encoding="utf-8")
    monkeypatch.setenv("SLACK_BOT_TOKEN", BOT_TOKEN)
    for manifest, finding in ((SLACK_MANIFEST, "all scopes granted"), (short, "scopes missing: reactions:write")):
        with ServerThread(ServerOptions(port=0, manifest=manifest)) as server:
            monkeypatch.setenv("SLACK_API_URL", server.api_url)
            ok, words = ask_doctor()["Slack"]
            assert (ok, finding in words) == (manifest == SLACK_MANIFEST, True), words


def test_spool_file_that_was_refused_is_told_until_it_is_gone(
    store: Store, ask_doctor: Callable[[], Findings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THUMBTUNE_DATA_DIR", str(tmp_path))
    assert ask_doctor()["spool"] == (True, "empty")
    refused = tmp_path / "spool" / "1.refused"
    refused.parent.mkdir()
    refused.touch()
    ok, finding = ask_doctor()["spool"]
    assert not ok
    assert "1.refused" in finding
    refused.rename(refused.with_suffix(".spool"))
    assert ask_doctor()["spool"] == (True, "some of it waits for the store")


def test_missing_manifest_is_a_trouble_and_not_a_clean_bill(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="scopes are not checked"):
        load_scopes(tmp_path / "slack-manifest.json")


def test_built_package_holds_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    shutil.copytree(ROOT / "thumbtune", tmp_path / "source" / "thumbtune", ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path / "source")
    monkeypatch.chdir(tmp_path / "source")
    wheel = build_meta.build_wheel(str(tmp_path))
    assert "thumbtune/cli/slack-manifest.json" in zipfile.ZipFile(tmp_path / wheel).namelist()
