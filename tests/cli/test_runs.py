"""Runs by command: what they would use is shown first, they are followed and cancelled, and why none starts is told."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import Run
from tests.cli.test_commands import add_pair
from thumbtune.cli.main import app
from thumbtune.core.errors import BadInput
from thumbtune.core.records import Outlook, TrainingRun
from thumbtune.core.store import Store, outlooks, runs
from thumbtune.core.store.courses import record_course


@pytest.fixture
def trainable(with_desk: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A desk with three pairs, of which none is held out."""
    monkeypatch.setenv("THUMBTUNE_MIN_PAIRS", "3")
    monkeypatch.setenv("THUMBTUNE_HELD_OUT_SHARE", "1e-9")
    monkeypatch.setenv("THUMBTUNE_HELD_OUT_MIN", "0")
    for number in range(3):
        add_pair(with_desk, number)
    yield with_desk
    with_desk.engine.dispose()


def test_run_is_started_once_and_cancelled(trainable: Store, run: Run) -> None:
    assert "is queued" in run("runs", "start", "--yes")
    assert "no second one was started" in run("runs", "start")
    (found,) = run("runs", "list", "--json")
    assert (found["state"], found["reason"], found["requested_by"]) == ("queued", "retrain", "cli")
    assert (found["announce_channel"], found["gpu_s"]) == (None, 0)
    assert "is cancelled" in run("runs", "cancel", found["run_id"])
    assert run("runs", "show", found["run_id"], "--json")["state"] == "cancelled"


def test_what_would_be_used_is_shown_and_nothing_starts_without_a_yes(trainable: Store, run: Run) -> None:
    add_pair(trainable, 3)
    with trainable.write() as conn:
        conn.exec_driver_sql(
            "UPDATE pairs SET turns = (SELECT turns FROM pairs LIMIT 1), reply = 'Same.' WHERE pair_id > 2"
        )
    answered = CliRunner().invoke(app, ["runs", "start"], input="n\n")
    assert answered.exit_code == 1
    assert "3 to learn from, 0 held out" in answered.output
    assert "1 left out: 1 same as another" in answered.output
    assert run("runs", "list", "--json") == []
    assert CliRunner().invoke(app, ["runs", "start"], input="y\n").exit_code == 0
    assert len(run("runs", "list", "--json")) == 1


def test_too_few_pairs_are_told_before_anything_starts(with_desk: Store, run: Run) -> None:
    with pytest.raises(BadInput, match="Support has 0 approved replies to learn from; training needs at least 20"):
        run("runs", "start", "--yes")
    assert run("runs", "list", "--json") == []


def test_programs_are_told_in_json_and_not_asked(trainable: Store, run: Run) -> None:
    run("desks", "set", "support", "--training-channel", "C9")
    started = run("runs", "start", "--json")
    assert (started["state"], started["is_new"]) == ("queued", True)
    preview = {"new": 3, "trained": 3, "trained_threads": 3, "held_out": 0, "dropped": {}, "waiting": 0, "min_pairs": 3}
    preview |= {"preferences": 0, "preferences_needed": 0}
    assert started["preview"] == preview
    assert run("runs", "start", "--json") == {**started, "is_new": False}
    assert run("runs", "show", started["run_id"], "--json")["announce_channel"] == "C9"


def test_why_no_run_starts_by_itself_is_told_and_that_the_trainer_is_gone(with_desk: Store, run: Run) -> None:
    (before,) = run("runs", "due", "--json")
    assert "No trainer has looked at this desk yet" in before["trouble"]
    now = with_desk.now()
    outlook = Outlook("support", False, "quiet hours until 07:00 (Europe/Berlin)", now - timedelta(minutes=12))
    with with_desk.write() as conn:
        outlooks.record_outlook(conn, outlook)
    (gone,) = run("runs", "due", "--json")
    assert (gone["is_due"], gone["why"]) == (False, outlook.why)
    assert "last seen 12 minutes ago" in gone["trouble"]
    doctor = CliRunner().invoke(app, ["doctor"])
    assert "last seen 12 minutes ago" in " ".join(doctor.output.split())
    with with_desk.write() as conn:
        outlooks.record_outlook(conn, Outlook("support", True, "200 new pairs", now))
    assert run("runs", "due", "--json")[0]["trouble"] is None
    assert "200 new pairs" in run("runs", "due")
    assert "support (200 new pairs)" in " ".join(CliRunner().invoke(app, ["doctor"]).output.split())


def claim(store: Store) -> TrainingRun:
    with store.write() as conn:
        runs.open_run(conn, desk_id="support", reason="retrain", now=store.now())
        held = runs.claim_run(conn, owner="t", now=store.now(), lease_s=60)
        assert held is not None
        figures = {"step": 48, "steps": 120, "loss": 1.25, "tokens_per_s": 5600.0}
        runs.beat(conn, held, now=store.now(), lease_s=60, phase="finetune", progress=0.4, eta_s=60.0, **figures)
    return held


def hear_ctrl_c() -> None:
    """Undo what a shell does to programs it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_what_the_gate_compared_is_shown_as_a_table(with_desk: Store, run: Run) -> None:
    held = claim(with_desk)
    versus = {"difference": -0.25, "low": -0.4, "high": -0.1, "wins": 9, "ties": 1, "losses": 2, "sign_p": 0.065}
    gate = {"decision": "passed", "versus_base": {**versus, "detectable": 0.125}, "versus_live": None}
    with with_desk.write() as conn:
        runs.finish_run(conn, held, state="passed", message="Better.", now=with_desk.now(), gate=gate)
        grounding = {"base": {"replies": 31, "with_passages": 2.5, "without_passages": 3.25}}
        record_course(conn, held.run_id, grounding=grounding)
    shown = " ".join(run("runs", "show", held.run_id).split())
    assert "the base -0.25 -0.4 -0.1 9 · 1 · 2 0.065 0.125" in shown
    assert "what was live" not in shown
    assert "tokens_per_s" not in shown, "that was of a phase that is over"
    assert "versus_base" not in shown
    assert "31 replies with passages the same without them base model 2.5 3.25" in shown
    found = run("runs", "show", held.run_id, "--json")
    assert (found["gate"], found["grounding"]) == (gate, grounding)


def test_runs_are_listed_so_that_each_can_be_asked_for_in_a_narrow_terminal(with_desk: Store, run: Run) -> None:
    held = claim(with_desk)
    with with_desk.write() as conn:
        runs.finish_run(conn, held, state="passed", message="word " * 60, now=with_desk.now(), adapter="support-0001")
    listed = run("runs", "list").splitlines()
    assert max(map(len, listed)) <= 80
    assert listed[0].startswith(f"{held.run_id}  support  passed  support-0001  20")
    assert " ".join(" ".join(listed[1:]).split()) == ("word " * 60).strip()
    assert all(line.startswith("    word") for line in listed[1:])


def test_run_is_followed_to_its_end(with_desk: Store) -> None:
    held = claim(with_desk)

    def end() -> None:
        with with_desk.write() as conn:
            runs.finish_run(conn, held, state="passed", message="Better.", now=with_desk.now(), adapter="support-0001")

    ending = threading.Timer(0.5, end)
    ending.start()
    result = CliRunner().invoke(app, ["runs", "show", held.run_id, "--watch", "--json"])
    ending.join()
    shown = json.loads(result.stdout)
    assert (shown["state"], shown["message"]) == ("passed", "Better.")
    told = " ".join(result.stderr.split())
    assert "Passed" in told
    assert "100%" in told
    assert "step 48 of 120 · loss 1.250" in told


def test_who_stops_following_leaves_the_run_going_and_is_told_how_to_cancel_it(with_desk: Store) -> None:
    held = claim(with_desk)
    command = [sys.executable, "-m", "thumbtune.cli.main", "runs", "show", held.run_id, "--watch"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c) as watching:
        assert watching.stderr is not None
        assert "Ctrl-C leaves it going" in watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        told = watching.stderr.read()
        assert watching.wait(60) == 130
    assert f"{held.run_id} goes on; `thumbtune runs cancel {held.run_id}` ends it." in " ".join(told.split())
    with with_desk.read() as conn:
        found = runs.load_run(conn, held.run_id)
    assert (found.state, found.cancel_requested) == ("queued", False)
