"""A real Bolt app over Socket Mode: what it receives from the local workspace."""

from collections.abc import Callable
from typing import Any

from slack_bolt import App
from slack_sdk import WebClient

from tests.demo.slack.conftest import Inbox
from thumbtune.demo.slack.seed import BOT_TOKEN, BOT_USER_ID, SUPPORT_CHANNEL
from thumbtune.demo.slack.server import ServerThread


def test_message_of_a_person_reaches_the_app(
    bolt_app: App, connect: Callable[[App], Any], act_as: Callable[[str], WebClient]
) -> None:
    inbox = Inbox()
    bolt_app.event("message")(lambda body: inbox.put(body))
    connect(bolt_app)
    posted = act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="Where is my parcel?")
    body = inbox.take()
    assert body["event"]["ts"] == posted["ts"]
    assert body["event"]["user"] == "U0MAYA001"
    assert body["event"]["channel_type"] == "channel"
    assert body["event_id"].startswith("Ev")
    assert body["authorizations"][0]["user_id"] == BOT_USER_ID


def test_app_answers_in_the_thread(
    bolt_app: App, connect: Callable[[App], Any], act_as: Callable[[str], WebClient], bot: WebClient
) -> None:
    inbox = Inbox()

    @bolt_app.event("app_mention")
    def reply(event: dict[str, Any], say: Any) -> None:
        inbox.put(say(text="On it", thread_ts=event["ts"])["ts"])

    connect(bolt_app)
    ts = act_as("U0PRIYA01").chat_postMessage(channel=SUPPORT_CHANNEL, text=f"<@{BOT_USER_ID}> help")["ts"]
    answer_ts = inbox.take()
    messages = bot.conversations_replies(channel=SUPPORT_CHANNEL, ts=ts)["messages"]
    assert [message["ts"] for message in messages] == [ts, answer_ts]
    assert messages[0]["reply_count"] == 1


def test_each_event_goes_to_one_of_several_connections(
    server: ServerThread, connect: Callable[[App], Any], act_as: Callable[[str], WebClient]
) -> None:
    def listen() -> Inbox:
        inbox = Inbox()
        app = App(client=WebClient(BOT_TOKEN, base_url=server.api_url))
        app.event("message")(lambda event: inbox.put(event["text"]))
        connect(app)
        return inbox

    inboxes = [listen(), listen()]
    for number in range(6):
        act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text=str(number))
    halves = [inbox.take_all(3) for inbox in inboxes]
    assert sorted(halves[0] + halves[1]) == [str(number) for number in range(6)]
    assert all(inbox.is_empty() for inbox in inboxes)


def test_reaction_reaches_the_app(
    bolt_app: App, connect: Callable[[App], Any], act_as: Callable[[str], WebClient]
) -> None:
    inbox = Inbox()
    bolt_app.event("reaction_added")(lambda event: inbox.put(event))
    connect(bolt_app)
    ts = act_as("U0PRIYA01").chat_postMessage(channel=SUPPORT_CHANNEL, text="It arrives on Friday.")["ts"]
    act_as("U0JONAS01").reactions_add(channel=SUPPORT_CHANNEL, timestamp=ts, name="thumbsup")
    event = inbox.take()
    assert event["reaction"] == "+1"
    assert event["item"] == {"type": "message", "channel": SUPPORT_CHANNEL, "ts": ts}
    assert event["item_user"] == "U0PRIYA01"
