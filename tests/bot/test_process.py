"""The bot as a process of its own: it works, ends when asked, and what it left lying is done by the next one."""

import os
import signal
import subprocess
import sys

import pytest

from tests.bot.conftest import JONAS, MAYA, PRIYA, Office, wait_for
from thumbtune.bot.process import run_bot
from thumbtune.core.errors import ConfigError
from thumbtune.core.settings import Settings
from thumbtune.demo.slack.seed import APP_TOKEN, BOT_TOKEN

START = (
    "from thumbtune.core.logs import configure_logs; from thumbtune.core.settings import load_settings;"
    "from thumbtune.bot.process import run_bot; configure_logs(process='bot');"
    "run_bot(load_settings(role='bot'))"
)
START_TIMEOUT_S = 120.0


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


def test_bot_does_not_start_on_a_store_that_was_not_migrated(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="thumbtune migrate"):
        run_bot(settings)
