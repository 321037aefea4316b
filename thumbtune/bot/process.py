"""Runs the bot: takes in what Slack sends, collects approvals, writes drafts, tells of training runs.

    thumbtune bot

It does not know the command line, and nothing of training or of model servers beyond their addresses.
"""

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from thumbtune.bot.announcing import Announcer
from thumbtune.bot.app import build_app, build_bot
from thumbtune.bot.bot import Bot
from thumbtune.bot.http_server import HttpServer
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.bot.posting import Sender
from thumbtune.bot.workers import Workers
from thumbtune.core.errors import ConfigError
from thumbtune.core.settings import Settings
from thumbtune.core.store import check_store, connect_store

logger = logging.getLogger(__name__)

DRAIN_S = 10.0


class RunningBot:
    """A bot with all its threads; used by `run_bot` and by tests."""

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        self.app = build_app(bot.settings, bot.store, bot=bot)
        self._stop = threading.Event()
        self._workers = Workers(bot, LISTENERS)
        self._threads: list[threading.Thread] = []
        self._close_intake: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Start the workers, then let Slack in."""
        people = self.bot.people.prefetch()
        self._workers.start()
        for name, loop in (("send", Sender(self.bot).run), ("announce", Announcer(self.bot).run)):
            thread = threading.Thread(target=loop, args=(self._stop,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._close_intake = _open_intake(self.app, self.bot.settings)
        logger.info("bot_started", extra={"people": people, "transport": self.bot.settings.slack_transport})

    def stop(self) -> None:
        """Stop the intake, finish what is in hand within ten seconds, and leave the rest in the inbox."""
        self._close_intake()
        self._stop.set()
        drained = self._workers.stop(timeout_s=DRAIN_S)
        self.bot.signals.send.set()
        self.bot.signals.announce.set()
        for thread in self._threads:
            thread.join(2.0)
        self.bot.models.close()
        logger.info("bot_stopped", extra={"drained": drained})


def run_bot(settings: Settings) -> None:
    """Run until SIGTERM or Ctrl-C.

    Raises: ConfigError, also when the store was not migrated; SlackError when Slack refuses the tokens at the start.
    """
    store = connect_store(settings)
    check_store(store)
    asked_to_stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        asked_to_stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    running = RunningBot(build_bot(settings, store))
    running.start()
    asked_to_stop.wait()
    running.stop()


def _open_intake(app: App, settings: Settings) -> Callable[[], None]:
    if settings.slack_transport == "http":
        server = HttpServer(app, host=settings.http_host, port=settings.http_port)
        server.start()
        return server.stop
    if settings.slack_app_token is None:
        raise ConfigError(["SLACK_APP_TOKEN is missing"])
    token = settings.slack_app_token.get_secret_value()
    handler = SocketModeHandler(app, token, web_client=WebClient(token, base_url=settings.slack_api_url))
    handler.connect()  # type: ignore[no-untyped-call]  # Bolt leaves it untyped
    return lambda: _close_aside(handler)


def _close_aside(handler: SocketModeHandler) -> None:
    """Close the connection while the rest drains: the client's reading thread notices only after up to 3 s."""
    threading.Thread(target=handler.close, name="close-socket", daemon=True).start()
