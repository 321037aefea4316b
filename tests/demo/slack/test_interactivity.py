"""A real Bolt app answers commands, shortcuts, buttons and modals of people in the local workspace."""

from collections.abc import Callable
from typing import Any

from slack_bolt import App
from slack_sdk import WebClient

from tests.demo.slack.conftest import Inbox, control, page, send_json
from thumbtune.demo.slack.seed import SUPPORT_CHANNEL
from thumbtune.demo.slack.server import ServerThread

Connect = Callable[[App], Any]
ActAs = Callable[[str], WebClient]

MODAL = {
    "type": "modal",
    "callback_id": "edit_draft",
    "private_metadata": "draft-7",
    "title": {"type": "plain_text", "text": "Edit"},
    "submit": {"type": "plain_text", "text": "Post"},
    "blocks": [
        {
            "type": "input",
            "block_id": "reply",
            "label": {"type": "plain_text", "text": "Reply"},
            "element": {"type": "plain_text_input", "action_id": "text", "multiline": True, "initial_value": "Hi"},
        }
    ],
}
CARD = [
    {"type": "section", "block_id": "draft", "text": {"type": "mrkdwn", "text": "A draft"}},
    {
        "type": "actions",
        "block_id": "choices",
        "elements": [
            {
                "type": "button",
                "action_id": "post_draft",
                "value": "draft-7",
                "text": {"type": "plain_text", "text": "Post"},
            }
        ],
    },
]


def read_private(server: ServerThread, user_id: str, **query: str) -> list[dict[str, Any]]:
    more = "".join(f"&{key}={value}" for key, value in query.items())
    answer = send_json(f"{server.base_url}/demo/messages?user={user_id}&channel={SUPPORT_CHANNEL}{more}")
    return [message for message in answer["messages"] if message.get("is_ephemeral")]


def test_command_answers_privately_and_again_through_its_response_url(
    bolt_app: App, connect: Connect, server: ServerThread
) -> None:
    inbox = Inbox()

    @bolt_app.command("/retrain")
    def retrain(ack: Any, respond: Any, command: dict[str, str]) -> None:
        ack(f"Starting for {command['text']}")
        respond(text="Started", response_type="in_channel")
        inbox.put(command)

    connect(bolt_app)
    assert page(server, "post", user="U0RUTH001", channel=SUPPORT_CHANNEL, text="/retrain  support desk")["ok"]
    command = inbox.take()
    assert (command["text"], command["channel_name"], command["user_id"]) == ("support desk", "support", "U0RUTH001")
    assert [message["text"] for message in read_private(server, "U0RUTH001")] == ["Starting for support desk"]
    assert read_private(server, "U0PRIYA01") == []
    shown = send_json(f"{server.base_url}/demo/messages?user=U0PRIYA01&channel={SUPPORT_CHANNEL}")["messages"]
    assert [message["text"] for message in shown] == ["Started"]


def test_command_is_refused_in_a_thread_and_unknown_ones_everywhere(server: ServerThread, act_as: ActAs) -> None:
    ts = act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="Hello?")["ts"]
    inside = page(server, "post", user="U0RUTH001", channel=SUPPORT_CHANNEL, text="/retrain", thread_ts=ts)
    assert (inside["ok"], inside["message"]) == (False, "/retrain is not supported in threads. Sorry!")
    unknown = page(server, "post", user="U0RUTH001", channel=SUPPORT_CHANNEL, text="/nothing")
    assert unknown["error"] == "invalid_command"


def test_person_is_told_when_the_app_is_away_or_silent(bolt_app: App, connect: Connect, server: ServerThread) -> None:
    away = page(server, "post", user="U0RUTH001", channel=SUPPORT_CHANNEL, text="/retrain")
    assert away["error"] == "dispatch_failed"
    control(server, "pace", ack_timeout_s=0.2)
    connect(bolt_app)
    control(server, "faults", deaf=True)
    silent = page(server, "post", user="U0RUTH001", channel=SUPPORT_CHANNEL, text="/retrain")
    assert silent["error"] == "operation_timeout"
    assert "did not answer" in silent["message"]


def test_shortcut_opens_a_modal_whose_submission_reaches_the_app(
    bolt_app: App, connect: Connect, server: ServerThread, act_as: ActAs
) -> None:
    inbox = Inbox()

    @bolt_app.shortcut("draft_reply")
    def open_modal(ack: Any, shortcut: dict[str, Any], client: WebClient) -> None:
        ack()
        inbox.put(shortcut)
        inbox.put(client.views_open(trigger_id=shortcut["trigger_id"], view=MODAL)["view"])

    @bolt_app.view("edit_draft")
    def submit(ack: Any, view: dict[str, Any]) -> None:
        text = view["state"]["values"]["reply"]["text"]["value"]
        if text == "rude":
            ack(response_action="errors", errors={"reply": "Be kind"})
            return
        ack()
        inbox.put((view["private_metadata"], text))

    connect(bolt_app)
    client = act_as("U0MAYA001")
    root = client.chat_postMessage(channel=SUPPORT_CHANNEL, text="Where is it?")["ts"]
    ts = client.chat_postMessage(channel=SUPPORT_CHANNEL, text="Hello?", thread_ts=root)["ts"]
    used = page(server, "shortcut", user="U0PRIYA01", callback_id="draft_reply", channel=SUPPORT_CHANNEL, ts=ts)
    assert used["ok"]
    shortcut, view = inbox.take(), inbox.take()
    assert shortcut["message"]["thread_ts"] == root
    assert shortcut["message_ts"] == ts

    def send(text: str) -> dict[str, Any]:
        values = {"reply": {"text": {"type": "plain_text_input", "value": text}}}
        return page(server, "view_submit", user="U0PRIYA01", view_id=view["id"], values=values)

    assert send("")["errors"] == {"reply": "Please complete this required field."}
    assert send("rude") == {"ok": True, "response_action": "errors", "errors": {"reply": "Be kind"}}
    assert send("It arrives today.")["response_action"] == "close"
    assert inbox.take() == ("draft-7", "It arrives today.")
    assert send("once more")["error"] == "not_found"


def test_button_of_a_private_card_replaces_and_removes_it(
    bolt_app: App, connect: Connect, server: ServerThread, bot: WebClient
) -> None:
    inbox = Inbox()

    @bolt_app.action("post_draft")
    def press(ack: Any, body: dict[str, Any], respond: Any) -> None:
        ack()
        if body["actions"][0]["value"] == "draft-7":
            respond(text="Posting …", replace_original=True, blocks=[{**CARD[1], "elements": [LATER]}])
        else:
            respond(delete_original=True)
        inbox.put(body)

    connect(bolt_app)
    ts = bot.chat_postEphemeral(channel=SUPPORT_CHANNEL, user="U0PRIYA01", text="A draft", blocks=CARD)["message_ts"]
    place = {"type": "message", "channel": SUPPORT_CHANNEL, "message_ts": ts}
    press_it = {"container": place, "block_id": "choices", "action_id": "post_draft"}
    assert page(server, "action", user="U0PRIYA01", **press_it)["ok"]
    body = inbox.take()
    assert body["container"]["is_ephemeral"]
    assert "message" not in body
    assert read_private(server, "U0PRIYA01")[0]["text"] == "Posting …"
    assert page(server, "action", user="U0JONAS01", **press_it)["error"] == "message_not_found"
    assert page(server, "action", user="U0PRIYA01", **press_it)["ok"]
    inbox.take()
    assert read_private(server, "U0PRIYA01") == []


LATER = {"type": "button", "action_id": "post_draft", "value": "later", "text": {"type": "plain_text", "text": "Later"}}


def test_trigger_works_once_and_not_for_long(
    bolt_app: App, connect: Connect, server: ServerThread, bot: WebClient, act_as: ActAs
) -> None:
    inbox = Inbox()

    @bolt_app.shortcut("draft_reply")
    def keep(ack: Any, shortcut: dict[str, Any]) -> None:
        ack()
        inbox.put(shortcut["trigger_id"])

    connect(bolt_app)
    ts = act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="Hello?")["ts"]
    use = {"user": "U0PRIYA01", "callback_id": "draft_reply", "channel": SUPPORT_CHANNEL, "ts": ts}
    page(server, "shortcut", **use)
    trigger_id = inbox.take()
    assert bot.views_open(trigger_id=trigger_id, view=MODAL)["ok"]

    def open_again(trigger_id: str) -> str:
        answer = send_json(f"{server.api_url}views.open", {"trigger_id": trigger_id, "view": MODAL}, token=bot.token)
        return str(answer["error"])

    assert open_again(trigger_id) == "exchanged_trigger_id"
    assert open_again("1.2.3") == "invalid_trigger_id"
    control(server, "pace", trigger_lifetime_s=0.0)
    page(server, "shortcut", **use)
    assert open_again(inbox.take()) == "expired_trigger_id"


def test_home_tab_is_asked_for_and_published(bolt_app: App, connect: Connect, server: ServerThread) -> None:
    inbox = Inbox()

    @bolt_app.event("app_home_opened")
    def publish(event: dict[str, Any], client: WebClient) -> None:
        view = {"type": "home", "blocks": [{"type": "divider"}]}
        client.views_publish(user_id=event["user"], view=view)
        inbox.put(event)

    connect(bolt_app)
    assert send_json(f"{server.base_url}/demo/home?user=U0RUTH001")["view"] is None
    page(server, "home_open", user="U0RUTH001")
    event = inbox.take()
    assert (event["tab"], event["user"]) == ("home", "U0RUTH001")
    assert send_json(f"{server.base_url}/demo/home?user=U0RUTH001")["view"]["blocks"][0]["type"] == "divider"
