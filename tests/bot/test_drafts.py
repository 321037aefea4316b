"""From "draft a reply" to a private card, and what its buttons do."""

import re
from dataclasses import replace

from tests.bot.conftest import JONAS, MAYA, PRIYA, RUTH, SUPPORT, TOMAS, BrittleRedactor, Office, wait_for
from thumbtune.bot.app import build_bot
from thumbtune.bot.process import RunningBot
from thumbtune.demo.slack.seed import BOT_USER_ID


def ask_for_card(office: Office) -> tuple[str, dict]:
    question = office.say(MAYA, "Where is parcel RE-48213? Write to maya@example.com please.")
    office.model.reply = lambda request: "Hi [NAME_1], parcel [ORDER_1] arrives on Friday. I write to [EMAIL_1]."
    office.ask(PRIYA, question)
    return question, office.wait_for_card(PRIYA, question)


def test_shortcut_shows_a_private_card_with_the_placeholders_filled(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    assert "Hi Maya, parcel RE-48213 arrives on Friday. I write to maya@example.com." in str(card)
    assert "grounded in the help centre" in str(card)
    assert "Shipping times" in str(card)
    assert not staffed.private(JONAS, thread=question)
    prompt = staffed.model.requests[0]["messages"]
    assert prompt[-1]["content"] == "Where is parcel [ORDER_1]? Write to [EMAIL_1] please."
    (draft,) = staffed.drafts()
    assert (draft.state, draft.mode) == ("ready", "grounded")
    assert "Maya" not in draft.text


def test_post_sends_the_draft_once_and_a_thumbs_up_on_it_teaches(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    staffed.press(PRIYA, card, "draft_post")
    staffed.press(PRIYA, card, "draft_post")
    staffed.wait_for_card(PRIYA, question, holding="Posted in the thread")
    staffed.wait_quiet()
    posted = [message for message in staffed.thread(question) if message.get("bot_id")]
    assert [message["text"] for message in posted] == [
        "Hi Maya, parcel RE-48213 arrives on Friday. I write to maya@example.com."
    ]
    (draft,) = staffed.drafts()
    assert (draft.state, draft.sent_ts, draft.edit_share) == ("sent", posted[0]["ts"], 0.0)
    staffed.react(PRIYA, posted[0]["ts"])
    staffed.wait_quiet()
    assert not staffed.pairs()
    staffed.react(JONAS, posted[0]["ts"])
    pair = wait_for(staffed.pairs)[0]
    assert (pair.source, pair.reply) == ("draft", draft.text)


def test_edit_posts_what_the_agent_left_and_keeps_how_much_changed(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    staffed.press(PRIYA, card, "draft_edit")
    view = wait_for(lambda: staffed.view(PRIYA))
    element = view["blocks"][-1]["element"]
    assert element["initial_value"].startswith("Hi Maya, parcel RE-48213")
    assert "Where is parcel RE-48213?" in str(view["blocks"][1])
    text = "Hi Maya, RE-48213 comes on Friday."
    values = {"reply": {"text": {"type": "plain_text_input", "value": text}}}
    staffed.page("view_submit", user=PRIYA, view_id=view["id"], values=values)
    staffed.wait_for_card(PRIYA, question, holding="changed")
    assert staffed.thread(question)[-1]["text"] == text
    (draft,) = staffed.drafts()
    assert draft.state == "edited"
    assert 0.2 < (draft.edit_share or 0) < 0.8
    assert draft.sent_text == "Hi [NAME_1], [ORDER_1] comes on Friday."


def test_try_again_writes_another_draft_at_a_higher_temperature(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    staffed.model.reply = lambda request: "Hello [NAME_1], another way to say it."
    staffed.press(PRIYA, card, "draft_retry")
    again = staffed.wait_for_card(PRIYA, question, holding="another way to say it")
    assert again["ts"] != card["ts"]
    assert len(staffed.private(PRIYA, thread=question)) == 1
    assert staffed.model.requests[-1]["temperature"] == staffed.settings.retry_temperature
    assert sorted(draft.state for draft in staffed.drafts()) == ["discarded", "ready"]


def test_dismiss_takes_the_card_away(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    staffed.press(PRIYA, card, "draft_dismiss")
    wait_for(lambda: not staffed.private(PRIYA, thread=question))
    assert [draft.state for draft in staffed.drafts()] == ["discarded"]
    assert len(staffed.thread(question)) == 1


def test_post_on_a_thread_that_moved_on_asks_first(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    staffed.say(MAYA, "It came just now, thanks!", thread=question)
    staffed.press(PRIYA, card, "draft_post")
    stale = staffed.wait_for_card(PRIYA, question, holding="The thread moved on")
    assert "Maya Lindqvist" in str(stale)
    assert len(staffed.thread(question)) == 2
    staffed.press(PRIYA, stale, "draft_post_anyway")
    wait_for(lambda: len(staffed.thread(question)) == 3)


def test_post_after_a_colleague_posted_asks_first(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    staffed.ask(JONAS, question)
    second = staffed.wait_for_card(JONAS, question)
    staffed.press(PRIYA, card, "draft_post")
    staffed.wait_for_card(PRIYA, question, holding="Posted in the thread")
    staffed.press(JONAS, second, "draft_post")
    assert "Priya" in str(staffed.wait_for_card(JONAS, question, holding="The thread moved on"))
    assert len(staffed.thread(question)) == 2


def test_edit_after_a_colleague_posted_says_so(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    staffed.ask(JONAS, question)
    second = staffed.wait_for_card(JONAS, question)
    staffed.press(PRIYA, card, "draft_post")
    staffed.wait_for_card(PRIYA, question, holding="Posted in the thread")
    staffed.press(JONAS, second, "draft_edit")
    assert "Priya Nair wrote after this draft" in str(wait_for(lambda: staffed.view(JONAS)))


def test_post_while_a_colleagues_reply_is_on_its_way_asks_first(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    staffed.ask(JONAS, question)
    second = staffed.wait_for_card(JONAS, question)
    staffed.control("faults", rate_limits={"chat.postMessage": 1.0}, retry_after_s=1)
    staffed.press(PRIYA, card, "draft_post")
    wait_for(lambda: [draft for draft in staffed.drafts() if draft.state == "sent"])
    staffed.press(JONAS, second, "draft_post")
    assert "Priya" in str(staffed.wait_for_card(JONAS, question, holding="The thread moved on"))


def test_customer_who_mentions_the_bot_moves_the_thread_on_and_an_agent_does_not(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    staffed.say(MAYA, f"<@{BOT_USER_ID}> never mind", thread=question)
    staffed.say(JONAS, f"<@{BOT_USER_ID}> please", thread=question)
    staffed.press(PRIYA, card, "draft_post")
    assert "Maya" in str(staffed.wait_for_card(PRIYA, question, holding="The thread moved on"))


def test_mention_in_the_thread_asks_too_and_is_no_part_of_the_conversation(staffed: Office) -> None:
    question = staffed.say(MAYA, "Can I return shoes?")
    staffed.say(PRIYA, f"<@{BOT_USER_ID}> please", thread=question)
    staffed.wait_for_card(PRIYA, question)
    assert [message["role"] for message in staffed.model.requests[0]["messages"]] == ["system", "user"]
    assert staffed.model.requests[0]["messages"][-1]["content"] == "Can I return shoes?"


def test_draft_command_takes_a_link(staffed: Office) -> None:
    question = staffed.say(MAYA, "Can I return shoes?")
    link = staffed.call("chat.getPermalink", user=PRIYA, channel=SUPPORT, message_ts=question)["permalink"]
    staffed.command(PRIYA, f"/draft {link}")
    staffed.wait_for_card(PRIYA, question)
    staffed.command(PRIYA, "/draft")
    wait_for(lambda: [m for m in staffed.private(PRIYA) if "Give me the link" in m["text"]])


def test_customer_is_refused_politely(staffed: Office) -> None:
    question = staffed.say(TOMAS, "Can I return shoes?")
    staffed.ask(TOMAS, question)
    wait_for(lambda: [m for m in staffed.private(TOMAS, thread=question) if "Drafts are for the agents" in m["text"]])
    assert not staffed.drafts()
    assert not staffed.model.requests


def test_model_that_starts_late_still_writes(staffed: Office) -> None:
    staffed.serve_model(healthy=False)
    question = staffed.say(MAYA, "Can I return shoes?")
    staffed.ask(PRIYA, question)
    wait_for(lambda: [m for m in staffed.private(PRIYA, thread=question) if "model is starting" in m["text"]])
    staffed.serve_model()
    staffed.wait_for_card(PRIYA, question)
    assert len(staffed.drafts()) == 1


def test_hostile_reply_of_the_model_reaches_the_thread_harmless(staffed: Office) -> None:
    question = staffed.say(MAYA, "Can I return shoes?")
    staffed.model.reply = lambda request: (
        "<!channel> <!here> @everyone <@U0RUTH001> <#C0GENERAL> <https://evil.example/x|your parcel> "
        "https://evil.example/?q=1 javascript:alert(1) <!subteam^S0AGENTS1> &lt;!here&gt;"
    )
    staffed.ask(PRIYA, question)
    card = staffed.wait_for_card(PRIYA, question)
    staffed.press(PRIYA, card, "draft_post")
    message = wait_for(lambda: [m for m in staffed.thread(question) if m.get("bot_id")])[0]
    for markup in (
        message["text"],
        *(block["text"]["text"] for block in card["blocks"] if "draft_text" in block["block_id"]),
    ):
        assert not re.search(r"<[!@#h]|https?:|javascript:|@everyone|@here\b", markup), markup


def test_few_shot_uses_approved_replies_but_no_held_out_thread(staffed: Office) -> None:
    asked = []
    for number in range(12):
        question = staffed.say(MAYA, f"Can I return shoes of size {number}?")
        reply = staffed.say(PRIYA, f"Yes, within 30 days, size {number} too.", thread=question)
        staffed.react(RUTH, reply)
        asked.append(question)
    wait_for(lambda: len(staffed.pairs()) == 12)
    question = staffed.say(TOMAS, "Can I return shoes?")
    staffed.ask(PRIYA, question)
    card = staffed.wait_for_card(PRIYA, question)
    assert "few-shot from 3 approved replies" in str(card)
    system = staffed.model.requests[0]["messages"][0]["content"]
    assert system.count("Yes, within 30 days") == 3


def test_draft_in_which_the_model_got_stuck_is_marked_on_its_card(staffed: Office) -> None:
    staffed.model.reply = lambda _: "Dear customer, " + "we are sorry to hear that. " * 6
    question = staffed.say(MAYA, "My lamp broke.")
    staffed.ask(PRIYA, question)
    assert "stuck in a loop" in str(staffed.wait_for_card(PRIYA, question))
    staffed.model.reply = lambda _: "Dear customer, we are sorry to hear that. Send us a picture of it."
    question = staffed.say(MAYA, "My cup broke.")
    staffed.ask(PRIYA, question)
    assert "stuck in a loop" not in str(staffed.wait_for_card(PRIYA, question))


def submit_edit(office: Office, card: dict, text: str) -> None:
    office.press(PRIYA, card, "draft_edit")
    view = wait_for(lambda: office.view(PRIYA))
    values = {"reply": {"text": {"type": "plain_text_input", "value": text}}}
    office.page("view_submit", user=PRIYA, view_id=view["id"], values=values)


def test_edit_that_leaves_a_placeholder_is_not_posted_and_not_lost(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    submit_edit(staffed, card, "Hi [NAME_7], we ship it again.")
    again = staffed.wait_for_card(PRIYA, question, holding="Not posted: [NAME_7] is still to be filled in")
    assert "Hi [NAME_7], we ship it again." in str(again)
    assert len(staffed.thread(question)) == 1
    submit_edit(staffed, again, "Hi Maya, we ship it again.")
    wait_for(lambda: staffed.thread(question)[-1]["text"] == "Hi Maya, we ship it again.")


def test_draft_too_long_for_the_editor_offers_no_edit(staffed: Office) -> None:
    question = staffed.say(MAYA, "Tell me everything.")
    staffed.model.reply = lambda request: "It-arrives-on-Friday. " * 150
    staffed.ask(PRIYA, question)
    card = staffed.wait_for_card(PRIYA, question)
    assert "Too long to edit here" in str(card)
    assert "'draft_edit'" not in str(card)
    assert "'draft_post'" in str(card)


def test_reply_that_slack_refused_can_be_tried_again(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    api = staffed.slack.slack.web_api
    scopes, api.bot_scopes = api.bot_scopes, api.bot_scopes - {"chat:write"}
    staffed.press(PRIYA, card, "draft_post")
    failed = staffed.wait_for_card(PRIYA, question, holding="It was not posted")
    assert [draft.state for draft in staffed.drafts()] == ["failed"]
    api.bot_scopes = scopes
    staffed.model.reply = lambda request: "Another way to say it."
    staffed.press(PRIYA, failed, "draft_retry")
    staffed.wait_for_card(PRIYA, question, holding="Another way to say it")


def test_reply_whose_lookup_is_refused_is_said_to_be_unclear(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    staffed.control("faults", cut_before=1.0, methods=["chat.postMessage"])
    staffed.press(PRIYA, card, "draft_post")
    wait_for(lambda: [draft for draft in staffed.drafts() if draft.state == "sent"])
    api = staffed.slack.slack.web_api
    api.bot_scopes = api.bot_scopes - {"channels:history"}
    staffed.wait_for_card(PRIYA, question, holding="It is unknown whether the reply was posted")


def has_failed_with(office: Office, error: str) -> bool:
    with office.store.read() as conn:
        return error in conn.exec_driver_sql("SELECT error FROM inbox").scalars().all()


def test_card_that_slack_was_too_busy_to_show_is_shown_later(staffed: Office) -> None:
    question = staffed.say(MAYA, "Can I return shoes?")
    staffed.control("faults", rate_limits={"chat.postEphemeral": 1.0}, retry_after_s=1)
    staffed.ask(PRIYA, question)
    wait_for(lambda: has_failed_with(staffed, "SlackBusy"), what="Slack's refusal of the card")
    staffed.control("clear")
    staffed.wait_for_card(PRIYA, question)
    assert len(staffed.model.requests) == 1


def test_edit_opens_while_every_writer_is_busy(staffed: Office) -> None:
    _, card = ask_for_card(staffed)
    staffed.model.gate.clear()
    for question in [staffed.say(MAYA, f"And parcel {number}?") for number in range(3)]:
        staffed.ask(PRIYA, question)
    wait_for(lambda: len(staffed.model.requests) == 3)
    staffed.press(PRIYA, card, "draft_edit")
    wait_for(lambda: staffed.view(PRIYA), timeout_s=5)
    staffed.model.gate.set()


def test_edit_that_came_too_late_asks_to_press_again(staffed: Office) -> None:
    question, card = ask_for_card(staffed)
    staffed.control("pace", trigger_lifetime_s=0.0)
    staffed.press(PRIYA, card, "draft_edit")
    staffed.wait_for_card(PRIYA, question, holding="press *Edit* again")


def test_no_draft_where_a_message_could_not_be_redacted(office: Office) -> None:
    running = RunningBot(replace(build_bot(office.settings, office.store), redactor=BrittleRedactor()))
    running.start()
    office.bots.append(running)
    question = office.say(MAYA, "Can I return shoes?")
    office.say(MAYA, "They are broken.", thread=question)
    office.ask(PRIYA, question)
    office.wait_for_card(PRIYA, question, holding="could not be made safe")
    assert not office.model.requests
    wait_for(lambda: [draft.state for draft in office.drafts()] == ["failed"])
