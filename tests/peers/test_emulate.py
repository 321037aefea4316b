"""The bot as it is, over signed HTTP, against a Slack that nobody here wrote: emulate 0.12.2 from npm.

What emulate answers otherwise than Slack's documentation says, found 2026-11-21, and what follows here. Slack's word is the
right one in each; where the bot failed over it, it was mended as far as it now takes both.

- `reaction_added` and `reaction_removed` have no `event_ts` and no `item_user`. The bot took such a reaction for one from
  before everything, which never counts. Now it counts as of when it is worked on.
- There is no `reactions.list`: HTTP 404 without an error code, where Slack says `unknown_method`. The backfill put the whole
  channel off. Now it compares what history shows and logs `reactions_not_listed`.
- `conversations.history` shows no `latest_reply` or `thread_ts` at a thread's root, and ignores `oldest` and `latest`. A later
  sweep thus misses new replies in threads that began over ten minutes before the last sweep.
- `conversations.replies` ignores `limit` and `cursor`, has no `parent_user_id`, and answers an unknown `ts` with an empty list
  instead of `thread_not_found`. The bot takes both.
- A root deleted under its replies leaves no tombstone, so that history does not show its thread any more. The event is
  understood; deleted while the bot is away, it is found all the same.
- `ts` and `edited.ts` are a second and a counter instead of a time. The bot compares them with one another only.
- What a bot's token posts has no `bot_id`, in events as in history. The bot also knows itself by its user.
- The envelope has no `api_app_id`, `authorizations` or `is_ext_shared_channel`; a new message's event has no `event_ts` (its
  `ts` stands in), `channel_type` or `team`. Events come from channels that the bot is not in, too. None of it matters.
- Users have no `is_restricted`, `is_stranger` or `first_name`: all are full members, called by the first of their names.
- Most reading methods take POST alone. The SDK posts whatever verb it is told.
- An event is sent once, before the call that caused it is answered; one that nobody took is never sent again.
- No Socket Mode, user groups, slash commands, `app_mention`, interactivity or streaming. So: HTTP, people by their ids, and
  what Slack sends when a shortcut or a button is chosen is sent by the test, signed as Slack signs it.
"""

import pytest

from tests.bot.conftest import wait_for
from tests.peers.conftest import PeerDesk
from tests.peers.emulated import BOT_USER_ID
from thumbtune.bot.blocks.draft_card import POST
from thumbtune.bot.listeners.events.member_joined_channel import WELCOME
from thumbtune.core.prompt import Turn

pytestmark = pytest.mark.xdist_group("emulate")


def test_what_was_approved_before_the_bot_was_there_is_found_at_its_start(staffed: PeerDesk, early: str) -> None:
    pair = staffed.wait_for_pair(early)
    assert pair.turns == (Turn("customer", "Do you ship to Norway?"),)
    assert (pair.reply, pair.approved_by) == ("Yes, within four days.", staffed.slack.ids["jonas"])
    wait_for(lambda: staffed.slack.signs(early) == ["books"], what="the sign")


def test_invited_bot_says_once_what_it_does(staffed: PeerDesk) -> None:
    def list_welcomes() -> list[str]:
        history = staffed.slack.call("conversations.history", user="maya", channel=staffed.slack.channel)
        return [message["user"] for message in history["messages"] if message["text"] == WELCOME]

    wait_for(list_welcomes, what="the welcome")
    staffed.wait_quiet()
    assert list_welcomes() == [BOT_USER_ID]


def test_approved_reply_becomes_the_right_pair(staffed: PeerDesk) -> None:
    slack = staffed.slack
    question = slack.say("maya", "Where is parcel RE-48213? Write to maya@example.com please.")
    slack.say("aiko", "Hi Maya, let me look.", thread=question)
    slack.say("maya", "Thanks! It was due on Monday &amp; I am away from Friday on.", thread=question)
    reply = slack.say("priya", "Hi Maya, RE-48213 arrives on Thursday. I write to maya@example.com.", thread=question)
    slack.say("maya", "Great.", thread=question)
    for name in ("maya", "priya", "aiko"):  # the customer, the author, and an agent who is no approver
        slack.react(name, reply)
    staffed.wait_quiet()
    assert staffed.pairs(reply) == []
    slack.react("jonas", reply, "thumbsup::skin-tone-3")
    pair = staffed.wait_for_pair(reply)
    assert pair.turns == (
        Turn("customer", "Where is parcel [ORDER_1]? Write to [EMAIL_1] please."),
        Turn("agent", "Hi [NAME_1], let me look."),
        Turn("customer", "Thanks! It was due on Monday & I am away from Friday on."),
    )
    assert pair.reply == "Hi [NAME_1], [ORDER_1] arrives on Thursday. I write to [EMAIL_1]."
    assert (pair.thread_ts, pair.channel_id, pair.team_id) == (question, slack.channel, slack.team_id)
    assert (pair.source, pair.approved_by, pair.reason) == ("human", slack.ids["jonas"], "")
    wait_for(lambda: slack.signs(reply) == ["books"], what="the sign")


def test_edited_reply_is_withdrawn_until_it_is_approved_again(staffed: PeerDesk) -> None:
    question, reply = staffed.answer()
    staffed.slack.react("jonas", reply)
    staffed.wait_for_pair(reply)
    staffed.slack.edit("priya", reply, "It comes on Monday.")
    assert staffed.wait_for_pair(reply, "withdrawn").reason == "the reply was edited after the approval"
    wait_for(lambda: not staffed.slack.signs(reply), what="the end of the sign")
    staffed.slack.react("jonas", reply, on=False)
    staffed.slack.react("jonas", reply)
    assert staffed.wait_for_pair(reply).reply == "It comes on Monday."
    staffed.slack.edit("maya", question, "Where is my other parcel?")
    staffed.wait_quiet()
    pair = staffed.wait_for_pair(reply)  # what was asked then is what was answered
    assert [turn.text for turn in pair.turns] == ["Where is my parcel?"]


def test_approval_taken_back_withdraws_the_pair(staffed: PeerDesk) -> None:
    _, reply = staffed.answer("Do you gift-wrap?", "We do, for three euros, in green paper.")
    for _ in range(2):
        staffed.slack.react("jonas", reply)
        staffed.wait_for_pair(reply)
        staffed.slack.react("jonas", reply, on=False)
        assert staffed.wait_for_pair(reply, "withdrawn").reason == "no longer approved"
    wait_for(lambda: not staffed.slack.signs(reply), what="the end of the sign")


def test_veto_keeps_a_reply_out(staffed: PeerDesk) -> None:
    _, reply = staffed.answer("How hot for green tea?", "Seventy-five degrees, two minutes, no more.")
    staffed.slack.react("jonas", reply)
    staffed.wait_for_pair(reply)
    staffed.slack.react("priya", reply, "thumbsdown")
    assert staffed.wait_for_pair(reply, "withdrawn").reason
    staffed.slack.react("priya", reply, "thumbsdown", on=False)
    staffed.wait_for_pair(reply)


def test_deleted_reply_is_withdrawn_and_its_text_erased(staffed: PeerDesk) -> None:
    _, reply = staffed.answer("Is the tea room open on Sunday?", "From ten o'clock, all year round.")
    staffed.slack.react("jonas", reply)
    staffed.wait_for_pair(reply)
    staffed.slack.delete("priya", reply)
    pair = staffed.wait_for_pair(reply, "withdrawn")
    assert (pair.reason, pair.reply, pair.turns) == ("the reply was deleted", "", ())


def test_deleted_question_takes_the_pair_with_it(staffed: PeerDesk) -> None:
    question, reply = staffed.answer("My teapot broke on the way.", "Send us a photo and we send a new pot.")
    staffed.slack.react("jonas", reply)
    staffed.wait_for_pair(reply)
    staffed.slack.delete("maya", question)
    assert staffed.wait_for_pair(reply, "withdrawn").turns == ()


def test_draft_is_asked_for_posted_and_learned_from(staffed: PeerDesk) -> None:
    slack = staffed.slack
    priya = {"id": slack.ids["priya"]}
    question = slack.say("maya", "May I still cancel RE-48213?")
    staffed.model.reply = lambda request: "Hi [NAME_1], [ORDER_1] is cancelled, the money comes back."
    base = {"team": {"id": slack.team_id}, "user": priya, "channel": {"id": slack.channel}}
    ask = {"type": "message_action", "callback_id": "draft_reply", "trigger_id": "1.ask", "message": {"ts": question}}
    assert slack.interact({**base, **ask}) == 200
    wait_for(lambda: any("Your draft is ready" in row for row in slack.list_ephemeral()), what="the card")
    assert "priya" in slack.list_ephemeral()[0]
    (draft,) = staffed.drafts()
    assert draft.state == "ready"
    press = {"type": "block_actions", "trigger_id": "1.post", "actions": [{"action_id": POST, "value": draft.draft_id}]}
    assert slack.interact({**base, **press}) == 200
    posted = wait_for(lambda: slack.thread(question)[1:], what="the reply")[0]
    assert (posted["user"], posted["text"]) == (BOT_USER_ID, "Hi Maya, RE-48213 is cancelled, the money comes back.")
    staffed.wait_quiet()
    slack.react("jonas", posted["ts"])
    pair = staffed.wait_for_pair(posted["ts"])
    assert pair.turns == (Turn("customer", "May I still cancel [ORDER_1]?"),)
    assert (pair.source, pair.reply) == ("draft", "Hi [NAME_1], [ORDER_1] is cancelled, the money comes back.")
    assert [message["user"] for message in slack.thread(question)] == [slack.ids["maya"], BOT_USER_ID]


def test_what_happened_while_the_bot_was_away_is_found_when_it_is_back(staffed: PeerDesk) -> None:
    slack = staffed.slack
    approved, taken_back, edited, deleted = (
        staffed.answer(question, reply)[1]
        for question, reply in (
            ("Which sizes do shirts come in?", "From small to double large."),
            ("Can I pay by invoice?", "Companies can, within fourteen days."),
            ("Do you have a shop in Lund?", "Not yet, we open in spring."),
            ("Is the honey organic?", "Yes, and it comes from one beekeeper."),
        )
    )
    for reply in (taken_back, edited, deleted):
        slack.react("jonas", reply)
        staffed.wait_for_pair(reply)
    staffed.stop_bot()
    slack.react("jonas", approved)
    slack.react("jonas", taken_back, on=False)
    slack.edit("priya", edited, "We open in autumn.")
    slack.delete("priya", deleted)
    staffed.start_bot()
    assert staffed.wait_for_pair(approved).reply == "From small to double large."
    assert staffed.wait_for_pair(taken_back, "withdrawn").reason == "no longer approved"
    assert staffed.wait_for_pair(edited, "withdrawn").reason == "the reply was edited after the approval"
    assert staffed.wait_for_pair(deleted, "withdrawn").reply == ""
    staffed.wait_quiet()
    staffed.stop_bot()
    log = staffed.log.read_text()
    assert "reactions_not_listed" in log
    assert "Traceback" not in log
    assert "beekeeper" not in log and "Norway" not in log
