"""`/draft LINK`: a draft for the thread that a link points to.

It does not know how drafts are written. Slack runs no commands inside threads, hence the link.
"""

import re
from urllib.parse import parse_qs, urlsplit

from thumbtune.bot.asks import build_ask
from thumbtune.bot.bot import Bot
from thumbtune.bot.drafting import answer_ask
from thumbtune.core.records import InboxEvent

USAGE = (
    "Give me the link of a message in the thread: `/draft https://…/archives/C…/p…` (message menu, *Copy link*). "
    "Or use *Draft a reply* on the message itself, or mention me in its thread."
)
_PATH = re.compile(r"/archives/([CG][A-Z0-9]+)/p(\d{10})(\d{6})")


def handle_draft(event: InboxEvent, bot: Bot) -> None:
    """Write a draft for the linked thread, or say how to ask."""
    body = event.body
    place = read_permalink(str(body.get("text") or ""))
    if place is None:
        bot.slack.respond(str(body.get("response_url") or ""), response_type="ephemeral", text=USAGE)
        return
    ask = build_ask(event, bot, channel_id=place[0], ts=place[1], user_id=str(body.get("user_id") or ""))
    if ask is not None:
        answer_ask(bot, ask)


def read_permalink(text: str) -> tuple[str, str] | None:
    """Return channel and thread of a message's link, if there is one in the text."""
    match = _PATH.search(text)
    if match is None:
        return None
    link = text[match.start() :].split()[0].strip("<>")
    query = parse_qs(urlsplit(link.replace("&amp;", "&")).query)
    thread_ts = (query.get("thread_ts") or [""])[0].split("|")[0]
    is_ts = bool(re.fullmatch(r"\d{10}\.\d{6}", thread_ts))
    return match.group(1), thread_ts if is_ts else f"{match.group(2)}.{match.group(3)}"
