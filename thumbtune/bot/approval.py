"""Decides whether a message is approved, from who reacted with what and when; pure.

It does not know Slack or the store.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from thumbtune.bot.roles import DeskRoles, Person, is_approver
from thumbtune.core.records import Approval, Desk, Message

_SKIN_TONE = re.compile(r"::skin-tone-[2-6]$")
_ALIASES = {"thumbsup": "+1", "thumbs_up": "+1", "thumbsdown": "-1"}


@dataclass(frozen=True)
class Verdict:
    """Who approved, earliest first, and whether that is enough."""

    is_approved: bool
    approvers: tuple[str, ...]
    newest_event_ts: str
    """When the last reaction that matters was given or taken back."""


def normalize_emoji(name: str) -> str:
    """Return one name for an emoji's aliases and skin tones: `thumbsup::skin-tone-3` is `+1`."""
    plain = _SKIN_TONE.sub("", name.strip().strip(":").lower())
    return _ALIASES.get(plain, plain)


def key_emoji(name: str) -> str:
    """Return the name under which a reaction is stored: aliases become one, skin tones stay apart as in Slack."""
    tone = _SKIN_TONE.search(name)
    return normalize_emoji(name) + (tone.group() if tone else "")


def is_later(ts: str, than: str) -> bool:
    """Return whether one Slack `ts` is later than another; an empty one is the earliest."""
    return _split_ts(ts) > _split_ts(than)


def judge(
    message: Message,
    approvals: Sequence[Approval],
    *,
    desk: Desk,
    roles: DeskRoles,
    people: Mapping[str, Person],
) -> Verdict:
    """Return the verdict on a message as it stands now.

    A reaction counts when it was given after the last edit, by someone whose reaction counts; the author's own never
    is enough unless the desk allows it.
    """
    emojis = {normalize_emoji(emoji) for emoji in desk.emojis}
    relevant = [approval for approval in approvals if normalize_emoji(approval.emoji) in emojis]
    newest = max((approval.event_ts for approval in relevant), key=_split_ts, default="")
    counting: list[str] = []
    for approval in sorted(relevant, key=lambda item: _split_ts(item.event_ts)):
        is_own = approval.user_id == message.user_id and not desk.author_may_approve
        if not approval.given or is_own or approval.user_id in counting:
            continue
        if is_approver(people.get(approval.user_id), roles) and is_later(approval.event_ts, message.revision):
            counting.append(approval.user_id)
    is_approved = bool(counting) and len(counting) >= desk.approvals_needed and not message.deleted
    return Verdict(is_approved, tuple(counting), newest)


def list_approvers_needed(approvals: Sequence[Approval], *, emojis: Collection[str]) -> list[str]:
    """Return whose reactions have to be looked at."""
    wanted = {normalize_emoji(emoji) for emoji in emojis}
    return [approval.user_id for approval in approvals if normalize_emoji(approval.emoji) in wanted]


def _split_ts(ts: str) -> tuple[int, int]:
    whole, _, part = ts.partition(".")
    return (int(whole), int(part.ljust(6, "0")[:6] or 0)) if whole.isdigit() and part.isdigit() else (0, 0)
