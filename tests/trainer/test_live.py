"""A candidate is compared with what is live, wherever data_dir lies; where that cannot be read, nothing replaces it."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.trainer.installation import Installation, make_installation
from tests.trainer.test_erasing import NoBackend
from tests.trainer.test_publish import CONFIG, MANIFEST
from thumbtune.core.manifest import CONFIG_NAME, MANIFEST_NAME, WEIGHTS_NAME, hash_base, hash_file
from thumbtune.core.records import Adapter
from thumbtune.core.store import adapters, connect_store, runs
from thumbtune.trainer.live import find_comparable_live, measure_newest
from thumbtune.trainer.pipeline import Pipeline
from thumbtune.trainer.publish import publish_adapter


@pytest.fixture
def installation(tmp_path: Path, tiny_base: Path) -> Iterator[Installation]:
    made = make_installation(tmp_path, tiny_base)
    yield made
    made.store.engine.dispose()


def put_live(made: Installation, candidate: Path, *, base_hash: str) -> Path:
    """Publish an adapter as a run does, promote it and return its folder."""
    made.queue_run()
    run, now = made.claim_run(), made.store.now()
    candidate.mkdir()
    (candidate / CONFIG_NAME).write_text(json.dumps(CONFIG))
    weights = {
        "q_proj.lora_A.weight": np.ones((8, 64), np.float32),
        "q_proj.lora_B.weight": np.ones((64, 8), np.float32),
    }
    save_file(weights, candidate / WEIGHTS_NAME)
    manifest = replace(MANIFEST, run_id=run.run_id, base_hash=base_hash)
    publish_adapter(candidate, adapters_dir=made.settings.adapters_dir, manifest=manifest)
    place = made.settings.adapters_dir / manifest.adapter
    with made.store.write() as conn:
        runs.finish_run(conn, run, state="passed", message="", now=now, adapter=place.name)
        row = {"path": str(place), "manifest_hash": hash_file(place / MANIFEST_NAME), "base_model": "tiny"}
        adapters.add_adapter(conn, name=place.name, desk_id="support", run_id=run.run_id, now=now, **row)
        adapters.mark_proven(conn, place.name, now=now)
        adapters.promote(conn, place.name, now=now)
    return place


def find(made: Installation) -> Adapter | None:
    base, adapters_dir = Path(made.settings.base_model), made.settings.adapters_dir
    return find_comparable_live(made.store, desk_id="support", adapters_dir=adapters_dir, base=base)


def test_live_adapter_is_found_after_data_dir_moved(
    installation: Installation, tmp_path: Path, tiny_base: Path
) -> None:
    assert find(installation) is None
    put_live(installation, tmp_path / "candidate", base_hash=hash_base(tiny_base))
    installation.store.engine.dispose()
    moved_to = installation.settings.data_dir.rename(tmp_path / "restored")
    settings = installation.settings.model_copy(update={"data_dir": moved_to})
    moved = Installation(settings, connect_store(settings))
    live = find(moved)
    assert live is not None
    assert live.name == "support-0001"
    [sizes] = measure_newest(moved.store, desk_id="support", adapters_dir=settings.adapters_dir)
    assert sizes["q_proj"] > 0
    moved.store.engine.dispose()


def test_live_adapter_of_another_base_is_not_compared_with(installation: Installation, tmp_path: Path) -> None:
    put_live(installation, tmp_path / "candidate", base_hash="0" * 64)
    assert find(installation) is None


def flip_a_byte(place: Path) -> None:
    content = bytearray((place / WEIGHTS_NAME).read_bytes())
    content[-1] ^= 1
    (place / WEIGHTS_NAME).write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "differs from what was published": flip_a_byte,
    f"{WEIGHTS_NAME} of support-0001 is missing": lambda place: (place / WEIGHTS_NAME).unlink(),
    "has no manifest.json": lambda place: (place / MANIFEST_NAME).unlink(),
    "is missing or a link": lambda place: place.rename(place.with_name("elsewhere")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_is_trained_to_replace_a_live_adapter_that_cannot_be_read(
    installation: Installation, tmp_path: Path, tiny_base: Path, damage: str
) -> None:
    DAMAGES[damage](put_live(installation, tmp_path / "candidate", base_hash=hash_base(tiny_base)))
    installation.queue_run()
    run = installation.claim_run()
    Pipeline(installation.store, installation.settings, backend=NoBackend(), stop=threading.Event()).carry_out(run)
    ended = installation.load_run(run.run_id)
    assert ended.state == "failed"
    assert damage in ended.message
    assert "thumbtune adapters rollback" in ended.message
    assert [(item.name, item.state) for item in installation.list_adapters()] == [("support-0001", "live")]
