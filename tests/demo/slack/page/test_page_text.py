"""Text that people and apps send is drawn with its mark-up and never runs, whatever it holds."""

from playwright.sync_api import Page, expect
from slack_sdk import WebClient

from tests.demo.slack.conftest import page as do
from tests.demo.slack.page.conftest import MAYA, PRIYA, OpenPage
from thumbtune.demo.slack.seed import SUPPORT_CHANNEL
from thumbtune.demo.slack.server import ServerThread

HOSTILE = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<a href=\"javascript:document.title='owned'\">click</a>",
    "<@U0RUTH001> <!channel> <#C0SUPPORT> &lt;b&gt; &amp;amp;",
    "*bold <svg onload=document.title='owned'>*",
    "`<img src=x onerror=document.title='owned'>`",
)


def test_typed_text_is_shown_as_it_was_typed_and_runs_nothing(open_page: OpenPage) -> None:
    page = open_page(MAYA)
    composer = page.get_by_placeholder("Ask in #support as Maya…")
    bodies = page.locator(".message .message-body")
    for number, typed in enumerate(HOSTILE):
        composer.fill(typed)
        composer.press("Enter")
        expect(bodies).to_have_count(number + 1)
        shown = typed.strip("`") if typed.startswith("`") else typed.replace("*", "")
        assert bodies.nth(number).inner_text().strip() == shown
    assert bodies.locator("script, img, svg, a, .mention").count() == 0
    assert "owned" not in page.title()


def test_what_an_app_sends_is_as_harmless(open_page: OpenPage, bot: WebClient) -> None:
    harm = "<javascript:document.title='owned'|click> &lt;img src=x onerror=document.title='owned'&gt;"
    markdown = '[click](javascript:alert(1)) <img src=x onerror="alert(1)"> ![x](https://example.com/x.png) **kept**'
    link = {"type": "link", "url": "javascript:alert(1)", "text": "click"}
    bot.chat_postMessage(
        channel=SUPPORT_CHANNEL,
        text=harm,
        blocks=[
            {"type": "section", "text": {"type": "mrkdwn", "text": harm}},
            {"type": "markdown", "text": markdown},
            {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]},
        ],
    )
    page = open_page(PRIYA)
    body = page.locator(".message .message-body")
    expect(body.locator("strong")).to_have_text("kept")
    assert body.locator("script, img, svg, a").count() == 0
    assert "owned" not in page.title()


def test_mentions_links_and_mark_up_are_drawn(open_page: OpenPage, server: ServerThread) -> None:
    typed = (
        "@Priya Nair see #general and https://example.com/a?b=1&c=2.\n"
        "_slanted_ ~gone~ snake_case_stays 2*3*4\n> quoted\n• one\n• two\n```\nif a < b:\n```"
    )
    maya: Page = open_page(MAYA)
    composer = maya.get_by_placeholder("Ask in #support as Maya…")
    composer.fill(typed)
    composer.press("Escape")
    composer.press("Enter")
    body = open_page(PRIYA).locator(".message .message-body")
    expect(body.locator(".mention-me")).to_have_text("@Priya Nair")
    expect(body.locator(".mention-channel")).to_have_text("#general")
    expect(body.locator("a")).to_have_attribute("href", "https://example.com/a?b=1&c=2")
    expect(body.locator("em")).to_have_text("slanted")
    expect(body.locator("del")).to_have_text("gone")
    expect(body.locator("blockquote")).to_have_text("quoted")
    expect(body.locator("li")).to_have_text(["one", "two"])
    expect(body.locator("pre")).to_have_text("if a < b:")
    expect(body).to_contain_text("snake_case_stays 2*3*4")


def test_a_very_long_message_is_folded_and_drawn_quickly(open_page: OpenPage, server: ServerThread) -> None:
    do(server, "post", user=MAYA, channel=SUPPORT_CHANNEL, text="*a _b ~c `d " * 3_300)
    do(server, "post", user=MAYA, channel=SUPPORT_CHANNEL, text="שלום, איפה ההזמנה שלי?")
    page = open_page(PRIYA)
    expect(page.locator(".message")).to_have_count(2)
    folded = page.locator(".message-body").first
    assert folded.bounding_box()["height"] < 400
    page.get_by_role("button", name="Show the whole message").click()
    assert folded.bounding_box()["height"] > 1_000
    direction = page.locator(".message-body p").last.evaluate("line => getComputedStyle(line).direction")
    assert direction == "rtl"
