"""The Post button, and Post anyway on a thread that moved on.

It does not know how posts reach Slack.
"""

from thumbtune.bot.blocks.draft_card import build_stale_card
from thumbtune.bot.bot import Bot
from thumbtune.bot.cards import open_card
from thumbtune.bot.drafting import build_card, fill_from_live
from thumbtune.bot.sending import find_newcomer, send_draft
from thumbtune.bot.threads import fetch_thread
from thumbtune.core.records import InboxEvent
from thumbtune.core.redaction import find_unfilled


def handle_draft_post(event: InboxEvent, bot: Bot) -> None:
    """Post the draft as it is, unless someone wrote in the meantime."""
    post_draft(event, bot, in_any_case=False)


def handle_draft_post_anyway(event: InboxEvent, bot: Bot) -> None:
    """Post the draft although someone wrote in the meantime."""
    post_draft(event, bot, in_any_case=True)


def post_draft(event: InboxEvent, bot: Bot, *, in_any_case: bool) -> None:
    """Send the draft on this card, or show that its thread moved on."""
    card = open_card(event, bot)
    if card is None or card.draft.state != "ready":
        return
    live = fetch_thread(bot, channel_id=card.draft.channel_id, ts=card.draft.thread_ts)
    text = fill_from_live(bot, card.draft.text, live)
    newcomer = None if in_any_case else find_newcomer(bot, card.draft, live, roles=card.roles)
    if find_unfilled(text):
        blocks = build_card(bot, card.draft, live=live, footer="Not posted")
        card.replace(bot, text="Fill in what is missing", blocks=blocks)
        return
    if newcomer is not None:
        blocks = build_stale_card(card.draft, text=text, who=newcomer, link_domains=bot.settings.allowed_link_domains)
        card.replace(bot, text="The thread moved on", blocks=blocks)
        return
    send_draft(bot, card.draft, text=text, drafted=text, response_url=card.response_url)
