"""The button under a run that could not be decided: a lead puts its adapter live anyway.

It does not know how an adapter goes live.
"""

from thumbtune.bot.bot import Bot
from thumbtune.bot.drafting import name_allowed
from thumbtune.bot.markup import encode_text
from thumbtune.bot.roles import is_lead
from thumbtune.core.errors import Conflict, NotFound
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.adapters import load_adapter
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.overriding import override_gate
from thumbtune.core.store.runs import load_run


def handle_run_put_live(event: InboxEvent, bot: Bot) -> None:
    """Override the gate in the name of the lead who pressed; others are told who may."""
    body = event.body
    run_id = str(((body.get("actions") or [{}])[0]).get("value") or "")
    user_id = str((body.get("user") or {}).get("id") or "")

    def say(text: str) -> None:
        bot.slack.respond(
            str(body.get("response_url") or ""), replace_original=False, response_type="ephemeral", text=text
        )

    try:
        with bot.store.read() as conn:
            desk = load_desk(conn, load_run(conn, run_id).desk_id)
    except NotFound:
        return
    roles = bot.people.fetch_roles(desk)
    if desk.team_id != bot.identity.team_id or not is_lead(bot.people.fetch_person(user_id), roles):
        say(f"This is for the leads of *{desk.name}*: {name_allowed(bot, desk.leads, roles.leads)}.")
        return
    try:
        with bot.store.write() as conn:
            adapter = override_gate(conn, run_id, by=user_id, now=bot.store.now())
    except Conflict:
        say(f"This adapter can no longer be put live: {_find_reason(bot, run_id)}. `/retrain` makes another.")
        return
    bot.signals.announce.set()
    if adapter.state == "live":
        say(f"{adapter.name} is live.")
    else:
        say(f"{adapter.name} goes live as soon as it is proven and has passed its trial; until then nothing changes.")


def _find_reason(bot: Bot, run_id: str) -> str:
    try:
        with bot.store.read() as conn:
            reason = load_adapter(conn, load_run(conn, run_id).adapter or "").reason
    except NotFound:
        reason = ""
    return encode_text(reason.rstrip("."), link_domains=()) or "it was set aside, or nobody asked for it in time"
