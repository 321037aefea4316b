"""The report of a run comes once under its message, when there is nothing more to come."""

import pytest

from tests.bot.conftest import RUTH, SUPPORT, Office, make_desk
from tests.conftest import Clock
from thumbtune.bot.announcing import Announcer
from thumbtune.bot.app import build_bot
from thumbtune.bot.bot import Bot
from thumbtune.bot.posting import LOOKUP_PAUSE_S, Sender
from thumbtune.bot.run_reports import PATIENCE, queue_reports
from thumbtune.bot.slack import Json
from thumbtune.core.store import Store, adapters
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.runs import claim_run, finish_run, open_run

GATE = {"threads": 30, "versus_base": {"difference": -1.0, "low": -1.2, "high": -0.8, "detectable": 0.1}}
UPLOAD = "files.completeUploadExternal"


@pytest.fixture
def bot(office: Office, store: Store) -> Bot:
    with store.write() as conn:
        save_desk(conn, make_desk())
    return build_bot(office.settings, store)


def finish(bot: Bot, clock: Clock, state: str = "passed", *, publishes: bool = False) -> str:
    """Let a run end, and have its message say so."""
    store, announcer = bot.store, Announcer(bot)
    with store.write() as conn:
        open_run(conn, desk_id="support", reason="retrain", now=clock(), announce_channel=SUPPORT)
        run = claim_run(conn, owner="t", now=clock(), lease_s=60)
        assert run is not None
        values = {"path": "/a/support-0001", "manifest_hash": "0" * 64, "base_model": "b", "run_id": run.run_id}
        if publishes:
            adapters.add_adapter(conn, name="support-0001", desk_id="support", now=clock(), **values)
        adapter = "support-0001" if publishes else None
        finish_run(conn, run, state=state, message="Done.", now=clock(), gate=GATE, adapter=adapter)
    announcer.announce_due()
    assert Sender(bot).send_due() == 1
    announcer.announce_due()
    return run.run_id


def list_files(office: Office) -> list[Json]:
    (message,) = [
        item
        for item in office.call("conversations.history", user=RUTH, channel=SUPPORT)["messages"]
        if item.get("bot_id")
    ]
    replies = office.call("conversations.replies", user=RUTH, channel=SUPPORT, ts=message["ts"])["messages"][1:]
    return [file for reply in replies for file in reply.get("files", [])]


def test_report_comes_once_as_a_picture_and_a_page(office: Office, bot: Bot, clock: Clock) -> None:
    run_id = finish(bot, clock)
    queue_reports(bot)
    assert Sender(bot).send_due() == 1
    queue_reports(bot)
    assert Sender(bot).send_due() == 0
    assert [file["name"] for file in list_files(office)] == [f"{run_id}.png", f"{run_id}.html"]
    assert all(file["size"] > 5_000 for file in list_files(office))


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_run_that_was_not_judged_has_no_report(office: Office, bot: Bot, clock: Clock, state: str) -> None:
    finish(bot, clock, state)
    queue_reports(bot)
    assert Sender(bot).send_due() == 0
    assert list_files(office) == []


def test_upload_whose_answer_was_lost_is_found_and_not_repeated(office: Office, bot: Bot, clock: Clock) -> None:
    finish(bot, clock)
    queue_reports(bot)
    office.control("faults", cut_after=1.0, methods=[UPLOAD])
    Sender(bot).send_due()
    office.control("clear")
    clock.advance(seconds=LOOKUP_PAUSE_S + 1)
    assert Sender(bot).send_due() == 1
    assert len(list_files(office)) == 2


def test_upload_that_slack_did_not_take_is_tried_again(office: Office, bot: Bot, clock: Clock) -> None:
    finish(bot, clock)
    queue_reports(bot)
    office.control("faults", server_errors=1.0, methods=[UPLOAD])
    Sender(bot).send_due()
    assert list_files(office) == []
    office.control("clear")
    clock.advance(seconds=LOOKUP_PAUSE_S + 1)
    assert Sender(bot).send_due() == 1
    assert len(list_files(office)) == 2


def test_report_waits_for_the_drafts_of_the_trial_but_not_for_ever(office: Office, bot: Bot, clock: Clock) -> None:
    finish(bot, clock, publishes=True)
    queue_reports(bot)
    assert Sender(bot).send_due() == 0
    clock.advance(seconds=PATIENCE.total_seconds() + 1)
    queue_reports(bot)
    assert Sender(bot).send_due() == 1
    assert len(list_files(office)) == 2
