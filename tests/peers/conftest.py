"""A support desk in a Slack that nobody here wrote, and the real bot as a process of its own.

It does not know what is tested. The bot is started by its command and told everything by environment variables.
"""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.bot.conftest import wait_for
from tests.bot.model_server import ModelServer
from tests.conftest import SESSION_KEY
from tests.peers.emulated import BOT_TOKEN, BOT_USER_ID, ROOT, SIGNING_SECRET, EmulatedSlack
from thumbtune.core.processes import spawn_child
from thumbtune.core.records import Desk, Draft, Replica, TrainingPair
from thumbtune.core.settings import Settings
from thumbtune.core.store import connect_store, migrate_store
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.drafts import list_drafts
from thumbtune.core.store.inbox import count_events
from thumbtune.core.store.outbox import count_posts
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.replicas import report_replica

HOST = "127.0.0.1"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
PATIENCE_S = 30.0


class PeerDesk:
    """The workspace, the store, the model server and the bot's process."""

    def __init__(self, slack: EmulatedSlack, model: ModelServer, folder: Path, *, port: int) -> None:
        self.slack = slack
        self.model = model
        self.log = folder / "bot.log"
        self._port = port
        self._folder = folder
        self._bot: subprocess.Popen[str] | None = None
        self.store = connect_store(Settings(_env_file=None, data_dir=folder / "data", secret_key=SESSION_KEY))
        migrate_store(self.store)
        ids = slack.ids
        desk = Desk(
            "support",
            slack.team_id,
            "Support",
            voice="You answer for the Support desk.",
            channels=(slack.channel,),
            agents=(ids["priya"], ids["jonas"], ids["aiko"]),
            approvers=(ids["priya"], ids["jonas"]),
        )
        with self.store.write() as conn:
            save_desk(conn, desk)
            report_replica(conn, Replica("r1", model.url, True, "base", (), self.store.now()))

    def start_bot(self) -> None:
        """Run `thumbtune bot` and return once it listens."""
        ours = {
            "THUMBTUNE_DATA_DIR": str(self._folder / "data"),
            "THUMBTUNE_SECRET_KEY": SESSION_KEY,
            "THUMBTUNE_SLACK_TRANSPORT": "http",
            "THUMBTUNE_HTTP_PORT": str(self._port),
            "THUMBTUNE_BOT_WORKERS": "2",
            "THUMBTUNE_BACKFILL_CALLS_PER_MIN": "6000",
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "SLACK_API_URL": f"{self.slack.url}/api/",
        }
        command = [sys.executable, "-m", "thumbtune.cli.main", "bot"]
        environment = {**os.environ, **ours, "PYTHONPATH": str(ROOT)}
        process = self._bot = spawn_child(command, env=environment, log_path=self.log, cwd=self._folder)

        def look() -> bool:
            return process.poll() is not None or _is_listening(self._port)

        wait_for(look, what="the bot's start", timeout_s=START_TIMEOUT_S)
        assert process.poll() is None, self.log.read_text()

    def stop_bot(self) -> None:
        """End the bot as a supervisor does."""
        assert self._bot is not None
        self._bot.terminate()
        assert self._bot.wait(STOP_TIMEOUT_S) == 0, self.log.read_text()
        self._bot = None

    def close(self) -> None:
        if self._bot is not None:
            self._bot.kill()
            self._bot.wait()
        self.store.engine.dispose()

    def answer(self, question: str = "Where is my parcel?", reply: str = "It comes on Friday.") -> tuple[str, str]:
        """A customer asks and an agent answers; returns both messages' `ts`."""
        asked = self.slack.say("maya", question)
        return asked, self.slack.say("priya", reply, thread=asked)

    def pairs(self, reply_ts: str, state: Any = "active") -> list[TrainingPair]:
        """Return a reply's training pairs in one state."""
        with self.store.read() as conn:
            return [pair for pair in list_pairs(conn, state=state, limit=1000) if pair.reply_ts == reply_ts]

    def wait_for_pair(self, reply_ts: str, state: Any = "active") -> TrainingPair:
        look = partial(self.pairs, reply_ts, state)
        (pair,) = wait_for(look, what=f"a pair that is {state}", timeout_s=PATIENCE_S)
        return pair

    def drafts(self) -> list[Draft]:
        with self.store.read() as conn:
            return list_drafts(conn)

    def wait_quiet(self) -> None:
        """Wait until everything that arrived was worked on and everything to be sent was sent."""

        def look() -> bool:
            with self.store.read() as conn:
                events, posts = count_events(conn), count_posts(conn)
            is_open = set(events) - {"done"} or set(posts) - {"sent", "failed"}  # a sign on what was deleted fails
            return not is_open

        wait_for(look, what="quiet", timeout_s=PATIENCE_S)


@pytest.fixture(scope="module")
def peers() -> Path:
    """The folder of what tests run against; installed by now, or the reason why it could not be."""
    done = subprocess.run([sys.executable, ROOT / "tools" / "peers.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def desk(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerDesk]:
    """The desk without a bot."""
    with contextlib.closing(socket.create_server((HOST, 0))) as probe:
        port = int(probe.getsockname()[1])
    folder = tmp_path_factory.mktemp("emulate")
    slack = EmulatedSlack(peers, events_url=f"http://{HOST}:{port}/slack/events")
    with contextlib.ExitStack() as stack:
        stack.callback(slack.close)
        opened = PeerDesk(slack, stack.enter_context(ModelServer()), folder, port=port)
        stack.callback(opened.close)
        yield opened


@pytest.fixture(scope="module")
def early(desk: PeerDesk) -> str:
    """A reply that was written and approved before the bot was there."""
    _, reply = desk.answer("Do you ship to Norway?", "Yes, within four days.")
    desk.slack.react("jonas", reply)
    return reply


@pytest.fixture(scope="module")
def staffed(desk: PeerDesk, early: str) -> PeerDesk:
    """The desk with the bot at work and invited."""
    desk.start_bot()
    desk.slack.call("conversations.invite", user="maya", channel=desk.slack.channel, users=BOT_USER_ID)
    return desk


def _is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False
