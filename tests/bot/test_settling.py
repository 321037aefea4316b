"""What becomes of a reply is decided from all that is known of it, also while another bot decides too."""

import threading
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, SUPPORT, BrittleRedactor, make_desk, wait_for
from tests.conftest import Clock
from thumbtune.bot.app import build_bot
from thumbtune.bot.bot import Bot, Write
from thumbtune.bot.collecting import settle_reply
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.bot.threads import read_message, record_live
from thumbtune.core.errors import Conflict
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Approval, InboxEvent, Message, TrainingPair
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.approvals import record_approval
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.decisions import decide_pair
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.messages import record_message
from thumbtune.core.store.pairs import NOT_APPROVED, TAKEN_BACK, list_pairs, put_pair
from thumbtune.core.store.schema import outbox
from thumbtune.core.store.signs import SYNC_REACTION
from thumbtune.demo.slack.seed import AGENTS_GROUP, TEAM_ID
from thumbtune.demo.slack.server import ServerThread

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


def make_write(bot: Bot, payload: dict[str, object]) -> Write:
    """Return what a worker would carry out of an event, up to its transaction."""
    handle = LISTENERS["event", str(payload["type"])]
    write = handle(InboxEvent(1, TEAM_ID, "event", str(payload["type"]), {"event": payload}, 1, bot.store.now()), bot)
    assert write is not None
    return write


def approve(user_id: str, event_ts: str) -> dict[str, object]:
    item = {"type": "message", "channel": SUPPORT, "ts": REPLY}
    return {"type": "reaction_added", "user": user_id, "reaction": "+1", "item": item, "event_ts": event_ts}


def carry_out_at_once(store: Store, first: Write, second: Write) -> None:
    """Let the second transaction begin and wait while the first is open."""

    def follow() -> None:
        with store.write() as conn:
            second(conn)

    thread = threading.Thread(target=follow)
    with store.write() as conn:
        first(conn)
        thread.start()
        wait_for(lambda: find_waiting(store, thread), what="the second one's wait")
    thread.join(10)


def test_two_approvals_at_once_are_judged_together(bot: Bot, store: Store) -> None:
    first, second = (
        make_write(bot, approve(user, ts)) for user, ts in ((JONAS, "1700000000.000003"), (AIKO, "1700000000.000004"))
    )
    carry_out_at_once(store, first, second)
    assert [pair.reply_ts for pair in load_pairs(store)] == [REPLY]


@pytest.mark.parametrize("how", ["the author and the approver leave", "the group is switched off"])
def test_pair_stays_when_those_who_made_it_leave_the_team(
    bot: Bot, settings: Settings, store: Store, slack: ServerThread, how: str
) -> None:
    desk, groups = make_desk(), slack.slack.workspace.groups
    clarifying = Message(TEAM_ID, SUPPORT, "1700000000.0000015", QUESTION, PRIYA, False, "Which one?", "", False)
    with store.write() as conn:
        save_desk(conn, desk)
        record_message(conn, clarifying, event_ts=QUESTION)
    write = make_write(bot, approve(JONAS, "1700000000.000003"))
    with store.write() as conn:
        write(conn)
    [made] = load_pairs(store)
    if how == "the group is switched off":
        groups.clear()
    else:
        groups[AGENTS_GROUP]["users"] = [AIKO]
    later = build_bot(settings, store)  # after a start, when nothing is remembered but what is stored
    later.people.prefetch()
    roles = later.people.fetch_roles(desk)
    assert not {PRIYA, JONAS} & roles.agents
    with store.write() as conn:
        settle_reply(conn, later, desk=desk, roles=roles, channel_id=SUPPORT, reply_ts=REPLY, may_wait=False)
    assert load_pairs(store) == [made]
    assert [turn.role for turn in made.turns] == ["customer", "agent"]


def test_nobody_approves_who_had_left_the_team_before_though_nobody_looked(
    bot: Bot, settings: Settings, store: Store, slack: ServerThread, clock: Clock
) -> None:
    desk, groups = make_desk(), slack.slack.workspace.groups
    with store.write() as conn:
        save_desk(conn, desk)
    bot.people.fetch_roles(desk)
    groups[AGENTS_GROUP]["users"] = [AIKO]
    later = build_bot(settings, store)  # which looks only now that they approve
    later.people.prefetch()
    write = make_write(later, approve(JONAS, f"{clock.advance(seconds=3600).timestamp():.6f}"))
    with store.write() as conn:
        write(conn)
    assert load_pairs(store) == []
    # Within the minutes for which nobody looks again, whoever was in the group is believed to be.
    in_time = approve(JONAS, f"{clock.advance(seconds=-3590).timestamp():.6f}") | {"reaction": "+1::skin-tone-2"}
    write = make_write(later, in_time)
    with store.write() as conn:
        write(conn)
    assert [pair.approved_by for pair in load_pairs(store)] == [JONAS]


@pytest.mark.parametrize("deletion_first", [True, False])
def test_question_deleted_while_its_reply_is_approved_is_not_learned(
    bot: Bot, store: Store, deletion_first: bool
) -> None:
    with store.write() as conn:
        save_desk(conn, make_desk())
    gone = {"type": "message", "subtype": "message_deleted", "channel": SUPPORT, "event_ts": "1700000000.000003"}
    delete = make_write(bot, {**gone, "deleted_ts": QUESTION, "previous_message": {"ts": QUESTION}})
    approval = make_write(bot, approve(JONAS, "1700000000.000004"))
    carry_out_at_once(store, *((delete, approval) if deletion_first else (approval, delete)))
    assert load_pairs(store) == []
    with store.read() as conn:
        stored = list_pairs(conn, limit=10)
    assert not any("Where is it?" in str(pair.turns) for pair in stored)


def put_imported(store: Store) -> None:
    """Put a pair at the reply's own place, as importing a Slack export does: nobody approved it here."""
    turns = [Turn("customer", "Where is it?")]
    place = {"desk_id": "support", "thread_ts": QUESTION, "reply_ts": REPLY, "revision": "", **PLACE}
    with store.write() as conn:
        put_pair(
            conn,
            turns=turns,
            reply="It comes on Friday.",
            passages=[],
            source="imported",
            approved_by=JONAS,
            now=store.now(),
            **place,
        )


def list_acts_and_signs(store: Store) -> tuple[list[tuple[str, str, str]], int]:
    """Return who did what to the reply, and how often its small reaction was to be set right."""
    asked = sa.select(sa.func.count()).where(outbox.c.method == SYNC_REACTION, outbox.c.dedupe_key.contains(REPLY))
    with store.read() as conn:
        acts = [(act.actor, act.action, act.subject) for act in reversed(list_acts(conn, limit=9))]
        return acts, conn.execute(asked).scalar_one()


EDITED = {
    "ts": REPLY,
    "user": PRIYA,
    "text": "It comes on Monday.",
    "thread_ts": QUESTION,
    "edited": {"ts": "1700000001.0"},
}


@pytest.mark.parametrize(
    "change",
    [
        {"subtype": "message_changed", "message": EDITED},
        {"subtype": "message_deleted", "deleted_ts": REPLY, "previous_message": {"ts": REPLY, "thread_ts": QUESTION}},
        {"subtype": "message_deleted", "deleted_ts": QUESTION, "previous_message": {"ts": QUESTION}},
    ],
    ids=["reply edited", "reply deleted", "question deleted"],
)
def test_imported_pair_follows_what_happens_to_its_thread(bot: Bot, store: Store, change: dict[str, object]) -> None:
    put_imported(store)
    event = {"type": "message", "channel": SUPPORT, "event_ts": "1700000001.000001", **change}
    write = make_write(bot, event)
    with store.write() as conn:
        write(conn)
    assert load_pairs(store) == []
    with store.read() as conn:
        (pair,) = list_pairs(conn, state="withdrawn", limit=10)
    assert (pair.turns == ()) == (change["subtype"] == "message_deleted")
    assert list_acts_and_signs(store) == ([("bot", "pair_withdrawn", f"{SUPPORT}:{REPLY}")], 1)


def test_imported_pair_is_not_withdrawn_by_an_unchanged_message(bot: Bot, store: Store) -> None:
    put_imported(store)
    again = {"ts": REPLY, "user": PRIYA, "text": "It comes on Friday.", "thread_ts": QUESTION}
    event = {"type": "message", "subtype": "message_changed", "message": again, "channel": SUPPORT}
    write = make_write(bot, {**event, "event_ts": "1700000001.000001"})
    with store.write() as conn:
        write(conn)
    assert len(load_pairs(store)) == 1


def test_edited_reply_is_learned_anew_where_edits_keep_the_approval(bot: Bot, store: Store) -> None:
    with store.write() as conn:
        save_desk(conn, make_desk(edits_keep_approval=True))
    edit = {"type": "message", "subtype": "message_changed", "message": EDITED, "channel": SUPPORT}
    for payload in (approve(JONAS, "1700000000.000003"), {**edit, "event_ts": "1700000001.000001"}):
        write = make_write(bot, payload)
        with store.write() as conn:
            write(conn)
    assert [pair.reply for pair in load_pairs(store)] == ["It comes on Monday."]
    subject = f"{SUPPORT}:{REPLY}"
    acts = [(JONAS, "pair_approved", subject), ("bot", "pair_withdrawn", subject), (JONAS, "pair_approved", subject)]
    assert list_acts_and_signs(store)[0] == acts


def test_pair_that_follows_its_thread_is_audited_as_changed_by_the_bot(bot: Bot, store: Store) -> None:
    with store.write() as conn:
        save_desk(conn, make_desk(vetoes=("-1",)))
    late = {"type": "message", "user": MAYA, "text": "The blue one.", "ts": "1700000000.0000015", "thread_ts": QUESTION}
    veto = {**approve(AIKO, "1700000000.000004"), "reaction": "-1"}
    no_veto = {**veto, "type": "reaction_removed", "event_ts": "1700000000.000005"}
    taken_back = {**approve(JONAS, "1700000000.000006"), "type": "reaction_removed"}
    first, again = approve(JONAS, "1700000000.000003"), approve(JONAS, "1700000000.000007")
    for payload in (first, {**late, "channel": SUPPORT}, veto, no_veto, taken_back, again):
        write = make_write(bot, payload)
        with store.write() as conn:
            write(conn)
    assert [len(pair.turns) for pair in load_pairs(store)] == [2]
    acts = [(actor, action) for actor, action, _ in list_acts_and_signs(store)[0]]
    assert acts == [
        (JONAS, "pair_approved"),
        ("bot", "pair_changed"),
        ("bot", "pair_withdrawn"),
        ("bot", "pair_changed"),
        ("bot", "pair_withdrawn"),
        (JONAS, "pair_approved"),
    ]


def test_former_revision_is_not_kept_beside_the_new_one(bot: Bot, store: Store) -> None:
    put_imported(store)
    (pair,) = load_pairs(store)
    write = make_write(
        bot,
        {
            "type": "message",
            "subtype": "message_changed",
            "message": EDITED,
            "channel": SUPPORT,
            "event_ts": "1700000001.1",
        },
    )
    with store.write() as conn:
        write(conn)
        with pytest.raises(Conflict, match="edited since"):
            decide_pair(conn, store, pair.pair_id, state="active", reason="", decided_by="cli", shows_sign=False)
    assert load_pairs(store) == []


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
    roles = bot.people.fetch_roles(desk)
    with store.write() as conn:
        record_approval(conn, Approval(JONAS, "+1", True, "1700000000.000009"), message_ts=REPLY, **PLACE)
        settle_reply(conn, bot, desk=desk, roles=roles, channel_id=SUPPORT, reply_ts=REPLY, may_wait=False)
    assert load_pairs(store) == []


def test_approval_taken_back_by_undo_can_be_given_again_though_the_reply_was_edited_before(
    bot: Bot, store: Store
) -> None:
    desk = make_desk()
    reply = Message(TEAM_ID, SUPPORT, REPLY, QUESTION, PRIYA, False, "It comes on Monday.", "1700000000.000003", False)
    with store.write() as conn:
        save_desk(conn, desk)
        record_message(conn, reply, event_ts=reply.revision)
    roles = bot.people.fetch_roles(desk)

    def react(event_ts: str, *, given: bool) -> None:
        with store.write() as conn:
            record_approval(conn, Approval(JONAS, "+1", given, event_ts), message_ts=REPLY, **PLACE)
            settle_reply(conn, bot, desk=desk, roles=roles, channel_id=SUPPORT, reply_ts=REPLY, may_wait=False)

    react("1700000001.000004", given=True)
    [made] = load_pairs(store)
    with store.write() as conn:
        undo = {"reason": TAKEN_BACK, "decided_by": JONAS, "shows_sign": True, "only_if": "active"}
        decide_pair(conn, store, made.pair_id, state="withdrawn", **undo)
    react("1700000001.000005", given=False)
    with store.read() as conn:
        [withdrawn] = list_pairs(conn, limit=10)
    assert withdrawn.reason == NOT_APPROVED
    react("1700000001.000006", given=True)
    assert [pair.reply for pair in load_pairs(store)] == ["It comes on Monday."]


def test_reaction_in_a_channel_shared_with_another_workspace_counts(bot: Bot, store: Store) -> None:
    """Slack names the other workspace's team on what was done there, or on everything."""
    with store.write() as conn:
        save_desk(conn, make_desk())
    for payload, active in (
        (approve(JONAS, "1700000000.000003"), 1),
        ({**approve(JONAS, "1700000000.000004"), "type": "reaction_removed"}, 0),
    ):
        event = InboxEvent(1, "T0OTHER", "event", str(payload["type"]), {"event": payload}, 1, bot.store.now())
        write = LISTENERS["event", event.name](event, bot)
        assert write is not None
        with store.write() as conn:
            write(conn)
        assert len(load_pairs(store)) == active
