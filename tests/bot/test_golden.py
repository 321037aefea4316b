"""Threads as support talk brings them, labelled by hand, become exactly the right pairs."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot.conftest import Office
from tests.bot.golden.cast import CAST, DESKS, NEWCOMERS, find_channel
from tests.bot.golden.playing import DRAFTS, Play
from tests.bot.golden.reading import GoldenThread, Happening, read_threads
from tests.bot.model_server import ModelServer
from tests.bot.test_order import deliver
from tests.conftest import SESSION_KEY, Clock
from thumbtune.bot.app import build_bot
from thumbtune.bot.bot import Bot
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.bot.repairing import repair_thread
from thumbtune.bot.threads import read_message, record_live
from thumbtune.bot.workers import Workers
from thumbtune.core.prompt import find_question
from thumbtune.core.records import Desk
from thumbtune.core.sealing import Sealer
from thumbtune.core.settings import Settings
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.drafts import fill_draft, request_draft, set_sent_ts, settle_draft
from thumbtune.core.store.engine import open_store
from thumbtune.core.store.inbox import count_events
from thumbtune.core.store.migrate import migrate_store
from thumbtune.core.store.pairs import list_pairs
from thumbtune.demo.slack import seed
from thumbtune.demo.slack.server import ServerOptions, ServerThread

THREADS = read_threads()
PEOPLE = {
    person["id"]: person for person in [{"id": item.user_id, "name": item.name} for item in seed.PEOPLE] + NEWCOMERS
}
STARTS = itertools.count(1_700_000_000, 10_000)


class Stage:
    """A bot without threads, at the desks of the cast, on a clock that stands still."""

    def __init__(self, bot: Bot, office: Office, clock: Clock) -> None:
        self.bot = bot
        self._office = office
        self._clock = clock
        self._workers = Workers(bot, LISTENERS)

    def play(self, thread: GoldenThread) -> Play:
        play = Play(thread, start_s=next(STARTS))
        for index, (happening, event) in enumerate(play.events()):
            if event is None or happening.option == "late":
                self._work()
            if event is not None:
                deliver(self.bot, f"Ev{play.root_ts}-{index}", event)
            elif happening.option in DRAFTS:
                self._send_draft(play, happening)
            elif happening.verb == "becomes":
                self._change_standing(happening.who, happening.text)
            elif happening.verb == "compares":
                self._compare(play, DESKS[thread.desk])
        self._work()
        for who in {item.who for item in thread.happenings if item.verb == "becomes"}:
            self._change_standing(who)
        return play

    def _change_standing(self, who: str, standing: str = "") -> None:
        """Let somebody become a full member, a guest or gone; what they were at first when nothing is said."""
        office, person = self._office, PEOPLE[CAST[who]]
        changes = {"is_restricted": standing == "guest", "deleted": standing == "gone"} if standing else {}
        office.control("users", **{**person, **changes})
        self.bot.people.prefetch()

    def _compare(self, play: Play, desk: Desk) -> None:
        """Bring the thread to what Slack shows of it, as the backfill does."""
        play.fill_log(self._office.slack.slack.workspace.channels[play.channel].log)
        assert repair_thread(self.bot, desk=desk, channel_id=play.channel, ts=play.root_ts)

    def _work(self) -> None:
        """Work on everything; what waits for a message that never came gives up waiting."""
        self._workers.work_once()
        for _ in range(5):
            with self.bot.store.read() as conn:
                if set(count_events(conn)) <= {"done"}:
                    return
            self._clock.advance(seconds=5)
            self._workers.work_once()
        raise AssertionError("an event was not worked on")

    def _send_draft(self, play: Play, happening: Happening) -> None:
        store, raw = self.bot.store, play.messages[happening.number]
        live = read_message(self.bot, raw, channel_id=play.channel)
        assert live is not None
        key, now = f"draft {raw['ts']}", store.now()
        place = {"team_id": seed.TEAM_ID, "channel_id": play.channel, "thread_ts": play.root_ts}
        with store.write() as conn:
            asked = {"desk_id": "support", "asked_by": CAST[happening.who], "last_seen_ts": play.root_ts}
            request_draft(conn, draft_id=key, request_key=key, now=now, **place, **asked)
            fill_draft(conn, key, mode="grounded", adapter=None, text="x", passages=(), latency_ms=1)
            settle_draft(conn, key, state="edited" if happening.option == "edited draft" else "sent", now=now)
            set_sent_ts(conn, key, sent_ts=str(raw["ts"]))
            record_live(conn, self.bot, live)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder, clock = tmp_path_factory.mktemp("golden"), Clock()
    store = open_store(f"sqlite:///{folder / 'golden.sqlite3'}", Sealer(SESSION_KEY), now=clock)
    migrate_store(store)
    with store.write() as conn:
        for desk in DESKS.values():
            save_desk(conn, desk)
    with ServerThread(ServerOptions(port=0)) as slack, ModelServer() as model:
        settings = make_settings(folder, slack)
        office = Office(slack, store, settings, model)
        for newcomer in NEWCOMERS:
            office.control("users", **newcomer)
        for name in DESKS:
            office.control("channels", id=find_channel(name), name=name)
            for user_id in (*PEOPLE, seed.BOT_USER_ID):
                office.control("members", channel=find_channel(name), user=user_id)
        bot = build_bot(settings, store)
        bot.people.prefetch()
        yield Stage(bot, office, clock)
        office.close()
    store.engine.dispose()


def make_settings(folder: Path, slack: ServerThread) -> Settings:
    tokens = {"SLACK_BOT_TOKEN": seed.BOT_TOKEN, "SLACK_APP_TOKEN": seed.APP_TOKEN, "SLACK_API_URL": slack.api_url}
    return Settings(_env_file=None, data_dir=folder, secret_key=SESSION_KEY, **tokens)


@pytest.mark.parametrize("thread", [pytest.param(thread, id=thread.name) for thread in THREADS])
def test_thread_becomes_the_right_pairs(stage: Stage, thread: GoldenThread) -> None:
    play = stage.play(thread)
    with stage.bot.store.read() as conn:
        pairs = [pair for pair in list_pairs(conn, limit=10_000) if pair.thread_ts == play.root_ts]
    numbers = {str(message["ts"]): number for number, message in play.messages.items()}
    found = [
        {
            "message": numbers[pair.reply_ts],
            "state": pair.state,
            "reason": pair.reason,
            "source": pair.source,
            "approved_by": pair.approved_by,
            "turns": [(turn.role, turn.text) for turn in pair.turns],
            "question": find_question(pair.turns),
            "reply": pair.reply,
        }
        for pair in pairs
    ]
    expected = [
        {
            "message": pair.number,
            "state": pair.state,
            "reason": pair.reason,
            "source": pair.source,
            "approved_by": pair.approved_by or found_pair["approved_by"],
            "turns": pair.turns,
            "question": "\n".join(pair.question),
            "reply": pair.reply,
        }
        for pair, found_pair in itertools.zip_longest(thread.expected, found[: len(thread.expected)], fillvalue={})
        for found_pair in [{"approved_by": None, **found_pair}]
    ]
    assert found == expected


def test_there_are_enough_threads_and_every_one_is_labelled() -> None:
    assert len(THREADS) >= 200
    assert len({thread.name for thread in THREADS}) == len(THREADS)
    assert [thread.name for thread in THREADS if not thread.is_labelled] == []
