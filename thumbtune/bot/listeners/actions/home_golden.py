"""The buttons of the golden set in the Home tab: a lead adds a case, makes one of a reply, changes or removes one.

It does not know what becomes of what is written.
"""

import contextlib

from thumbtune.bot.blocks import golden_list
from thumbtune.bot.blocks.golden_modal import build_golden_modal
from thumbtune.bot.bot import Bot
from thumbtune.bot.homes import publish_home
from thumbtune.bot.listeners.actions.draft_edit import TOO_LATE
from thumbtune.bot.roles import is_lead
from thumbtune.bot.slack import Json
from thumbtune.core.errors import NotFound, SlackRefused
from thumbtune.core.golden import CaseContent, Expectations
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.golden import load_case, remove_case
from thumbtune.core.store.pairs import load_pair


def leads_desk(bot: Bot, user_id: str, *, desk_id: str) -> bool:
    """Return whether someone is a lead of a desk of this workspace.

    Raises: NotFound.
    """
    with bot.store.read() as conn:
        desk = load_desk(conn, desk_id)
    is_ours = desk.team_id == bot.identity.team_id
    return is_ours and is_lead(bot.people.fetch_person(user_id), bot.people.fetch_roles(desk))


def handle_golden_open(event: InboxEvent, bot: Bot) -> None:
    """Open the modal for a lead; whose press is too old to open one sees the Home tab as it stands."""
    action, user_id = _read_press(event)
    try:
        desk_id, view = _build_view(bot, str(action.get("action_id") or ""), str(action.get("value") or ""))
        if not leads_desk(bot, user_id, desk_id=desk_id):
            return
    except NotFound:
        return
    if event.attempts == 1 and view is not None:
        try:
            bot.slack.call("views.open", trigger_id=str(event.body.get("trigger_id") or ""), view=view)
            return
        except SlackRefused as exc:
            if exc.code not in TOO_LATE:
                raise
    publish_home(bot, user_id)


def handle_golden_remove(event: InboxEvent, bot: Bot) -> None:
    """Remove a case for a lead of its desk, and draw the Home tab anew."""
    action, user_id = _read_press(event)
    case_id = _read_id(action.get("value"))
    with contextlib.suppress(NotFound):  # it is gone already
        with bot.store.read() as conn:
            case = load_case(conn, case_id)
        if not leads_desk(bot, user_id, desk_id=case.desk_id):
            return
        with bot.store.write() as conn:
            remove_case(conn, case_id, removed_by=user_id, now=bot.store.now())
    publish_home(bot, user_id)


def _build_view(bot: Bot, action_id: str, value: str) -> tuple[str, Json | None]:
    """Return the desk that a press is about, and the modal; None where there is nothing to make one of."""
    empty = CaseContent(title="", turns=(), expectations=Expectations())
    if action_id == golden_list.ADD:
        return value, build_golden_modal(empty, desk_id=value)
    with bot.store.read() as conn:
        if action_id == golden_list.EDIT:
            case = load_case(conn, _read_id(value))
            return case.desk_id, build_golden_modal(case, desk_id=case.desk_id, case_id=case.case_id)
        pair = load_pair(conn, _read_id(value))
    if not (pair.turns and pair.reply):
        return pair.desk_id, None
    content = CaseContent(title="", turns=pair.turns, expectations=Expectations())
    return pair.desk_id, build_golden_modal(content, desk_id=pair.desk_id, pair_id=pair.pair_id)


def _read_press(event: InboxEvent) -> tuple[Json, str]:
    action: Json = (event.body.get("actions") or [{}])[0]
    return action, str((event.body.get("user") or {}).get("id") or "")


def _read_id(value: object) -> int:
    return int(str(value)) if str(value).isdecimal() else 0
