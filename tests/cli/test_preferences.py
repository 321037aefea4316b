"""Preference pairs on the command line: shown, counted, written in the usual form."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_commands import add_pair
from thumbtune.core.errors import BadInput
from thumbtune.core.prompt import build_prompt
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, desks, drafts, pairs


def dismiss_draft(store: Store, number: int) -> None:
    draft_id, now = f"draft-{number}", store.now()
    ts = f"{number}.000001"
    place = {"desk_id": "support", "team_id": "T1", "channel_id": "C1", "thread_ts": ts, "last_seen_ts": ts}
    with store.write() as conn:
        drafts.request_draft(conn, draft_id=draft_id, request_key=draft_id, asked_by="U1", now=now, **place)
        written = {"mode": "adapter", "adapter": "support-0001", "passages": (), "latency_ms": 1}
        drafts.fill_draft(conn, draft_id, text=f"Dear customer number {number}, no.", **written)
        drafts.settle_draft(conn, draft_id, state="discarded", now=now)


def test_preference_pairs_are_listed_and_written_with_prompt_chosen_and_rejected(
    with_desk: Store, run: Run, tmp_path: Path
) -> None:
    assert "No preference pairs yet." in run("pairs", "preferences")
    for number in (1, 2, 3):
        add_pair(with_desk, number)
    for number in (1, 2):
        dismiss_draft(with_desk, number)
    shown = run("pairs", "preferences")
    assert "2 preference pairs" in shown
    assert "discarded" in shown
    assert "Dear customer number 1" not in run("pairs", "preferences", "--limit", "1")
    first, second = run("pairs", "preferences", "--json")
    assert (first["pair_id"], first["rejected"], second["adapter"]) == (
        1,
        "Dear customer number 1, no.",
        "support-0001",
    )
    out = tmp_path / "deep" / "preferences.jsonl"
    assert "Wrote 2 preference pairs" in run("pairs", "preferences", "--export", str(out))
    with pytest.raises(BadInput, match="exists already"):
        run("pairs", "preferences", "--export", str(out))
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    with with_desk.read() as conn:
        pair = pairs.load_pair(conn, 2)
        voice = desks.load_desk(conn, "support").voice
    prompt = build_prompt(pair.turns, voice=voice, max_chars=Settings().max_prompt_chars)
    assert lines[1]["prompt"] == prompt
    assert lines[1]["chosen"] == [{"role": "assistant", "content": pair.reply}]
    assert lines[1]["rejected"] == [{"role": "assistant", "content": "Dear customer number 2, no."}]
    assert [path.name for path in out.parent.iterdir()] == ["preferences.jsonl"]
    (act,) = run("audit", "list", "--action", "preferences_exported", "--json")
    assert (act["subject"], act["detail"]["pairs"]) == ("support", 2)
    run("pairs", "withdraw", "2")
    assert len(run("pairs", "preferences", "--json")) == 1
