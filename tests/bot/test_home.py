"""The Home tab: what an agent gave, and what waits for a lead."""

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, RUTH, SUPPORT, Office, make_desk, wait_for
from tests.bot.test_order import deliver
from thumbtune.bot.blocks import home
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.pairs import set_pair_state


def learn(office: Office) -> str:
    question = office.say(MAYA, "Where is my parcel?")
    reply = office.say(PRIYA, "Hi Maya, it arrives on Friday.", thread=question)
    office.react(JONAS, reply)
    wait_for(office.pairs)
    office.wait_quiet()
    return reply


def set_aside(office: Office) -> None:
    (pair,) = office.pairs()
    with office.store.write() as conn:
        reason = "a reason to look"
        set_pair_state(conn, pair.pair_id, state="quarantined", reason=reason, now=office.store.now(), decided_by="")


def list_signs(office: Office, reply: str) -> list[str]:
    return [sign["name"] for sign in office.thread(reply)[0].get("reactions", [])]


def test_approver_takes_an_approval_back(staffed: Office) -> None:
    reply = learn(staffed)
    shown = staffed.open_home(JONAS, holding="Replies I approved")
    assert "Hi [NAME_1], it arrives on Friday." in str(shown)
    assert "Waiting for your review" not in str(shown)
    staffed.press_in_home(JONAS, shown, home.UNDO)
    (pair,) = wait_for(lambda: staffed.pairs("withdrawn"))
    assert (pair.reason, pair.decided_by) == ("taken back in the Home tab", JONAS)
    wait_for(lambda: "take yours off it and give it anew" in str(staffed.slack.slack.views.find_home(JONAS)))
    wait_for(lambda: "books" not in list_signs(staffed, reply))
    staffed.open_home(JONAS, holding="*0* approved replies")
    with staffed.store.read() as conn:
        (act,) = list_acts(conn, limit=5, action="pair_withdrawn")
    assert (act.actor, act.subject) == (JONAS, str(pair.pair_id))


def test_who_approved_second_sees_it_and_takes_it_back(staffed: Office) -> None:
    reply = learn(staffed)
    assert "Replies I approved" not in str(staffed.open_home(AIKO, holding="*1* approved reply"))
    staffed.react(AIKO, reply)
    staffed.wait_quiet()
    shown = staffed.open_home(AIKO, holding="Replies I approved")
    staffed.press_in_home(AIKO, shown, home.UNDO)
    (pair,) = wait_for(lambda: staffed.pairs("withdrawn"))
    assert (pair.approved_by, pair.decided_by) == (JONAS, AIKO)


def test_author_of_a_reply_does_not_take_back_what_a_colleague_approved(staffed: Office) -> None:
    reply = learn(staffed)
    stale = staffed.open_home(JONAS, holding=home.UNDO)
    staffed.react(PRIYA, reply)  # her own reply: it never counts
    staffed.wait_quiet()
    assert "Replies I approved" not in str(staffed.open_home(PRIYA, holding="*1* approved reply"))
    staffed.press_in_home(PRIYA, stale, home.UNDO)
    staffed.wait_quiet()
    assert staffed.pairs()


def test_who_approved_what_it_said_before_an_edit_does_not_decide_about_the_new_words(staffed: Office) -> None:
    reply = learn(staffed)
    staffed.react(AIKO, reply)
    staffed.wait_quiet()
    stale = staffed.open_home(AIKO, holding=home.UNDO)
    staffed.call("chat.update", user=PRIYA, channel=SUPPORT, ts=reply, text="Hi Maya, it arrives on Saturday.")
    wait_for(lambda: staffed.pairs("withdrawn"))
    staffed.react(JONAS, reply, on=False)
    staffed.react(JONAS, reply)
    (pair,) = wait_for(staffed.pairs)
    staffed.page("home_open", user=AIKO)
    wait_for(lambda: "Replies I approved" not in str(staffed.slack.slack.views.find_home(AIKO)))
    button = {"action_id": home.UNDO, "value": str(pair.pair_id)}
    staffed.press_in_home(AIKO, {"id": stale["id"], "blocks": [{"block_id": "b", "elements": [button]}]}, home.UNDO)
    staffed.wait_quiet()
    assert [kept.pair_id for kept in staffed.pairs()] == [pair.pair_id]


def test_approver_does_not_take_out_what_a_lead_kept(staffed: Office) -> None:
    learn(staffed)
    stale = staffed.open_home(JONAS, holding=home.UNDO)
    set_aside(staffed)
    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding=home.KEEP), home.KEEP)
    wait_for(staffed.pairs)
    staffed.press_in_home(JONAS, stale, home.UNDO)
    shown = staffed.open_home(JONAS, holding=f"kept by <@{RUTH}>")
    assert home.UNDO not in str(shown)
    assert [pair.decided_by for pair in staffed.pairs()] == [RUTH]


def test_lead_keeps_what_was_set_aside_and_later_events_leave_it_so(staffed: Office) -> None:
    reply = learn(staffed)
    set_aside(staffed)
    shown = staffed.open_home(RUTH, holding="Waiting for your review")
    assert "a reason to look" in str(shown)
    staffed.press_in_home(RUTH, shown, home.KEEP)
    (pair,) = wait_for(staffed.pairs)
    assert (pair.reason, pair.decided_by) == ("", RUTH)
    staffed.react(RUTH, reply)
    staffed.wait_quiet()
    assert [kept.pair_id for kept in staffed.pairs()] == [pair.pair_id]


def test_lead_leaves_out_and_an_approval_does_not_bring_it_back(staffed: Office) -> None:
    reply = learn(staffed)
    set_aside(staffed)
    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding=home.LEAVE_OUT), home.LEAVE_OUT)
    (pair,) = wait_for(lambda: staffed.pairs("withdrawn"))
    assert pair.reason == "left out by a lead"
    staffed.react(RUTH, reply)
    staffed.wait_quiet()
    assert not staffed.pairs()


def test_who_is_a_lead_no_more_decides_nothing(staffed: Office) -> None:
    learn(staffed)
    set_aside(staffed)
    shown = staffed.open_home(RUTH, holding=home.KEEP)
    with staffed.store.write() as conn:
        save_desk(conn, make_desk(leads=(AIKO,)))
    staffed.press_in_home(RUTH, shown, home.KEEP)
    staffed.wait_quiet()
    assert not staffed.pairs()
    assert "home_pair_keep" not in str(staffed.slack.slack.views.find_home(RUTH))


def test_pair_whose_messages_were_deleted_cannot_be_kept(staffed: Office) -> None:
    learn(staffed)
    set_aside(staffed)
    shown = staffed.open_home(RUTH, holding=home.KEEP)
    with staffed.store.write() as conn:
        conn.exec_driver_sql("UPDATE pairs SET turns = '[]', reply = ''")
    staffed.press_in_home(RUTH, shown, home.KEEP)
    staffed.wait_quiet()
    assert not staffed.pairs()


def test_pair_whose_approval_was_taken_back_meanwhile_is_not_kept(staffed: Office) -> None:
    reply = learn(staffed)
    set_aside(staffed)
    shown = staffed.open_home(RUTH, holding=home.KEEP)
    staffed.react(JONAS, reply, on=False)
    wait_for(lambda: staffed.pairs("withdrawn"))
    staffed.press_in_home(RUTH, shown, home.KEEP)
    staffed.wait_quiet()
    assert not staffed.pairs()


def test_new_approval_counts_again_though_another_stands_that_nobody_can_take_off(staffed: Office) -> None:
    reply = learn(staffed)
    staffed.react(AIKO, reply)
    staffed.wait_quiet()
    staffed.press_in_home(JONAS, staffed.open_home(JONAS, holding=home.UNDO), home.UNDO)
    wait_for(lambda: staffed.pairs("withdrawn"))
    staffed.react(JONAS, reply, on=False)
    staffed.wait_quiet()
    assert not staffed.pairs()
    staffed.react(JONAS, reply)
    (pair,) = wait_for(staffed.pairs)
    assert (pair.decided_by, pair.reason, pair.approved_by) == ("", "", AIKO)
    with staffed.store.read() as conn:
        assert [act.actor for act in list_acts(conn, limit=5, action="pair_approved")] == [JONAS, JONAS]


def test_undo_stays_though_slacks_clock_is_ahead(staffed: Office) -> None:
    question = staffed.say(MAYA, "Where is my parcel?")
    reply = staffed.say(PRIYA, "Hi Maya, it arrives on Friday.", thread=question)
    soon = f"{staffed.store.now().timestamp() + 60:.6f}"
    item = {"type": "message", "channel": SUPPORT, "ts": reply}
    event = {"type": "reaction_added", "user": JONAS, "reaction": "+1", "item": item, "event_ts": soon}
    deliver(staffed.bots[0].bot, "Ev60", event)
    wait_for(staffed.pairs)
    staffed.press_in_home(JONAS, staffed.open_home(JONAS, holding=home.UNDO), home.UNDO)
    wait_for(lambda: staffed.pairs("withdrawn"))
    staffed.call("chat.update", user=MAYA, channel=SUPPORT, ts=question, text="Where is my parcel, please?")
    staffed.react(MAYA, reply)  # whose reaction does not count
    staffed.wait_quiet()
    assert not staffed.pairs()


def test_new_approval_counts_again_for_whoever_took_theirs_back(staffed: Office) -> None:
    reply = learn(staffed)
    staffed.press_in_home(JONAS, staffed.open_home(JONAS, holding=home.UNDO), home.UNDO)
    wait_for(lambda: staffed.pairs("withdrawn"))
    staffed.react(JONAS, reply, on=False)
    staffed.wait_quiet()
    staffed.react(JONAS, reply)
    wait_for(staffed.pairs)
