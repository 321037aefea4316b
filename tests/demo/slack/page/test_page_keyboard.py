"""The page can be used without a mouse, and says what it is to those who do not see it."""

from playwright.sync_api import Page, expect

from tests.demo.slack.conftest import page as do
from tests.demo.slack.page.conftest import MAYA, PRIYA, OpenPage
from thumbtune.demo.slack.seed import SUPPORT_CHANNEL
from thumbtune.demo.slack.server import ServerThread


def focus_is_visible(page: Page) -> bool:
    return bool(
        page.evaluate(
            "() => { const style = getComputedStyle(document.activeElement);"
            " return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1; }"
        )
    )


def test_from_question_to_reaction_and_reply_with_keys_only(open_page: OpenPage, server: ServerThread) -> None:
    for number in range(3):
        do(server, "post", user=MAYA, channel=SUPPORT_CHANNEL, text=f"question {number}")
    page = open_page(PRIYA)
    expect(page.locator(".message")).to_have_count(3)
    expect(page.locator(".panel-main textarea")).to_be_focused()

    page.keyboard.press("ArrowUp")
    expect(page.locator(".message").last).to_be_focused()
    assert focus_is_visible(page)
    page.keyboard.press("ArrowUp")
    expect(page.locator(".message").nth(1)).to_be_focused()
    page.keyboard.press("+")
    expect(page.locator(".message").nth(1).locator(".reaction.is-mine")).to_contain_text("1")

    page.keyboard.press("m")
    expect(page.get_by_role("menuitem", name="Draft a reply")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Copy link")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)

    page.locator(".message").nth(1).focus()
    page.keyboard.press("Enter")
    thread = page.get_by_role("complementary", name="Thread")
    expect(thread.locator("textarea")).to_be_focused()
    page.keyboard.type("an answer")
    page.keyboard.press("Enter")
    expect(thread.locator(".message")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(thread).to_have_count(0)
    expect(page.locator(".panel-main textarea")).to_be_focused()


def test_jump_goes_to_a_channel_and_to_a_person(open_page: OpenPage) -> None:
    page = open_page(PRIYA)
    page.keyboard.press("Control+k")
    page.keyboard.type("bill")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="billing", exact=True)).to_be_visible()

    page.keyboard.press("Control+k")
    page.keyboard.type("tomas")
    page.keyboard.press("Enter")
    expect(page.locator(".acting")).to_contain_text("Tomás Oliveira")

    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Jump to a channel or a person")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_every_control_has_a_name_and_a_place_in_the_tab_order(open_page: OpenPage, server: ServerThread) -> None:
    do(server, "post", user=MAYA, channel=SUPPORT_CHANNEL, text="question")
    page = open_page(PRIYA)
    expect(page.locator(".message")).to_have_count(1)
    seen = []
    page.locator(".acting").focus()
    while page.evaluate("() => document.activeElement !== document.body"):
        seen.append(
            page.evaluate("() => document.activeElement.ariaLabel || document.activeElement.innerText.split('\\n')[0]")
        )
        assert focus_is_visible(page) or page.evaluate("() => document.activeElement.closest('.composer')"), seen[-1]
        page.keyboard.press("Tab")
    assert all(name.strip() for name in seen)
    for name in ("support", "billing", "Act as Maya", "Write in #support as Priya…"):
        assert name in seen
    unnamed = page.evaluate(
        "() => [...document.querySelectorAll('button, input, textarea, select')]"
        ".filter(control => !(control.ariaLabel || control.innerText.trim() || control.labels?.length)).length"
    )
    assert unnamed == 0


def test_first_steps_lead_a_newcomer_and_stay_away_once_hidden(open_page: OpenPage) -> None:
    page = open_page(PRIYA)
    steps = page.get_by_role("region", name="First steps")
    steps.get_by_role("button", name="Act as Maya").click()
    expect(page.locator(".acting")).to_contain_text("Maya Lindqvist")
    page.get_by_label("Hide the first steps").click()
    expect(steps).to_have_count(0)
    page.reload()
    expect(page.locator(".welcome")).to_be_visible()
    expect(steps).to_have_count(0)


def test_narrow_window_has_its_sidebar_in_a_drawer(open_page: OpenPage, server: ServerThread) -> None:
    do(server, "post", user=MAYA, channel=SUPPORT_CHANNEL, text="question")
    page = open_page(PRIYA, width=600)
    expect(page.locator(".sidebar")).to_be_hidden()
    page.get_by_label("Show the sidebar").click()
    page.locator(".entry", has_text="general").click()
    expect(page.locator(".sidebar")).to_be_hidden()
    expect(page.get_by_role("heading", name="general", exact=True)).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_copied_link_has_slack_s_form_and_leads_to_the_thread(open_page: OpenPage, server: ServerThread) -> None:
    question = do(server, "post", user=MAYA, channel=SUPPORT_CHANNEL, text="where is it?")["ts"]
    reply = do(server, "post", user=PRIYA, channel=SUPPORT_CHANNEL, text="on its way", thread_ts=question)["ts"]
    page = open_page(PRIYA)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".message").first.focus()
    page.keyboard.press("Enter")
    thread = page.get_by_role("complementary", name="Thread")
    answer = thread.locator(".message").filter(has_text="on its way")
    answer.hover()
    answer.get_by_label("More actions").click()
    page.get_by_role("menuitem", name="Copy link").click()
    expect(page.get_by_text("Link copied.")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    path = f"/archives/{SUPPORT_CHANNEL}/p{reply.replace('.', '')}?thread_ts={question}&cid={SUPPORT_CHANNEL}"
    assert link.endswith(path)
    page.goto(link)
    expect(page.get_by_role("complementary", name="Thread").get_by_text("on its way")).to_be_visible()
