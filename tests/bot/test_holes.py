"""A reply is learned with the conversation it answered, or not at all: what was erased here leaves a hole."""

from dataclasses import replace

import pytest

from tests.bot.conftest import JONAS, MAYA, PRIYA, SUPPORT, TOMAS, make_desk
from tests.bot.test_settling import approve, make_write
from tests.conftest import Clock
from thumbtune.bot.app import build_bot
from thumbtune.bot.bot import Bot
from thumbtune.core.forgetting import forget
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Message, TrainingPair
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.forgetting import forget_person
from thumbtune.core.store.messages import load_message, record_message
from thumbtune.core.store.pairs import ERASED, list_pairs, put_pair
from thumbtune.core.store.retention import expire_texts
from thumbtune.core.store.tombstones import EVERY_DESK, Tombstone, digest_person
from thumbtune.demo.slack.seed import TEAM_ID

DAY_S = 86_400
QUESTION, CHATTER, REPLY, LATER = (f"1700000000.00000{number}" for number in (0, 1, 2, 3))
PLACE = {"team_id": TEAM_ID, "channel_id": SUPPORT}
ASKED = Message(TEAM_ID, SUPPORT, QUESTION, QUESTION, MAYA, False, "My lamp flickers when it rains. Why?", "", False)
CHATTED = replace(ASKED, ts=CHATTER, user_id=TOMAS, text="Do you also sell umbrellas?")
REPLIED = replace(ASKED, ts=REPLY, user_id=PRIYA, text="We send a new seal for the housing.")


@pytest.fixture
def bot(settings: Settings, store: Store) -> Bot:
    opened = build_bot(settings, store)
    opened.people.prefetch()
    with store.write() as conn:
        save_desk(conn, make_desk())
    return opened


def keep(store: Store, *messages: Message, event_ts: str = "") -> None:
    with store.write() as conn:
        for message in messages:
            record_message(conn, message, event_ts=event_ts or message.ts)


def happen(bot: Bot, payload: dict[str, object]) -> None:
    write = make_write(bot, payload)
    with bot.store.write() as conn:
        write(conn)


def list_learned(store: Store) -> list[tuple[str, list[str]]]:
    with store.read() as conn:
        pairs = list_pairs(conn, state="active")
    return [(pair.reply, [turn.text for turn in pair.turns]) for pair in pairs]


def learn_wrongly(store: Store) -> None:
    """Put the pair that once was made over the hole."""
    turns, place = [Turn("customer", CHATTED.text)], {"desk_id": "support", "thread_ts": QUESTION, **PLACE}
    made = {"passages": [], "source": "human", "approved_by": JONAS, "now": store.now()}
    with store.write() as conn:
        put_pair(conn, turns=turns, reply=REPLIED.text, reply_ts=REPLY, revision="", **place, **made)


def load_pair(store: Store) -> TrainingPair:
    with store.read() as conn:
        (pair,) = list_pairs(conn)
    return pair


def test_reply_to_someone_forgotten_is_not_learned_as_a_reply_to_someone_else(
    bot: Bot, store: Store, settings: Settings
) -> None:
    keep(store, ASKED, CHATTED, REPLIED)
    forget(store, settings, person=MAYA, desk_ids=[], by="cli")
    happen(bot, approve(JONAS, LATER))
    assert list_learned(store) == []


def test_edited_reply_to_someone_forgotten_is_not_learned_anew(bot: Bot, store: Store, settings: Settings) -> None:
    keep(store, ASKED, CHATTED, REPLIED)
    happen(bot, approve(JONAS, LATER))
    assert len(list_learned(store)) == 1
    forget(store, settings, person=MAYA, desk_ids=[], by="cli")
    edited = {"ts": REPLY, "user": PRIYA, "text": "We send a new seal.", "edited": {"ts": "1700000001.000000"}}
    edit = {"type": "message", "subtype": "message_changed", "message": {**edited, "thread_ts": QUESTION}}
    happen(bot, {**edit, "channel": SUPPORT, "event_ts": "1700000001.000001"})
    happen(bot, approve(JONAS, "1700000002.000001"))
    assert list_learned(store) == []


def test_reply_to_a_question_that_expired_is_not_learned_with_what_came_after(
    bot: Bot, store: Store, clock: Clock
) -> None:
    now_s = clock().timestamp()
    asked, chatted, replied = (f"{now_s - days * DAY_S:.6f}" for days in (40, 2, 1))
    root = replace(ASKED, ts=asked, thread_ts=asked)
    keep(store, root, replace(CHATTED, ts=chatted, thread_ts=asked), replace(REPLIED, ts=replied, thread_ts=asked))
    # A link that Slack unfolded is an event without an edit, as a deletion is.
    keep(store, root, event_ts=f"{now_s - 39 * DAY_S:.6f}")
    assert expire_texts(store, message_days=30, pair_days=0, shows_sign=False, actor="trainer") == {"messages": 1}
    happen(bot, {**approve(JONAS, f"{now_s:.6f}"), "item": {"type": "message", "channel": SUPPORT, "ts": replied}})
    assert list_learned(store) == []


def test_pair_that_was_made_over_a_hole_is_withdrawn_and_says_why(bot: Bot, store: Store, settings: Settings) -> None:
    keep(store, ASKED, CHATTED, REPLIED)
    forget(store, settings, person=MAYA, desk_ids=[], by="cli")
    learn_wrongly(store)
    happen(bot, approve(JONAS, LATER))
    pair = load_pair(store)
    assert (pair.state, pair.reason) == ("withdrawn", ERASED)
    assert "message_retention_days" in ERASED


@pytest.mark.parametrize("deletion_first", [True, False])
def test_message_deleted_in_slack_is_no_hole(bot: Bot, store: Store, deletion_first: bool) -> None:
    oops = {"user": TOMAS, "text": "Wrong thread, sorry.", "ts": CHATTER, "thread_ts": QUESTION}
    said = {"type": "message", "channel": SUPPORT, "event_ts": CHATTER, **oops}
    gone = {"type": "message", "channel": SUPPORT, "subtype": "message_deleted", "deleted_ts": CHATTER}
    gone |= {"previous_message": oops, "event_ts": LATER}
    keep(store, ASKED, REPLIED)
    for payload in (gone, said) if deletion_first else (said, gone):
        happen(bot, payload)
    happen(bot, approve(JONAS, "1700000000.000009"))
    assert list_learned(store) == [(REPLIED.text, [ASKED.text])]


@pytest.mark.parametrize("was_someone_forgotten_before", [False, True])
def test_what_was_deleted_in_slack_before_it_was_stored_by_an_earlier_version_is_no_hole(
    bot: Bot, store: Store, was_someone_forgotten_before: bool
) -> None:
    if was_someone_forgotten_before:
        long_ago = Tombstone("r1", digest_person(store.sealer, MAYA), (EVERY_DESK,), "1600000000.0", "cli", store.now())
        with store.write() as conn:
            forget_person(conn, store, long_ago, min_pairs=20, shows_sign=False)
    keep(store, ASKED, REPLIED)
    keep(store, replace(CHATTED, user_id="", text="", deleted=True), event_ts=LATER)
    happen(bot, approve(JONAS, "1700000000.000009"))
    assert list_learned(store) == [(REPLIED.text, [ASKED.text])]


def test_deletion_of_what_someone_forgotten_wrote_does_not_name_them(
    bot: Bot, store: Store, settings: Settings
) -> None:
    forget(store, settings, person=MAYA, desk_ids=[], by="cli")
    before = {"ts": QUESTION, "user": MAYA, "text": ASKED.text}
    gone = {"type": "message", "channel": SUPPORT, "subtype": "message_deleted", "deleted_ts": QUESTION}
    happen(bot, {**gone, "previous_message": before, "event_ts": LATER})
    with store.read() as conn:
        stored = load_message(conn, ts=QUESTION, **PLACE)
    assert stored is not None and stored.deleted and stored.user_id == ""


def test_expired_message_of_a_bot_is_no_hole(bot: Bot, store: Store, clock: Clock) -> None:
    now_s = clock().timestamp()
    told, asked, replied = (f"{now_s - days * DAY_S:.6f}" for days in (40, 2, 1))
    root = replace(ASKED, ts=told, thread_ts=told, user_id="B1", is_bot=True, text="A new ticket.")
    keep(store, root, replace(ASKED, ts=asked, thread_ts=told), replace(REPLIED, ts=replied, thread_ts=told))
    assert expire_texts(store, message_days=30, pair_days=0, shows_sign=False, actor="trainer") == {"messages": 1}
    happen(bot, {**approve(JONAS, f"{now_s:.6f}"), "item": {"type": "message", "channel": SUPPORT, "ts": replied}})
    assert list_learned(store) == [(REPLIED.text, [ASKED.text])]
