"""A triage was submitted: it is kept, redacted, as the agent left it, and the card shows it.

It does not know how triages are learned.
"""

import logging
from dataclasses import replace

import sqlalchemy as sa

from thumbtune.bot.blocks.draft_card import describe_mode
from thumbtune.bot.blocks.triage_modal import read_triage_modal
from thumbtune.bot.bot import Bot
from thumbtune.bot.cards import open_draft
from thumbtune.bot.drafting import build_card, fill_from_live, load_messages, make_turns
from thumbtune.bot.threads import fetch_thread, holds_unredacted, number_spans
from thumbtune.core.errors import BadInput, Conflict, RedactionFailed
from thumbtune.core.records import Draft, InboxEvent
from thumbtune.core.redaction import NameIndex, apply_placeholders, clean_text
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.messages import lock_channel
from thumbtune.core.store.triages import decide_triage, find_triage
from thumbtune.core.triage import check_triage, spell_text

logger = logging.getLogger(__name__)

NOT_KEPT = ":warning: Your triage was not kept: {}."
UNSAFE = "a message or line of it could not be made safe to keep"


def handle_triage_submitted(event: InboxEvent, bot: Bot) -> None:
    """Keep the triage and show it on the card; whose triage could not be kept is told so."""
    draft_id, response_url, written = read_triage_modal(event.body.get("view") or {})
    user_id = str((event.body.get("user") or {}).get("id") or "")
    card = open_draft(bot, draft_id, user_id=user_id, response_url=response_url)
    if card is None or not card.draft.text:
        return
    draft = card.draft
    live = fetch_thread(bot, channel_id=draft.channel_id, ts=draft.thread_ts)
    place = {"channel_id": draft.channel_id, "thread_ts": draft.thread_ts}
    messages = load_messages(bot, **place, up_to=draft.last_seen_ts)
    turns, heard = make_turns(bot, messages, roles=card.roles), [message.ts for message in messages]
    names = bot.people.fetch_names(draft.channel_id)
    try:
        if holds_unredacted(turns):
            raise RedactionFailed("a message of the thread could not be redacted")
        with bot.store.read() as conn:
            before = find_triage(conn, draft_id)
            categories = load_desk(conn, draft.desk_id).categories
        suggested = before.suggested if before else None
        kept = {
            name: getattr(suggested, name)
            for name in ("summary", "suggested_action")
            if suggested and fill_from_live(bot, getattr(suggested, name), live) == getattr(written, name).strip()
        }
        with bot.store.write() as conn:
            lock_channel(conn, team_id=draft.team_id, channel_id=draft.channel_id)
            texts = {
                name: kept.get(name) or _redact(conn, bot, getattr(written, name), draft, names)
                for name in ("summary", "suggested_action")
            }
            triage = check_triage(replace(written, **texts), categories)
            now = bot.store.now()
            told = decide_triage(conn, draft, triage, turns=turns, heard=heard, decided_by=user_id, now=now)
    except (BadInput, Conflict, RedactionFailed) as exc:
        why = UNSAFE if isinstance(exc, RedactionFailed) else str(exc)
        bot.slack.whisper(**place, user_id=user_id, text=NOT_KEPT.format(why))
        return
    logger.info("triage_decided", extra={"draft_id": draft_id, "triage_id": told.triage_id, "state": told.state})
    if draft.state == "ready":
        footer = describe_mode(draft, examples=bot.settings.few_shot_examples, missing_adapter=None, is_cut=False)
        card.replace(bot, text="Your draft", blocks=build_card(bot, draft, live=live, footer=footer))


def _redact(conn: sa.Connection, bot: Bot, text: str, draft: Draft, names: NameIndex) -> str:
    cleaned = clean_text(text)
    spans = bot.redactor.find_spans(cleaned, names=names)
    place = {"channel_id": draft.channel_id, "thread_ts": draft.thread_ts}
    return spell_text(apply_placeholders(cleaned, spans, number_spans(conn, bot, spans, **place)))
