"""`evaluate` on a file of the user's: real likelihoods of a tiny base and two adapters, drafts from a stand-in server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot.model_server import ModelServer
from tests.cli.conftest import Run
from tests.serving.models import TEXTS, publish_random
from tests.tiny_base import build_base
from thumbtune.core.errors import BadInput, EngineUnavailable
from thumbtune.core.manifest import MANIFEST_NAME, hash_file
from thumbtune.core.prompt import Passage
from thumbtune.core.records import Replica
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, adapters, documents, replicas, runs

REPLY = "Hello! It is on its way. Thank you for your order."


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp("base") / "tiny", texts=TEXTS)


@pytest.fixture
def with_adapters(with_desk: Store, base: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A desk with a live adapter, another one, and a help centre."""
    monkeypatch.setenv("THUMBTUNE_BASE_MODEL", str(base))
    monkeypatch.setenv("THUMBTUNE_MAX_MODEL_LEN", "1024")
    monkeypatch.setenv("THUMBTUNE_MAX_REPLY_TOKENS", "100")
    folder, store = Settings().adapters_dir, with_desk
    for number in (1, 2):
        name = f"support-{number:04d}"
        publish_random(folder, name, base=base, seed=number)
        with store.write() as conn:
            runs.open_run(conn, desk_id="support", reason="retrain", now=store.now())
            run = runs.claim_run(conn, owner="t", now=store.now(), lease_s=30)
            assert run is not None
            runs.finish_run(conn, run, state="passed", message="", now=store.now(), adapter=name)
            adapters.add_adapter(
                conn,
                name=name,
                desk_id="support",
                run_id=run.run_id,
                path=str(folder / name),
                manifest_hash=hash_file(folder / name / MANIFEST_NAME),
                base_model="tiny",
                now=store.now(),
            )
            if number == 1:
                adapters.mark_proven(conn, name, now=store.now())
                adapters.promote(conn, name, now=store.now())
    with store.write() as conn:
        sections = [Passage("Delivery", "A lamp is on its way within 3 days.")]
        documents.add_document(
            conn, desk_id="support", source="d", title="Delivery", sections=sections, now=store.now()
        )
    return store


@pytest.fixture
def set_file(tmp_path: Path) -> Path:
    """Six good lines and two bad ones."""
    lines = [
        json.dumps(
            {
                "messages": [
                    {
                        "role": "user",
                        "content": f"Where is my lamp number {number}? Mail me at jo{number}@mail.example",
                    },
                    {"role": "assistant", "content": REPLY},
                ]
            }
        )
        for number in range(6)
    ]
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join([*lines[:3], "{broken", *lines[3:], '{"messages": []}']) + "\n")
    return path


@pytest.fixture
def model(with_adapters: Store) -> Iterator[ModelServer]:
    """A server that holds both adapters."""
    with ModelServer() as server:
        seen = Replica("here", server.url, True, "tiny", ("support-0001", "support-0002"), with_adapters.now())
        with with_adapters.write() as conn:
            replicas.report_replica(conn, seen)
        server.reply = lambda request: REPLY if request["model"] == "support-0002" else "No."
        yield server


def test_base_live_and_named_adapter_are_measured_with_and_without_the_help_centre(
    with_adapters: Store, run: Run, set_file: Path, model: ModelServer
) -> None:
    found = run("evaluate", "--set", str(set_file), "--adapter", "support-0002", "--drafts", "--json")
    assert (found["replies"], found["conversations"], found["not_measured"]) == (6, 6, 0)
    assert found["adapters"] == {"live": "support-0001", "adapter": "support-0002"}
    assert [problem.split(":")[0] for problem in found["problems"]] == ["line 4", "line 8"]
    assert set(found["nll"]) == {"base", "live", "adapter"}
    assert len(set(found["nll"].values())) == 3
    for role, told in found["grounding"].items():
        assert told["replies"] == 6
        assert told["with_passages"] == pytest.approx(found["nll"][role]) != pytest.approx(told["without_passages"])
    assert set(found["grounding"]) == {"base", "live", "adapter"}
    versus_base = found["comparisons"]["adapter_vs_base"]
    assert versus_base["difference"] == pytest.approx(found["nll"]["adapter"] - found["nll"]["base"])
    assert versus_base["low"] <= versus_base["difference"] <= versus_base["high"]
    assert versus_base["wins"] + versus_base["ties"] + versus_base["losses"] == 6
    assert set(found["comparisons"]) == {"live_vs_base", "adapter_vs_base", "adapter_vs_live"}
    assert found["drafts"]["figures"]["adapter"]["chrf"] == pytest.approx(100.0)
    assert found["drafts"]["figures"]["live"]["chrf"] < 20
    assert len(found["drafts"]["drafts"]) == 18
    asked = json.dumps(model.requests)
    assert "within 3 days" in asked
    assert "mail.example" not in asked, "it is redacted as everything is"
    assert "[EMAIL_1]" in asked
    assert list(Settings().data_dir.glob(".evaluate-*")) == []


def test_replies_with_and_without_passages_are_told_apart(with_adapters: Store, run: Run, tmp_path: Path) -> None:
    talks = [("Where is my lamp?", 5), ("Hello?", 2)]  # the help centre has nothing on the second
    lines = [
        {"messages": [{"role": "user", "content": f"{text} {number}"}, {"role": "assistant", "content": REPLY}]}
        for text, count in talks
        for number in range(count)
    ]
    (tmp_path / "some.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = run("evaluate", "--set", str(tmp_path / "some.jsonl"), "--json")
    assert found["replies"] == 7
    assert {role: told["replies"] for role, told in found["grounding"].items()} == {"base": 5, "live": 5}
    shown = " ".join(run("evaluate", "--set", str(tmp_path / "some.jsonl")).split())
    assert "5 replies with passages the same without them" in shown
    assert with_adapters


def test_report_reads_as_a_table(with_adapters: Store, run: Run, set_file: Path) -> None:
    shown = " ".join(run("evaluate", "--set", str(set_file), "--limit", "2").split())
    assert "2 replies in 2 conversations of set.jsonl; 2 lines cannot be used" in shown
    assert "support-0001 (live) against base" in shown
    assert "too few conversations for an interval" in shown
    assert "with passages" not in shown, "two replies say nothing of passages"
    assert with_adapters


def test_what_cannot_be_done_is_said_plainly(with_adapters: Store, run: Run, set_file: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="no model server runs"):
        run("evaluate", "--set", str(set_file), "--limit", "1", "--drafts")
    empty = tmp_path / "empty.jsonl"
    empty.write_text("{broken\n")
    with pytest.raises(BadInput, match=r"no line that can be used \(line 1: not valid JSON"):
        run("evaluate", "--set", str(empty))
    with pytest.raises(BadInput, match="cannot be read"):
        run("evaluate", "--set", str(tmp_path / "none.jsonl"))
    with with_adapters.write() as conn:
        adapters.roll_back(conn, desk_id="support", now=with_adapters.now())
    with pytest.raises(BadInput, match="no live adapter to measure"):
        run("evaluate", "--set", str(set_file))
