"""What a lead sees and decides in the Home tab, and what becomes of it in Slack and in the store."""

import pytest

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, RUTH, TOMAS, Office, make_desk, wait_for
from thumbtune.bot.blocks import home, pair_modal
from thumbtune.bot.listeners.views.pair_edit import handle_pair_edit_submitted
from thumbtune.core.records import InboxEvent, PairState, TrainingPair
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.decisions import decide_pair
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.pairs import NOT_APPROVED

QUESTION = "Do you ship to Norway, and how long does it take?"


def learn(office: Office, reply: str, *, by: str = JONAS, customer: str = MAYA, question: str = QUESTION) -> str:
    asked = office.say(customer, question)
    ts = office.say(PRIYA, reply, thread=asked)
    office.react(by, ts)
    wait_for(lambda: [pair for pair in office.pairs(None) if pair.reply_ts == ts])
    office.wait_quiet()
    return ts


def contradict(office: Office) -> tuple[str, str]:
    return learn(office, "Yes, we do, in 5 days."), learn(office, "Yes, we do, in 9 days.", customer=TOMAS)


def states(office: Office) -> dict[str, str]:
    return {pair.reply_ts: pair.state for pair in office.pairs(None)}


def list_signs(office: Office, ts: str) -> list[str]:
    return [sign["name"] for sign in office.thread(ts)[0].get("reactions", [])]


def test_contradiction_is_shown_with_both_sides_and_this_one_is_kept(staffed: Office) -> None:
    old, new = contradict(staffed)
    assert states(staffed) == {old: "active", new: "quarantined"}
    wait_for(lambda: "books" in list_signs(staffed, old))
    shown = str(staffed.open_home(RUTH, holding="Waiting for your review"))
    assert "in 5 days" in shown
    assert "in 9 days" in shown
    assert "they give different numbers, dates or links" in shown
    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding=home.KEEP_THIS), home.KEEP_THIS)
    wait_for(lambda: states(staffed) == {old: "withdrawn", new: "active"})
    wait_for(lambda: "books" not in list_signs(staffed, old) and "books" in list_signs(staffed, new))
    staffed.react(AIKO, old)
    staffed.wait_quiet()
    assert states(staffed) == {old: "withdrawn", new: "active"}


def test_the_other_or_both_are_kept(staffed: Office) -> None:
    old, new = contradict(staffed)
    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding=home.KEEP_OTHER), home.KEEP_OTHER)
    wait_for(lambda: states(staffed) == {old: "active", new: "withdrawn"})
    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding=home.RESTORE), home.RESTORE)
    wait_for(lambda: states(staffed)[new] == "active")
    assert {pair.decided_by for pair in staffed.pairs()} == {RUTH}
    third = learn(staffed, "Yes, we do, in 7 days.")
    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding=home.KEEP_BOTH), home.KEEP_BOTH)
    wait_for(lambda: set(states(staffed).values()) == {"active"})
    assert len(states(staffed)) == 3
    assert states(staffed)[third] == "active"


def test_decision_by_another_contradiction_than_is_there_by_now_is_none(staffed: Office) -> None:
    first = learn(staffed, "Yes, we do, in 5 days.")
    second = learn(staffed, "Yes, we do, in 6 days.", customer=TOMAS)
    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding=home.KEEP_BOTH), home.KEEP_BOTH)
    wait_for(lambda: states(staffed) == {first: "active", second: "active"})
    third = learn(staffed, "Yes, we do, in 9 days.")
    ids = {pair.reply_ts: pair.pair_id for pair in staffed.pairs(None)}
    shown = staffed.open_home(RUTH, holding=f"{ids[third]}:{ids[first]}")
    with staffed.store.write() as conn:
        decide_pair(conn, staffed.store, ids[first], state="withdrawn", reason="", decided_by=RUTH, shows_sign=True)
    staffed.press_in_home(RUTH, shown, home.KEEP_THIS)
    staffed.wait_quiet()
    staffed.open_home(RUTH, holding=f"{ids[third]}:{ids[second]}")
    assert states(staffed) == {first: "withdrawn", second: "active", third: "quarantined"}


def test_duplicate_keeps_its_sign_and_takes_over_when_the_first_goes(staffed: Office) -> None:
    first = learn(staffed, "Yes, we do, in 5 days.")
    second = learn(staffed, "Yes, we do, in 5 days.", customer=TOMAS)
    assert states(staffed) == {first: "active", second: "merged"}
    wait_for(lambda: "books" in list_signs(staffed, second))
    staffed.react(JONAS, first, on=False)
    wait_for(lambda: states(staffed) == {first: "withdrawn", second: "active"})
    assert next(pair.reason for pair in staffed.pairs("withdrawn")) == NOT_APPROVED


def test_courtesy_waits_with_its_reason_and_without_a_sign(staffed: Office) -> None:
    ts = learn(staffed, "Thank you!")
    assert states(staffed) == {ts: "quarantined"}
    wait_for(lambda: list_signs(staffed, ts) == ["+1"])
    shown = staffed.open_home(RUTH, holding="too short to teach anything")
    staffed.press_in_home(RUTH, shown, home.KEEP)
    wait_for(lambda: states(staffed) == {ts: "active"})
    staffed.wait_quiet()
    assert "Waiting for your review" not in str(staffed.open_home(RUTH, holding="Newest replies in use"))


@pytest.mark.parametrize(("action_id", "state"), [(home.KEEP_ALL, "active"), (home.LEAVE_OUT_ALL, "withdrawn")])
def test_all_that_are_shown_are_decided_about_at_once(staffed: Office, action_id: str, state: str) -> None:
    waiting = [learn(staffed, text) for text in ("Thank you!", "You're welcome!", "Hello!", "Bye!", "Ok.", "Hi!")]
    shown = staffed.open_home(RUTH, holding="1 more to come as you decide")
    other: PairState = "withdrawn" if state == "active" else "active"
    third = next(pair for pair in staffed.pairs("quarantined") if pair.reply_ts == waiting[2])
    with staffed.store.write() as conn:  # decided about meanwhile: that stays
        decide_pair(conn, staffed.store, third.pair_id, state=other, reason="", decided_by=AIKO, shows_sign=True)
    staffed.press_in_home(RUTH, shown, action_id)
    expected = dict.fromkeys(waiting[:5], state) | {waiting[2]: other, waiting[5]: "quarantined"}
    wait_for(lambda: states(staffed) == expected)
    assert {pair.decided_by for pair in staffed.pairs(None)} == {RUTH, AIKO, ""}


def test_what_may_hold_a_secret_is_decided_about_by_itself(staffed: Office) -> None:
    secret = "Use Zm9vYmFy9Qx7LpT2vKcR8wYb to sign in."
    waiting = [learn(staffed, text) for text in ("Thank you!", secret, "Hello!")]
    shown = staffed.open_home(RUTH, holding="Keep all 2")
    staffed.press_in_home(RUTH, shown, home.KEEP_ALL)
    wait_for(lambda: states(staffed) == dict(zip(waiting, ("active", "quarantined", "active"), strict=True)))


def test_thread_of_a_waiting_reply_is_a_click_away(staffed: Office) -> None:
    ts = learn(staffed, "Thank you!")
    pair = staffed.pairs("quarantined")[0]
    place = f"archives/{pair.channel_id}/p{ts.replace('.', '')}?thread_ts={pair.thread_ts}&amp;cid={pair.channel_id}"
    shown = staffed.open_home(RUTH, holding="open the thread")
    assert f"/{place}|open the thread>" in str(shown)


def test_lead_leaves_a_learned_reply_out_and_brings_it_back(staffed: Office) -> None:
    ts = learn(staffed, "Yes, we do, in 5 days.")
    shown = staffed.open_home(RUTH, holding="Newest replies in use")
    assert "found neither in the thread nor in a passage" in str(shown)
    staffed.press_in_home(RUTH, shown, home.WITHDRAW)
    wait_for(lambda: states(staffed) == {ts: "withdrawn"})
    staffed.press_in_home(RUTH, staffed.open_home(RUTH, holding="Left out by hand"), home.RESTORE)
    wait_for(lambda: states(staffed) == {ts: "active"})


def test_only_leads_see_the_review(staffed: Office) -> None:
    contradict(staffed)
    shown = str(staffed.open_home(AIKO, holding="approved"))
    assert not any(name in shown for name in (home.KEEP_THIS, home.WITHDRAW, home.EDIT, "Found so far"))


def correct(office: Office, text: str) -> None:
    office.press_in_home(RUTH, office.open_home(RUTH, holding=home.EDIT), home.EDIT)
    view = wait_for(lambda: office.view(RUTH), what="the modal")
    values = {pair_modal.BLOCK_ID: {pair_modal.INPUT_ID: {"type": "plain_text_input", "value": text}}}
    answer = office.page("view_submit", user=RUTH, view_id=view["id"], values=values)
    assert answer["ok"], answer
    wait_for(lambda: any(pair.corrected_by for pair in office.pairs(None)))
    office.wait_quiet()


def test_correction_is_redacted_kept_and_audited(staffed: Office) -> None:
    ts = learn(staffed, "Thank you, Maya!")
    correct(staffed, "Hello [NAME_1], we do. Jonas knows more, or write to help@example.com. [NAME_9]")
    (pair,) = staffed.pairs()
    assert pair.reply == "Hello [NAME_1], we do. [NAME_3] knows more, or write to [EMAIL_1]. (NAME 9)"
    assert (pair.reply_ts, pair.corrected_by, pair.decided_by) == (ts, RUTH, RUTH)
    staffed.react(AIKO, ts)
    staffed.say(MAYA, "Thanks", thread=pair.thread_ts)
    staffed.wait_quiet()
    assert [kept.reply for kept in staffed.pairs()] == [pair.reply]
    assert "corrected by" in str(staffed.open_home(RUTH, holding="Newest replies in use"))
    with staffed.store.read() as conn:
        (act,) = list_acts(conn, limit=9, action="pair_corrected")
    assert (act.actor, act.subject) == (RUTH, str(pair.pair_id))


def test_later_edit_in_slack_needs_a_new_approval_and_drops_the_correction(staffed: Office) -> None:
    ts = learn(staffed, "Yes, we do, in 5 days.")
    correct(staffed, "Yes, in 6 days.")
    staffed.call("chat.update", user=PRIYA, channel="C0SUPPORT", ts=ts, text="Yes, we do, in 8 days.")
    wait_for(lambda: not staffed.pairs())
    staffed.react(JONAS, ts, on=False)
    staffed.react(JONAS, ts)
    (pair,) = wait_for(staffed.pairs)
    assert (pair.reply, pair.corrected_by) == ("Yes, we do, in 8 days.", "")


def submit(office: Office, shown: TrainingPair, text: str, *, by: str = RUTH, attempts: int = 1) -> str:
    """Have a bot work on a correction of a pair as it was shown; return the Home tab drawn then."""
    values = {pair_modal.BLOCK_ID: {pair_modal.INPUT_ID: {"type": "plain_text_input", "value": text}}}
    view = {**pair_modal.build_pair_modal(shown), "state": {"values": values}}
    body = {"view": view, "user": {"id": by}}
    now = office.store.now()
    event = InboxEvent(1, "T0THUMB01", "view", pair_modal.CALLBACK_ID, body, attempts=attempts, received_at=now)
    handle_pair_edit_submitted(event, office.bots[0].bot)
    return str(office.slack.slack.views.find_home(by))


def test_second_correction_of_a_killed_bot_is_kept_once(staffed: Office) -> None:
    learn(staffed, "Yes, we do, in 5 days.")
    submit(staffed, staffed.pairs()[0], "Yes, in 6 days.")
    (shown,) = staffed.pairs()
    for attempts in (2, 3):
        assert "was not kept" not in submit(staffed, shown, "Yes, in 7 days, Maya.", attempts=attempts)
        assert [pair.reply for pair in staffed.pairs()] == ["Yes, in 7 days, [NAME_1]."]
    with staffed.store.read() as conn:
        assert len(list_acts(conn, limit=9, action="pair_corrected")) == 2


def test_correction_of_what_another_lead_corrected_meanwhile_is_told(staffed: Office) -> None:
    with staffed.store.write() as conn:
        save_desk(conn, make_desk(leads=(RUTH, AIKO)))
    learn(staffed, "Yes, we do, in 5 days.")
    (shown,) = staffed.pairs()
    assert "was not kept" not in submit(staffed, shown, "Yes, in 6 days.")
    for attempts in (1, 2):
        told = submit(staffed, shown, "Yes, in <7> days.", by=AIKO, attempts=attempts)
        assert f"Your correction of #{shown.pair_id} was not kept" in told
        assert "Yes, in &lt;7&gt; days." in told
    assert [(pair.reply, pair.corrected_by) for pair in staffed.pairs()] == [("Yes, in 6 days.", RUTH)]


def test_correction_of_what_was_edited_in_slack_meanwhile_is_told(staffed: Office) -> None:
    ts = learn(staffed, "Yes, we do, in 5 days.")
    (shown,) = staffed.pairs()
    staffed.call("chat.update", user=PRIYA, channel="C0SUPPORT", ts=ts, text="Yes, we do, in 8 days.")
    wait_for(lambda: not staffed.pairs())
    assert "was not kept" in submit(staffed, shown, "Yes, in 6 days.")
    assert staffed.pairs() == []


def test_empty_correction_is_told(staffed: Office) -> None:
    learn(staffed, "Yes, we do, in 5 days.")
    (shown,) = staffed.pairs()
    assert "it was empty" in submit(staffed, shown, "  ")
    assert staffed.pairs() == [shown]


@pytest.mark.parametrize("action_id", [home.KEEP_THIS, home.KEEP_OTHER, home.KEEP_BOTH, home.WITHDRAW, home.EDIT])
def test_who_is_a_lead_no_more_decides_nothing(staffed: Office, action_id: str) -> None:
    contradict(staffed)
    before, shown = states(staffed), staffed.open_home(RUTH, holding=action_id)
    with staffed.store.write() as conn:
        save_desk(conn, make_desk(leads=(AIKO,)))
    staffed.press_in_home(RUTH, shown, action_id)
    staffed.wait_quiet()
    assert (states(staffed), staffed.view(RUTH)) == (before, None)
