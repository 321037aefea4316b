"""Trials: which held-out replies a run was judged by, and what the models wrote for them before an adapter went live.

It does not know servers or how drafts are judged. Texts hold placeholders, as drafts do, and go with their pair's.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from thumbtune.core.records import TrainingPair
from thumbtune.core.store.engine import insert_row
from thumbtune.core.store.pairs import load_pair
from thumbtune.core.store.schema import adapters, pairs
from thumbtune.core.store.schema_training import reply_scores, trial_drafts, trials
from thumbtune.core.trial import Trial, TrialDraft, TrialRole, Verdict
from thumbtune.core.tripwires import DraftCheck


def record_scores(conn: sa.Connection, run_id: str, scores: Sequence[dict[str, Any]]) -> None:  # Any: JSON
    """Store what each model's likelihood of each held-out reply was, summed over its tokens, in nats."""
    conn.execute(sa.delete(reply_scores).where(reply_scores.c.run_id == run_id))
    rows = [
        {
            "run_id": run_id,
            "pair_id": int(score["pair_id"]),
            "tokens": score["tokens"],
            "nll_base": score["nll"]["base"],
            "nll_live": score["nll"].get("live"),
            "nll_candidate": score["nll"]["candidate"],
        }
        for score in scores
    ]
    if rows:
        conn.execute(sa.insert(reply_scores), rows)


def list_trial_pairs(conn: sa.Connection, run_id: str, *, limit: int) -> list[TrainingPair]:
    """Return pairs that the run was judged by and that are in use, of as many threads as there are.

    The choice hangs on the pairs alone, so that the next run's is mostly the same.
    """
    joined = reply_scores.join(pairs, pairs.c.pair_id == reply_scores.c.pair_id)
    which = sa.and_(reply_scores.c.run_id == run_id, pairs.c.state == "active")
    columns = (pairs.c.pair_id, pairs.c.team_id, pairs.c.channel_id, pairs.c.thread_ts)
    rows = conn.execute(sa.select(*columns).select_from(joined).where(which)).all()
    places: dict[tuple[str, str, str], int] = {}
    ranked: list[tuple[int, int]] = []
    for row in sorted(rows, key=lambda row: hashlib.sha256(f"trial {row.pair_id}".encode()).digest()):
        place = (row.team_id, row.channel_id, row.thread_ts)
        places[place] = places.get(place, 0) + 1
        ranked.append((places[place], row.pair_id))
    chosen = [pair_id for _, pair_id in sorted(ranked, key=lambda item: item[0])[:limit]]
    return [load_pair(conn, pair_id) for pair_id in sorted(chosen)]


def begin_trial(conn: sa.Connection, adapter: str, *, live: str | None, now: datetime) -> Trial:
    """Return an adapter's trial, begun now when it is new; what a former live one wrote for it is dropped."""
    new: dict[str, Any] = {
        "state": "running",
        "live": live,
        "figures": {},
        "began_at": now,
    }  # Any: columns of several types
    conn.execute(insert_row(conn, trials).values(adapter=adapter, **new).on_conflict_do_nothing())
    trial = load_trial(conn, adapter)
    assert trial is not None
    if trial.state == "running" and trial.live != live:
        stale = sa.and_(trial_drafts.c.adapter == adapter, trial_drafts.c.role == "live")
        conn.execute(sa.delete(trial_drafts).where(stale))
        conn.execute(sa.update(trials).where(trials.c.adapter == adapter).values(live=live))
    return trial


def finish_trial(conn: sa.Connection, adapter: str, verdict: Verdict, *, now: datetime) -> bool:
    """Store the verdict of a trial and return True; False when it has one already, which stays."""
    values = {"state": verdict.state, "reason": verdict.reason, "figures": verdict.figures, "finished_at": now}
    which = sa.and_(trials.c.adapter == adapter, trials.c.state == "running")
    return bool(conn.execute(sa.update(trials).where(which).values(values)).rowcount)


def load_trial(conn: sa.Connection, adapter: str) -> Trial | None:
    """Return an adapter's trial, if it had one."""
    row = conn.execute(sa.select(trials).where(trials.c.adapter == adapter)).first()
    return Trial(**row._mapping) if row else None


def may_go_live(conn: sa.Connection, adapter: str) -> bool:
    """Return whether an adapter has passed its trial, or has been live before."""
    has_passed = sa.exists().where(trials.c.adapter == adapters.c.name, trials.c.state == "passed")
    which = sa.and_(adapters.c.name == adapter, sa.or_(adapters.c.live_at.is_not(None), has_passed))
    return bool(conn.execute(sa.select(sa.exists().where(which))).scalar_one())


def put_trial_draft(conn: sa.Connection, draft: TrialDraft) -> None:
    """Store a draft of a trial; one that another server wrote meanwhile stays."""
    values = asdict(draft) | {"failures": list(draft.failures), "checks": asdict(draft.checks)}
    conn.execute(insert_row(conn, trial_drafts).values(values).on_conflict_do_nothing())


def list_trial_drafts(conn: sa.Connection, adapter: str) -> list[TrialDraft]:
    """Return the drafts of an adapter's trial, by case and role."""
    query = sa.select(trial_drafts).where(trial_drafts.c.adapter == adapter)
    return [_read(row) for row in conn.execute(query.order_by(trial_drafts.c.case_key, trial_drafts.c.role))]


def find_same_draft(conn: sa.Connection, *, model: str, prompt_hash: str) -> TrialDraft | None:
    """Return what a model wrote to the same prompt in an earlier trial."""
    which = sa.and_(
        trial_drafts.c.prompt_hash == prompt_hash, trial_drafts.c.model == model, trial_drafts.c.error == ""
    )
    row = conn.execute(sa.select(trial_drafts).where(which).limit(1)).first()
    return _read(row) if row else None


def drop_drafts_of_erased(conn: sa.Connection, *, limit: int) -> int:
    """Delete drafts for pairs whose texts are gone; return how many there were."""
    gone = sa.or_(pairs.c.reply == "", sa.cast(pairs.c.turns, sa.Text) == "[]")
    return _drop_drafts(conn, sa.exists().where(pairs.c.pair_id == trial_drafts.c.pair_id, gone), limit=limit)


def drop_old_drafts(conn: sa.Connection, *, before: datetime, limit: int) -> int:
    """Delete drafts written before a moment; return how many there were."""
    return _drop_drafts(conn, trial_drafts.c.written_at < before, limit=limit)


def list_roles(drafts: Sequence[TrialDraft]) -> dict[str, dict[TrialRole, TrialDraft]]:
    """Return drafts side by side: by case, then by role."""
    found: dict[str, dict[TrialRole, TrialDraft]] = {}
    for draft in drafts:
        found.setdefault(draft.case_key, {})[draft.role] = draft
    return found


def _drop_drafts(conn: sa.Connection, which: sa.ColumnElement[bool], *, limit: int) -> int:
    key = sa.tuple_(*trial_drafts.primary_key)
    some = sa.select(*trial_drafts.primary_key).where(which).limit(limit)
    return conn.execute(sa.delete(trial_drafts).where(key.in_(some))).rowcount


def _read(row: sa.Row[Any]) -> TrialDraft:
    values = dict(row._mapping)
    checks: dict[str, Any] = values["checks"]  # Any: JSON
    values["checks"] = DraftCheck(**{**checks, "leaks": tuple(checks["leaks"])})
    values["failures"] = tuple(values["failures"])
    return TrialDraft(**values)
