"""Keeps the messages of desks' channels, redacted, and reads threads back as turns.

It does not know approvals or drafts' texts. Slack's raw messages end here.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from thumbtune.bot.bot import Bot
from thumbtune.bot.markup import decode_markup, list_mentions
from thumbtune.bot.people import People
from thumbtune.bot.roles import DeskRoles, Person, name_role
from thumbtune.bot.slack import Json
from thumbtune.core.errors import RedactionFailed, SlackRefused
from thumbtune.core.logs import hide_text
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Message
from thumbtune.core.redaction import Span, apply_placeholders, clean_text, name_placeholder
from thumbtune.core.store.drafts import find_sent_draft
from thumbtune.core.store.messages import load_conversation, number_placeholders, record_message
from thumbtune.core.store.tombstones import load_forgotten

logger = logging.getLogger(__name__)

CONVERSATION_SUBTYPES = frozenset({"", "file_share", "thread_broadcast", "bot_message", "me_message"})
FILE_ONLY = "(attached a file)"
UNREDACTED = "(this message could not be redacted)"
"""What is kept of such a message: nothing is learned from it or drafted after it."""
MAX_THREAD_MESSAGES = 1000


@dataclass(frozen=True)
class LiveReaction:
    """One emoji on a message and who gave it, as far as Slack lists them."""

    emoji: str
    user_ids: tuple[str, ...]
    is_complete: bool


@dataclass(frozen=True)
class LiveMessage:
    """A message as it stands in Slack, in plain text, with what must not be kept of it."""

    channel_id: str
    ts: str
    thread_ts: str
    user_id: str
    is_bot: bool
    is_own: bool
    """Written by this very bot."""
    parent_user_id: str
    calls_bot: bool
    """Mentions the bot; of someone forgotten: unless they are a guest or of another workspace."""
    text: str
    spans: tuple[Span, ...]
    revision: str
    reactions: tuple[LiveReaction, ...] = ()
    is_forgotten: bool = False
    """Its author was forgotten after writing it: nothing is left of it but its place."""


def read_message(bot: Bot, raw: Json, *, channel_id: str) -> LiveMessage | None:
    """Return a message of a conversation; None for joins, topics and the like.

    Raises: SlackError when its people cannot be looked up.
    """
    if str(raw.get("subtype") or "") not in CONVERSATION_SUBTYPES or not raw.get("ts"):
        return None
    ts, bot_id = str(raw["ts"]), str(raw.get("bot_id") or "")
    user_id = str(raw.get("user") or bot_id)
    markup = str(raw.get("text") or "")
    mentions = list_mentions(markup)
    people = bot.people.fetch_people([user_id, str(raw.get("parent_user_id") or ""), *mentions])
    names = bot.people.fetch_names(channel_id)
    for person in people.values():
        People.add_name(names, person)
    own_mention = f"<@{bot.identity.user_id}>"
    text = decode_markup(
        markup.replace(own_mention, ""),
        name_user=lambda mentioned: people[mentioned].name if mentioned in people else "someone",
    )
    text = clean_text(text).strip()
    if text == UNREDACTED:
        text = ""  # nobody can block a thread by writing this
    spans: tuple[Span, ...] = ()
    try:
        spans = tuple(bot.redactor.find_spans(text, names=names))
    except RedactionFailed as exc:
        logger.error("message_dropped", extra={"channel_id": channel_id, "ts": ts}, exc_info=hide_text(exc))
        text = UNREDACTED
    if not text and raw.get("files"):
        text = FILE_ONLY
    return LiveMessage(
        channel_id=channel_id,
        ts=ts,
        thread_ts=str(raw.get("thread_ts") or ts),
        user_id=user_id,
        is_bot=bool(bot_id) or (user_id in people and people[user_id].is_bot),
        is_own=bot_id == bot.identity.bot_id or user_id == bot.identity.user_id,
        parent_user_id=str(raw.get("parent_user_id") or ""),
        calls_bot=own_mention in markup,
        text=text,
        spans=spans,
        revision=str((raw.get("edited") or {}).get("ts") or ""),
        reactions=tuple(_read_reaction(item) for item in raw.get("reactions") or []),
    )


def record_live(conn: sa.Connection, bot: Bot, live: LiveMessage, *, event_ts: str = "", desk_id: str = "") -> bool:
    """Store a message redacted, as it stood at `event_ts`; return whether anything changed.

    A draft that was sent counts as written by the agent who sent it; other messages of our own are not kept, and of
    someone who was forgotten since only that there was one: by the channel's desk, or by `desk_id`, which reads it.
    """
    if live.is_own:
        place = {"team_id": bot.identity.team_id, "channel_id": live.channel_id}
        draft = find_sent_draft(conn, sent_ts=live.ts, **place)
        if draft is None:
            return False
        live = replace(live, user_id=draft.asked_by, is_bot=False)
    place = {"team_id": bot.identity.team_id, "channel_id": live.channel_id}
    forgotten = load_forgotten(conn, bot.store.sealer, **place, desk_id=desk_id)
    if live.is_forgotten or forgotten.holds(live.user_id, ts=live.ts):
        return record_deletion(
            conn, bot, channel_id=live.channel_id, ts=live.ts, thread_ts=live.thread_ts, event_ts=event_ts or live.ts
        )
    message = Message(
        team_id=bot.identity.team_id,
        channel_id=live.channel_id,
        ts=live.ts,
        thread_ts=live.thread_ts,
        user_id=live.user_id,
        is_bot=live.is_bot,
        text=redact_message(conn, bot, live),
        revision=live.revision,
        deleted=False,
    )
    return record_message(conn, message, event_ts=event_ts or live.revision or live.ts)


def record_deletion(
    conn: sa.Connection, bot: Bot, *, channel_id: str, ts: str, thread_ts: str, event_ts: str, user_id: str = ""
) -> bool:
    """Store that a message was deleted; its text is gone with it.

    Whose it was tells later that it was deleted in Slack, not erased here; of someone who was forgotten it is not kept.
    """
    if user_id:
        forgotten = load_forgotten(conn, bot.store.sealer, team_id=bot.identity.team_id, channel_id=channel_id)
        user_id = "" if forgotten.holds(user_id, ts=ts) else user_id
    message = Message(bot.identity.team_id, channel_id, ts, thread_ts, user_id, False, "", "", True)
    return record_message(conn, message, event_ts=event_ts)


def redact_message(conn: sa.Connection, bot: Bot, live: LiveMessage) -> str:
    """Return the text with placeholders as they are numbered in its thread.

    The thread's first author is numbered first, so that the asker is [NAME_1] wherever possible.
    """
    people = [user_id for user_id in (live.parent_user_id, live.user_id) if user_id and not live.is_bot]
    named = [Span(0, 0, "NAME", user_id) for user_id in dict.fromkeys(people)]
    numbers = number_spans(conn, bot, [*named, *live.spans], channel_id=live.channel_id, thread_ts=live.thread_ts)
    return apply_placeholders(live.text, live.spans, numbers)


def number_spans(
    conn: sa.Connection, bot: Bot, spans: Iterable[Span], *, channel_id: str, thread_ts: str
) -> dict[tuple[str, str], int]:
    """Return the number of each kind and canonical value in this thread; only digests are stored."""
    keys = list(dict.fromkeys((span.kind, span.canonical) for span in spans))
    digests = {key: (key[0], bot.store.sealer.digest(f"{key[0]}\x1f{key[1]}")) for key in keys}
    place = {"team_id": bot.identity.team_id, "channel_id": channel_id, "thread_ts": thread_ts}
    numbers = number_placeholders(conn, list(digests.values()), **place)
    return {key: numbers[digest] for key, digest in digests.items()}


def fetch_thread(bot: Bot, *, channel_id: str, ts: str) -> list[LiveMessage]:
    """Return the whole thread that a message belongs to, oldest first; empty when Slack knows no such message.

    What someone wrote who was forgotten since is empty and nobody's.
    Raises: SlackError; StoreUnavailable.
    """
    try:
        raws = list(_read_replies(bot, channel_id=channel_id, ts=ts))
        if raws and str(raws[0].get("thread_ts") or ts) != ts:
            raws = list(_read_replies(bot, channel_id=channel_id, ts=str(raws[0]["thread_ts"])))
    except SlackRefused as exc:
        if exc.code in ("thread_not_found", "message_not_found", "channel_not_found", "not_in_channel"):
            return []
        raise
    found = [read_message(bot, raw, channel_id=channel_id) for raw in raws]
    with bot.store.read() as conn:
        forgotten = load_forgotten(conn, bot.store.sealer, team_id=bot.identity.team_id, channel_id=channel_id)
    return [
        _empty(bot, live) if forgotten.holds(live.user_id, ts=live.ts) else live for live in found if live is not None
    ]


def needs_repair(conn: sa.Connection, bot: Bot, *, channel_id: str, ts: str) -> bool:
    """Return whether a message or the beginning of its thread is not stored."""
    conversation = load_conversation(conn, team_id=bot.identity.team_id, channel_id=channel_id, ts=ts)
    return not conversation or lacks_beginning(conversation)


def lacks_beginning(conversation: Sequence[Message]) -> bool:
    """Return whether the beginning of the thread of a stored message, which comes last, is not stored."""
    thread_ts = conversation[-1].thread_ts
    return thread_ts != "" and all(message.ts != thread_ts for message in conversation)


def is_request(bot: Bot, live: LiveMessage, roles: DeskRoles) -> bool:
    """Return whether a message is an agent's word to the bot rather than part of the conversation."""
    person = bot.people.get_person(live.user_id)
    return live.calls_bot and name_role(person, roles, ts=live.ts) == "agent"


def build_turns(messages: Sequence[Message], *, roles: DeskRoles, people: Mapping[str, Person]) -> list[Turn]:
    """Return a thread as turns: the team's members by the desk, never by position; bots are left out."""
    turns: list[Turn] = []
    for message in messages:
        if message.is_bot or not message.text.strip():
            continue
        role = name_role(people.get(message.user_id), roles, ts=message.ts)
        if role is not None:
            turns.append(Turn(role, message.text))
    return turns


def holds_unredacted(turns: Sequence[Turn]) -> bool:
    """Return whether a turn's message could not be redacted, so that the thread is not known as it is."""
    return any(turn.text == UNREDACTED for turn in turns)


def collect_originals(conn: sa.Connection, bot: Bot, live: Sequence[LiveMessage]) -> dict[str, str]:
    """Return what each placeholder of this thread stands for, from the live thread; it is never stored."""
    if not live:
        return {}
    place = {"channel_id": live[0].channel_id, "thread_ts": live[0].thread_ts}
    authors = [Span(0, 0, "NAME", message.user_id) for message in live if not message.is_bot]
    numbers = number_spans(conn, bot, [*authors, *(span for message in live for span in message.spans)], **place)
    originals: dict[str, str] = {}
    for message in live:
        for span in message.spans:
            original = message.text[span.start : span.end]
            originals.setdefault(name_placeholder(span.kind, numbers[span.kind, span.canonical]), original)
    for (kind, canonical), number in numbers.items():
        person = bot.people.get_person(canonical) if kind == "NAME" else None
        if person is not None:
            originals[name_placeholder(kind, number)] = person.first_name
    return originals


def _empty(bot: Bot, live: LiveMessage) -> LiveMessage:
    """Return what is left of a message; nobody knows any more whether a colleague's word to the bot was an agent's."""
    person = bot.people.get_person(live.user_id)
    calls_bot = live.calls_bot and not (person is not None and person.is_guest)
    return replace(live, text="", spans=(), user_id="", is_bot=True, is_forgotten=True, calls_bot=calls_bot)


def _read_reaction(raw: Json) -> LiveReaction:
    users = tuple(str(user_id) for user_id in raw.get("users") or [])
    return LiveReaction(str(raw.get("name") or ""), users, len(users) >= int(raw.get("count") or 0))


def _read_replies(bot: Bot, *, channel_id: str, ts: str) -> list[Json]:
    messages: list[Json] = []
    for raw in bot.slack.pages("conversations.replies", "messages", limit=200, channel=channel_id, ts=ts):
        messages.append(raw)
        if len(messages) >= MAX_THREAD_MESSAGES:
            break
    return messages
