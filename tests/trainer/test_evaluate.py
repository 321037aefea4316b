"""Real evaluation of a real adapter by the child program."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny_base import AS_ASKED, build_base
from tests.trainer.samples import QUESTIONS, VOICE, make_line
from thumbtune.core.manifest import WEIGHTS_NAME
from thumbtune.core.prompt import Passage, Turn, build_prompt
from thumbtune.trainer.recipe import Recipe, dump_recipe
from thumbtune.trainer.snapshot_files import SnapshotMeta, dump_meta

RECIPE = Recipe(
    "acme/tiny",
    rank=8,
    learning_rate=2e-2,
    batch_tokens=600,
    min_steps=40,
    max_epochs=8,
    max_context_tokens=500,
    max_reply_tokens=100,
    threads=1,
)


def run_child(program: str, **paths: Path) -> tuple[int, list[dict], str]:
    command = [sys.executable, "-m", f"thumbtune.trainer.{program}"]
    for name, path in paths.items():
        command += [f"--{name}", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=200)
    return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr


@pytest.fixture(scope="module")
def trained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A snapshot and an adapter trained on it."""
    directory = tmp_path_factory.mktemp("trained")
    lines = [make_line(thread, turn) for thread in range(24) for turn in range(2)]
    held_out = [make_line(thread, turn) for thread in range(100, 112) for turn in range(2)]
    for name, items in (("train", lines), ("held_out", held_out)):
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in items))
    (directory / "snapshot.json").write_bytes(dump_meta(SnapshotMeta("run-1", "support", VOICE, "hash", (), (), 0, {})))
    (directory / "recipe.json").write_bytes(dump_recipe(RECIPE))
    paths = {"snapshot": directory, "base": tiny_base, "recipe": directory / "recipe.json"}
    code, _, errors = run_child("finetune", **paths, out=directory / "candidate")
    assert code == 0, errors
    return {**paths, "candidate": directory / "candidate"}


def test_likelihoods_agree_with_a_plain_forward_pass_and_the_probe_tells_the_adapter_from_the_base(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    code, events, errors = run_child("evaluate", **trained, live=trained["candidate"], out=tmp_path / "result.json")
    assert code == 0, errors
    assert [event for event in events if event["event"] == "progress"]
    result = json.loads((tmp_path / "result.json").read_text())
    assert len(result["scores"]) == 24
    tokenizer = AutoTokenizer.from_pretrained(trained["base"])
    base = AutoModelForCausalLM.from_pretrained(trained["base"], dtype=torch.float32)
    tuned = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(trained["base"], dtype=torch.float32), trained["candidate"]
    )
    for score in result["scores"][:6]:
        thread, turn = score["pair_id"][1:].split("-")
        line = make_line(int(thread), int(turn))
        prompt = tokenizer.apply_chat_template(
            line["messages"], add_generation_prompt=True, return_dict=False, **AS_ASKED
        )
        ids = torch.tensor([[*prompt, *tokenizer.encode(f"{line['reply']}<|end|>", add_special_tokens=False)]])
        assert score["tokens"] == ids.shape[1] - len(prompt)
        for name, model in (("base", base), ("candidate", tuned), ("live", tuned)):
            with torch.inference_mode():
                logprobs = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            expected = -logprobs.gather(1, ids[0, len(prompt) :, None]).sum().item()
            assert score["nll"][name] == pytest.approx(expected, rel=1e-4)
        assert score["nll"]["candidate"] < score["nll"]["base"]

    assert len(result["probes"]) == 3
    for probe in result["probes"]:
        candidate, base_ = probe["candidate_logprobs"], probe["base_logprobs"]
        assert len(candidate) == len(base_) == len(probe["reply_token_ids"])
        assert math.fsum(candidate) > math.fsum(base_) + 0.1 * len(base_)
        ids = torch.tensor([[*probe["prompt_token_ids"], *probe["reply_token_ids"]]])
        for model, found in ((base, base_), (tuned, candidate)):
            with torch.inference_mode():
                logprobs = model(input_ids=ids).logits[0, len(probe["prompt_token_ids"]) - 1 : -1].log_softmax(-1)
            expected = logprobs.gather(1, torch.tensor(probe["reply_token_ids"])[:, None])[:, 0].tolist()
            assert found == pytest.approx(expected, abs=1e-3)
    question = Turn("customer", "Hello, where is my order?")
    assert result["probes"][0]["messages"] == build_prompt([question], voice=VOICE, max_chars=4000)


def test_replies_with_passages_are_measured_without_them_too(trained: dict[str, Path], tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    shutil.copytree(trained["snapshot"], snapshot)
    plain = [make_line(thread, 1) for thread in range(200, 206)]
    passages = [Passage("Delivery", "A lamp takes three days."), Passage("Returns", "Within 30 days.")]
    grounded = []
    for line in plain:
        [system] = build_prompt([], voice=VOICE, max_chars=4000, passages=passages)[:1]
        messages = [system, *line["messages"][1:]]
        grounded.append({**line, "pair_id": f"{line['pair_id']}-grounded", "messages": messages})
    (snapshot / "held_out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*plain, *grounded]))
    code, _, errors = run_child("evaluate", **{**trained, "snapshot": snapshot}, out=tmp_path / "result.json")
    assert code == 0, errors
    result = json.loads((tmp_path / "result.json").read_text())
    scores = {score["pair_id"]: score for score in result["scores"]}
    for line in plain:
        without, with_passages = scores[line["pair_id"]], scores[f"{line['pair_id']}-grounded"]
        assert "without_passages" not in without
        assert with_passages["without_passages"] == {
            name: pytest.approx(value, rel=1e-4) for name, value in without["nll"].items()
        }
        assert with_passages["nll"] != with_passages["without_passages"]
    told = result["grounding"]
    assert set(told) == {"base", "candidate"}
    assert told["base"]["replies"] == 6
    tokens = sum(scores[line["pair_id"]]["tokens"] for line in plain)
    total = sum(scores[line["pair_id"]]["nll"]["base"] for line in plain)
    assert told["base"]["without_passages"] == pytest.approx(total / tokens, rel=1e-4)


@pytest.mark.parametrize("damage", ["missing", "unexpected", "shape", "not finite", "zero"])
def test_adapter_that_does_not_fit_is_refused(trained: dict[str, Path], tmp_path: Path, damage: str) -> None:
    from thumbtune.core.errors import BadInput
    from thumbtune.trainer.model import attach_adapter, load_base

    broken = tmp_path / "broken"
    shutil.copytree(trained["candidate"], broken)
    weights = load_file(broken / WEIGHTS_NAME)
    first = min(key for key in weights if ".lora_B." in key)
    if damage == "missing":
        del weights[first]
    elif damage == "unexpected":
        weights[first.replace("layers.0", "layers.7")] = weights[first].clone()
    elif damage == "shape":
        weights[first] = weights[first][:-1].clone()
    elif damage == "not finite":
        weights[first][0, 0] = float("nan")
    else:
        weights = {key: value * 0 if ".lora_B." in key else value for key, value in weights.items()}
    save_file(weights, broken / WEIGHTS_NAME)
    with pytest.raises(BadInput, match="broken"):
        attach_adapter(load_base(trained["base"], device=torch.device("cpu")), broken, name="candidate")


def test_adapter_of_a_smaller_base_is_refused(trained: dict[str, Path], tmp_path: Path) -> None:
    other = build_base(tmp_path / "other", texts=QUESTIONS, hidden_size=128)
    paths = {**trained, "base": other, "out": tmp_path / "result.json"}
    code, events, _ = run_child("evaluate", **paths)
    assert code == 2
    assert "does not fit" in events[-1]["reason"]
    assert not (tmp_path / "result.json").exists()
