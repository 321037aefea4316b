"""Opens the web page of a real local workspace in headless Chromium, as any of its people."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from thumbtune.demo.slack.delivery import Pace
from thumbtune.demo.slack.server import ServerOptions, ServerThread

MAYA, PRIYA, JONAS, RUTH = "U0MAYA001", "U0PRIYA01", "U0JONAS01", "U0RUTH001"

OpenPage = Callable[..., Page]

PATIENCE_MS = 30_000
"""How long a page may take on a busy machine before a test fails; nothing ever waits this long for success."""

_QUIET = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker drives the browser: two at once only slow each other down."""
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("heavy"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one file of tests; while it is open no other event loop can run in this thread."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=list(_QUIET))
        yield running
        running.close()


@pytest.fixture
def server() -> Iterator[ServerThread]:
    """A workspace whose app has ten times Slack's time to answer, so that a busy machine fails no test."""
    with ServerThread(ServerOptions(port=0, pace=Pace(time_scale=10))) as running:
        yield running


@pytest.fixture
def open_page(browser: Browser, server: ServerThread) -> Iterator[OpenPage]:
    """Opens the page as a person in a browser context of their own; a script error fails the test."""
    contexts = []
    problems: list[str] = []

    def open_as(user_id: str, place: str = "C0SUPPORT", *, width: int = 1280, height: int = 800) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
        page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(f"{server.base_url}/#/as/{user_id}/{place}")
        expect(page.locator(".panel-main")).to_be_visible()
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert problems == []
