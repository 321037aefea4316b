"""Several processes under torchrun train what one would; on a machine without GPUs they share its cores."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.children import LIMITS, RECIPE, find_children, finetune
from tests.trainer.installation import wait_for
from tests.trainer.samples import make_line
from thumbtune.core.manifest import WEIGHTS_NAME
from thumbtune.trainer.backend import Job, LocalBackend
from thumbtune.trainer.recipe import PreferenceRecipe, Recipe, dump_recipe


def submit(snapshot: Path, base: Path, out: Path, **changes: Any) -> Job:
    recipe = out.parent / "recipe.json"
    recipe.write_bytes(dump_recipe(Recipe(**{**RECIPE, **LIMITS, "gpus": 2, "threads": 2, **changes})))
    inputs = ["--snapshot", str(snapshot), "--base", str(base), "--recipe", str(recipe), "--out", str(out)]
    return LocalBackend().submit("finetune", arguments=inputs, log_path=out.parent / "log", processes=2)


def await_end(job: Job) -> tuple[int, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []

    def look() -> int | None:
        status = job.poll()
        events.extend(status.events)
        return status.exit_code

    code = wait_for(lambda: [code] if (code := look()) is not None else None, timeout_s=280)[0]
    job.cancel()
    return code, events


def test_two_processes_end_in_the_adapter_of_one(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    lines = [make_line(thread, thread % 3) for thread in range(110)]
    snapshot = write_snapshot(lines, preferences=[{**line, "rejected": f"No. {line['reply']}"} for line in lines[:30]])
    share = {"validation_share": 0.05, "preferences": PreferenceRecipe(learning_rate=1e-3)}
    code, events = await_end(submit(snapshot, tiny_base, tmp_path / "both", **share))
    assert code == 0, (tmp_path / "log").read_text()
    assert [event["event"] for event in events].count("result") == 1
    code, _, errors = finetune(snapshot, tiny_base, tmp_path / "alone", **share)
    assert code == 0, errors
    both, alone = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("both", "alone"))
    assert (both["processes"], alone["processes"]) == (2, 1)
    for name in ("examples", "validation", "steps", "tokens", "supervised_tokens"):
        assert both[name] == alone[name]
    assert both["preferences"]["pairs"] == alone["preferences"]["pairs"] > 20
    for name in ("nll_before", "nll_after"):
        assert both["preferences"][name] == pytest.approx(alone["preferences"][name], rel=0.02)
    assert both["first_loss"] == pytest.approx(alone["first_loss"], rel=1e-5)
    assert both["last_loss"] == pytest.approx(alone["last_loss"], rel=0.02)
    weights = [load_file(tmp_path / name / WEIGHTS_NAME) for name in ("both", "alone")]
    flat = [torch.cat([found[name].float().flatten() for name in sorted(found)]) for found in weights]
    assert torch.nn.functional.cosine_similarity(flat[0], flat[1], dim=0) > 0.99


def test_reason_of_a_failure_comes_through_torchrun(
    tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]
) -> None:
    code, events = await_end(submit(write_snapshot([make_line(1, reply="word " * 500)]), tiny_base, tmp_path / "out"))
    assert code == 2
    assert any("reply too long" in event.get("reason", "") for event in events)


def test_no_process_outlives_torchrun(tiny_base: Path, tmp_path: Path, write_snapshot: Callable[..., Path]) -> None:
    snapshot = write_snapshot([make_line(thread) for thread in range(40)])
    job = submit(snapshot, tiny_base, tmp_path / "out", min_steps=100_000, max_epochs=100_000)
    wait_for(lambda: any(event["event"] == "progress" for event in job.poll().events), timeout_s=280)
    [torchrun] = find_children()
    workers = torchrun.children()
    assert len(workers) == 2
    torchrun.kill()
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    assert job.poll().exit_code not in (0, None)
    job.cancel()
