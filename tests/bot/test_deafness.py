"""A deaf bot is noticed, started again by its supervisor and hears again within the time that is promised."""

import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.bot.conftest import JONAS, MAYA, PRIYA, Office, wait_for
from thumbtune.bot import process, watchdog
from thumbtune.cli.supervision import Program, python_command, spawn_supervisor
from thumbtune.core.processes import end_child
from thumbtune.core.settings import Settings
from thumbtune.demo.slack.seed import APP_TOKEN, BOT_TOKEN

NOTICED_S, HEARING_S = 60.0, 90.0
RESTART_S = 2.0
"""What systemd waits; supervisor waits a second after a program that ended soon, else none."""
START_S = 30.0
"""What is left for a start: it takes about 4 s on a quiet machine with 2 cores."""
SCALE = 14.0
"""How much sooner the scaled bot calls itself deaf."""


def approve(office: Office, number: int) -> None:
    question = office.say(MAYA, f"Where is parcel {number}?")
    office.react(JONAS, office.say(PRIYA, f"Parcel {number} comes on Friday.", thread=question))


class Supervised:
    """The real bot under the real supervisor of `thumbtune up`."""

    def __init__(self, office: Office, folder: Path, *, settings: Mapping[str, str]) -> None:
        secret = office.settings.secret_key
        assert secret is not None
        ours = {
            "THUMBTUNE_DATA_DIR": str(office.settings.data_dir),
            "THUMBTUNE_SECRET_KEY": secret.get_secret_value(),
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "SLACK_API_URL": office.slack.api_url,
        }
        self._office = office
        self._log = folder / "logs" / "bot.log"
        program = Program("bot", python_command("bot"))
        env = {**os.environ, **ours, **settings}
        self.supervisor = spawn_supervisor([program], run_dir=folder / "run", logs_dir=folder / "logs", env=env)

    def count(self, word: str) -> int:
        return len(re.findall(word, self._log.read_text())) if self._log.exists() else 0

    def go_deaf(self, *, patience_s: float) -> tuple[float, float]:
        """Let the bot go deaf while people approve; return after how long it was noticed, and made good."""
        wait_for(lambda: self.count("bot_started") == 1, what="the start", timeout_s=180)
        approve(self._office, 1)
        wait_for(lambda: len(self._office.pairs()) == 1, timeout_s=30)
        assert self._office.control("socket", deaf=True)["connections"] == 1
        began = time.monotonic()
        approve(self._office, 2)
        wait_for(lambda: self.count("socket_deaf"), what="the notice", timeout_s=patience_s)
        noticed_s = time.monotonic() - began
        approve(self._office, 3)
        wait_for(lambda: len(self._office.pairs()) == 3, what="all pairs", timeout_s=patience_s)
        assert self.count("bot_started") == 2
        return noticed_s, time.monotonic() - began


@pytest.fixture
def supervised(office: Office, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Supervised]:
    running = Supervised(office, tmp_path, settings=request.param)
    yield running
    end_child(running.supervisor, timeout_s=30)


def test_defaults_keep_what_is_promised() -> None:
    deaf_s = Settings(_env_file=None).socket_deaf_s
    one_look_s = deaf_s / watchdog.LOOKS
    assert deaf_s + one_look_s < NOTICED_S
    at_the_latest_s = deaf_s + one_look_s + process.DRAIN_S + process.GRACE_S + RESTART_S + START_S
    assert at_the_latest_s < HEARING_S, f"{at_the_latest_s:g} s"
    unit = Path("deploy/systemd/thumbtune@.service").read_text()
    assert f"RestartSec={RESTART_S:g}\n" in unit


@pytest.mark.parametrize("supervised", [{"THUMBTUNE_SOCKET_DEAF_S": f"{35 / SCALE:g}"}], indirect=True)
def test_supervisor_starts_a_deaf_bot_again_and_nothing_is_lost(supervised: Supervised) -> None:
    supervised.go_deaf(patience_s=240)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("supervised", [{}], indirect=True)
def test_deaf_bot_is_noticed_and_hears_again_in_time_with_the_defaults(supervised: Supervised) -> None:
    noticed_s, hearing_s = supervised.go_deaf(patience_s=240)
    print(f"noticed after {noticed_s:.1f} s, every approval made good after {hearing_s:.1f} s")
    assert noticed_s <= NOTICED_S
    assert hearing_s <= HEARING_S
