"""Draws the Home tab of a person from what the store holds.

It does not know what it looks like.
"""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from thumbtune.bot.approval import has_approved
from thumbtune.bot.blocks.home import MAX_BLOCKS, SHOWN_NEWEST, SHOWN_PAIRS, DeskView, Review, ReviewItem, build_home
from thumbtune.bot.bot import Bot
from thumbtune.bot.roles import is_agent, is_lead
from thumbtune.bot.slack import Json
from thumbtune.core.records import Desk, TrainingPair
from thumbtune.core.store.adapters import find_live
from thumbtune.core.store.approvals import list_given_pairs
from thumbtune.core.store.desks import list_desks
from thumbtune.core.store.drafts import list_drafts
from thumbtune.core.store.findings import count_findings, load_findings
from thumbtune.core.store.golden import list_cases
from thumbtune.core.store.outlooks import find_outlook, find_silence
from thumbtune.core.store.pairs import count_new_pairs, count_pairs, count_pairs_since, list_pairs, load_pair
from thumbtune.core.store.runs import list_runs

NEWEST_DRAFTS = 200
NEWEST_PAIRS = 200
"""Among how many is looked for what someone approved after another."""
MAX_DESKS = 8


def publish_home(bot: Bot, user_id: str, *, notice: Sequence[Json] = ()) -> None:
    """Publish the Home tab of a person: the desks they belong to, and nothing of others; above them what to tell now.

    Raises: SlackError.
    """
    person = bot.people.fetch_person(user_id)
    with bot.store.read() as conn:
        desks = [desk for desk in list_desks(conn) if desk.team_id == bot.identity.team_id]
    views: list[DeskView] = []
    for desk in desks:
        roles = bot.people.fetch_roles(desk)
        if is_agent(person, roles) and len(views) < MAX_DESKS:
            views.append(_view_desk(bot, desk, user_id=user_id, leads=is_lead(person, roles)))
    view = build_home(views)
    view["blocks"] = [*notice, *view["blocks"]][:MAX_BLOCKS]
    bot.slack.call("views.publish", user_id=user_id, view=view)


def _view_desk(bot: Bot, desk: Desk, *, user_id: str, leads: bool) -> DeskView:
    with bot.store.read() as conn:
        drafts = list_drafts(conn, desk_id=desk.desk_id, limit=NEWEST_DRAFTS)
        runs = list_runs(conn, desk_id=desk.desk_id, limit=1)
        counts = count_pairs(conn, desk_id=desk.desk_id)
        return DeskView(
            desk=desk,
            pairs=counts.get("active", 0),
            pairs_this_week=count_pairs_since(conn, desk_id=desk.desk_id, since=bot.store.now() - timedelta(days=7)),
            new_pairs=count_new_pairs(conn, desk_id=desk.desk_id),
            live=find_live(conn, desk_id=desk.desk_id),
            last_run=runs[0] if runs else None,
            next_run=_describe_next(bot, conn, desk) if leads else "",
            my_drafts=tuple(draft for draft in drafts if draft.asked_by == user_id),
            my_pairs=_list_approved(conn, desk, user_id=user_id),
            is_lead=leads,
            review=_view_review(bot, conn, desk.desk_id, waiting=counts.get("quarantined", 0)) if leads else Review(),
            golden=tuple(list_cases(conn, desk_id=desk.desk_id)) if leads else (),
        )


def _list_approved(conn: sa.Connection, desk: Desk, *, user_id: str) -> tuple[TrainingPair, ...]:
    """Return the newest pairs in use that someone approved, first or after another."""
    first = list_pairs(
        conn, desk_id=desk.desk_id, state="active", approved_by=user_id, limit=SHOWN_PAIRS, newest_first=True
    )
    given = list_given_pairs(conn, desk_id=desk.desk_id, user_id=user_id, among=NEWEST_PAIRS)
    also = dict.fromkeys(
        pair_id
        for pair_id, revision, author_id, approval in given
        if has_approved([approval], user_id=user_id, author_id=author_id, revision=revision, desk=desk)
    )
    found = [*first, *(load_pair(conn, pair_id) for pair_id in list(also)[:SHOWN_PAIRS])]
    return tuple(sorted(found, key=lambda pair: -pair.pair_id)[:SHOWN_PAIRS])


def _describe_next(bot: Bot, conn: sa.Connection, desk: Desk) -> str:
    """Return why no run starts by itself, as the trainer last saw it, or that it looks no more."""
    outlook = find_outlook(conn, desk_id=desk.desk_id)
    silence = find_silence(outlook, now=bot.store.now(), tick_s=bot.settings.train_tick_s)
    if silence is not None or outlook is None:
        return f":warning: {silence}"
    if outlook.is_due:
        return f":hourglass_flowing_sand: Training starts by itself now: {outlook.why}"
    return f":hourglass_flowing_sand: No training starts by itself now: {outlook.why}"


def _view_review(bot: Bot, conn: sa.Connection, desk_id: str, *, waiting: int) -> Review:
    first = list_pairs(conn, desk_id=desk_id, state="quarantined", limit=SHOWN_PAIRS)
    newest = list_pairs(conn, desk_id=desk_id, state="active", limit=SHOWN_NEWEST, newest_first=True)
    left_out = list_pairs(
        conn, desk_id=desk_id, state="withdrawn", is_decided=True, limit=SHOWN_NEWEST, newest_first=True
    )
    return Review(
        waiting=_view_items(conn, first),
        waiting_count=waiting,
        counts=count_findings(conn, desk_id=desk_id),
        newest=_view_items(conn, newest),
        left_out=tuple(left_out),
        url=bot.identity.url,
    )


def _view_items(conn: sa.Connection, pairs: Sequence[TrainingPair]) -> tuple[ReviewItem, ...]:
    found = load_findings(conn, [pair.pair_id for pair in pairs])
    items: list[ReviewItem] = []
    for pair in pairs:
        findings = found[pair.pair_id]
        others = [item.other_id for item in findings if item.kind == "contradiction" and item.holds and item.other_id]
        other = load_pair(conn, others[0]) if others and pair.state == "quarantined" else None
        items.append(ReviewItem(pair, tuple(findings), other))
    return tuple(items)
