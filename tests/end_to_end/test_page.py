"""A newcomer's walk through the page of `thumbtune demo`: wait for the adapter, ask for a draft, post it."""

import shutil
import socket
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.end_to_end.runs import DemoRun, list_running, start_demo
from thumbtune.core.store import adapters, drafts
from thumbtune.demo import shop

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("heavy"),
]

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
)
DRAFT_TIMEOUT_MS = 120_000
QUESTION = "What do the glass teapots cost"


def test_newcomer_asks_for_a_draft_in_the_page_and_posts_it(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with start_demo(tmp_path, "--port", str(port)) as demo, sync_playwright() as playwright:
        demo.wait_started()
        demo.wait_until(lambda: _is_live(demo), "an adapter went live", timeout_s=600)
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"http://127.0.0.1:{port}/#/as/U0PRIYA01/C0SUPPORT")
        _ask_and_post(page, picture=tmp_path / "draft.png")
        browser.close()
        with demo.store.read() as conn:
            (draft,) = drafts.list_drafts(conn)
        family = demo.family()
        assert demo.interrupt() == 0
    assert (draft.state, draft.mode, draft.adapter, draft.edit_share) == ("sent", "adapter", "support-0001", 0.0)
    assert list_running(family) == []


def _ask_and_post(page: Page, *, picture: Path) -> None:
    question = page.locator(".panel-main .message").filter(has_text=QUESTION)
    question.hover()
    question.get_by_label("More actions").click()
    page.get_by_role("menuitem", name="Draft a reply").click()
    thread = page.get_by_role("complementary", name="Thread")
    card = thread.locator(".is-ephemeral").filter(has_text="written by support-0001")
    expect(card).to_be_visible(timeout=DRAFT_TIMEOUT_MS)
    page.screenshot(path=picture)
    text = card.inner_text()
    assert shop.SIGN_OFF in text, text
    assert "[NAME_" not in text
    card.get_by_role("button", name="Post", exact=True).click()
    expect(thread.locator(".message:not(.is-ephemeral)").filter(has_text=shop.SIGN_OFF)).to_be_visible(
        timeout=DRAFT_TIMEOUT_MS
    )
    expect(thread.get_by_text("Posted in the thread")).to_be_visible(timeout=DRAFT_TIMEOUT_MS)


def _is_live(demo: DemoRun) -> bool:
    with demo.store.read() as conn:
        return bool(adapters.list_adapters(conn, state="live"))
