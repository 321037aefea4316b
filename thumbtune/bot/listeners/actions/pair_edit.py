"""The Edit button beside a training pair in the Home tab: opens the modal with its reply.

It does not know what becomes of the correction.
"""

from thumbtune.bot.blocks.pair_modal import build_pair_modal
from thumbtune.bot.bot import Bot
from thumbtune.bot.homes import publish_home
from thumbtune.bot.listeners.actions.draft_edit import TOO_LATE
from thumbtune.bot.roles import is_lead
from thumbtune.core.errors import NotFound, SlackRefused
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.pairs import load_pair


def handle_pair_edit(event: InboxEvent, bot: Bot) -> None:
    """Open the modal for a lead; whose press is too old to open one sees the Home tab as it stands."""
    action = (event.body.get("actions") or [{}])[0]
    user_id, value = str((event.body.get("user") or {}).get("id") or ""), str(action.get("value") or "")
    try:
        with bot.store.read() as conn:
            pair = load_pair(conn, int(value) if value.isdigit() else 0)
            desk = load_desk(conn, pair.desk_id)
    except NotFound:
        return
    is_ours = desk.team_id == bot.identity.team_id
    if not is_ours or not is_lead(bot.people.fetch_person(user_id), bot.people.fetch_roles(desk)):
        return
    if event.attempts == 1 and pair.reply and pair.turns:
        trigger_id = str(event.body.get("trigger_id") or "")
        try:
            bot.slack.call("views.open", trigger_id=trigger_id, view=build_pair_modal(pair))
            return
        except SlackRefused as exc:
            if exc.code not in TOO_LATE:
                raise
    publish_home(bot, user_id)
