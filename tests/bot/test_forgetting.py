"""`/forget`: what a lead is told and does, and that nothing of the person comes back."""

import re

from tests.bot.conftest import JONAS, MAYA, PRIYA, RUTH, SUPPORT, TOMAS, Office, wait_for
from thumbtune.bot.repairing import repair_thread
from thumbtune.core.forgetting import forget
from thumbtune.core.records import Message
from thumbtune.core.store.approvals import load_approvals
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.messages import load_thread, record_message
from thumbtune.core.tombstone_file import read_tombstones
from thumbtune.demo.slack import seed
from thumbtune.demo.slack.wire import Json

SEED = "saffron owl"


def teach(office: Office, customer: str, text: str) -> tuple[str, str]:
    """Let a customer ask, Priya answer and Jonas approve; return the question and the reply once it is learned."""
    known = len(office.pairs())
    question = office.say(customer, text)
    reply = office.say(PRIYA, f"About the {SEED}: it comes on Friday.", thread=question)
    office.react(JONAS, reply)
    wait_for(lambda: len(office.pairs()) == known + 1)
    return question, reply


def wait_for_private(office: Office, user: str, *, holding: str) -> Json:
    return wait_for(lambda: [m for m in office.private(user) if holding in str(m)], what=holding)[-1]


def forget_maya(office: Office) -> Json:
    office.command(RUTH, "/forget @Maya Lindqvist")
    question = wait_for_private(office, RUTH, holding="forget_confirm")
    office.press(RUTH, question, "forget_confirm")
    return wait_for_private(office, RUTH, holding="Forgotten")


def list_texts(office: Office, thread: str) -> list[str]:
    with office.store.read() as conn:
        messages = load_thread(conn, team_id=seed.TEAM_ID, channel_id=SUPPORT, thread_ts=thread)
    return [message.text for message in messages]


def find_files(office: Office, *words: bytes) -> list[str]:
    """Return the files of the bot's data folder that hold one of these words."""
    files = [path for path in office.settings.data_dir.rglob("*") if path.is_file()]
    return [path.name for path in files if any(word in path.read_bytes() for word in words)]


def test_lead_is_told_first_and_then_forgets(staffed: Office) -> None:
    hers, reply = teach(staffed, MAYA, f"Where is my {SEED}?")
    his, _ = teach(staffed, TOMAS, "Where is my lamp?")
    staffed.wait_quiet()
    staffed.command(RUTH, f"/forget {MAYA}")
    question = wait_for_private(staffed, RUTH, holding="forget_confirm")
    assert "1 message · 1 training pair" in str(question)
    assert "It cannot be undone" in str(question)
    assert len(staffed.pairs()) == 2
    assert find_files(staffed, MAYA.encode())
    assert find_files(staffed, b"Where is my saffron")
    staffed.press(RUTH, question, "forget_confirm")
    receipt = wait_for_private(staffed, RUTH, holding="Forgotten")
    assert re.search(r"`forget-[0-9a-f]{12}`", str(receipt))
    assert MAYA not in str(receipt)
    assert "forget_confirm" not in str(staffed.private(RUTH))
    (left,) = staffed.pairs()
    assert left.thread_ts == his
    assert list_texts(staffed, hers) == [f"About the {SEED}: it comes on Friday."]
    staffed.wait_quiet()
    (message,) = [item for item in staffed.thread(hers) if item["ts"] == reply]
    assert [item["name"] for item in message["reactions"]] == ["+1"]
    assert find_files(staffed, b"About the ")
    wait_for(lambda: not find_files(staffed, MAYA.encode(), b"Where is my saffron"), what="files without her")


def test_card_of_an_erased_draft_says_so(staffed: Office) -> None:
    hers = staffed.say(MAYA, f"Where is my {SEED}?")
    staffed.ask(PRIYA, hers)
    card = staffed.wait_for_card(PRIYA, hers)
    staffed.wait_quiet()
    forget_maya(staffed)
    staffed.press(PRIYA, card, "draft_post")
    staffed.wait_for_card(PRIYA, hers, holding="This draft was erased")


def test_nobody_but_a_lead_forgets(staffed: Office) -> None:
    teach(staffed, MAYA, f"Where is my {SEED}?")
    for user in (PRIYA, MAYA):
        staffed.command(user, f"/forget {MAYA}")
        wait_for_private(staffed, user, holding="for the leads of a desk")
    staffed.command(RUTH, "/forget everyone, please")
    wait_for_private(staffed, RUTH, holding="Say who")
    assert len(staffed.pairs()) == 1
    assert not read_tombstones(staffed.settings.data_dir)


def test_app_and_an_id_that_nobody_has_bring_no_button(staffed: Office) -> None:
    app = staffed.bots[0].bot.identity.user_id
    staffed.command(RUTH, f"/forget {app}")
    wait_for_private(staffed, RUTH, holding="That is an app")
    staffed.command(RUTH, "/forget U0NOBODYHERE")
    wait_for_private(staffed, RUTH, holding="Slack knows nobody with this id")
    assert "forget_confirm" not in str(staffed.private(RUTH))


def test_button_pressed_by_someone_who_leads_no_more_does_nothing(staffed: Office) -> None:
    teach(staffed, MAYA, f"Where is my {SEED}?")
    staffed.command(RUTH, f"/forget {MAYA}")
    question = wait_for_private(staffed, RUTH, holding="forget_confirm")
    with staffed.store.write() as conn:
        conn.exec_driver_sql("UPDATE desks SET leads = '[]'")
    staffed.press(RUTH, question, "forget_confirm")
    wait_for_private(staffed, RUTH, holding="for the leads of a desk")
    assert len(staffed.pairs()) == 1


def test_what_was_forgotten_does_not_come_back_and_what_is_new_is_kept(staffed: Office) -> None:
    hers, reply = teach(staffed, MAYA, f"Where is my {SEED}?")
    forget_maya(staffed)
    staffed.ask(PRIYA, hers)
    staffed.wait_for_card(PRIYA, hers)
    assert staffed.model.requests
    assert "Where is my" not in str(staffed.model.requests)
    staffed.react(JONAS, reply, on=False)
    staffed.react(JONAS, reply)
    staffed.wait_quiet()
    with staffed.store.read() as conn:
        desk = load_desk(conn, "support")
    assert repair_thread(staffed.bots[0].bot, desk=desk, channel_id=SUPPORT, ts=hers)
    assert staffed.pairs() == []
    assert list_texts(staffed, hers) == [f"About the {SEED}: it comes on Friday."]
    newer, _ = teach(staffed, MAYA, "And where is my lamp?")
    assert list_texts(staffed, newer)[0] == "And where is my lamp?"


def test_forgotten_approver_s_reactions_stay_without_a_name(office: Office) -> None:
    running = office.start_bot()
    teach(office, MAYA, f"Where is my {SEED}?")
    office.wait_quiet()
    running.stop()
    office.bots.clear()
    forget(office.store, office.settings, person=JONAS, desk_ids=[], by="cli")
    (pair,) = office.pairs()
    assert pair.approved_by.startswith("forgotten-")
    again = office.start_bot()
    with office.store.read() as conn:
        desk = load_desk(conn, "support")
    assert repair_thread(again.bot, desk=desk, channel_id=SUPPORT, ts=pair.thread_ts)
    with office.store.read() as conn:
        givers = {row[0] for row in conn.exec_driver_sql("SELECT user_id FROM approvals")}
    assert givers == {pair.approved_by}


def test_thumbs_up_that_someone_gives_after_they_were_forgotten_survives_a_comparison(staffed: Office) -> None:
    question = staffed.say(MAYA, f"Where is my {SEED}?")
    reply = staffed.say(PRIYA, f"About the {SEED}: it comes on Friday.", thread=question)
    staffed.wait_quiet()
    forget(staffed.store, staffed.settings, person=JONAS, desk_ids=[], by="cli")
    staffed.react(JONAS, reply)
    wait_for(lambda: len(staffed.pairs()) == 1)
    with staffed.store.read() as conn:
        desk = load_desk(conn, "support")
    assert repair_thread(staffed.bots[0].bot, desk=desk, channel_id=SUPPORT, ts=question)
    with staffed.store.read() as conn:
        approvals = load_approvals(conn, team_id=seed.TEAM_ID, channel_id=SUPPORT, message_ts=reply)
    assert [(item.user_id, item.given) for item in approvals] == [(JONAS, True)]
    assert [pair.approved_by for pair in staffed.pairs()] == [JONAS]


def test_restored_store_forgets_again_before_the_bot_works(office: Office) -> None:
    ts = "1700000000.000100"
    message = Message(seed.TEAM_ID, SUPPORT, ts, ts, MAYA, False, f"Where is my {SEED}?", "", False)
    with office.store.write() as conn:
        record_message(conn, message, event_ts=ts)
    forget(office.store, office.settings, person=MAYA, desk_ids=[], by="cli")
    with office.store.write() as conn:  # as an older backup has it
        conn.exec_driver_sql("DELETE FROM tombstones")
        conn.exec_driver_sql("DELETE FROM messages")
        record_message(conn, message, event_ts=ts)
    assert list_texts(office, ts) == [message.text]
    office.start_bot()
    assert list_texts(office, ts) == []
