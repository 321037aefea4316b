"""A real Bolt app's drafts, buttons, modals and Home tab work in the page."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from slack_bolt import App

from tests.demo.slack.conftest import Inbox
from tests.demo.slack.conftest import page as do
from tests.demo.slack.page.conftest import MAYA, PRIYA, RUTH, OpenPage
from thumbtune.demo.slack.seed import SUPPORT_CHANNEL
from thumbtune.demo.slack.server import ServerThread

Connect = Callable[[App], Any]


def text(words: str, kind: str = "plain_text") -> dict[str, str]:
    return {"type": kind, "text": words}


def button(action_id: str, words: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "text": text(words), "value": "draft-7", **more}


CONFIRM = {"title": text("Dismiss it?"), "text": text("It cannot be brought back."), "confirm": text("Dismiss it")}
CARD = [
    {"type": "header", "text": text("Draft for Maya")},
    {"type": "section", "text": text("Hello Maya, it is *on its way*.", "mrkdwn")},
    {
        "type": "actions",
        "block_id": "choices",
        "elements": [
            button("post", "Post", style="primary"),
            button("edit", "Edit"),
            button("dismiss", "Dismiss", style="danger", confirm=CONFIRM),
            {
                "type": "static_select",
                "action_id": "again",
                "placeholder": text("Try again…"),
                "options": [{"text": text("Shorter"), "value": "short"}, {"text": text("Warmer"), "value": "warm"}],
            },
        ],
    },
]
MODAL = {
    "type": "modal",
    "callback_id": "edit_draft",
    "title": text("Edit the draft"),
    "submit": text("Post"),
    "blocks": [
        {
            "type": "input",
            "block_id": "reply",
            "label": text("Reply"),
            "element": {"type": "plain_text_input", "action_id": "text", "multiline": True, "initial_value": "Hello"},
        }
    ],
}
HOME = [{"type": "header", "text": text("Your desk")}, {"type": "actions", "elements": [button("count", "Count")]}]


@pytest.fixture
def heard() -> Inbox:
    return Inbox()


@pytest.fixture
def app(bolt_app: App, connect: Connect, heard: Inbox) -> App:
    """An app with every kind of surface, connected."""

    @bolt_app.shortcut("draft_reply")
    def draft(ack: Any, shortcut: dict[str, Any], client: Any) -> None:
        ack()
        root = shortcut["message"].get("thread_ts") or shortcut["message_ts"]
        channel, user = shortcut["channel"]["id"], shortcut["user"]["id"]
        client.chat_postEphemeral(channel=channel, user=user, thread_ts=root, text="A draft", blocks=CARD)

    @bolt_app.action("post")
    def post(ack: Any, respond: Any, action: dict[str, Any]) -> None:
        ack()
        heard.put(action["value"])
        respond(replace_original=True, text="Posted :white_check_mark:")

    @bolt_app.action("again")
    def again(ack: Any, action: dict[str, Any]) -> None:
        ack()
        heard.put(action["selected_option"]["value"])

    @bolt_app.action("dismiss")
    def dismiss(ack: Any, respond: Any) -> None:
        ack()
        respond(delete_original=True)

    @bolt_app.action("edit")
    def edit(ack: Any, body: dict[str, Any], client: Any) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @bolt_app.view("edit_draft")
    def submit(ack: Any, view: dict[str, Any]) -> None:
        written = view["state"]["values"]["reply"]["text"]["value"]
        if "refund" in written:
            ack(response_action="errors", errors={"reply": "Promise no refunds."})
            return
        ack()
        heard.put(written)

    @bolt_app.event("app_home_opened")
    def home(event: dict[str, Any], client: Any) -> None:
        client.views_publish(user_id=event["user"], view={"type": "home", "blocks": HOME})

    @bolt_app.action("count")
    def count(ack: Any, body: dict[str, Any], client: Any) -> None:
        ack()
        counted = [*HOME, {"type": "section", "text": text("*62* pairs", "mrkdwn")}]
        client.views_publish(user_id=body["user"]["id"], view={"type": "home", "blocks": counted})

    @bolt_app.command("/retrain")
    def retrain(ack: Any, respond: Any, command: dict[str, str]) -> None:
        ack()
        respond(text=f"Run 1 for {command['text'] or 'support'}", response_type="in_channel")

    connect(bolt_app)
    return bolt_app


@pytest.fixture
def drafted(app: App, open_page: OpenPage, server: ServerThread) -> Page:
    """Priya's page after she asked for a draft from a message's menu."""
    do(server, "post", user=MAYA, channel=SUPPORT_CHANNEL, text="Where is my order?")
    page = open_page(PRIYA)
    page.locator(".message").last.hover()
    page.get_by_label("More actions").click()
    page.get_by_role("menuitem", name="Draft a reply").click()
    return page


def test_draft_asked_from_the_menu_opens_its_thread_and_is_seen_by_its_agent_only(
    drafted: Page, open_page: OpenPage
) -> None:
    card = drafted.get_by_role("complementary", name="Thread").locator(".is-ephemeral")
    expect(card).to_contain_text("Only visible to you")
    expect(card.get_by_role("heading", name="Draft for Maya")).to_be_visible()
    expect(card.locator("strong")).to_have_text("on its way")
    ruth = open_page(RUTH, drafted.url.split(f"/as/{PRIYA}/")[1])
    expect(ruth.locator(".panel-thread .message")).to_have_count(1)


def test_button_and_select_reach_the_app_and_its_answer_replaces_the_card(drafted: Page, heard: Inbox) -> None:
    card = drafted.locator(".is-ephemeral")
    card.get_by_label("Try again…").select_option("warm")
    assert heard.take(30) == "warm"
    card.get_by_role("button", name="Post").click()
    assert heard.take(30) == "draft-7"
    expect(card).to_contain_text("Posted ✅")
    expect(card.get_by_role("button", name="Post")).to_have_count(0)


def test_button_with_a_confirmation_asks_first(drafted: Page) -> None:
    card = drafted.locator(".is-ephemeral")
    card.get_by_role("button", name="Dismiss", exact=True).last.click()
    drafted.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(card).to_be_visible()
    card.get_by_role("button", name="Dismiss", exact=True).last.click()
    drafted.get_by_role("dialog").get_by_role("button", name="Dismiss it").click()
    expect(card).to_have_count(0)


def test_modal_shows_the_apps_complaint_under_its_field_and_closes_once_it_is_content(
    drafted: Page, heard: Inbox
) -> None:
    drafted.locator(".is-ephemeral").get_by_role("button", name="Edit").click()
    dialog = drafted.get_by_role("dialog", name="Edit the draft")
    field = dialog.get_by_label("Reply")
    expect(field).to_have_value("Hello")
    field.fill("You get a refund")
    dialog.get_by_role("button", name="Post").click()
    expect(dialog.get_by_role("alert")).to_have_text("Promise no refunds.")
    expect(field).to_have_attribute("aria-invalid", "true")

    field.fill("")
    dialog.get_by_role("button", name="Post").click()
    expect(dialog.get_by_role("alert")).to_have_text("Please fill this in.")

    field.fill("It arrives tomorrow")
    dialog.get_by_role("button", name="Post").click()
    expect(dialog).to_have_count(0)
    assert heard.take(30) == "It arrives tomorrow"


def test_home_tab_shows_what_the_app_published_and_follows_its_changes(app: App, open_page: OpenPage) -> None:
    page = open_page(RUTH)
    expect(page.locator(".connection")).to_have_text("Thumbtune is connected")
    page.locator(".entry", has_text="Thumbtune").click()
    expect(page.get_by_role("heading", name="Your desk")).to_be_visible()
    page.get_by_role("button", name="Count").click()
    expect(page.locator(".home")).to_contain_text("62 pairs")


def test_command_is_offered_while_typing_and_its_answer_is_posted_by_the_app(app: App, open_page: OpenPage) -> None:
    page = open_page(RUTH)
    composer = page.get_by_placeholder("Write in #support as Ruth…")
    composer.type("/re")
    expect(page.get_by_role("option", name="/retrain")).to_be_visible()
    composer.press("Tab")
    composer.press("Enter")
    message = page.locator(".message", has_text="Run 1 for support")
    expect(message.locator(".badge")).to_have_text("APP")
    expect(page.get_by_role("listbox", name="Suggestions")).to_have_count(0)
