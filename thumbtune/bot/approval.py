"""Decides whether a message is approved, from who reacted with what and when; pure.

It does not know Slack or the store.
"""

import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from thumbtune.bot.roles import DeskRoles, Person, is_approver, was_approver
from thumbtune.core.pseudonyms import is_pseudonym
from thumbtune.core.records import Approval, Desk, Message

_SKIN_TONE = re.compile(r"::skin-tone-[2-6]$")
_ALIASES = {"thumbsup": "+1", "thumbs_up": "+1", "thumbsdown": "-1"}


@dataclass(frozen=True)
class Verdict:
    """Who approved, earliest first, who is against it, and whether that makes it approved."""

    is_approved: bool
    approvers: tuple[str, ...]
    against: tuple[str, ...]
    is_certain: bool
    """Whether it is known that enough of them approved what the message says now, not what it said before an edit."""
    newest_event_ts: str
    """When the last reaction that matters was given or taken back."""
    is_outdated: bool = False
    """Whether someone approved what the message said before an edit, and not since."""


@functools.lru_cache(maxsize=1000)
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


def end_of_edit(revision: str) -> str:
    """Return the latest moment at which an edit can have been made: Slack cuts its time to the second."""
    whole, _, part = revision.partition(".")
    return f"{whole}.999999" if part == "000000" else revision


def find_text_at(message: Message, ts: str) -> str | None:
    """Return what a message said when another was written; None when only what it says since a later edit is known."""
    texts = {message.revision: message.text, **{item.revision: item.text for item in message.former}}
    known = [revision for revision in texts if not is_later(end_of_edit(revision), ts)]
    return texts[max(known, key=_split_ts)] if known else None


def judge(
    message: Message,
    approvals: Sequence[Approval],
    *,
    desk: Desk,
    roles: DeskRoles,
    people: Mapping[str, Person],
) -> Verdict:
    """Return the verdict on a message as it stands now.

    A reaction counts when it was given after the last edit, unless the desk lets edits keep it, by someone whose reaction
    counts; the author's own never is enough unless the desk allows it. One such person's veto outweighs every approval.
    """
    emojis, vetoes = list_emojis(desk.emojis), list_emojis(desk.vetoes)
    relevant = [approval for approval in approvals if normalize_emoji(approval.emoji) in emojis | vetoes]
    newest = max((approval.event_ts for approval in relevant), key=_split_ts, default="")
    edited_at = "" if desk.edits_keep_approval else end_of_edit(message.revision)
    counting: list[str] = []
    against: list[str] = []
    outdated: set[str] = set()
    certain = 0
    for approval in sorted(relevant, key=lambda item: _split_ts(item.event_ts)):
        is_veto = normalize_emoji(approval.emoji) in vetoes
        chosen = against if is_veto else counting
        is_own = approval.user_id == message.user_id and not desk.author_may_approve and not is_veto
        if not approval.given or is_own or approval.user_id in chosen:
            continue
        if not was_approver(people.get(approval.user_id), roles, ts=approval.event_ts):
            continue
        if is_later(approval.event_ts, edited_at):
            chosen.append(approval.user_id)
            certain += not is_veto and (not approval.found or not edited_at)
        elif not is_veto:
            outdated.add(approval.user_id)
    is_approved = bool(counting) and len(counting) >= desk.approvals_needed and not message.deleted and not against
    is_certain = certain >= max(desk.approvals_needed, 1)
    is_outdated = bool(outdated.difference(counting))
    return Verdict(is_approved, tuple(counting), tuple(against), is_certain, newest, is_outdated)


def date_found(emoji: str, person: Person | None, *, desk: Desk, roles: DeskRoles, since: str, now: datetime) -> str:
    """Return when a reaction that was found is taken to have been given: at `since`, before which it cannot have been.

    A 👍 of somebody who is no approver now is taken to be of now: they may have given it after they left. A veto is not.
    """
    now_ts = f"{now.timestamp():.6f}"
    is_sure = is_approver(person, roles) or normalize_emoji(emoji) in list_emojis(desk.vetoes)
    return since if is_sure or is_later(since, now_ts) else now_ts


def has_approved(approvals: Sequence[Approval], *, user_id: str, author_id: str, revision: str, desk: Desk) -> bool:
    """Return whether someone's 👍 stands on this revision of a reply of the author's, whoever may approve there."""
    if user_id == author_id and not desk.author_may_approve:
        return False
    emojis = list_emojis(desk.emojis)
    edited_at = "" if desk.edits_keep_approval else end_of_edit(revision)
    return any(
        item.given
        and item.user_id == user_id
        and normalize_emoji(item.emoji) in emojis
        and is_later(item.event_ts, edited_at)
        for item in approvals
    )


def list_emojis(names: Collection[str]) -> frozenset[str]:
    """Return the normalised names of some reactions."""
    return frozenset(normalize_emoji(name) for name in names)


def list_approvers_needed(approvals: Sequence[Approval], *, desk: Desk) -> list[str]:
    """Return whose reactions have to be looked at; nobody knows any more whether a forgotten person's counted."""
    wanted = list_emojis([*desk.emojis, *desk.vetoes])
    relevant = [approval.user_id for approval in approvals if normalize_emoji(approval.emoji) in wanted]
    return [user_id for user_id in relevant if not is_pseudonym(user_id)]


def _split_ts(ts: str) -> tuple[int, int]:
    whole, _, part = ts.partition(".")
    return (int(whole), int(part.ljust(6, "0")[:6] or 0)) if whole.isdigit() and part.isdigit() else (0, 0)
