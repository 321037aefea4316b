"""People write, answer and react in the page, and everyone else sees it at once."""

from playwright.sync_api import expect
from slack_sdk import WebClient

from tests.demo.slack.conftest import control
from tests.demo.slack.conftest import page as do
from tests.demo.slack.page.conftest import JONAS, MAYA, PRIYA, RUTH, OpenPage
from thumbtune.demo.slack.seed import SUPPORT_CHANNEL
from thumbtune.demo.slack.server import ServerThread


def ask(server: ServerThread, text: str = "Where is my order?", **more: str) -> str:
    answer = do(server, "post", user=MAYA, channel=SUPPORT_CHANNEL, text=text, **more)
    assert answer["ok"]
    return str(answer["ts"])


def test_message_written_by_one_person_reaches_another_at_once(open_page: OpenPage) -> None:
    maya, priya = open_page(MAYA), open_page(PRIYA)
    composer = maya.get_by_placeholder("Ask in #support as Maya…")
    composer.fill("First line")
    composer.press("Shift+Enter")
    composer.type("second *line* :tada:")
    composer.press("Enter")

    message = priya.locator(".message", has_text="First line")
    expect(message).to_contain_text("Maya Lindqvist")
    expect(message.locator("strong")).to_have_text("line")
    expect(message.locator(".emoji")).to_have_text("🎉")
    expect(composer).to_have_value("")


def test_thumbs_up_shows_for_both_and_a_second_click_takes_it_back(
    open_page: OpenPage, server: ServerThread, bot: WebClient
) -> None:
    ts = ask(server)
    maya, priya = open_page(MAYA), open_page(PRIYA)
    priya.locator(".message").last.hover()
    priya.get_by_label("React with thumbs up").click()

    expect(maya.get_by_role("button", name="+1, 1").or_(maya.locator(".reaction[aria-pressed=false]"))).to_have_count(1)
    mine = priya.locator(".reaction[aria-pressed=true]")
    expect(mine).to_contain_text("1")
    stored = bot.reactions_get(channel=SUPPORT_CHANNEL, timestamp=ts)["message"]["reactions"]
    assert [(item["name"], item["users"]) for item in stored] == [("+1", [PRIYA])]

    mine.click()
    expect(maya.locator(".reaction")).to_have_count(0)


def test_thread_opens_beside_the_channel_and_counts_its_replies(open_page: OpenPage, server: ServerThread) -> None:
    ask(server)
    maya, priya = open_page(MAYA), open_page(PRIYA)
    priya.locator(".message").last.hover()
    priya.get_by_label("Reply in thread").click()
    thread = priya.get_by_role("complementary", name="Thread")
    thread.get_by_placeholder("Reply as Priya…").fill("On its way!")
    thread.get_by_placeholder("Reply as Priya…").press("Enter")
    expect(thread.locator(".message")).to_have_count(2)

    foot = maya.locator(".panel-main .thread-foot")
    expect(foot).to_contain_text("1 reply")
    foot.click()
    expect(maya.get_by_role("complementary", name="Thread")).to_contain_text("On its way!")


def test_own_message_is_edited_in_place_and_deleted_after_asking(open_page: OpenPage, server: ServerThread) -> None:
    ask(server, "Wher is it & why <b>?")
    maya, priya = open_page(MAYA), open_page(PRIYA)
    maya.locator(".message").last.hover()
    maya.get_by_label("More actions").click()
    maya.get_by_role("menuitem", name="Edit message").click()
    editor = maya.get_by_label("Edit message")
    expect(editor).to_have_value("Wher is it & why <b>?")
    editor.fill("Where is it & why <b>?")
    editor.press("Enter")
    expect(priya.locator(".message").last).to_contain_text("Where is it & why <b>?(edited)")

    maya.locator(".message").last.hover()
    maya.get_by_label("More actions").click()
    maya.get_by_role("menuitem", name="Delete message…").click()
    maya.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(priya.locator(".message")).to_have_count(0)


def test_deep_link_opens_the_person_the_channel_and_the_thread(open_page: OpenPage, server: ServerThread) -> None:
    ts = ask(server)
    do(server, "post", user=PRIYA, channel=SUPPORT_CHANNEL, text="Let me look", thread_ts=ts)
    page = open_page(JONAS, f"C0SUPPORT/p{ts.replace('.', '')}")
    expect(page.locator(".acting")).to_contain_text("Jonas Weber")
    expect(page.get_by_role("complementary", name="Thread")).to_contain_text("Let me look")


def test_switching_person_keeps_the_place_and_changes_the_author(open_page: OpenPage, server: ServerThread) -> None:
    ask(server)
    page = open_page(MAYA)
    page.locator(".acting").click()
    page.get_by_role("option", name="Ruth Mensah").click()
    composer = page.get_by_placeholder("Write in #support as Ruth…")
    composer.fill("I take this one")
    composer.press("Enter")
    expect(page.locator(".message").last).to_contain_text("Ruth Mensah")
    assert f"#/as/{RUTH}/{SUPPORT_CHANNEL}" in page.url


def test_other_channel_with_something_new_is_marked_until_it_is_opened(
    open_page: OpenPage, server: ServerThread
) -> None:
    page = open_page(PRIYA)
    expect(page.locator(".list")).to_be_visible()
    do(server, "post", user=MAYA, channel="C0BILLING", text="An invoice question")
    entry = page.locator(".entry", has_text="billing")
    expect(entry.locator(".entry-new")).to_be_visible()
    entry.click()
    expect(page.locator(".new-mark")).to_be_visible()
    expect(page.locator(".entry-new")).to_have_count(0)


def test_earlier_messages_load_while_scrolling_up_and_the_newest_is_one_click_away(
    open_page: OpenPage, server: ServerThread
) -> None:
    for number in range(400):
        ask(server, f"message number {number}")
    page = open_page(PRIYA, height=600)
    expect(page.get_by_text("message number 399", exact=True)).to_be_visible()
    scroller = page.locator(".list-scroll")
    first = page.get_by_text("message number 0", exact=True)
    scroller.evaluate(
        "async box => { while (!box.querySelector('.message').textContent.endsWith('message number 0')) {"
        " box.scrollTop = 0; await new Promise(requestAnimationFrame); } }"
    )
    first.evaluate("row => row.scrollIntoView({ block: 'center' })")
    expect(first).to_be_in_viewport()
    assert page.locator(".message").count() <= 200

    do(server, "post", user=MAYA, channel=SUPPORT_CHANNEL, text="the newest of all")
    expect(first).to_be_in_viewport()
    page.get_by_role("button", name="Jump to newest").click()
    expect(page.get_by_text("the newest of all", exact=True)).to_be_in_viewport()


def test_refused_action_is_said_in_plain_words_and_the_text_stays(open_page: OpenPage, server: ServerThread) -> None:
    page = open_page(RUTH)
    expect(page.locator(".connection")).to_have_text("Thumbtune is not connected")
    composer = page.get_by_placeholder("Write in #support as Ruth…")
    composer.fill("/retrain")
    composer.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The app is not connected")
    expect(composer).to_have_value("/retrain")


def test_page_reads_anew_when_the_workspace_is_reset(open_page: OpenPage, server: ServerThread) -> None:
    ask(server, "soon forgotten")
    page = open_page(PRIYA)
    expect(page.locator(".message")).to_have_count(1)
    control(server, "reset")
    expect(page.locator(".message")).to_have_count(0)
    expect(page.locator(".welcome")).to_be_visible()
