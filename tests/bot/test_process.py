"""The bot as a process of its own: it works, ends when asked, and what it left lying is done by the next one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bot.conftest import JONAS, MAYA, PRIYA, Office, make_desk, wait_for
from tests.bot.forked import ended, start_forked, wait_for_end
from tests.bot.model_server import ModelServer
from tests.bot.outages import take_away
from thumbtune.bot.process import run_bot
from thumbtune.bot.watchdog import DEAF_EXIT_CODE
from thumbtune.core.errors import ConfigError
from thumbtune.core.settings import Settings
from thumbtune.core.store import connect_store, migrate_store
from thumbtune.core.store.desks import save_desk
from thumbtune.demo.slack.seed import APP_TOKEN, BOT_TOKEN
from thumbtune.demo.slack.server import ServerThread

START = (
    "from thumbtune.core.logs import configure_logs; from thumbtune.core.settings import load_settings;"
    "from thumbtune.bot.process import run_bot; configure_logs(process='bot');"
    "run_bot(load_settings(role='bot'))"
)
START_TIMEOUT_S = 120.0
DEAF_S = 2.0


def start_process(office: Office) -> subprocess.Popen[str]:
    secret = office.settings.secret_key
    assert secret is not None
    ours = {
        "THUMBTUNE_DATA_DIR": str(office.settings.data_dir),
        "THUMBTUNE_SECRET_KEY": secret.get_secret_value(),
        "THUMBTUNE_LEASE_S": "1",
        "SLACK_BOT_TOKEN": BOT_TOKEN,
        "SLACK_APP_TOKEN": APP_TOKEN,
        "SLACK_API_URL": office.slack.api_url,
    }
    return subprocess.Popen(
        [sys.executable, "-c", START], env={**os.environ, **ours}, stderr=subprocess.PIPE, text=True
    )


def test_kill_loses_nothing_and_sigterm_ends_cleanly(office: Office) -> None:
    office.control("pace", time_scale=0.05)
    first = start_process(office)
    connected = office.slack.slack.dispatcher.transport.is_connected
    wait_for(connected, what="the connection", timeout_s=START_TIMEOUT_S)
    asked = [office.say(MAYA, f"Where is parcel {number}?") for number in range(5)]
    for question in asked:
        office.react(JONAS, office.say(PRIYA, "It comes on Friday.", thread=question))
    first.kill()
    _, errors = first.communicate()
    second = start_process(office)
    wait_for(lambda: len(office.pairs()) == 5, what="five pairs", timeout_s=START_TIMEOUT_S)
    office.wait_quiet(timeout_s=30)
    second.send_signal(signal.SIGTERM)
    _, more = second.communicate(timeout=60)
    assert second.returncode == 0
    assert len(office.pairs()) == 5
    assert "bot_started" in more
    assert "bot_stopped" in more
    assert "Traceback" not in errors + more
    assert "Where is parcel" not in errors + more


def test_deaf_bot_ends_itself_and_what_was_said_meanwhile_is_not_lost(office: Office, tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    office.control("pace", time_scale=1, retry_delays_s=[0.3] * 1000)
    first = start_forked(office, log=log, socket_deaf_s=DEAF_S)
    with ended(first):
        assert office.control("socket", deaf=True)["connections"] == 1
        question = office.say(MAYA, "Where is my parcel?")
        office.react(JONAS, office.say(PRIYA, "It comes on Friday.", thread=question))
        assert wait_for_end(office, first) == DEAF_EXIT_CODE
    assert "socket_deaf" in log.read_text()
    second = start_forked(office, log=log, socket_deaf_s=DEAF_S)  # as its supervisor does
    with ended(second):
        wait_for(office.pairs, timeout_s=30)
        office.wait_quiet(timeout_s=30)
        assert second.is_alive()
    assert len(office.pairs()) == 1


def test_bot_that_finds_no_store_listens_and_works_when_it_is_there(
    slack: ServerThread, settings: Settings, postgres_url: str, tmp_path: Path
) -> None:
    changed = settings.model_copy(update={"database_url": postgres_url})
    store = connect_store(changed)
    migrate_store(store)
    with store.write() as conn:
        save_desk(conn, make_desk())
    with ModelServer() as model:
        office = Office(slack, store, changed, model)
        with take_away(postgres_url):
            bot = start_forked(office, log=tmp_path / "bot.log")
            question = office.say(MAYA, "Where is my parcel?")
            office.react(JONAS, office.say(PRIYA, "It comes on Friday.", thread=question))
            wait_for(lambda: not slack.slack.dispatcher.counts.pending, what="every acknowledgement")
            assert list(changed.spool_dir.glob("*.spool"))
        with ended(bot):
            wait_for(office.pairs, timeout_s=30)
        office.close()
    store.engine.dispose()


def test_bot_does_not_start_on_a_store_that_was_not_migrated(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="thumbtune migrate"):
        run_bot(settings)
