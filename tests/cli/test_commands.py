import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.cli.conftest import Run
from thumbtune.core.errors import BadInput, Conflict, NotFound
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Replica
from thumbtune.core.store import Store, adapters, pairs, replicas, runs, schema, trials
from thumbtune.core.trial import Verdict


def add_pair(store: Store, number: int) -> None:
    with store.write() as conn:
        pairs.put_pair(
            conn,
            desk_id="support",
            team_id="T1",
            channel_id="C1",
            thread_ts=f"{number}.000001",
            reply_ts=f"{number}.000002",
            revision="",
            turns=[
                Turn("customer", f"Question [ORDER_{number}]?"),
                Turn("agent", "One moment."),
                Turn("customer", "Well?"),
            ],
            reply=f"Answer {number}. 🍵",
            passages=[],
            source="human",
            approved_by="U2",
            now=store.now(),
        )


def test_desk_is_added_shown_and_changed(with_desk: Store, run: Run) -> None:
    desk = run("desks", "show", "support", "--json")
    assert (desk["channels"], desk["agents"], desk["leads"]) == (["C1"], ["U1", "S1"], ["U9"])
    run("desks", "set", "support", "--voice", "Short and warm.", "--threshold", "50")
    (changed,) = run("desks", "list", "--json")
    assert (changed["voice"], changed["threshold"], changed["channels"]) == ("Short and warm.", 50, ["C1"])
    assert "Short and warm." in run("desks", "list")


def test_every_rule_of_a_desk_is_set_and_taken_back(with_desk: Store, run: Run) -> None:
    rules = (
        "--approver U5 --emoji :thumbsup: --emoji white_check_mark --veto x --approvals-needed 2 --author-may-approve"
    )
    run(
        "desks",
        "set",
        "support",
        "--edits-keep-approval",
        *rules.split(),
        "--category",
        "Delivery",
        "--category",
        "Returns",
    )
    desk = run("desks", "show", "support", "--json")
    assert (desk["approvers"], desk["emojis"], desk["vetoes"]) == (["U5"], ["+1", "white_check_mark"], ["x"])
    assert (desk["approvals_needed"], desk["author_may_approve"], desk["edits_keep_approval"]) == (2, True, True)
    assert desk["categories"] == ["Delivery", "Returns"]
    run("desks", "set", "support", "--approver", "", "--veto", "", "--category", "", "--author-may-not-approve")
    run("desks", "set", "support", "--edits-need-approval")
    desk = run("desks", "show", "support", "--json")
    assert desk["edits_keep_approval"] is False
    assert (desk["approvers"], desk["vetoes"], desk["categories"], desk["author_may_approve"]) == ([], [], [], False)
    assert (desk["emojis"], desk["approvals_needed"], desk["agents"]) == (["+1", "white_check_mark"], 2, ["U1", "S1"])


def test_desk_takes_its_rules_when_it_is_made(store: Store, run: Run) -> None:
    people = "--team T1 --channel C1 --agent U1 --approver U2"
    run(
        "desks",
        "add",
        "support",
        *people.split(),
        "--emoji",
        "tada",
        "--approvals-needed",
        "3",
        "--category",
        "Billing",
    )
    desk = run("desks", "show", "support", "--json")
    assert (desk["emojis"], desk["approvals_needed"], desk["categories"]) == (["tada"], 3, ["Billing"])
    assert (desk["vetoes"], desk["author_may_approve"]) == (["-1"], False)


def test_budget_of_money_without_a_price_is_warned_of(
    with_desk: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = ("desks", "set", "support", "--budget-money")
    assert "THUMBTUNE_GPU_PRICE_PER_HOUR" in run(*budget, "9.5")
    assert "THUMBTUNE_GPU_PRICE_PER_HOUR" not in run(*budget, "0")
    monkeypatch.setenv("THUMBTUNE_GPU_PRICE_PER_HOUR", "2.5")
    assert "THUMBTUNE_GPU_PRICE_PER_HOUR" not in run(*budget, "9.5")


def test_desk_says_when_runs_start_and_where_they_are_told(with_desk: Store, run: Run) -> None:
    when = "--quiet-hours 22:00-07:00 --time-zone Europe/Berlin --cooldown-hours 12"
    run("desks", "set", "support", *when.split(), "--budget-gpu-seconds", "3600", "--budget-money", "9.5")
    run("desks", "set", "support", "--training-channel", "C9")
    desk = run("desks", "show", "support", "--json")
    assert (desk["quiet_hours"], desk["time_zone"], desk["cooldown_h"]) == ("22:00-07:00", "Europe/Berlin", 12)
    assert (desk["budget_gpu_s"], desk["budget_money"], desk["training_channel"]) == (3600, 9.5, "C9")
    run("desks", "set", "support", "--quiet-hours", "", "--training-channel", "", "--budget-money", "0")
    desk = run("desks", "show", "support", "--json")
    assert (desk["quiet_hours"], desk["training_channel"], desk["budget_money"]) == ("", "", 0)
    with pytest.raises(BadInput, match="like 22:00-07:00"):
        run("desks", "set", "support", "--quiet-hours", "nights")
    with pytest.raises(BadInput, match="IANA name"):
        run("desks", "set", "support", "--time-zone", "Berlin")


def test_desk_that_cannot_be_is_refused(with_desk: Store, run: Run) -> None:
    with pytest.raises(Conflict, match="exists already"):
        run("desks", "add", "support", "--team", "T1", "--channel", "C2", "--agent", "U1")
    with pytest.raises(BadInput, match="small letters"):
        run("desks", "add", "../x", "--team", "T1", "--channel", "C2", "--agent", "U1")
    with pytest.raises(BadInput, match="at least one --channel"):
        run("desks", "add", "billing", "--team", "T1")
    with pytest.raises(BadInput, match="nothing to change"):
        run("desks", "set", "support")
    with pytest.raises(BadInput, match="needs agents"):
        run("desks", "set", "support", "--agent", "")
    with pytest.raises(BadInput, match="no name of a reaction"):
        run("desks", "set", "support", "--emoji", "👍")


def test_pairs_are_listed_shown_withdrawn_and_exported(with_desk: Store, run: Run, tmp_path: Path) -> None:
    for number in range(1, 4):
        add_pair(with_desk, number)
    listed = run("pairs", "list", "--json")
    assert [pair["reply"] for pair in listed] == ["Answer 3. 🍵", "Answer 2. 🍵", "Answer 1. 🍵"]
    run("pairs", "withdraw", str(listed[0]["pair_id"]), "--reason", "wrong price")
    shown = run("pairs", "show", str(listed[0]["pair_id"]), "--json")
    assert (shown["state"], shown["reason"]) == ("withdrawn", "wrong price")
    run("pairs", "keep", str(listed[0]["pair_id"]))
    kept = run("pairs", "show", str(listed[0]["pair_id"]), "--json")
    assert (kept["state"], kept["reason"], kept["decided_by"]) == ("active", "", "cli")
    run("pairs", "withdraw", str(listed[0]["pair_id"]), "--reason", "wrong price")
    assert "Answer 2" in run("pairs", "list", "--state", "active")
    run("pairs", "export", "--out", str(tmp_path / "out.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [message["role"] for message in lines[0]["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert [line["messages"][-1]["content"] for line in lines] == ["Answer 1. 🍵", "Answer 2. 🍵"]
    with pytest.raises(BadInput, match="unknown state"):
        run("pairs", "list", "--state", "lost")
    assert "No such pairs." in run("pairs", "list", "--state", "merged")
    assert "Nothing of that was done." in run("audit", "list", "--action", "pairs_imported")
    with pytest.raises(NotFound, match="no desk 'nope'"):
        run("pairs", "list", "--desk", "nope")


def test_pair_is_shown_as_its_conversation_with_why_it_is_in_or_out(with_desk: Store, run: Run) -> None:
    add_pair(with_desk, 1)
    shown = run("pairs", "show", "1")
    assert "Pair 1 of desk support: active\n  in: approved by U2\n" in shown
    assert "\ncustomer\nQuestion [ORDER_1]?\n\nagent\nOne moment.\n" in shown
    assert shown.endswith("the reply that is learned\nAnswer 1. 🍵\n")
    run("pairs", "withdraw", "1", "--reason", "wrong price")
    assert "out: wrong price (decided by cli)" in run("pairs", "show", "1")
    listed = run("pairs", "list", "--why")
    assert "Well?" in listed and "Answer 1." in listed and "wrong price" in listed


def test_decision_about_a_pair_whose_texts_are_gone_is_refused_and_its_reason_stays(with_desk: Store, run: Run) -> None:
    add_pair(with_desk, 1)
    with with_desk.write() as conn:
        gone = {"turns": [], "reply": "", "state": "withdrawn", "reason": pairs.FORGOTTEN}
        conn.execute(sa.update(schema.pairs).values(gone))
    for step in ("withdraw", "restore"):
        with pytest.raises(Conflict, match=r"its texts are gone \(someone in it was forgotten\)"):
            run("pairs", step, "1")
    assert run("pairs", "show", "1", "--json")["reason"] == pairs.FORGOTTEN


def test_adapter_is_promoted_and_rolled_back(with_desk: Store, run: Run) -> None:
    for name in ("support-0001", "support-0002"):
        publish(with_desk, name)
        assert "goes live for support as soon as" in run("adapters", "promote", name)
        with with_desk.write() as conn:
            now = with_desk.now()
            replicas.report_replica(conn, Replica("gpu-1", "unix:/s", True, "b", (name,), now))
        assert "is live" in run("adapters", "promote", name)
    assert "support-0001 is live for support again" in run("adapters", "rollback")
    states = {item["name"]: item["state"] for item in run("adapters", "list", "--json")}
    assert states == {"support-0001": "live", "support-0002": "retired"}
    assert "base model answers" in run("adapters", "rollback")
    with pytest.raises(Conflict):
        run("adapters", "rollback")
    assert run("adapters", "show", "support-0001", "--json")["path"] == "/a/support-0001"


def publish(store: Store, name: str) -> None:
    with store.write() as conn:
        runs.open_run(conn, desk_id="support", reason="retrain", now=store.now())
        held = runs.claim_run(conn, owner="t", now=store.now(), lease_s=30)
        assert held is not None
        runs.finish_run(conn, held, state="passed", message="", now=store.now(), adapter=name)
        row = {"path": f"/a/{name}", "manifest_hash": "0", "base_model": "b"}
        adapters.add_adapter(conn, name=name, desk_id="support", run_id=held.run_id, now=store.now(), **row)
        adapters.mark_proven(conn, name, now=store.now())
        trials.begin_trial(conn, name, live=None, now=store.now())
        trials.finish_trial(conn, name, Verdict("passed", ""), now=store.now())


def test_documents_are_added_listed_and_removed(with_desk: Store, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "help"
    folder.mkdir()
    (folder / "delivery.md").write_text("# Delivery\n\n## Times\n\nThree days.\n", encoding="utf-8")
    (folder / "hours.txt").write_text("Open at nine.", encoding="utf-8")
    assert "2 of 2 documents" in run("documents", "add", str(folder))
    assert "0 of 2 documents" in run("documents", "add", str(folder))
    listed = run("documents", "list", "--json")
    assert [(item["title"], item["passages"]) for item in listed] == [("Delivery", 1), ("hours", 1)]
    run("documents", "remove", str(listed[0]["document_id"]))
    assert "Delivery" not in run("documents", "list")


def test_unreadable_documents_are_refused_and_nothing_is_added(with_desk: Store, run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("# Good\n\ntext")
    (tmp_path / "bad.md").write_bytes(b"# Bad \xff")
    with pytest.raises(BadInput, match=r"bad\.md is not UTF-8"):
        run("documents", "add", str(tmp_path / "good.md"), str(tmp_path / "bad.md"))
    with pytest.raises(BadInput, match="does not exist"):
        run("documents", "add", str(tmp_path / "none.md"))
    assert run("documents", "list", "--json") == []


def test_empty_lists_say_so_in_words(with_desk: Store, run: Run) -> None:
    for noun, words in (
        ("pairs", "No pairs"),
        ("runs", "No runs"),
        ("adapters", "No adapters"),
        ("drafts", "No drafts"),
    ):
        assert words in run(noun, "list")
        assert run(noun, "list", "--json") == []


def test_desk_must_be_named_when_there_are_several(with_desk: Store, run: Run) -> None:
    run("desks", "add", "billing", "--team", "T1", "--channel", "C2", "--agent", "U1")
    with pytest.raises(NotFound, match="there are: billing, support"):
        run("runs", "start")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["pairs", "list"], 2, "run `thumbtune migrate`"),
        (["up"], 2, "SLACK_BOT_TOKEN is missing"),
        (["demo", "--headless", "--threads", "none.jsonl"], 1, "none.jsonl cannot be read"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_failure_is_told_in_words_with_an_exit_code(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    command = [sys.executable, "-m", "thumbtune.cli.main", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr


def test_doctor_names_every_trouble_with_its_remedy(store: Store) -> None:
    command = [sys.executable, "-m", "thumbtune.cli.main", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = {item["check"]: item for item in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["store"]["ok"]
    assert "deploy/slack-manifest.json" in found["Slack"]["finding"]
    assert "thumbtune desks add" in found["desks"]["finding"]
    assert "THUMBTUNE_BASE_MODEL" in found["base model"]["finding"]
