"""Someone took a reaction back: the message is settled anew.

It does not know whose reaction counts.
"""

from thumbtune.bot.bot import Bot, Write
from thumbtune.bot.listeners.events.reaction_added import keep_reaction
from thumbtune.core.records import InboxEvent


def handle_reaction_removed(event: InboxEvent, bot: Bot) -> Write | None:
    """Return what to store of a reaction that was taken back."""
    return keep_reaction(event, bot, given=False)
