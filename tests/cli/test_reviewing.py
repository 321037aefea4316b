"""Why pairs are in or out, and what a person decides about them by command."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from thumbtune.core.errors import BadInput, Conflict
from thumbtune.core.store import Store, pairs
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.schema import findings, pair_bands

NORWAY = "Do you ship to Norway, and how long does it take?"


@pytest.fixture
def filled(with_desk: Store, run: Run, tmp_path: Path) -> Store:
    """A desk with a pair, its contradiction, its duplicate and a courtesy, in this order."""
    said = [
        (NORWAY, "Yes, we do, in 5 days. Mail one@example.com."),
        (NORWAY, "Yes, we do, in 9 days."),
        (NORWAY, "Yes, we do, in 5 days! Mail other@example.com."),
        ("It is all fine now.", "Thank you!"),
    ]
    lines = [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]}
        for question, reply in said
    ]
    path = tmp_path / "chat.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    outcome = run("pairs", "import", str(path), "--json")
    assert (outcome["imported"], outcome["merged"]) == (4, 1)
    assert outcome["waiting"] == {"contradicting another": 1, "too short to teach anything": 1}
    return with_desk


def find(store: Store, beginning: str) -> int:
    with store.read() as conn:
        return next(pair.pair_id for pair in pairs.list_pairs(conn) if pair.reply.startswith(beginning))


def states(run: Run) -> dict[str, str]:
    return {pair["reply"]: pair["state"] for pair in run("pairs", "list", "--json")}


def test_every_pair_says_why(filled: Store, run: Run) -> None:
    listed = run("pairs", "list", "--why", "--json")
    assert all(pair["why"] for pair in listed)
    by_state = {pair["state"]: " ".join(pair["why"]) for pair in listed}
    assert by_state["active"].startswith("in: ")
    assert "same as #" in by_state["merged"]
    told = run("pairs", "list", "--why")
    assert "out until a lead decides" in told
    (waiting,) = [pair for pair in listed if pair["state"] == "quarantined" and "contradicts" in pair["reason"]]
    shown = run("pairs", "show", str(waiting["pair_id"]), "--json")
    assert [item["kind"] for item in shown["findings"]] == ["contradiction", "ungrounded"]
    assert "noted: 1 of 1 fact" in shown["why"][1]
    assert "contradicts" in run("pairs", "show", str(waiting["pair_id"]))


def test_dry_run_counts_what_would_be_set_aside(with_desk: Store, run: Run, tmp_path: Path) -> None:
    line = {"messages": [{"role": "user", "content": NORWAY}, {"role": "assistant", "content": "Thank you!"}]}
    (tmp_path / "chat.jsonl").write_text(json.dumps(line), encoding="utf-8")
    outcome = run("pairs", "import", str(tmp_path / "chat.jsonl"), "--dry-run", "--json")
    assert outcome["waiting"] == {"too short to teach anything": 1}
    assert run("pairs", "list", "--json") == []


def waiting_one(run: Run) -> str:
    (found,) = [pair for pair in run("pairs", "list", "--json") if "contradicts" in pair["reason"]]
    return str(found["pair_id"])


def test_approved_contradiction_changes_places(filled: Store, run: Run) -> None:
    pair_id = waiting_one(run)
    run("pairs", "approve", pair_id)
    assert run("pairs", "show", pair_id, "--json")["state"] == "active"
    others = {str(pair["pair_id"]) for pair in run("pairs", "list", "--json") if "contradicts" in pair["reason"]}
    assert others == {str(find(filled, text)) for text in ("Yes, we do, in 5 days. ", "Yes, we do, in 5 days! ")}
    with pytest.raises(Conflict):
        run("pairs", "approve", pair_id)


def test_both_sides_are_kept(filled: Store, run: Run) -> None:
    run("pairs", "approve", waiting_one(run), "--both")
    assert sorted(states(run).values()) == ["active", "active", "merged", "quarantined"]
    with pytest.raises(Conflict):
        run("pairs", "approve", str(find(filled, "Thank")), "--both")


def test_withdrawn_is_restored_and_only_that(filled: Store, run: Run) -> None:
    pair_id = str(find(filled, "Thank"))
    with pytest.raises(Conflict):
        run("pairs", "restore", pair_id)
    run("pairs", "withdraw", pair_id)
    run("pairs", "restore", pair_id)
    assert run("pairs", "show", pair_id, "--json")["state"] == "active"


def test_correction_by_option_is_redacted_and_audited(filled: Store, run: Run) -> None:
    pair_id = str(find(filled, "Thank"))
    told = run("pairs", "edit", pair_id, "--reply", "We are glad. Write to a@b.example, or c@d.example. [NAME_4]")
    assert "We are glad." in told
    pair = run("pairs", "show", pair_id, "--json")
    assert pair["reply"] == "We are glad. Write to [EMAIL_1], or [EMAIL_2]. (NAME 4)"
    assert (pair["state"], pair["corrected_by"], pair["decided_by"]) == ("active", "cli", "cli")
    assert "the reply was corrected by cli" in pair["why"]
    with filled.read() as conn:
        assert [act.subject for act in list_acts(conn, limit=9, action="pair_corrected")] == [pair_id]
    with pytest.raises(BadInput):
        run("pairs", "edit", pair_id, "--reply", "  ")


def test_new_placeholders_count_on_from_those_there_are(filled: Store, run: Run) -> None:
    pair_id = str(find(filled, "Yes, we do, in 5 days. "))
    run("pairs", "edit", pair_id, "--reply", "Mail [EMAIL_1] or new@example.com, the key: [KEY_1]")
    assert run("pairs", "show", pair_id, "--json")["reply"] == "Mail [EMAIL_1] or [EMAIL_2], the key: (KEY 1)"


def test_editor_that_is_left_without_a_change_changes_nothing(
    filled: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "true")
    pair_id = str(find(filled, "Thank"))
    before = run("pairs", "show", pair_id, "--json")
    assert "Nothing was changed" in run("pairs", "edit", pair_id)
    assert run("pairs", "show", pair_id, "--json") == before


def test_correction_in_an_editor(filled: Store, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nprintf "All of it, gladly." > "$1"\n', encoding="utf-8")
    editor.chmod(0o700)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor))
    pair_id = str(find(filled, "Thank"))
    run("pairs", "edit", pair_id)
    assert run("pairs", "show", pair_id, "--json")["reply"] == "All of it, gladly."
    monkeypatch.setenv("EDITOR", os.fspath(tmp_path / "nothing there"))
    with pytest.raises(BadInput, match="EDITOR"):
        run("pairs", "edit", pair_id)


def test_review_brings_pairs_from_before_and_new_bounds(
    filled: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = states(run)
    with filled.write() as conn:
        for table in (findings, pair_bands):
            conn.execute(table.delete())
        conn.exec_driver_sql("UPDATE pairs SET state = 'active', reason = ''")
    told = run("pairs", "review", "--json")
    assert (told["states"], states(run)) == ({"active": 1, "merged": 1, "quarantined": 2}, before)
    monkeypatch.setenv("THUMBTUNE_MIN_REPLY_WORDS", "0")
    assert "1 quarantined" in run("pairs", "review")
