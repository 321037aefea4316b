"""`/retrain`, its progress in one message, and the Home tab."""

from tests.bot.conftest import JONAS, MAYA, PRIYA, RUTH, SUPPORT, Office, wait_for
from thumbtune.core.store.runs import beat, claim_run, finish_run, list_runs
from thumbtune.demo.slack.wire import Json


def collect_two_pairs(office: Office) -> None:
    for number in range(2):
        question = office.say(MAYA, f"Where is parcel {number}?")
        office.react(JONAS, office.say(PRIYA, "It comes on Friday.", thread=question))
    wait_for(lambda: len(office.pairs()) == 2)


def read_bot_messages(office: Office) -> list[Json]:
    answer = office.call("conversations.history", user=RUTH, channel=SUPPORT)
    return [message for message in answer["messages"] if message.get("bot_id")]


def test_lead_starts_a_run_and_one_message_follows_it(staffed: Office) -> None:
    collect_two_pairs(staffed)
    staffed.command(RUTH, "/retrain")
    message = wait_for(lambda: read_bot_messages(staffed))[0]
    assert "is learning" in message["text"]
    staffed.command(RUTH, "/retrain")
    wait_for(lambda: [m for m in staffed.private(RUTH) if "already training" in m["text"]])
    store = staffed.store
    with store.write() as conn:
        run = claim_run(conn, owner="t", now=store.now(), lease_s=60)
        assert run is not None
        beat(conn, run, now=store.now(), lease_s=60, phase="finetune", progress=0.4, eta_s=60.0)
    wait_for(lambda: "40%" in str(read_bot_messages(staffed)))
    with store.write() as conn:
        result = "support-0001 is live. It predicts your team's replies 31 % better."
        finish_run(conn, run, state="passed", message=result, now=store.now(), adapter="support-0001")
    wait_for(lambda: result in str(read_bot_messages(staffed)))
    assert len(read_bot_messages(staffed)) == 1
    with store.read() as conn:
        assert len(list_runs(conn)) == 1


def test_others_than_leads_are_told_who_may(staffed: Office) -> None:
    for user in (PRIYA, MAYA):
        staffed.command(user, "/retrain")
        wait_for(lambda user=user: [m for m in staffed.private(user) if "Training is for the leads" in m["text"]])
    with staffed.store.read() as conn:
        assert not list_runs(conn)
    assert not read_bot_messages(staffed)


def test_too_few_pairs_are_said_before_anything_starts(staffed: Office) -> None:
    staffed.command(RUTH, "/retrain")
    wait_for(lambda: [m for m in staffed.private(RUTH) if "needs at least 2" in m["text"]])
    with staffed.store.read() as conn:
        assert not list_runs(conn)


def test_home_shows_the_desk_and_only_leads_can_retrain(staffed: Office) -> None:
    collect_two_pairs(staffed)
    for user, may_retrain in ((RUTH, True), (PRIYA, False)):
        staffed.page("home_open", user=user)
        home = wait_for(lambda user=user: staffed.slack.slack.views.find_home(user))
        assert "*2* approved replies" in str(home)
        assert ("home_retrain" in str(home)) is may_retrain
    staffed.page("home_open", user=MAYA)
    assert "no support desk" in str(wait_for(lambda: staffed.slack.slack.views.find_home(MAYA)))


def test_retrain_button_says_what_came_of_it(staffed: Office) -> None:
    shown = staffed.open_home(RUTH, holding="home_retrain")
    staffed.press_in_home(RUTH, shown, "home_retrain")
    wait_for(lambda: "needs at least 2" in str(staffed.slack.slack.views.find_home(RUTH)) or None, what="the refusal")
    collect_two_pairs(staffed)
    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding="home_retrain"), "home_retrain")
    wait_for(
        lambda: "Training starts with 2" in str(staffed.slack.slack.views.find_home(RUTH)) or None, what="the start"
    )
    wait_for(lambda: read_bot_messages(staffed), what="the progress in the channel")
