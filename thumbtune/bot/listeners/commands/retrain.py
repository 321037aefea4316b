"""`/retrain`: a team lead starts training now, having seen what it would use.

It does not know how training works.
"""

from thumbtune.bot.bot import Bot
from thumbtune.bot.retraining import find_refusal, offer_run
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.desks import list_desks


def handle_retrain(event: InboxEvent, bot: Bot) -> None:
    """Show what a run for the channel's desk would use, or the one named; others than its leads are told who may."""
    body = event.body
    response_url, user_id = str(body.get("response_url") or ""), str(body.get("user_id") or "")
    channel_id, wanted = str(body.get("channel_id") or ""), str(body.get("text") or "").strip()

    def say(text: str) -> None:
        bot.slack.respond(response_url, response_type="ephemeral", text=text)

    with bot.store.read() as conn:
        desks = [desk for desk in list_desks(conn) if desk.team_id == bot.identity.team_id]
    fitting = [desk for desk in desks if (desk.desk_id == wanted if wanted else channel_id in desk.channels)]
    if not fitting:
        names = ", ".join(f"`{desk.desk_id}`" for desk in desks) or "none yet"
        say(f"This is no desk's channel. Name a desk: `/retrain DESK` (desks: {names}).")
        return
    desk = fitting[0]
    refusal = find_refusal(bot, desk, user_id)
    if refusal is not None:
        say(refusal)
        return
    bot.slack.respond(response_url, response_type="ephemeral", text="Train now?", blocks=offer_run(bot, desk))
