"""What becomes of a reply is decided from all that is known of it, also while another bot decides too."""

import threading
from dataclasses import replace

import pytest

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, SUPPORT, BrittleRedactor, make_desk, wait_for
from thumbtune.bot.app import build_bot
from thumbtune.bot.bot import Bot
from thumbtune.bot.collecting import settle_reply
from thumbtune.bot.threads import read_message, record_live
from thumbtune.core.records import Approval, Desk, Message, TrainingPair
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.approvals import record_approval
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.messages import record_message
from thumbtune.core.store.pairs import list_pairs
from thumbtune.demo.slack.seed import TEAM_ID

QUESTION, REPLY = "1700000000.000001", "1700000000.000002"
PLACE = {"team_id": TEAM_ID, "channel_id": SUPPORT}


@pytest.fixture
def bot(settings: Settings, store: Store) -> Bot:
    opened = build_bot(settings, store)
    opened.people.prefetch()
    question = Message(TEAM_ID, SUPPORT, QUESTION, QUESTION, MAYA, False, "Where is it?", "", False)
    with store.write() as conn:
        save_desk(conn, make_desk(approvals_needed=2))
        for message in (question, replace(question, ts=REPLY, user_id=PRIYA, text="It comes on Friday.")):
            record_message(conn, message, event_ts=message.ts)
    return opened


def load_pairs(store: Store) -> list[TrainingPair]:
    with store.read() as conn:
        return list_pairs(conn, state="active", limit=10)


def find_waiting(store: Store, thread: threading.Thread) -> bool:
    """Return whether someone waits for a row; on SQLite the writers queue before they see anything."""
    if store.engine.dialect.name == "sqlite":
        return thread.is_alive()
    with store.read() as conn:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool(conn.exec_driver_sql(query).scalar_one())


def test_two_approvals_at_once_are_judged_together(bot: Bot, store: Store) -> None:
    desk: Desk = make_desk(approvals_needed=2)
    roles = bot.people.fetch_roles(desk)

    def approve(user_id: str, event_ts: str, *, hold: bool = False) -> None:
        with store.write() as conn:
            record_approval(conn, Approval(user_id, "+1", True, event_ts), message_ts=REPLY, **PLACE)
            settle_reply(conn, bot, desk=desk, roles=roles, channel_id=SUPPORT, reply_ts=REPLY, may_wait=False)
            if hold:
                second.start()
                wait_for(lambda: find_waiting(store, second), what="the second approval's wait")

    second = threading.Thread(target=approve, args=(AIKO, "1700000000.000004"))
    approve(JONAS, "1700000000.000003", hold=True)
    second.join(10)
    assert [pair.reply_ts for pair in load_pairs(store)] == [REPLY]


@pytest.mark.parametrize(("broken_ts", "edited_ts"), [(QUESTION, "1700000000.0000019"), (REPLY, "1700000000.000005")])
def test_nothing_is_learned_where_a_message_could_not_be_redacted(
    bot: Bot, store: Store, broken_ts: str, edited_ts: str
) -> None:
    desk = make_desk()
    brittle = replace(bot, redactor=BrittleRedactor())
    thread = {"thread_ts": QUESTION, "user": PRIYA if broken_ts == REPLY else MAYA}
    follow_up = {"text": "Is it blue?", "ts": "1700000000.0000015", "thread_ts": QUESTION, "user": MAYA}
    for raw in (follow_up, {"text": "broken", "ts": broken_ts, "edited": {"ts": edited_ts}, **thread}):
        live = read_message(brittle, raw, channel_id=SUPPORT)
        assert live is not None
        with store.write() as conn:
            assert record_live(conn, brittle, live)
    with store.write() as conn:
        record_approval(conn, Approval(JONAS, "+1", True, "1700000000.000009"), message_ts=REPLY, **PLACE)
        roles = bot.people.fetch_roles(desk)
        settle_reply(conn, bot, desk=desk, roles=roles, channel_id=SUPPORT, reply_ts=REPLY, may_wait=False)
    assert load_pairs(store) == []
