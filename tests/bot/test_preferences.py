"""What agents do on their cards becomes preference pairs, found by what Slack's own times say."""

from tests.bot.conftest import JONAS, MAYA, PRIYA, Office, wait_for
from thumbtune.core.preferences import Preference, read_preferences
from thumbtune.demo.slack.seed import BOT_USER_ID


def find(office: Office) -> list[Preference]:
    return list(read_preferences(office.store, desk_id="support"))


def test_try_that_was_replaced_and_draft_that_was_edited_lose_against_what_was_sent(staffed: Office) -> None:
    question = staffed.say(MAYA, "Where is parcel RE-48213?")
    staffed.model.reply = lambda request: "Dear customer, please be patient."
    staffed.ask(PRIYA, question)
    card = staffed.wait_for_card(PRIYA, question)
    staffed.model.reply = lambda request: "Hi [NAME_1], parcel [ORDER_1] is on its way."
    staffed.press(PRIYA, card, "draft_retry")
    again = staffed.wait_for_card(PRIYA, question, holding="on its way")
    staffed.press(PRIYA, again, "draft_edit")
    view = wait_for(lambda: staffed.view(PRIYA))
    values = {"reply": {"text": {"type": "plain_text_input", "value": "Hi Maya, RE-48213 comes on Friday."}}}
    staffed.page("view_submit", user=PRIYA, view_id=view["id"], values=values)
    staffed.wait_for_card(PRIYA, question, holding="changed")
    assert find(staffed) == []
    staffed.react(JONAS, staffed.thread(question)[-1]["ts"])
    wait_for(staffed.pairs)
    found = find(staffed)
    assert {preference.pair.reply for preference in found} == {"Hi [NAME_1], [ORDER_1] comes on Friday."}
    assert [(preference.state, preference.rejected) for preference in found] == [
        ("discarded", "Dear customer, please be patient."),
        ("edited", "Hi [NAME_1], parcel [ORDER_1] is on its way."),
    ]


def test_draft_asked_for_by_mention_and_dismissed_loses_against_the_agents_own_reply(staffed: Office) -> None:
    question = staffed.say(MAYA, "May I return the teapot?")
    staffed.model.reply = lambda request: "Returns are described on our website."
    staffed.say(PRIYA, f"<@{BOT_USER_ID}> draft please", thread=question)
    card = staffed.wait_for_card(PRIYA, question)
    staffed.press(PRIYA, card, "draft_dismiss")
    wait_for(lambda: [draft for draft in staffed.drafts() if draft.state == "discarded"])
    reply = staffed.say(PRIYA, "Of course, Maya. Bring it back whenever you like.", thread=question)
    staffed.react(JONAS, reply)
    wait_for(staffed.pairs)
    (found,) = find(staffed)
    assert (found.pair.reply_ts, found.rejected) == (reply, "Returns are described on our website.")
