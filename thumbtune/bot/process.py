"""Runs the bot: takes in what Slack sends, collects approvals, writes drafts, tells of training runs.

    thumbtune bot

It does not know the command line, and nothing of training or of model servers beyond their addresses.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from thumbtune.bot.announcing import Announcer
from thumbtune.bot.app import build_app, build_bot
from thumbtune.bot.backfilling import Backfill
from thumbtune.bot.bot import Bot
from thumbtune.bot.http_server import HttpServer
from thumbtune.bot.intake import build_keeper
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.bot.posting import Sender
from thumbtune.bot.watchdog import DEAF_EXIT_CODE, SocketSigns, Watchdog
from thumbtune.bot.workers import Workers
from thumbtune.core.errors import ConfigError, StoreUnavailable
from thumbtune.core.forgetting import keep_tombstones
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, check_store, connect_store

logger = logging.getLogger(__name__)

DRAIN_S = 10.0
GRACE_S = 5.0
STORE_LOOK_S = 1.0
LONGEST_PING_S = 10.0


class RunningBot:
    """A bot with all its threads; used by `run_bot` and by tests. `on_deaf` is called when Slack is heard no more."""

    def __init__(self, bot: Bot, *, on_deaf: Callable[[], None] = lambda: None) -> None:
        self.bot = bot
        self._keeper = build_keeper(bot.settings, bot.store, signals=bot.signals)
        self.app = build_app(bot.settings, bot.store, bot=bot, keeper=self._keeper)
        self._on_deaf = on_deaf
        self._stop = threading.Event()
        self._workers = Workers(bot, LISTENERS)
        self._threads: list[threading.Thread] = []
        self._close_intake: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Start the workers, then let Slack in."""
        self.work()
        self.listen()

    def listen(self) -> None:
        """Let Slack in; until `work` is called, what it sends goes to the spool."""
        self._close_intake = _open_intake(
            self.app, self.bot.settings, on_deaf=self._on_deaf, on_reconnect=self.bot.signals.backfill.set
        )
        logger.info("bot_started", extra={"transport": self.bot.settings.slack_transport})

    def work(self) -> None:
        """Start everything that needs the store, once a restored one has forgotten again."""
        keep_tombstones(self.bot.store, self.bot.settings)
        self.bot.people.prefetch()
        self._keeper.start()
        self._workers.start()
        loops = {"send": Sender(self.bot).run, "announce": Announcer(self.bot).run, "backfill": Backfill(self.bot).run}
        for name, loop in loops.items():
            thread = threading.Thread(target=loop, args=(self._stop,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop the intake, finish what is in hand within ten seconds, and leave the rest in the inbox."""
        self._close_intake()
        self._stop.set()
        drained = self._workers.stop(timeout_s=DRAIN_S)
        self._keeper.stop(timeout_s=2.0)
        self.bot.signals.send.set()
        self.bot.signals.announce.set()
        self.bot.signals.backfill.set()
        for thread in self._threads:
            thread.join(2.0)
        self.bot.models.close()
        logger.info("bot_stopped", extra={"drained": drained})


def run_bot(settings: Settings) -> None:
    """Run until SIGTERM or Ctrl-C, or until Slack is heard no more: then with exit code 75.

    A store that does not answer is waited for, and what Slack sends goes to the spool meanwhile.
    Raises: ConfigError, also when the store was not migrated; SlackError when Slack refuses the tokens at the start.
    """
    store = connect_store(settings)
    is_up = _check_if_up(store)
    asked_to_stop, deaf = threading.Event(), threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        asked_to_stop.set()

    def end_deaf() -> None:
        deaf.set()
        _end_at_the_latest(DRAIN_S + GRACE_S)
        asked_to_stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    running = RunningBot(build_bot(settings, store), on_deaf=end_deaf)
    try:
        if is_up:
            running.start()
        else:
            logger.error("store_unavailable", extra={"spool": "everything until it answers"})
            running.listen()
            if _wait_for_store(store, asked_to_stop):
                running.work()
        asked_to_stop.wait()
    finally:
        running.stop()
    if deaf.is_set():
        raise SystemExit(DEAF_EXIT_CODE)


def _check_if_up(store: Store) -> bool:
    try:
        check_store(store)
        return True
    except StoreUnavailable:
        return False


def _wait_for_store(store: Store, asked_to_stop: threading.Event) -> bool:
    while not asked_to_stop.wait(STORE_LOOK_S):
        if _check_if_up(store):
            return True
    return False


def _end_at_the_latest(after_s: float) -> None:
    """End the process even if a thread of it hangs."""
    timer = threading.Timer(after_s, os._exit, (DEAF_EXIT_CODE,))
    timer.daemon = True
    timer.start()


def _open_intake(
    app: App, settings: Settings, *, on_deaf: Callable[[], None], on_reconnect: Callable[[], None]
) -> Callable[[], None]:
    if settings.slack_transport == "http":
        secret = settings.slack_signing_secret.get_secret_value() if settings.slack_signing_secret else ""
        server = HttpServer(app, signing_secret=secret, host=settings.http_host, port=settings.http_port)
        server.start()
        return server.stop
    if settings.slack_app_token is None:
        raise ConfigError(["SLACK_APP_TOKEN is missing"])
    token = settings.slack_app_token.get_secret_value()
    client = WebClient(token, base_url=settings.slack_api_url)
    ping_s = min(LONGEST_PING_S, settings.socket_deaf_s / 4)
    handler = SocketModeHandler(app, token, web_client=client, ping_interval=ping_s)
    signs = SocketSigns(handler.client, on_reconnect=on_reconnect)
    watchdog = Watchdog(signs.read, deaf_s=settings.socket_deaf_s, on_deaf=on_deaf)
    handler.connect()  # type: ignore[no-untyped-call]  # Bolt leaves it untyped
    watchdog.start()
    return lambda: _close_socket(handler, watchdog)


def _close_socket(handler: SocketModeHandler, watchdog: Watchdog) -> None:
    """Close the connection while the rest drains: the client's reading thread notices only after up to 3 s."""
    watchdog.stop()
    threading.Thread(target=handler.close, name="close-socket", daemon=True).start()
