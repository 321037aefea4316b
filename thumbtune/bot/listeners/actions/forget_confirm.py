"""The button under what forgetting someone would erase: it is done, and the receipt takes the place of the question.

It does not know how forgetting is done.
"""

from thumbtune.bot.blocks.forgetting import build_receipt
from thumbtune.bot.bot import Bot
from thumbtune.bot.listeners.commands.forget import NOT_ALLOWED, list_led_desks, read_person
from thumbtune.core.forgetting import forget
from thumbtune.core.records import InboxEvent


def handle_forget_confirm(event: InboxEvent, bot: Bot) -> None:
    """Forget a person in the desks whose lead pressed; doing it again erases nothing more."""
    action = (event.body.get("actions") or [{}])[0]
    user_id = str((event.body.get("user") or {}).get("id") or "")
    response_url = str(event.body.get("response_url") or "")
    person = read_person(str(action.get("value") or ""))
    desk_ids = list_led_desks(bot, user_id)
    if person is None or not desk_ids:
        bot.slack.respond(response_url, replace_original=True, text=NOT_ALLOWED)
        return
    receipt = forget(bot.store, bot.settings, person=person, desk_ids=desk_ids, by=user_id)
    bot.signals.send.set()
    bot.slack.respond(response_url, replace_original=True, text="Forgotten", blocks=build_receipt(receipt))
