"""A reply is posted once, whatever happens between our database and Slack."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot.conftest import MAYA, PRIYA, SUPPORT, Office, make_desk
from tests.conftest import Clock
from thumbtune.bot.app import build_bot
from thumbtune.bot.bot import Bot
from thumbtune.bot.posting import LEASE_S, Sender
from thumbtune.bot.sending import send_draft
from thumbtune.core.sealing import load_sealer
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.drafts import fill_draft, load_draft, request_draft
from thumbtune.core.store.engine import open_store
from thumbtune.core.store.messages import load_message
from thumbtune.core.store.migrate import migrate_store
from thumbtune.core.store.outbox import claim_posts, count_posts
from thumbtune.core.store.signs import add_sign
from thumbtune.demo.slack.seed import TEAM_ID
from thumbtune.demo.slack.wire import Json

REPLY = "It arrives on Friday."


class Desk:
    """A bot without threads, and one draft that is ready to be sent."""

    def __init__(self, office: Office, clock: Clock, path: Path) -> None:
        self.office, self.clock, self._path = office, clock, path
        self.bot = self.open_bot()
        migrate_store(self.bot.store)
        self.question = office.say(MAYA, "Where is my parcel?")
        self.draft_id = f"draft-{uuid.uuid4().hex[:8]}"
        with self.bot.store.write() as conn:
            save_desk(conn, make_desk())
            request_draft(
                conn,
                draft_id=self.draft_id,
                request_key=self.draft_id,
                desk_id="support",
                team_id=TEAM_ID,
                channel_id=SUPPORT,
                thread_ts=self.question,
                asked_by=PRIYA,
                last_seen_ts=self.question,
                now=clock(),
            )
            fill_draft(conn, self.draft_id, mode="grounded", adapter=None, text=REPLY, passages=(), latency_ms=1)

    def open_bot(self) -> Bot:
        store = open_store(f"sqlite:///{self._path}", load_sealer(self.office.settings), now=self.clock)
        return build_bot(self.office.settings, store)

    def send(self) -> None:
        with self.bot.store.read() as conn:
            draft = load_draft(conn, self.draft_id)
        assert send_draft(self.bot, draft, text=REPLY, drafted=REPLY, response_url="")

    def posted(self) -> list[Json]:
        return [message for message in self.office.thread(self.question) if message.get("bot_id")]

    def assert_posted_once(self) -> None:
        (message,) = self.posted()
        with self.bot.store.read() as conn:
            assert count_posts(conn) == {"sent": 1}
            assert load_draft(conn, self.draft_id).sent_ts == message["ts"]
            stored = load_message(conn, team_id=TEAM_ID, channel_id=SUPPORT, ts=message["ts"])
        assert stored is not None
        assert (stored.user_id, stored.is_bot) == (PRIYA, False)


@pytest.fixture
def desk(office: Office, clock: Clock, tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(office, clock, tmp_path / "posting.sqlite3")
    yield opened
    opened.bot.store.engine.dispose()


@pytest.mark.parametrize("killed", ["before the call", "after Slack took it"])
def test_kill_between_outbox_and_slack_posts_once(desk: Desk, killed: str) -> None:
    desk.send()
    child = os.fork()
    if child == 0:  # a bot of its own, which dies without a word
        try:
            bot = desk.open_bot()
            with bot.store.write() as conn:
                (post,) = claim_posts(
                    conn, bot.store.sealer, owner="dies", limit=1, now=bot.store.now(), lease_s=LEASE_S
                )
            if killed == "after Slack took it":
                bot.slack.call(post.method, **post.payload["call"])
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert len(desk.posted()) == (1 if killed == "after Slack took it" else 0)
    sender = Sender(desk.bot)
    assert sender.send_due() == 0
    desk.clock.advance(seconds=LEASE_S + 1)
    assert sender.send_due() == 1
    desk.assert_posted_once()


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "server_errors"])
def test_unclear_outcome_is_looked_up_before_it_is_sent_again(desk: Desk, fault: str) -> None:
    desk.send()
    desk.office.control("faults", **{fault: 1.0}, methods=["chat.postMessage"])
    sender = Sender(desk.bot)
    assert sender.send_due() == 1
    desk.office.control("clear")
    assert sender.send_due() == 0
    desk.clock.advance(seconds=60)
    assert sender.send_due() == 1
    desk.assert_posted_once()


def test_slack_that_asks_to_wait_is_not_asked_before(desk: Desk) -> None:
    desk.send()
    desk.office.control("faults", rate_limits={"chat.postMessage": 1.0}, retry_after_s=30)
    sender = Sender(desk.bot)
    assert sender.send_due() == 1
    desk.office.control("clear")
    desk.clock.advance(seconds=29)
    assert sender.send_due() == 0
    desk.clock.advance(seconds=2)
    assert sender.send_due() == 1
    desk.assert_posted_once()


def test_refusal_for_good_is_not_repeated(desk: Desk) -> None:
    desk.send()
    with desk.bot.store.write() as conn:
        conn.exec_driver_sql("UPDATE outbox SET method = 'chat.postNonsense'")
    sender = Sender(desk.bot)
    assert sender.send_due() == 1
    desk.clock.advance(seconds=3600)
    assert sender.send_due() == 0
    with desk.bot.store.read() as conn:
        assert count_posts(conn) == {"failed": 1}


def test_sent_reply_is_kept_though_slack_fails_right_after(desk: Desk) -> None:
    desk.send()
    desk.office.control("faults", server_errors=1.0, methods=["usergroups.users.list", "users.info"])
    assert Sender(desk.bot).send_due() == 1
    desk.assert_posted_once()


def test_sent_reply_is_settled_before_or_after_what_else_happens_in_its_channel(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[dict[str, str]] = []
    monkeypatch.setattr("thumbtune.bot.posting.lock_channel", lambda _conn, **place: locked.append(place))
    desk.send()
    assert Sender(desk.bot).send_due() == 1
    assert locked == [{"team_id": TEAM_ID, "channel_id": SUPPORT}]


def test_sign_ends_as_the_reply_stands_though_another_bot_is_quicker(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply is taken out, and its sign taken off by another bot, while this one's call is on its way."""
    reply = desk.office.say(PRIYA, REPLY, thread=desk.question)
    with desk.bot.store.write() as conn:
        add_sign(conn, desk.bot.store, channel_id=SUPPORT, reply_ts=reply, cause="test")
    learned = [True, False, False]
    monkeypatch.setattr("thumbtune.bot.posting.is_learned", lambda _conn, **_place: learned.pop(0))
    assert Sender(desk.bot).send_due() == 1
    assert learned == []
    shown = next(message for message in desk.office.thread(desk.question) if message["ts"] == reply)
    assert not shown.get("reactions")
