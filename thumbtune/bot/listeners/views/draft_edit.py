"""The edit modal was submitted: the edited text is posted.

It does not know how posts reach Slack.
"""

from thumbtune.bot.blocks.edit_modal import read_edit_modal
from thumbtune.bot.bot import Bot
from thumbtune.bot.cards import open_draft
from thumbtune.bot.drafting import build_card, fill_from_live
from thumbtune.bot.sending import send_draft
from thumbtune.bot.threads import fetch_thread
from thumbtune.core.records import InboxEvent
from thumbtune.core.redaction import clean_text, find_unfilled


def handle_draft_edit_submitted(event: InboxEvent, bot: Bot) -> None:
    """Post the text as the agent left it; how much was changed is kept with the draft.

    What is blank or still holds placeholders is not posted: the card comes back with it.
    """
    draft_id, response_url, text = read_edit_modal(event.body.get("view") or {})
    user_id = str((event.body.get("user") or {}).get("id") or "")
    card = open_draft(bot, draft_id, user_id=user_id, response_url=response_url)
    if card is None or card.draft.state != "ready":
        return
    live = fetch_thread(bot, channel_id=card.draft.channel_id, ts=card.draft.thread_ts)
    drafted = fill_from_live(bot, card.draft.text, live)
    unfilled = find_unfilled(text)
    if unfilled or not text.strip():
        problem = f"{', '.join(unfilled)} is still to be filled in" if unfilled else "there was no text"
        blocks = build_card(
            bot,
            card.draft,
            live=live,
            footer="Not posted",
            problem=f"Not posted: {problem}. Press *Edit* again.",
            not_posted=text.strip(),
        )
        card.replace(bot, text="Not posted", blocks=blocks)
        return
    send_draft(bot, card.draft, text=clean_text(text).strip(), drafted=drafted, response_url=response_url)
