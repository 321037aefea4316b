"""`/forget @person`: a team lead asks to forget a customer or an agent, and is told first what would go.

It does not know how forgetting is done.
"""

import re

from thumbtune.bot.blocks.forgetting import build_question
from thumbtune.bot.bot import Bot
from thumbtune.bot.people import UNKNOWN_TEAM
from thumbtune.bot.roles import is_lead
from thumbtune.core.forgetting import preview
from thumbtune.core.receipts import describe_counts
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.desks import list_desks

USAGE = "Say who: `/forget @person`, or their member id: `/forget U0123ABCD` (profile menu, *Copy member ID*)."
NOT_ALLOWED = "Forgetting people is for the leads of a desk."
NO_PERSON = "That is an app and no person, so there is nobody to forget. Its messages can be deleted in Slack."
NOBODY = "Slack knows nobody with this id, and nothing of theirs is here. Look at the id again (profile menu, *Copy member ID*)."
_PERSON = re.compile(r"(?:<@)?([UW][A-Z0-9]{2,30})(?:\|[^>]*)?>?")


def handle_forget(event: InboxEvent, bot: Bot) -> None:
    """Say what would be erased of a person in the desks whose lead asks, with a button that does it."""
    body = event.body
    response_url, user_id = str(body.get("response_url") or ""), str(body.get("user_id") or "")
    person = read_person(str(body.get("text") or ""))
    desk_ids = list_led_desks(bot, user_id)
    if not desk_ids or person is None:
        text = USAGE if desk_ids else NOT_ALLOWED
        bot.slack.respond(response_url, response_type="ephemeral", text=text)
        return
    known = bot.people.fetch_person(person)
    if known.is_bot:
        bot.slack.respond(response_url, response_type="ephemeral", text=NO_PERSON)
        return
    found = preview(bot.store, bot.settings, person=person, desk_ids=desk_ids, by=user_id)
    if known.team_id == UNKNOWN_TEAM and not describe_counts(found):
        bot.slack.respond(response_url, response_type="ephemeral", text=NOBODY)
        return
    blocks = build_question(found, user_id=person)
    bot.slack.respond(response_url, response_type="ephemeral", text="What forgetting them would erase", blocks=blocks)


def read_person(text: str) -> str | None:
    """Return the user id that is mentioned or spelled, if nothing else is."""
    match = _PERSON.fullmatch(text.strip())
    return match.group(1) if match else None


def list_led_desks(bot: Bot, user_id: str) -> list[str]:
    """Return the desks of this workspace whose lead someone is.

    Raises: SlackError.
    """
    with bot.store.read() as conn:
        desks = [desk for desk in list_desks(conn) if desk.team_id == bot.identity.team_id]
    person = bot.people.fetch_person(user_id)
    return [desk.desk_id for desk in desks if is_lead(person, bot.people.fetch_roles(desk))]
