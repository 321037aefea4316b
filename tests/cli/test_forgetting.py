"""`thumbtune pairs forget`: what it asks, does and prints, and what imports say afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import Run
from tests.cli.importing.exports import make_message, make_user, write_export
from tests.cli.test_commands import add_pair
from thumbtune.cli.main import app
from thumbtune.core.errors import BadInput, NotFound
from thumbtune.core.pseudonyms import name_forgotten
from thumbtune.core.records import Message
from thumbtune.core.store import Store, adapters, runs
from thumbtune.core.store.messages import record_message
from thumbtune.core.tombstone_file import read_tombstones

TICKETS = """conversation,role,author,text
7,customer,Maya Lindqvist,Where is it?
7,agent,Priya Nair,On its way.
8,customer,tom@example.com,Open on Sunday?
8,agent,Priya Nair,On Monday.
"""
CHANNEL = {"id": "C1", "name": "support", "members": ["U1", "U2", "UMAYA", "UTOM"]}
NAMES = {"U1": "Priya Nair", "U2": "Jonas Weber", "U9": "Ruth Mensah", "UMAYA": "Maya Lindqvist", "UTOM": "Tom Okafor"}


def say(store: Store, user_id: str, number: int) -> None:
    ts = f"{number}.000001"
    with store.write() as conn:
        record_message(conn, Message("T1", "C1", ts, ts, user_id, False, "Where?", "", False), event_ts=ts)


def forget(run: Run, person: str, *more: str) -> Any:  # Any: JSON
    return run("pairs", "forget", person, "--yes", "--json", *more)


def make_live_adapter(store: Store, *, trained: list[int]) -> None:
    now = store.now()
    with store.write() as conn:
        runs.open_run(conn, desk_id="support", reason="retrain", now=now)
        run = runs.claim_run(conn, owner="t", now=now, lease_s=60)
        assert run is not None
        runs.record_snapshot(conn, run, trained=trained, held_out=[])
        runs.finish_run(conn, run, state="passed", message="", now=now)
        rest = {"path": "x", "manifest_hash": "h", "base_model": "base"}
        adapters.add_adapter(conn, name="support-0001", desk_id="support", run_id=run.run_id, now=now, **rest)
        adapters.mark_proven(conn, "support-0001", now=now)
        adapters.promote(conn, "support-0001", now=now)


def test_it_says_what_would_go_and_does_nothing_until_it_is_told_so(with_desk: Store, run: Run) -> None:
    add_pair(with_desk, 1)
    say(with_desk, "UMAYA", 1)
    refused = CliRunner().invoke(app, ["pairs", "forget", "UMAYA"], input="n\n")
    assert refused.exit_code == 1
    assert "1 message · 1 training pair" in refused.stderr
    (pair,) = run("pairs", "list", "--json")
    assert pair["state"] == "active"
    done = CliRunner().invoke(app, ["pairs", "forget", "UMAYA"], input="y\n")
    assert done.exit_code == 0
    assert "Receipt forget-" in done.stdout
    assert "UMAYA" not in done.stdout
    (pair,) = run("pairs", "list", "--json")
    assert (pair["state"], pair["reply"], pair["reason"]) == ("withdrawn", "", "someone in it was forgotten")


def test_receipt_is_printed_written_and_audited_the_same(with_desk: Store, run: Run, tmp_path: Path) -> None:
    add_pair(with_desk, 1)
    say(with_desk, "UMAYA", 1)
    receipt = forget(run, "UMAYA", "--receipt", str(tmp_path / "receipt.json"), "--desk", "support")
    assert json.loads((tmp_path / "receipt.json").read_text()) == receipt
    (act,) = run("audit", "list", "--action", "person_forgotten", "--json")
    assert act["detail"] == receipt
    assert (receipt["by"], receipt["desks"], receipt["counts"]["pairs"]) == ("cli", ["support"], 1)
    (tombstone,) = read_tombstones(tmp_path / "data")
    assert (tombstone.receipt_id, tombstone.digest) == (receipt["receipt_id"], receipt["person"])


def test_adapters_that_learned_are_named_and_listed_until_replaced(
    with_desk: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THUMBTUNE_MIN_PAIRS", "2")
    for number in (10, 11, 12):
        add_pair(with_desk, number)
    say(with_desk, "UMAYA", 10)
    say(with_desk, "UTOM", 11)
    make_live_adapter(with_desk, trained=[1, 2])
    receipt = forget(run, "UMAYA")
    (replacement,) = run("runs", "list", "--json")[:1]
    assert receipt["adapters"] == ["support-0001"]
    assert (replacement["reason"], receipt["replacements"]) == ("forget", {"support": replacement["run_id"]})
    assert "replaced" in run("adapters", "list")
    doctor = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    finding = {item["check"]: item["finding"] for item in doctor}["forgetting"]
    assert finding == f"to be replaced: support-0001 by {replacement['run_id']}"
    run("runs", "cancel", replacement["run_id"])
    doctor = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert [item["ok"] for item in doctor if item["check"] == "forgetting"] == [False]
    told = run("pairs", "forget", "UTOM", "--yes")
    assert "has too few pairs left" in told
    assert "adapters rollback --desk support" in told


def test_author_of_a_table_is_found_by_name_or_address_and_not_imported_again(
    with_desk: Store, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(TICKETS)
    assert run("pairs", "import", str(path), "--json")["imported"] == 2
    assert forget(run, " maya LINDQVIST")["counts"]["pairs"] == 1
    again = run("pairs", "import", str(path), "--json")
    assert (again["imported"], again["already_there"]) == (0, 1)
    assert again["refused"] == {"someone in it was forgotten": 1}
    path.write_text(TICKETS.replace("Where is it?", "Where is it now?").replace("7,", "9,"))
    assert run("pairs", "import", str(path), "--json")["imported"] == 0
    assert forget(run, "tom@example.com")["counts"]["pairs"] == 1
    assert [pair["state"] for pair in run("pairs", "list", "--json")] == ["withdrawn", "withdrawn"]


def test_export_of_slack_brings_nothing_of_them_back(with_desk: Store, run: Run, tmp_path: Path) -> None:
    items = []
    for number, user_id in ((10, "UMAYA"), (12, "UTOM")):
        root = f"{number}.000000"
        items.append(make_message(root, user_id, f"Where is parcel {number}?"))
        items.append(make_message(f"{number + 1}.000000", "U1", "It comes.", thread=root, thumbs=["U2"]))
    users = [make_user(user_id, name) for user_id, name in NAMES.items()]
    path = write_export(tmp_path / "export.zip", users=users, channels=[CHANNEL], messages={"support": items})
    command = ("pairs", "import", str(path), "--json", "--group", "S1=U2")
    run("pairs", "forget", "UMAYA", "--yes")
    (tombstone,) = read_tombstones(tmp_path / "data")
    outcome = run(*command)
    assert (outcome["imported"], outcome["refused"]) == (1, {"someone in it was forgotten": 1})
    (pair,) = run("pairs", "list", "--json")
    assert pair["turns"] == [{"role": "customer", "text": "Where is parcel 12?"}]
    with with_desk.read() as conn:
        texts = [row[0] for row in conn.exec_driver_sql("SELECT text FROM messages WHERE user_id = 'UMAYA'")]
    assert texts == []
    forget(run, "U2")
    (agent,) = [item for item in read_tombstones(tmp_path / "data") if item != tombstone]
    run(*command)
    with with_desk.read() as conn:
        givers = {row[0] for row in conn.exec_driver_sql("SELECT user_id FROM approvals")}
    assert givers == {name_forgotten(agent.digest)}


def export_for_second_desk(run: Run, tmp_path: Path) -> str:
    """Export support's active pairs and make a second desk."""
    out = str(tmp_path / "out.jsonl")
    run("pairs", "export", "--out", out)
    run("desks", "add", "second", "--team", "T1", "--channel", "C2", "--agent", "U1")
    return out


@pytest.mark.parametrize("desk_ids", [(), ("--desk", "support"), ("--desk", "second")])
def test_export_made_before_brings_nothing_of_them_into_another_desk(
    with_desk: Store, run: Run, tmp_path: Path, desk_ids: tuple[str, ...]
) -> None:
    for number, user_id in ((10, "UMAYA"), (11, "UTOM")):
        add_pair(with_desk, number)
        say(with_desk, user_id, number)
    out = export_for_second_desk(run, tmp_path)
    forget(run, "UMAYA", *desk_ids)
    outcome = run("pairs", "import", out, "--desk", "second", "--json")
    assert outcome["problems"] == [{"where": "line 1", "reason": "someone in it was forgotten"}]
    assert (outcome["imported"], outcome["refused"]) == (1, {})
    assert [pair["reply"] for pair in run("pairs", "list", "--desk", "second", "--json")] == ["Answer 11. 🍵"]
    again = run("pairs", "import", out, "--desk", "support", "--json")
    assert len(again["problems"]) == (0 if "second" in desk_ids else 1)


def test_export_made_before_brings_nothing_into_a_new_installation_where_their_message_was_erased(
    with_desk: Store, run: Run, tmp_path: Path
) -> None:
    for number in (10, 11):
        add_pair(with_desk, number)
    out = export_for_second_desk(run, tmp_path)
    say(with_desk, "UMAYA", 10)
    with with_desk.write() as conn:
        conn.exec_driver_sql("DELETE FROM pairs")
    forget(run, "UMAYA")
    for desk_id in ("support", "second"):
        outcome = run("pairs", "import", out, "--desk", desk_id, "--json")
        assert (outcome["imported"], [item["where"] for item in outcome["problems"]]) == (1, ["line 1"])


def test_copy_of_a_pair_in_another_desk_goes_too(with_desk: Store, run: Run, tmp_path: Path) -> None:
    for number, user_id in ((10, "UMAYA"), (11, "UTOM")):
        add_pair(with_desk, number)
        say(with_desk, user_id, number)
    tickets = tmp_path / "tickets.csv"
    tickets.write_text(TICKETS)
    run("pairs", "import", str(tickets))
    out = export_for_second_desk(run, tmp_path)
    assert run("pairs", "import", out, "--desk", "second", "--json")["imported"] == 4
    assert forget(run, "UMAYA")["counts"]["pairs"] == 2
    assert forget(run, "Maya Lindqvist")["counts"]["pairs"] == 2
    left = [pair["reply"] for pair in run("pairs", "list", "--desk", "second", "--json", "--state", "active")]
    assert left == ["On Monday.", "Answer 11. 🍵"]


def test_replay_forgets_everyone_again(with_desk: Store, run: Run) -> None:
    assert run("pairs", "forget", "--replay") == "Nobody was ever forgotten here.\n"
    forget(run, "UMAYA")
    add_pair(with_desk, 1)
    say(with_desk, "UMAYA", 1)
    (receipt,) = run("pairs", "forget", "--replay", "--json")
    assert receipt["counts"]["pairs"] == 1


@pytest.mark.parametrize("arguments", [[], ["UMAYA", "--replay"], [" "]])
def test_nobody_or_too_much_is_refused(with_desk: Store, run: Run, arguments: list[str]) -> None:
    with pytest.raises(BadInput, match="say who"):
        run("pairs", "forget", *arguments)


def test_desk_that_is_not_there_is_refused(with_desk: Store, run: Run) -> None:
    with pytest.raises(NotFound, match="no desk sales"):
        run("pairs", "forget", "UMAYA", "--desk", "sales", "--yes")
