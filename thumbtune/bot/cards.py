"""A draft's card on which somebody pressed something: whose it is, and how to change or remove it.

It does not know what was pressed.
"""

import logging
from dataclasses import dataclass

from thumbtune.bot.blocks.parts import render_blocks, section
from thumbtune.bot.bot import Bot
from thumbtune.bot.roles import DeskRoles, may_ask
from thumbtune.bot.slack import Json
from thumbtune.core.errors import NotFound
from thumbtune.core.records import Draft, InboxEvent
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.drafts import load_draft

ERASED = "This draft was erased, with what it answered."

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Card:
    """A draft as its asker has it before them."""

    draft: Draft
    roles: DeskRoles
    user_id: str
    response_url: str

    def replace(self, bot: Bot, *, text: str, blocks: list[Json]) -> None:
        """Show something else in place of the card."""
        bot.slack.respond(
            self.response_url,
            replace_original=True,
            response_type="ephemeral",
            thread_ts=self.draft.thread_ts,
            text=text,
            blocks=blocks,
        )

    def remove(self, bot: Bot) -> None:
        """Take the card away."""
        bot.slack.respond(self.response_url, delete_original=True)


def open_card(event: InboxEvent, bot: Bot) -> Card | None:
    """Return the card whose button was pressed, if who pressed may still use it; one that was erased says so instead."""
    actions = event.body.get("actions") or [{}]
    user_id = str((event.body.get("user") or {}).get("id") or "")
    response_url = str(event.body.get("response_url") or "")
    card = open_draft(bot, str(actions[0].get("value") or ""), user_id=user_id, response_url=response_url)
    if card is None or card.draft.text or card.draft.state != "discarded":
        return card
    card.replace(bot, text=ERASED, blocks=render_blocks([section(ERASED)]))
    return None


def open_draft(bot: Bot, draft_id: str, *, user_id: str, response_url: str) -> Card | None:
    """Return the card of a draft; None when it is not this person's or they are no agent of its desk any more."""
    try:
        with bot.store.read() as conn:
            draft = load_draft(conn, draft_id)
            desk = load_desk(conn, draft.desk_id)
    except NotFound:
        return None
    roles = bot.people.fetch_roles(desk)
    if draft.asked_by != user_id or not may_ask(bot.people.fetch_person(user_id), roles):
        logger.warning("card_refused", extra={"draft_id": draft_id, "user_id": user_id})
        return None
    return Card(draft, roles, user_id, response_url)
