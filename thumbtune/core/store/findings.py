"""What was found about pairs: one row for each kind.

It does not know what is looked for, or what follows from it.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from thumbtune.core.records import Finding, FindingKind
from thumbtune.core.store.schema import findings, pairs

BETWEEN_PAIRS: tuple[FindingKind, ...] = ("same", "contradiction")
"""Found by comparing, and found anew whenever another pair changes."""
OF_APPROVAL: tuple[FindingKind, ...] = ("burst", "over_cap")
"""Said of an approval once; they stay until someone decides, or the reply is approved anew."""

_OF_PAIRS = (
    sa.select(findings)
    .where(findings.c.pair_id.in_(sa.bindparam("pair_ids", expanding=True)))
    .order_by(findings.c.holds.desc(), findings.c.kind)
)
_WITHOUT = sa.select(pairs.c.pair_id).where(
    pairs.c.pair_id.in_(sa.bindparam("pair_ids", expanding=True)),
    pairs.c.decided_by == "",
    sa.not_(sa.exists().where(findings.c.pair_id == pairs.c.pair_id, findings.c.kind == sa.bindparam("kind"))),
)
DEPENDENTS = sa.select(findings.c.pair_id).where(findings.c.other_id == sa.bindparam("other_id"))


def load_findings(conn: sa.Connection, pair_ids: Sequence[int]) -> dict[int, list[Finding]]:
    """Return what was found about each of these pairs, what keeps it out first."""
    found: dict[int, list[Finding]] = {pair_id: [] for pair_id in pair_ids}
    for row in conn.execute(_OF_PAIRS, {"pair_ids": list(pair_ids)}):
        found[row.pair_id].append(Finding(row.kind, row.explanation, row.holds, row.other_id))
    return found


def drop_findings(conn: sa.Connection, pair_id: int, *, between_pairs: bool) -> None:
    """Drop what was found about a pair by comparing it, or else by itself."""
    kind = findings.c.kind.in_(BETWEEN_PAIRS)
    which = sa.and_(findings.c.pair_id == pair_id, kind if between_pairs else sa.not_(kind))
    conn.execute(sa.delete(findings).where(which))


def add_findings(conn: sa.Connection, pair_id: int, items: Sequence[Finding]) -> None:
    """Keep what was found about a pair, of which there is nothing of these kinds yet."""
    if items:
        conn.execute(sa.insert(findings), [{"pair_id": pair_id, **vars(item)} for item in items])


def list_without(conn: sa.Connection, pair_ids: Sequence[int], *, kind: FindingKind) -> list[int]:
    """Return which of these pairs have no finding of a kind, and nobody decided about them."""
    if not pair_ids:
        return []
    values = {"pair_ids": list(pair_ids), "kind": kind}
    return list(conn.execute(_WITHOUT, values).scalars())


def list_dependents(conn: sa.Connection, pair_id: int) -> list[int]:
    """Return the pairs that are the same as this one, or contradict it."""
    return list(conn.execute(DEPENDENTS, {"other_id": pair_id}).scalars())


def count_findings(conn: sa.Connection, *, desk_id: str) -> dict[FindingKind, int]:
    """Return how many pairs of a desk that are not withdrawn have a finding of each kind."""
    which = sa.and_(pairs.c.desk_id == desk_id, pairs.c.state != "withdrawn")
    query = sa.select(findings.c.kind, sa.func.count().label("rows")).join(pairs).where(which)
    return {row.kind: row.rows for row in conn.execute(query.group_by(findings.c.kind))}
