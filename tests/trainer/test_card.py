"""The model card is one the Hub can read, and holds counts, hashes and figures only."""

from dataclasses import replace

from huggingface_hub import ModelCard

from tests.trainer.test_publish import MANIFEST
from thumbtune.trainer.card import build_card
from thumbtune.trainer.gate import ReplyScore, decide
from thumbtune.trainer.recipe import Recipe
from thumbtune.trainer.snapshot_files import SnapshotMeta

META = SnapshotMeta("run-1", "support", "You answer for the lamp shop.", "snap", (1, 2, 3), (4, 5), 5, {})


def test_card_is_read_by_the_hubs_own_library() -> None:
    scores = [ReplyScore(f"t{number}", 10, 30.0 + number % 3, 20.0, 25.0) for number in range(30)]
    gate = decide(scores, min_threads=20, margin=0.01).to_json()
    manifest = replace(MANIFEST, base_model='acme/"odd" 7b', gate=gate)
    card = build_card(
        manifest,
        recipe=Recipe("base", rank=64, rslora=True),
        meta=META,
        revision="unknown",
        licence="apache-2.0",
        skipped={"reply too long": 2},
    )
    read = ModelCard(card)
    assert (read.data.base_model, read.data.license, read.data.library_name) == ('acme/"odd" 7b', "apache-2.0", "peft")
    for told in ("`snap`", "| Training pairs | 3 |", "2 reply too long", "rank 64", "α/√r", "Against live: -0.5000"):
        assert told in card
    assert "Decision: **passed**, on 30 replies of 30 conversations." in card
    assert "lamp shop" not in card


def test_card_of_a_run_that_could_not_be_judged_has_no_figures() -> None:
    gate = decide([], min_threads=20, margin=0.01).to_json()
    card = build_card(
        replace(MANIFEST, gate=gate), recipe=Recipe("base"), meta=META, revision="r", licence="unknown", skipped={}
    )
    assert "Decision: **inconclusive**, on 0 replies of 0 conversations." in card
    assert "Left out while training | none" in card
    assert "NLL" not in card
