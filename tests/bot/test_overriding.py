"""The button under a run that could not be decided: a lead's name goes with it, others are told who may."""

from pathlib import Path

from tests.bot.conftest import PRIYA, RUTH, SUPPORT, Office, wait_for
from thumbtune.bot.blocks.override import PUT_LIVE
from thumbtune.core.records import Adapter
from thumbtune.core.store import adapters, runs
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.overriding import find_override
from thumbtune.demo.slack.wire import Json

RESULT = "Only 3 conversations are held out for judging; 17 more are needed."


def end_inconclusive_run(office: Office) -> str:
    """End a run that kept its candidate, told in the channel."""
    store = office.store
    with store.write() as conn:
        runs.open_run(conn, desk_id="support", reason="retrain", now=store.now(), announce_channel=SUPPORT)
        run = runs.claim_run(conn, owner="t", now=store.now(), lease_s=60)
        assert run is not None
        adapters.add_adapter(
            conn,
            name="support-0001",
            desk_id="support",
            run_id=run.run_id,
            path=str(Path("/adapters/support-0001")),
            manifest_hash="0" * 64,
            base_model="base",
            now=store.now(),
            is_held=True,
        )
        runs.finish_run(conn, run, state="inconclusive", message=RESULT, now=store.now(), adapter="support-0001")
    return run.run_id


def read_result(office: Office) -> Json | None:
    history = office.call("conversations.history", user=RUTH, channel=SUPPORT)["messages"]
    return next((message for message in history if RESULT in str(message)), None)


def load(office: Office) -> Adapter:
    with office.store.read() as conn:
        return adapters.load_adapter(conn, "support-0001")


def test_lead_puts_an_undecided_adapter_live_by_name(staffed: Office) -> None:
    run_id = end_inconclusive_run(staffed)
    message = wait_for(lambda: read_result(staffed), what="the result")
    assert "Put live anyway" in str(message)
    staffed.press(PRIYA, message, PUT_LIVE)
    wait_for(lambda: [m for m in staffed.private(PRIYA) if "This is for the leads" in m["text"]], what="the refusal")
    assert load(staffed).state == "held"
    staffed.press(RUTH, message, PUT_LIVE)
    wait_for(lambda: load(staffed).state == "published" or None, what="the override")
    wait_for(lambda: [m for m in staffed.private(RUTH) if "as soon as it is proven" in m["text"]], what="the answer")
    changed = wait_for(
        lambda: (found := read_result(staffed)) and "asked for" in str(found) and found, what="the changed message"
    )
    assert f"<@{RUTH}>" in str(changed)
    assert "Put live anyway" not in str(changed)
    with staffed.store.read() as conn:
        found = find_override(conn, run_id)
        [act] = list_acts(conn, limit=9, action="gate_overridden")
    assert found is not None
    assert found.overridden_by == act.actor == RUTH


def test_button_of_an_adapter_that_is_gone_says_so(staffed: Office) -> None:
    end_inconclusive_run(staffed)
    message = wait_for(lambda: read_result(staffed), what="the result")
    with staffed.store.write() as conn:
        adapters.quarantine(conn, "support-0001", reason="its files were removed")
    staffed.press(RUTH, message, PUT_LIVE)
    said = wait_for(
        lambda: [m for m in staffed.private(RUTH) if "can no longer be put live" in m["text"]], what="the answer"
    )
    assert "its files were removed" in said[0]["text"]


def test_note_says_what_became_of_an_adapter_that_was_put_live(staffed: Office) -> None:
    end_inconclusive_run(staffed)
    message = wait_for(lambda: read_result(staffed), what="the result")
    staffed.press(RUTH, message, PUT_LIVE)
    wait_for(lambda: "tried first" in str(read_result(staffed)) or None, what="the note")
    with staffed.store.write() as conn:
        adapters.quarantine(conn, "support-0001", reason="failed its trial: It leaks.")
    changed = wait_for(
        lambda: (found := read_result(staffed)) and "It leaks" in str(found) and found, what="the changed note"
    )
    assert "It does not go live: failed its trial" in str(changed)
