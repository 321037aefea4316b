"""The golden set: a desk's cases that can stop a candidate, kept by leads; every change is an act in the audit.

It does not know who is a lead, nor how texts are redacted: what comes in is.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from thumbtune.core.errors import Conflict, NotFound
from thumbtune.core.golden import CaseContent, Expectations, GoldenCase, digest_case, validate_case
from thumbtune.core.prompt import Turn
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.engine import insert_row
from thumbtune.core.store.schema import pairs
from thumbtune.core.store.schema_training import golden_cases

ERASING = "erasing"
"""Who removes a case when what it was made from is erased."""
MAX_CASES = 200
"""Of a desk: each one is a reply that every evaluation writes three times."""


def add_case(
    conn: sa.Connection, content: CaseContent, *, desk_id: str, added_by: str, now: datetime, pair_id: int | None = None
) -> GoldenCase:
    """Add a case to a desk's golden set; `pair_id` names the pair that it was made from.

    Raises: BadInput when it cannot be asked or cannot fail; Conflict when the desk has the same one, or too many, or the
    pair's texts were erased.
    """
    validate_case(content)
    if pair_id is not None:
        made_from = sa.select(pairs.c.reply).where(pairs.c.pair_id == pair_id).with_for_update(read=True)
        if not conn.execute(made_from).scalar():  # erased by now, and it must not come back
            raise Conflict(f"pair {pair_id} has no texts any more; choose another")
    of_desk = golden_cases.c.desk_id == desk_id
    if conn.execute(sa.select(sa.func.count()).select_from(golden_cases).where(of_desk)).scalar_one() >= MAX_CASES:
        raise Conflict(f"the golden set of {desk_id} has {MAX_CASES} cases, the most it can have; remove one first")
    values = {**_write(content), "desk_id": desk_id, "pair_id": pair_id, "added_by": added_by, "changed_by": added_by}
    insert = insert_row(conn, golden_cases).values({**values, "created_at": now, "changed_at": now})
    case_id = conn.execute(insert.on_conflict_do_nothing().returning(golden_cases.c.case_id)).scalar()
    if case_id is None:
        raise Conflict(f"the golden set of {desk_id} has the same case already")
    record_act(conn, actor=added_by, action="golden_case_added", subject=str(case_id), now=now)
    return load_case(conn, case_id)


def edit_case(
    conn: sa.Connection,
    case_id: int,
    content: CaseContent,
    *,
    changed_by: str,
    now: datetime,
    shown: str | None = None,
) -> GoldenCase:
    """Replace what a case asks and expects; `shown` is the digest of what was changed. Again, it changes nothing.

    Raises: NotFound; BadInput as for a new one; Conflict when it is not as it was shown, or becomes the same as another.
    """
    validate_case(content)
    before = load_case(conn, case_id, lock=True)
    if digest_case(before) == digest_case(content):
        return before
    if shown is not None and shown != digest_case(before):
        raise Conflict(f"golden case {case_id} was changed since it was shown; look at it and edit it again")
    if holds_case(conn, content, desk_id=before.desk_id):
        raise Conflict(f"the golden set of {before.desk_id} has the same case already")
    values = {**_write(content), "changed_by": changed_by, "changed_at": now}
    conn.execute(sa.update(golden_cases).where(golden_cases.c.case_id == case_id).values(values))
    record_act(conn, actor=changed_by, action="golden_case_edited", subject=str(case_id), now=now)
    return load_case(conn, case_id)


def remove_case(conn: sa.Connection, case_id: int, *, removed_by: str, now: datetime) -> None:
    """Delete a case.

    Raises: NotFound.
    """
    if not conn.execute(sa.delete(golden_cases).where(golden_cases.c.case_id == case_id)).rowcount:
        raise _not_found(case_id)
    record_act(conn, actor=removed_by, action="golden_case_removed", subject=str(case_id), now=now)


def load_case(conn: sa.Connection, case_id: int, *, lock: bool = False) -> GoldenCase:
    """Return one case; `lock` holds its row until the transaction ends.

    Raises: NotFound.
    """
    query = sa.select(golden_cases).where(golden_cases.c.case_id == case_id)
    row = conn.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise _not_found(case_id)
    return _read(row)


def list_cases(conn: sa.Connection, *, desk_id: str | None = None) -> list[GoldenCase]:
    """Return the cases of a desk, or of all, in the order in which they were added."""
    query = sa.select(golden_cases).order_by(golden_cases.c.case_id)
    if desk_id is not None:
        query = query.where(golden_cases.c.desk_id == desk_id)
    return [_read(row) for row in conn.execute(query)]


def holds_case(conn: sa.Connection, content: CaseContent, *, desk_id: str) -> bool:
    """Return whether a desk's golden set has a case of this content."""
    same = sa.and_(golden_cases.c.desk_id == desk_id, golden_cases.c.digest == digest_case(content))
    return conn.execute(sa.select(sa.exists().where(same))).scalar_one()


def list_places(conn: sa.Connection, *, desk_id: str) -> list[tuple[str, str, str]]:
    """Return workspace, channel and thread of the pairs that a desk's cases were made from."""
    joined = golden_cases.join(pairs, pairs.c.pair_id == golden_cases.c.pair_id)
    query = sa.select(pairs.c.team_id, pairs.c.channel_id, pairs.c.thread_ts).select_from(joined)
    rows = conn.execute(query.where(golden_cases.c.desk_id == desk_id).distinct())
    return [(row.team_id, row.channel_id, row.thread_ts) for row in rows]


def drop_cases_of(conn: sa.Connection, pair_ids: Sequence[int], *, now: datetime) -> int:
    """Delete the cases that were made from these pairs, whose texts are erased; return how many there were."""
    count = 0
    for start in range(0, len(pair_ids), 500):
        which = golden_cases.c.pair_id.in_(pair_ids[start : start + 500])
        for case_id in conn.execute(sa.delete(golden_cases).where(which).returning(golden_cases.c.case_id)).scalars():
            record_act(conn, actor=ERASING, action="golden_case_removed", subject=str(case_id), now=now)
            count += 1
    return count


def _write(content: CaseContent) -> dict[str, Any]:  # Any: columns of several types
    return {
        "title": content.title,
        "turns": [asdict(turn) for turn in content.turns],
        "expectations": asdict(content.expectations),
        "grounded": content.grounded,
        "digest": digest_case(content),
    }


def _read(row: sa.Row[Any]) -> GoldenCase:
    values = dict(row._mapping)
    del values["digest"]
    values["turns"] = tuple(Turn(**turn) for turn in values["turns"])
    expected = values["expectations"]
    terms = {kind: tuple(expected[kind]) for kind in ("contains_all", "contains_any", "contains_none")}
    values["expectations"] = Expectations(**terms, max_chars=expected["max_chars"])
    return GoldenCase(**values)


def _not_found(case_id: int) -> NotFound:
    return NotFound(f"no golden case {case_id}; run `thumbtune golden list`")
