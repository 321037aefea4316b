"""`/retrain`, its progress in one message, and the Home tab."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.bot.conftest import JONAS, MAYA, PRIYA, RUTH, SUPPORT, Office, make_desk, wait_for
from thumbtune.core.records import Outlook, TrainingRun
from thumbtune.core.retraining import preview_run
from thumbtune.core.settings import Settings
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.outlooks import record_outlook
from thumbtune.core.store.runs import beat, claim_run, finish_run, list_runs
from thumbtune.demo.slack import seed
from thumbtune.demo.slack.wire import Json


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Hold nothing out: which thread is held out hangs on its time."""
    return settings.model_copy(update={"held_out_share": 1e-9, "held_out_min": 0})


WORDS = ("parcel", "refund", "teapot", "invoice")


def collect_two_pairs(office: Office, words: Sequence[str] = WORDS[:2]) -> None:
    before = len(office.pairs())
    for word in words:
        question = office.say(MAYA, f"Where is my {word}, please?")
        office.react(JONAS, office.say(PRIYA, f"Your {word} comes on Friday, Maya.", thread=question))
    wait_for(lambda: len(office.pairs()) == before + len(words), what="the pairs")


def read_private(office: Office, user: str) -> list[Json]:
    """What the bot wrote to someone in private."""
    channel, _ = office.slack.slack.workspace.open_direct([user, seed.BOT_USER_ID])
    return list(office.call("conversations.history", user=user, channel=channel.channel_id)["messages"])


def read_channel(office: Office, channel: str = SUPPORT) -> list[Json]:
    """What the bot wrote where everybody reads it."""
    answer = office.call("conversations.history", user=RUTH, channel=channel)
    return [message for message in answer["messages"] if message.get("bot_id")]


def ask(office: Office, user: str) -> Json:
    """Type `/retrain` and return the private answer."""
    known = {message["ts"] for message in office.private(user)}
    office.command(user, "/retrain")

    def look() -> Json | None:
        return next((message for message in office.private(user) if message["ts"] not in known), None)

    return wait_for(look, what="an answer to /retrain")


def start(office: Office, user: str = RUTH) -> None:
    office.press(user, ask(office, user), "retrain_start")
    wait_for(lambda: "Training starts" in str(office.private(user)) or None, what="the start")


def list_all_runs(office: Office) -> list[TrainingRun]:
    with office.store.read() as conn:
        return list_runs(conn)


def test_lead_sees_what_would_be_used_and_starts_or_leaves_it(staffed: Office) -> None:
    collect_two_pairs(staffed)
    with staffed.store.write() as conn:
        conn.exec_driver_sql("UPDATE pairs SET turns = (SELECT turns FROM pairs LIMIT 1), reply = 'Same.'")
    assert "needs at least 2" in str(ask(staffed, RUTH))
    collect_two_pairs(staffed, WORDS[2:])
    offer = ask(staffed, RUTH)
    told = preview_run(staffed.store, staffed.settings, desk_id="support")
    assert "• 4 new since the last run" in str(offer)
    assert f"• {told.trained} to learn from, {told.held_out} held out to judge by" in str(offer)
    assert told.trained == 3
    assert "• 1 left out: 1 same as another" in str(offer)
    assert list_all_runs(staffed) == []
    staffed.press(RUTH, offer, "retrain_leave")
    wait_for(lambda: offer["ts"] not in [message["ts"] for message in staffed.private(RUTH)], what="its going")
    assert list_all_runs(staffed) == []
    start(staffed)
    (run,) = list_all_runs(staffed)
    assert (run.reason, run.requested_by) == ("retrain", RUTH)


def test_who_is_no_lead_any_more_when_pressing_starts_nothing(staffed: Office) -> None:
    collect_two_pairs(staffed)
    offer = ask(staffed, RUTH)
    with staffed.store.write() as conn:
        save_desk(conn, make_desk(leads=(JONAS,)))
    staffed.press(RUTH, offer, "retrain_start")
    wait_for(lambda: "Training is for the leads" in str(staffed.private(RUTH)) or None, what="the refusal")
    assert list_all_runs(staffed) == []


def test_one_private_message_follows_a_run_for_who_asked(staffed: Office) -> None:
    collect_two_pairs(staffed)
    start(staffed)
    message = wait_for(lambda: read_private(staffed, RUTH))[0]
    assert "is learning" in message["text"]
    assert "already training" in str(ask(staffed, RUTH))
    store = staffed.store
    with store.write() as conn:
        run = claim_run(conn, owner="t", now=store.now(), lease_s=60)
        assert run is not None
        figures = {"step": 48, "steps": 120, "loss": 1.2345, "tokens_per_s": 5600.0}
        beat(conn, run, now=store.now(), lease_s=60, phase="finetune", progress=0.4, eta_s=60.0, **figures)
    wait_for(lambda: "40%" in str(read_private(staffed, RUTH)) or None, what="the progress")
    assert "step 48 of 120 · loss 1.234 · 5,600 tokens/s · about 60 s left" in str(read_private(staffed, RUTH))
    with store.write() as conn:
        result = "support-0001 is live. It predicts your team's replies 31 % better."
        finish_run(conn, run, state="passed", message=result, now=store.now(), adapter="support-0001")
    wait_for(lambda: result in str(read_private(staffed, RUTH)) or None, what="the result")
    assert len(read_private(staffed, RUTH)) == 1
    assert not read_channel(staffed)
    assert len(list_all_runs(staffed)) == 1


def test_run_is_followed_in_the_training_channel_and_only_leads_cancel_it_there(staffed: Office) -> None:
    channel = seed.GENERAL_CHANNEL
    staffed.control("members", channel=channel, user=seed.BOT_USER_ID)
    with staffed.store.write() as conn:
        save_desk(conn, make_desk(training_channel=channel))
    collect_two_pairs(staffed)
    start(staffed)
    (message,) = wait_for(lambda: read_channel(staffed, channel))
    staffed.press(PRIYA, message, "run_cancel", channel=channel)
    wait_for(lambda: "Training is for the leads" in str(staffed.private(PRIYA, channel=channel)) or None)
    assert [run.state for run in list_all_runs(staffed)] == ["queued"]
    staffed.press(RUTH, message, "run_cancel", channel=channel)
    wait_for(lambda: "Training cancelled" in str(read_channel(staffed, channel)) or None, what="the end")
    assert [run.state for run in list_all_runs(staffed)] == ["cancelled"]
    assert "run_cancel" not in str(read_channel(staffed, channel))
    assert not read_private(staffed, RUTH)
    with staffed.store.read() as conn:
        act = list_acts(conn, limit=1)[0]
    assert (act.actor, act.action) == (RUTH, "run_cancelled")


def test_others_than_leads_are_told_who_may(staffed: Office) -> None:
    for user in (PRIYA, MAYA):
        staffed.command(user, "/retrain")
        wait_for(lambda user=user: [m for m in staffed.private(user) if "Training is for the leads" in m["text"]])
    assert list_all_runs(staffed) == []
    assert not read_channel(staffed)


def test_home_shows_the_desk_and_only_leads_can_retrain(staffed: Office) -> None:
    collect_two_pairs(staffed)
    for user, may_retrain in ((RUTH, True), (PRIYA, False)):
        staffed.page("home_open", user=user)
        home = wait_for(lambda user=user: staffed.slack.slack.views.find_home(user))
        assert "*2* approved replies" in str(home)
        assert ("home_retrain" in str(home)) is may_retrain
    staffed.page("home_open", user=MAYA)
    assert "no support desk" in str(wait_for(lambda: staffed.slack.slack.views.find_home(MAYA)))


def test_retrain_button_shows_what_would_be_used_and_says_what_came_of_it(staffed: Office) -> None:
    shown = staffed.open_home(RUTH, holding="home_retrain")
    staffed.press_in_home(RUTH, shown, "home_retrain")
    wait_for(lambda: "needs at least 2" in str(staffed.slack.slack.views.find_home(RUTH)) or None, what="the refusal")
    collect_two_pairs(staffed)
    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding="home_retrain"), "home_retrain")
    home = staffed.slack.slack.views.find_home

    def find_offer() -> Json | None:
        shown = home(RUTH)
        return shown if "2 new since" in str(shown) else None

    staffed.press_in_home(RUTH, wait_for(find_offer, what="the figures"), "retrain_leave")
    left = wait_for(lambda: None if find_offer() else home(RUTH), what="their going")
    staffed.press_in_home(RUTH, left, "home_retrain")
    staffed.press_in_home(RUTH, wait_for(find_offer, what="the figures again"), "retrain_start")
    wait_for(lambda: "Training starts (" in str(home(RUTH)) or None, what="the start")
    wait_for(lambda: read_private(staffed, RUTH), what="the progress")


def test_home_tells_leads_why_no_run_starts_by_itself_and_that_the_trainer_is_gone(staffed: Office) -> None:
    store = staffed.store
    staffed.open_home(RUTH, holding="No trainer has looked at this desk yet")
    outlook = Outlook("support", False, "quiet hours until 07:00 (Europe/Berlin)", store.now())
    with store.write() as conn:
        record_outlook(conn, outlook)
    staffed.open_home(RUTH, holding="No training starts by itself now: quiet hours until 07:00 (Europe/Berlin)")
    with store.write() as conn:
        record_outlook(conn, replace(outlook, looked_at=store.now() - timedelta(minutes=12)))
    staffed.open_home(RUTH, holding="The trainer was last seen 12 minutes ago")
    assert "trainer" not in str(staffed.open_home(PRIYA, holding="Support"))
