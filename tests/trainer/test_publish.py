"""An adapter's directory appears whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from thumbtune.core.errors import AdapterError, ManifestMismatch
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME, Manifest, verify_adapter
from thumbtune.trainer.publish import find_published, list_published, name_adapter, publish_adapter, remove_unlisted

CONFIG = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"], "bias": "none"}
MANIFEST = Manifest(
    adapter="support-0001",
    desk_id="support",
    run_id="run-1",
    snapshot_hash="snap",
    base_model="demo",
    base_hash="base",
    template_hash="template",
    rank=8,
    target_modules=("q_proj",),
    files=(),
    probes=(),
    gate={},
    created_at=datetime(2026, 11, 21, tzinfo=UTC),
)


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    directory = tmp_path / "candidate"
    directory.mkdir()
    (directory / CONFIG_NAME).write_text(json.dumps(CONFIG))
    (directory / WEIGHTS_NAME).write_bytes(os.urandom(100_000))
    (directory / "result.json").write_text("{}")
    return directory


def test_published_adapter_verifies_and_holds_only_what_is_allowed(tmp_path: Path, candidate: Path) -> None:
    published = publish_adapter(candidate, adapters_dir=tmp_path / "adapters", manifest=MANIFEST)
    place = tmp_path / "adapters" / "support-0001"
    assert verify_adapter(place) == published
    assert sorted(path.name for path in place.iterdir()) == [CONFIG_NAME, WEIGHTS_NAME, "manifest.json"]
    assert (place / WEIGHTS_NAME).read_bytes() == (candidate / WEIGHTS_NAME).read_bytes()
    assert find_published(tmp_path / "adapters", run_id="run-1") == published
    assert find_published(tmp_path / "adapters", run_id="run-2") is None


def test_published_adapter_is_never_rewritten(tmp_path: Path, candidate: Path) -> None:
    adapters = tmp_path / "adapters"
    first = publish_adapter(candidate, adapters_dir=adapters, manifest=MANIFEST)
    (candidate / WEIGHTS_NAME).write_bytes(b"other")
    with pytest.raises(AdapterError, match="never rewritten"):
        publish_adapter(candidate, adapters_dir=adapters, manifest=replace(MANIFEST, run_id="run-2"))
    assert verify_adapter(adapters / "support-0001") == first
    assert [path.name for path in adapters.iterdir()] == ["support-0001"]


def test_candidate_that_no_server_could_load_is_not_published(tmp_path: Path, candidate: Path) -> None:
    (candidate / CONFIG_NAME).write_text(json.dumps({**CONFIG, "use_dora": True}))
    with pytest.raises(ManifestMismatch, match="DoRA"):
        publish_adapter(candidate, adapters_dir=tmp_path / "adapters", manifest=MANIFEST)
    assert list_published(tmp_path / "adapters") == []


def test_full_disk_leaves_nothing_in_place(tmp_path: Path, candidate: Path) -> None:
    (candidate / WEIGHTS_NAME).unlink()
    with pytest.raises(AdapterError, match="could not be written"):
        publish_adapter(candidate, adapters_dir=tmp_path / "adapters", manifest=MANIFEST)
    assert list((tmp_path / "adapters").iterdir()) == []


@pytest.mark.parametrize("opportunity", range(1, 9))
def test_kill_at_any_sync_or_rename_leaves_whole_or_nothing(tmp_path: Path, candidate: Path, opportunity: int) -> None:
    program = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from tests.trainer.test_publish import MANIFEST
        from thumbtune.trainer.publish import publish_adapter
        left = int(sys.argv[3])
        def die_when_due(event, args):
            global left
            if event in ("os.rename",) or (event == "open" and "adapters" in str(args[0]) and args[1] != "r"):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(die_when_due)
        publish_adapter(Path(sys.argv[1]), adapters_dir=Path(sys.argv[2]), manifest=MANIFEST)
    """)
    adapters = tmp_path / "adapters"
    command = [sys.executable, "-c", program, str(candidate), str(adapters), str(opportunity)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=60)
    assert ended.returncode in (-signal.SIGKILL, 0)
    for name in list_published(adapters):
        verify_adapter(adapters / name)
    if find_published(adapters, run_id="run-1") is None:
        publish_adapter(candidate, adapters_dir=adapters, manifest=MANIFEST)
    assert [path.name for path in adapters.iterdir()] == ["support-0001"]
    verify_adapter(adapters / "support-0001")


def test_only_the_adapter_that_entered_the_database_stays_of_a_run(tmp_path: Path, candidate: Path) -> None:
    adapters = tmp_path / "adapters"
    for name, run_id in (("support-0001", "run-1"), ("support-0002", "run-1"), ("support-0003", "run-2")):
        publish_adapter(candidate, adapters_dir=adapters, manifest=replace(MANIFEST, adapter=name, run_id=run_id))
    remove_unlisted(adapters, run_id="run-1", keep="support-0002")
    assert sorted(path.name for path in adapters.iterdir()) == ["support-0002", "support-0003"]


def test_names_count_up_and_are_never_reused() -> None:
    assert name_adapter("support", taken=[]) == "support-0001"
    assert name_adapter("support", taken=["support-0002", "support-0007", "support-de-0040"]) == "support-0008"
    assert name_adapter("support", taken=["support-9999"]) == "support-10000"
    with pytest.raises(AdapterError, match="lower-case"):
        name_adapter("../up", taken=[])
