"""From "draft a reply" to a private card: who may ask, the thread, the model, the card.

It does not know which entrance was used or what becomes of the card.
"""

import logging
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

from thumbtune.bot.asks import Ask
from thumbtune.bot.blocks.draft_card import CardTriage, build_draft_card, build_failed_card, describe_mode
from thumbtune.bot.bot import Bot, Later
from thumbtune.bot.people import PeopleMissing
from thumbtune.bot.roles import DeskRoles, may_ask
from thumbtune.bot.slack import Json
from thumbtune.bot.threads import (
    LiveMessage,
    build_turns,
    collect_originals,
    fetch_thread,
    holds_unredacted,
    is_request,
    record_live,
)
from thumbtune.bot.triage import begin_triage
from thumbtune.bot.writing import Written, write_draft
from thumbtune.core.errors import InferenceError
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Desk, Draft, DraftState, Message
from thumbtune.core.redaction import fill_back
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.drafts import fill_draft, load_draft, request_draft, settle_draft
from thumbtune.core.store.messages import load_thread, lock_channel
from thumbtune.core.store.triages import find_triage, suggest_triage
from thumbtune.core.triage import Triage

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 2.0
SIGN_AFTER_S = 2.0


def answer_ask(bot: Bot, ask: Ask) -> None:
    """Write the draft and show it to the asker; doing it again shows it again and writes nothing twice.

    Raises: Later while the model is starting; SlackError.
    """
    desk = bot.find_desk(ask.channel_id)
    if desk is None:
        _say(bot, ask, "This channel belongs to no support desk, so there is nobody to write for here.")
        return
    roles = bot.people.fetch_roles(desk)
    if not may_ask(bot.people.fetch_person(ask.user_id), roles):
        _say(bot, ask, f"Drafts are for the agents of *{desk.name}*: {name_allowed(bot, desk.agents, roles.agents)}.")
        return
    live = fetch_thread(bot, channel_id=ask.channel_id, ts=ask.ts)
    theirs = [message for message in live if not message.is_own and not message.is_forgotten]
    conversation = [message for message in theirs if not is_request(bot, message, roles)]
    if not conversation:
        _say(bot, ask, "I see no conversation here to answer. Where I am no member yet, `/invite` me first.")
        return
    draft = _request(bot, ask, desk, live, roles)
    if draft.state in ("requested", "ready") and _is_late(bot, ask):
        _give_up(bot, ask, draft, state="stale", reason="This could not be done in time, so there is no draft.")
    elif draft.state == "requested":
        written = _write(bot, ask, desk, draft, roles)
        if written is not None:
            _show(bot, ask, written[0], live=live, footer=written[1])
    else:
        footer = describe_mode(draft, examples=bot.settings.few_shot_examples, missing_adapter=None, is_cut=False)
        _show(bot, ask, draft, live=live, footer=footer)


def fill_from_live(bot: Bot, text: str, live: Sequence[LiveMessage]) -> str:
    """Return a text with its placeholders filled from the live thread, in memory."""
    with bot.store.write() as conn:
        return fill_back(text, collect_originals(conn, bot, live))


def name_allowed(bot: Bot, configured: Sequence[str], resolved: frozenset[str]) -> str:
    """Return in words who may do something: groups as mentions, people by name."""
    groups = [f"<!subteam^{some_id}>" for some_id in configured if some_id.startswith("S")]
    if groups:
        return ", ".join(groups)
    people = [person.name for user_id in sorted(resolved)[:8] if (person := bot.people.get_person(user_id)) is not None]
    return ", ".join(people) or "nobody yet"


def build_card(
    bot: Bot, draft: Draft, *, live: Sequence[LiveMessage], footer: str, problem: str = "", not_posted: str = ""
) -> list[Json]:
    """Return the card of a draft that is ready, filled from the live thread."""
    return build_draft_card(
        draft,
        text=fill_from_live(bot, draft.text, live),
        footer=footer,
        link_domains=bot.settings.allowed_link_domains,
        triage=find_card_triage(bot, draft, live=live),
        problem=problem,
        not_posted=not_posted,
    )


def find_card_triage(bot: Bot, draft: Draft, *, live: Sequence[LiveMessage]) -> CardTriage | None:
    """Return the triage beside a draft, filled from the live thread; None for a desk without categories."""
    with bot.store.read() as conn:
        found = find_triage(conn, draft.draft_id)
        if not load_desk(conn, draft.desk_id).categories:
            return None
    triage = (found.decided or found.suggested) if found else None
    if found is None or triage is None:
        return CardTriage(None)
    summary, action = (fill_from_live(bot, text, live) for text in (triage.summary, triage.suggested_action))
    filled = replace(triage, summary=summary, suggested_action=action)
    return CardTriage(filled, is_decided=found.decided is not None)


def load_turns(bot: Bot, *, channel_id: str, thread_ts: str, roles: DeskRoles, up_to: str = "") -> list[Turn]:
    """Return a whole thread as turns, from our own messages; `up_to` names the last one, where it went on."""
    messages = load_messages(bot, channel_id=channel_id, thread_ts=thread_ts, up_to=up_to)
    return make_turns(bot, messages, roles=roles)


def load_messages(bot: Bot, *, channel_id: str, thread_ts: str, up_to: str = "") -> list[Message]:
    """Return our own messages of a thread, up to the last one where it went on."""
    with bot.store.read() as conn:
        messages = load_thread(conn, team_id=bot.identity.team_id, channel_id=channel_id, thread_ts=thread_ts)
    return [message for message in messages if not up_to or message.ts <= up_to]


def make_turns(bot: Bot, messages: Sequence[Message], *, roles: DeskRoles) -> list[Turn]:
    """Return messages as turns of who has which role; who is not known yet is looked up."""
    authors = {message.user_id for message in messages if not message.is_bot}
    try:
        people = bot.people.get_people(authors)
    except PeopleMissing as missing:
        people = bot.people.fetch_people(missing.user_ids) | bot.people.get_people(authors - missing.user_ids)
    return build_turns(messages, roles=roles, people=people)


def _request(bot: Bot, ask: Ask, desk: Desk, live: Sequence[LiveMessage], roles: DeskRoles) -> Draft:
    """Store the thread as Slack has it now, and the request."""
    with bot.store.write() as conn:
        for message in live:
            if not is_request(bot, message, roles):
                record_live(conn, bot, message)
        spoken = [message.ts for message in live if not is_request(bot, message, roles)]
        return request_draft(
            conn,
            draft_id=f"draft-{uuid.uuid4().hex[:16]}",
            request_key=ask.request_key,
            desk_id=desk.desk_id,
            team_id=bot.identity.team_id,
            channel_id=ask.channel_id,
            thread_ts=live[0].thread_ts,
            asked_by=ask.user_id,
            last_seen_ts=max(spoken),
            now=bot.store.now(),
        )


def _write(bot: Bot, ask: Ask, desk: Desk, draft: Draft, roles: DeskRoles) -> tuple[Draft, str] | None:
    messages = load_messages(bot, channel_id=draft.channel_id, thread_ts=draft.thread_ts)
    turns, heard = make_turns(bot, messages, roles=roles), [message.ts for message in messages]
    if holds_unredacted(turns):
        _give_up(bot, ask, draft, reason="A message here could not be made safe to work with, so there is no draft.")
        return None
    triage = begin_triage(bot, desk, turns=turns)
    try:
        with _sign_of_work(bot, ask, draft):
            written = write_draft(bot, desk, turns=turns, thread_ts=draft.thread_ts, temperature=ask.temperature)
    except InferenceError as exc:
        logger.error("draft_failed", extra={"draft_id": draft.draft_id, "error": type(exc).__name__})
        _give_up(bot, ask, draft, reason="The model could not write this reply.")
        return None
    if written is None:
        _wait_for_model(bot, ask, draft)
    suggested = triage.take(written.choice) if triage else None
    kept = _keep(bot, draft, written, turns=turns, heard=heard, triage=suggested)
    missing, examples = written.choice.missing_adapter, len(written.grounds.examples)
    is_cut = written.is_cut and kept.text == written.text
    return kept, describe_mode(kept, examples=examples, missing_adapter=missing, is_cut=is_cut)


def _keep(
    bot: Bot, draft: Draft, written: Written, *, turns: Sequence[Turn], heard: Sequence[str], triage: Triage | None
) -> Draft:
    """Store what was written and return the draft as it is stored: another worker may have been quicker."""
    mode, adapter = written.grounds.mode, written.choice.adapter
    with bot.store.write() as conn:
        lock_channel(conn, team_id=draft.team_id, channel_id=draft.channel_id)
        is_first = fill_draft(
            conn,
            draft.draft_id,
            mode=mode,
            adapter=adapter,
            text=written.text,
            passages=written.grounds.passages,
            latency_ms=written.latency_ms,
        )
        if is_first and triage is not None:
            suggest_triage(conn, draft, triage, turns=turns, heard=heard, adapter=adapter, now=bot.store.now())
        kept = load_draft(conn, draft.draft_id)
    if is_first:
        fields = {"draft_id": draft.draft_id, "mode": mode, "adapter": adapter}
        logger.info("draft_ready", extra={**fields, "latency_ms": written.latency_ms})
    return kept


def _is_late(bot: Bot, ask: Ask) -> bool:
    """Return whether an ask is older than the deadline, wherever it has been until now."""
    return bot.store.now() - ask.received_at > timedelta(seconds=bot.settings.draft_deadline_s)


def _wait_for_model(bot: Bot, ask: Ask, draft: Draft) -> NoReturn:
    if ask.is_first_try:
        _say(bot, ask, ":hourglass_flowing_sand: The model is starting; your draft will follow here.", draft.thread_ts)
    raise Later(LOOK_AGAIN_S)


def _show(bot: Bot, ask: Ask, draft: Draft, *, live: Sequence[LiveMessage], footer: str) -> None:
    """Show a draft on its private card in the thread, unless it was settled meanwhile."""
    if draft.state != "ready":
        return
    blocks = build_card(bot, draft, live=live, footer=footer)
    _show_card(bot, ask, draft, text="Your draft is ready", blocks=blocks)


def _show_card(bot: Bot, ask: Ask, draft: Draft, *, text: str, blocks: list[Json]) -> None:
    """Show a card about a draft to who asked for it, in its thread.

    Raises: SlackBusy, SlackLockedOut, SlackUnknown; the event is then worked on again and the card shown again.
    """
    is_shown = bot.slack.whisper_surely(
        channel_id=draft.channel_id,
        user_id=draft.asked_by,
        thread_ts=draft.thread_ts,
        text=text,
        blocks=blocks,
        unfurl_links=False,
        unfurl_media=False,
    )
    if not is_shown:
        _respond(bot, ask, text=text, blocks=blocks)


def _give_up(bot: Bot, ask: Ask, draft: Draft, *, reason: str, state: DraftState = "failed") -> None:
    with bot.store.read() as conn:
        if load_draft(conn, draft.draft_id).state != draft.state:
            return  # another worker did something with it
    _show_card(bot, ask, draft, text=reason, blocks=build_failed_card(draft.draft_id, reason=reason))
    with bot.store.write() as conn:
        settle_draft(conn, draft.draft_id, state=state, now=bot.store.now(), only_from=(draft.state,))


@contextmanager
def _sign_of_work(bot: Bot, ask: Ask, draft: Draft) -> Iterator[None]:
    """Tell the asker that the draft is being written, if it takes longer than one waits without a sign."""
    say = threading.Timer(SIGN_AFTER_S, _say, args=(bot, ask, ":writing_hand: Writing a draft…", draft.thread_ts))
    say.daemon = True
    if ask.is_first_try:
        say.start()
    try:
        yield
    finally:
        say.cancel()


def _say(bot: Bot, ask: Ask, text: str, thread_ts: str | None = None) -> None:
    place = {"channel_id": ask.channel_id, "user_id": ask.user_id, "thread_ts": thread_ts or ask.ts}
    if not bot.slack.whisper(**place, text=text):
        _respond(bot, ask, text=text)


def _respond(bot: Bot, ask: Ask, **message: object) -> None:
    """Answer where the asker asked: the bot may be no member of the channel, or the asker none of the thread's."""
    if ask.response_url:
        bot.slack.respond(ask.response_url, replace_original=False, response_type="ephemeral", **message)
