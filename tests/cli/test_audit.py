import subprocess
import sys

import pytest
import sqlalchemy as sa

from tests.cli.conftest import Run
from tests.cli.test_commands import add_pair, publish
from thumbtune.core.records import Replica
from thumbtune.core.store import Store, replicas


def test_what_is_done_by_command_is_audited_with_ids_and_no_text(
    with_desk: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THUMBTUNE_MIN_PAIRS", "2")
    monkeypatch.setenv("THUMBTUNE_HELD_OUT_SHARE", "1e-9")
    monkeypatch.setenv("THUMBTUNE_HELD_OUT_MIN", "0")
    for number in range(1, 4):
        add_pair(with_desk, number)
    run("pairs", "withdraw", "1", "--reason", "names Maya")
    run("runs", "start", "--yes")
    (started,) = run("runs", "list", "--json")
    run("runs", "cancel", started["run_id"])
    publish(with_desk, "support-0001")
    run("adapters", "promote", "support-0001")
    with with_desk.write() as conn:
        now = with_desk.now()
        replicas.report_replica(conn, Replica("gpu-1", "unix:/s", True, "b", ("support-0001",), now))
    run("adapters", "promote", "support-0001")
    run("adapters", "rollback")
    run("desks", "set", "support", "--voice", "A secret voice.")
    acts = run("audit", "list", "--json")
    assert [(act["action"], act["subject"], act["detail"]) for act in reversed(acts)] == [
        ("desk_added", "support", {}),
        ("pair_withdrawn", "1", {}),
        ("run_requested", started["run_id"], {}),
        ("run_cancelled", started["run_id"], {}),
        ("adapter_asked_for", "support-0001", {}),
        ("adapter_promoted", "support-0001", {}),
        ("adapter_rolled_back", "base", {"desk_id": "support"}),
        ("desk_changed", "support", {"changed": ["voice"]}),
    ]
    assert "Maya" not in str(acts) + run("audit", "list")
    assert [act["action"] for act in run("audit", "list", "--action", "desk_added", "--json")] == ["desk_added"]


def test_audit_is_verified_and_a_break_ends_in_exit_1(with_desk: Store, run: Run) -> None:
    report = run("audit", "verify", "--json")
    assert (report["acts"], report["finding"]) == (1, "")
    assert report["head"] in run("audit", "verify", "--head", report["head"])
    with with_desk.write() as conn:
        conn.execute(sa.text("DROP TRIGGER audit_unchanged"))
        conn.execute(sa.text("UPDATE audit SET subject = 'billing'"))
    command = [sys.executable, "-m", "thumbtune.cli.main", "audit", "verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "row 1 is not what was written" in done.stdout) == (1, True), done.stdout + done.stderr


def test_nothing_done_yet_is_said_in_words(store: Store, run: Run) -> None:
    assert "Nothing was done yet" in run("audit", "list")
    assert "0 acts" in run("audit", "verify")
