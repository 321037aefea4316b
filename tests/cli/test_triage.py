"""The commands on triages, and categories that a desk can have."""

import json
from pathlib import Path

import pytest

from tests.asked import ask_for_draft
from tests.cli.conftest import Run
from thumbtune.core.errors import BadInput
from thumbtune.core.prompt import Turn
from thumbtune.core.store import Store, triages
from thumbtune.core.triage import Triage

SUGGESTED = Triage("Delivery", "normal", "Where is [ORDER_1]?", "Look it up.")
CORRECTED = Triage("Returns", "high", "Sends [ORDER_1] back.", "Send a label.")


@pytest.fixture
def with_triages(with_desk: Store) -> Store:
    with with_desk.write() as conn:
        for number in range(3):
            draft = ask_for_draft(conn, number, thread_ts=f"{number}.0", now=with_desk.now())
            turns, now = [Turn("customer", "Where is [ORDER_1]?")], with_desk.now()
            if number < 2:
                triages.suggest_triage(conn, draft, SUGGESTED, turns=turns, heard=(), adapter="support-0001", now=now)
            if number > 0:
                triages.decide_triage(conn, draft, CORRECTED, turns=turns, heard=(), decided_by="U1", now=now)
    return with_desk


@pytest.mark.usefixtures("with_triages")
def test_list_shows_what_was_suggested_and_what_agents_made_of_it(run: Run) -> None:
    found = run("triage", "list", "--json")
    assert [item["state"] for item in found] == ["suggested", "corrected", "corrected"]
    assert (found[0]["suggested"]["category"], found[1]["decided"]["priority"]) == ("Delivery", "high")
    assert len(run("triage", "list", "--taught", "--desk", "support", "--json")) == 2
    assert run("triage", "list", "--desk", "sales", "--json") == []
    assert "Returns" in run("triage", "list")


@pytest.mark.usefixtures("with_triages")
def test_export_holds_what_agents_taught_and_is_audited(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "triages.jsonl"
    assert run("triage", "export", "--out", str(out), "--json")["triages"] == 2
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[0]["suggested"]["summary"] == "Where is [ORDER_1]?"
    assert lines[1]["decided"] == {
        "category": "Returns",
        "priority": "high",
        "summary": "Sends [ORDER_1] back.",
        "suggested_action": "Send a label.",
    }
    assert run("audit", "list", "--action", "triages_exported", "--json")[0]["detail"] == {"triages": 2}
    with pytest.raises(BadInput, match="exists already"):
        run("triage", "export", "--out", str(out))


@pytest.mark.usefixtures("with_desk")
def test_desk_takes_only_categories_that_a_triage_can_hold(run: Run) -> None:
    with pytest.raises(BadInput, match="category"):
        run("desks", "set", "support", "--category", "x" * 50)
