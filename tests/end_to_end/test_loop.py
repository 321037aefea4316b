"""The whole loop with real vLLM and real training, as `thumbtune demo --headless` runs it."""

import json
import time
from pathlib import Path

import pytest

from tests.end_to_end.runs import list_running, start_demo
from thumbtune.core.store import Store, adapters, pairs, runs
from thumbtune.demo import shop
from thumbtune.demo.threads import OWN_THREADS, load_threads

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(1200), pytest.mark.xdist_group("heavy")]


ASKED = 8
IN_VOICE = 6
"""Of the drafts asked for. The base model writes none in the shop's voice; docs/log.md has the measured share."""

PROCESSES = ("slack", "supervisor", "bot", "trainer", "serving")


def test_approvals_become_an_adapter_that_writes_the_drafts(tmp_path: Path) -> None:
    threads = load_threads(OWN_THREADS)
    replies = sum(turn.role == "agent" for thread in threads[:-ASKED] for turn in thread.turns)
    with start_demo(tmp_path, "--headless", "--ask", str(ASKED)) as demo:
        demo.wait_started()
        demo.wait_until(lambda: len(demo.family()) > len(PROCESSES), "the processes run")
        family = demo.family()
        report = demo.finish()
    assert report["pairs"] == replies
    assert report["run"]["state"] == "passed"
    assert report["run"]["nll"]["candidate"] < 0.7 * report["run"]["nll"]["base"]
    assert report["run"]["examples"] + report["run"]["held_out"] == replies
    assert report["adapter"] == "support-0001"
    assert [(draft["mode"], draft["adapter"]) for draft in report["drafts"]] == [("adapter", "support-0001")] * ASKED
    assert sum(shop.is_in_voice(draft["text"]) for draft in report["drafts"]) >= IN_VOICE, report["drafts"]
    assert not any("[NAME_" in draft["text"] for draft in report["drafts"])
    assert report["seconds"]["total"] >= report["seconds"]["train"] > 0
    assert list_running(family) == []
    stored = (tmp_path / "data" / "demo" / "thumbtune.sqlite3").read_bytes()
    logs = b"".join(path.read_bytes() for path in (tmp_path / "data" / "demo" / "logs").iterdir())
    snapshots = b"".join(path.read_bytes() for path in (tmp_path / "data" / "demo" / "snapshots").rglob("*.jsonl"))
    for word in (b"Lindqvist", "Tomás".encode(), b"Priya", b"LT-"):
        assert word not in stored
        assert word not in logs
        assert word not in snapshots


def test_whatever_is_killed_nothing_is_lost_doubled_or_stuck(tmp_path: Path) -> None:
    threads = tmp_path / "threads.jsonl"
    turns = [
        ("customer", "Is the {0} in stock, at {0}@example.com?"),
        ("agent", "Yes, 🍵 {0} is in stock."),
        ("customer", "שלום"),
    ]
    lines = [
        {
            "thread_id": str(number),
            "messages": [{"role": role, "text": text.format(f"item{number}")} for role, text in turns],
        }
        for number in range(70)
    ]
    threads.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    with start_demo(tmp_path, "--headless", "--threads", str(threads), "--ask", "2") as demo:
        demo.wait_started()
        demo.wait_until(lambda: _has_pairs(demo.store, 10), "ten pairs were learned")
        demo.kill("thumbtune.cli.main bot")
        demo.wait_until(lambda: _has_phase(demo.store, "finetune"), "fine-tuning began")
        demo.kill("thumbtune.trainer.finetune")
        time.sleep(1)
        demo.wait_until(lambda: _has_phase(demo.store, "finetune"), "fine-tuning began again")
        demo.kill("thumbtune.cli.main trainer")
        demo.kill("vllm.entrypoints")
        report = demo.finish()
        with demo.store.read() as conn:
            assert pairs.count_pairs(conn, desk_id="support") == {"active": 68}
            assert [run.state for run in runs.list_runs(conn)] == ["passed"]
            assert [(item.name, item.state) for item in adapters.list_adapters(conn)] == [("support-0001", "live")]
    assert report["pairs"] == 68
    assert [draft["adapter"] for draft in report["drafts"]] == ["support-0001"] * 2


def _has_pairs(store: Store, count: int) -> bool:
    with store.read() as conn:
        return pairs.count_pairs(conn, desk_id="support").get("active", 0) >= count


def _has_phase(store: Store, phase: str) -> bool:
    with store.read() as conn:
        return any(run.phase == phase and run.progress > 0 for run in runs.list_runs(conn))
