"""Sends a draft once an agent has clicked: settles it, and commits the post to the outbox in the same transaction.

It does not know how posts reach Slack.
"""

import logging
from collections.abc import Sequence

import sqlalchemy as sa

from thumbtune.bot.bot import Bot
from thumbtune.bot.markup import encode_text, list_urls
from thumbtune.bot.roles import DeskRoles
from thumbtune.bot.slack import Json
from thumbtune.bot.threads import LiveMessage, is_request, number_spans
from thumbtune.core.preferences import measure_edit
from thumbtune.core.records import Draft, DraftState
from thumbtune.core.redaction import apply_placeholders
from thumbtune.core.store.drafts import list_thread_drafts, settle_draft
from thumbtune.core.store.outbox import add_post

logger = logging.getLogger(__name__)

POST_MESSAGE = "chat.postMessage"
DRAFT_EVENT = "thumbtune_draft"


def send_draft(bot: Bot, draft: Draft, *, text: str, drafted: str, response_url: str) -> bool:
    """Settle a draft as sent with this text and queue its post; False when it was settled before.

    `drafted` is the draft as the agent saw it.
    """
    edit_share = measure_edit(drafted, text)
    state: DraftState = "edited" if edit_share else "sent"
    with bot.store.write() as conn:
        settled = settle_draft(
            conn,
            draft.draft_id,
            state=state,
            now=bot.store.now(),
            sent_text=_redact(conn, bot, text, draft),
            edit_share=edit_share,
        )
        if settled:
            add_post(
                conn,
                bot.store.sealer,
                dedupe_key=f"draft:{draft.draft_id}",
                method=POST_MESSAGE,
                channel_id=draft.channel_id,
                payload={"call": build_post(bot, draft, text=text, drafted=drafted), "response_url": response_url},
                now=bot.store.now(),
            )
    if settled:
        logger.info("draft_sent", extra={"draft_id": draft.draft_id, "state": state, "edit_share": edit_share})
        bot.signals.send.set()
    return settled


def build_post(bot: Bot, draft: Draft, *, text: str, drafted: str) -> Json:
    """Return the call that posts a reply: escaped, without mentions or unfurls, links only where they are allowed.

    Links that the agent typed into the draft are the agent's own and stay.
    """
    links = list_urls(text) - list_urls(drafted)
    markup = encode_text(text, link_domains=bot.settings.allowed_link_domains, also_links=links)
    return {
        "channel": draft.channel_id,
        "thread_ts": draft.thread_ts,
        "text": markup,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {
            "event_type": DRAFT_EVENT,
            "event_payload": {"draft_id": draft.draft_id, "key": f"draft:{draft.draft_id}"},
        },
    }


def find_newcomer(bot: Bot, draft: Draft, live: Sequence[LiveMessage], *, roles: DeskRoles) -> str | None:
    """Return who wrote in the thread after the draft was asked for, other than the asker; None when nobody did.

    A colleague's draft that was sent counts, also while it is on its way to Slack.
    """
    with bot.store.read() as conn:
        drafts = list_thread_drafts(conn, channel_id=draft.channel_id, thread_ts=draft.thread_ts)
    sent = [other for other in drafts if other.state in ("sent", "edited")]
    senders = {other.sent_ts: other.asked_by for other in sent}
    authors = [other.asked_by for other in sent if other.sent_ts is None]
    for message in reversed(live):
        if message.ts <= draft.last_seen_ts:
            break
        if message.is_own:
            authors.append(senders.get(message.ts, ""))
        elif not message.is_bot and not is_request(bot, message, roles):
            authors.append(message.user_id)
    newcomer = next((user_id for user_id in authors if user_id not in ("", draft.asked_by)), None)
    if newcomer is None:
        return None
    person = bot.people.get_person(newcomer)
    return person.name if person is not None else "someone"


def _redact(conn: sa.Connection, bot: Bot, text: str, draft: Draft) -> str:
    spans = bot.redactor.find_spans(text, names=bot.people.fetch_names(draft.channel_id))
    place = {"channel_id": draft.channel_id, "thread_ts": draft.thread_ts}
    return apply_placeholders(text, spans, number_spans(conn, bot, spans, **place))
