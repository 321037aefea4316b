"""Turns Slack's message markup into plain text, and plain text into markup that cannot mention, unfurl or mislead.

It does not know redaction or people: names come in from outside. Source: docs.slack.dev/messaging/formatting-message-text,
seen 2026-11-21.
"""

import re
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

_ANGLE = re.compile(r"<([^<>\n]{1,4000})>")
_USER = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^<>]*)?>")
_URL = re.compile(r"\b(?:https?|ftp|mailto|tel|slack|file|data|javascript)(?::|%3a)(?://)?[^\s<>|\"'`]*", re.IGNORECASE)
_SPECIAL = re.compile(r"@(channel|here|everyone)\b", re.IGNORECASE)
_LOOKALIKES = {ord("＜"): "<", ord("＞"): ">", ord("﹤"): "<", ord("﹥"): ">"}
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_TRAILING = ".,;:!?)]}'\""


def list_mentions(text: str) -> list[str]:
    """Return the ids of the users mentioned in a message's text."""
    return list(dict.fromkeys(_USER.findall(text)))


def decode_markup(text: str, *, name_user: Callable[[str], str]) -> str:
    """Return a message's text as people read it; `name_user` gives the name shown for a user id."""

    def replace(match: re.Match[str]) -> str:
        inside, _, label = match.group(1).partition("|")
        if inside.startswith("@"):
            return f"@{name_user(inside[1:])}"
        if inside.startswith("#"):
            return f"#{label or inside[1:]}"
        if inside.startswith("!"):
            return label or "@" + inside[1:].split("^", 1)[0]
        target = inside.removeprefix("mailto:").removeprefix("tel:")
        if not label or label in (inside, target, inside.split("://", 1)[-1]):
            return target
        if inside.startswith("tel:") and _keep_digits(label) == _keep_digits(target):
            return label
        return f"{label} ({target})"

    return _unescape(_ANGLE.sub(replace, text))


def encode_text(text: str, *, link_domains: Collection[str], also_links: Collection[str] = ()) -> str:
    """Return plain text as Slack markup: escaped, no live mention, links only to these domains or these very URLs."""
    cleaned = _INVISIBLE.sub("", text.translate(_LOOKALIKES))
    pieces, position = [], 0
    for match in _URL.finditer(cleaned):
        url = match.group().rstrip(_TRAILING)
        pieces.append(_escape(cleaned[position : match.start()]))
        is_allowed = url in also_links or _is_allowed(url, link_domains)
        pieces.append(f"<{_escape(url)}>" if is_allowed else _escape(_disarm(url)))
        position = match.start() + len(url)
    return "".join([*pieces, _escape(cleaned[position:])])


def list_urls(text: str) -> set[str]:
    """Return the URLs in a plain text."""
    return {match.group().rstrip(_TRAILING) for match in _URL.finditer(text)}


def _keep_digits(number: str) -> str:
    return re.sub(r"\D", "", number)


def _is_allowed(url: str, domains: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return False
    if parts.scheme.lower() not in ("http", "https") or "@" in parts.netloc:
        return False
    return any(host == domain.lower() or host.endswith("." + domain.lower()) for domain in domains)


def _disarm(url: str) -> str:
    bare = url
    while (shorter := re.sub(r"^[a-z]+(?::|%3a)(?://)?", "", bare, flags=re.IGNORECASE)) != bare:
        bare = shorter
    return bare


def _escape(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub("@\u2060\\1", escaped)


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
