"""Turns what a person types or an app sends into the text that Slack stores.

It does not know messages or channels. Source: docs.slack.dev/messaging/formatting-message-text, seen 2026-11-21.
"""

import re
from collections.abc import Mapping

_CONTROL = r"<(?:@[UW][A-Z0-9]+(?:\|[^<>]*)?|\#C[A-Z0-9]+(?:\|[^<>]*)?|![a-z^A-Z0-9]+(?:[|^][^<>]*)?|(?:https?://|mailto:|tel:)[^<>\s|]+(?:\|[^<>]*)?)>"
_SENT = re.compile(rf"({_CONTROL})|&(?!(?:amp|lt|gt);)|[<>]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LINKS = re.compile(
    rf"({_CONTROL})|(?P<url>https?://[^\s<>|]+[^\s<>|.,;:!?)\]'\"])|(?P<mail>\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b)"
)


def normalize_sent_text(text: str) -> str:
    """Return an app's text as Slack stores it: stray `&`, `<` and `>` are escaped, bare links become `<link>`.

    A lone `>` at a line's start stays a quote mark in escaped form, as in Slack.
    """
    if not any(mark in text for mark in "&<>:"):
        return text
    escaped = _SENT.sub(lambda match: match[1] or _ENTITIES[match[0]], text)
    return _LINKS.sub(lambda match: f"<{match['url']}>" if match["url"] else match[0], escaped)


def compose_text(typed: str, names: Mapping[str, str]) -> str:
    """Return what a person typed as Slack stores it: escaped, with links, mail addresses and `@Name` marked up.

    `names` maps the names that can be mentioned to user ids.
    """
    text = _SENT.sub(lambda match: match[1] or _ENTITIES[match[0]], typed)
    text = _LINKS.sub(_mark_link, text)
    if "@" in text and names:
        choices = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        text = re.sub(rf"(?<![\w<@|])@({choices})\b", lambda match: f"<@{names[match[1]]}>", text)
    return text


def _mark_link(match: re.Match[str]) -> str:
    if match["url"]:
        return f"<{match['url']}>"
    if match["mail"]:
        return f"<mailto:{match['mail']}|{match['mail']}>"
    return match[0]
