"""Forgets a person in one transaction: erases, leaves the tombstone, marks what learned from them, and asks for its replacement.

It does not know files. What it did is a receipt, which is also the act in the audit.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from thumbtune.core.records import OPEN_RUN_STATES, Desk
from thumbtune.core.store.adapters import find_live, mark_to_replace
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.desks import list_desks
from thumbtune.core.store.engine import Store
from thumbtune.core.store.erasing import Eraser
from thumbtune.core.store.messages import lock_channels
from thumbtune.core.store.pairs import FORGOTTEN, count_pairs
from thumbtune.core.store.places import IMPORT_CHANNEL
from thumbtune.core.store.runs import begin_anew, find_open_run, open_run, saw_erased
from thumbtune.core.store.schema import runs
from thumbtune.core.store.tombstones import EVERY_DESK, Tombstone, add_tombstone, is_kept

REASON = "forget"
"""Why a run starts that replaces an adapter."""


@dataclass(frozen=True)
class Receipt:
    """What was done to forget a person. It names them by keyed digest, so that it may be kept."""

    receipt_id: str
    at: datetime
    by: str
    person: str
    """Keyed digest: whoever has the secret key can tell whether it is a certain person's."""
    desks: tuple[str, ...]
    up_to: str
    counts: Mapping[str, int]
    adapters: tuple[str, ...]
    """Those that learned from them, as far as no earlier receipt named them."""
    begun_anew: tuple[str, ...]
    """Open runs that used something of theirs, and start again without it."""
    replacements: Mapping[str, str]
    """Run that replaces the live adapter, by desk; empty where there are too few pairs for one."""


def forget_person(
    conn: sa.Connection, store: Store, tombstone: Tombstone, *, min_pairs: int, shows_sign: bool
) -> Receipt:
    """Erase a person from some desks and see to it that what learned from them is replaced; again, it changes nothing."""
    now = store.now()
    found = [desk for desk in list_desks(conn) if not {desk.desk_id, EVERY_DESK}.isdisjoint(tombstone.desk_ids)]
    desk_ids = tuple(desk.desk_id for desk in found)
    # What is being stored in their channels, or imported, comes before this or after it.
    lock_channels(conn, [(desk.team_id, name) for desk in found for name in (*desk.channels, IMPORT_CHANNEL)])
    # What was being made when it was asked for is there by now; once it is done, what comes later stays.
    at = tombstone.at if is_kept(conn, tombstone) else max(tombstone.at, store.now())
    erased = Eraser(conn, store, replace(tombstone, desk_ids=desk_ids, at=at), shows_sign=shows_sign).erase()
    add_tombstone(conn, tombstone)
    begun_anew = _begin_anew(conn, erased.desk_ids)  # waits for a run that is just being closed with a new adapter
    reached = erased.desk_ids.union(desk_ids)
    names = mark_to_replace(conn, desk_ids=reached, reason=FORGOTTEN, now=now)
    replacements = {
        desk.desk_id: _ask_for_replacement(conn, desk, by=tombstone.by, min_pairs=min_pairs, now=now)
        for desk in list_desks(conn)
        if desk.desk_id in reached
        and (live := find_live(conn, desk_id=desk.desk_id)) is not None
        and live.replace_since is not None
    }
    receipt = Receipt(
        tombstone.receipt_id,
        tombstone.at,
        tombstone.by,
        tombstone.digest,
        desk_ids,
        tombstone.up_to,
        dict(erased.counts),
        tuple(names),
        tuple(begun_anew),
        replacements,
    )
    detail = asdict(receipt) | {"at": tombstone.at.isoformat()}
    record_act(conn, actor=tombstone.by, action="person_forgotten", subject=receipt.receipt_id, now=now, detail=detail)
    return receipt


def _begin_anew(conn: sa.Connection, desk_ids: Collection[str]) -> list[str]:
    """Send open runs back to their beginning that may have frozen what is erased now; return those that were open."""
    which = sa.and_(runs.c.desk_id.in_(desk_ids), runs.c.state.in_(OPEN_RUN_STATES), runs.c.attempts > 0)
    found = conn.execute(sa.select(runs.c.run_id, runs.c.state).where(which)).all()
    used = [row.run_id for row in found if row.state == "queued" or saw_erased(conn, row.run_id)]
    return [run_id for run_id in used if begin_anew(conn, run_id)]


def _ask_for_replacement(conn: sa.Connection, desk: Desk, *, by: str, min_pairs: int, now: datetime) -> str:
    is_open = find_open_run(conn, desk_id=desk.desk_id)
    if is_open is not None:
        return is_open.run_id
    if count_pairs(conn, desk_id=desk.desk_id).get("active", 0) < min_pairs:
        return ""
    told = desk.training_channel or None  # its result: unless it passes, what learned from them stays live
    run, _ = open_run(conn, desk_id=desk.desk_id, reason=REASON, requested_by=by, announce_channel=told, now=now)
    return run.run_id
