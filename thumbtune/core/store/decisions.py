"""What a person decides about a training pair: its state, the sign on its reply and the act in the audit, at once.

It does not know who may decide.
"""

from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from thumbtune.core.errors import Conflict
from thumbtune.core.records import PairState, TrainingPair
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.curating import ask_curation
from thumbtune.core.store.desks import find_desk
from thumbtune.core.store.engine import Store
from thumbtune.core.store.findings import load_findings
from thumbtune.core.store.pairs import check_texts, is_outdated, load_pair, set_pair_state
from thumbtune.core.store.signs import add_sign

Keep = Literal["this", "other", "both"]


def decide_pair(
    conn: sa.Connection,
    store: Store,
    pair_id: int,
    *,
    state: PairState,
    reason: str,
    decided_by: str,
    shows_sign: bool,
    only_if: PairState | None = None,
    decided_at: datetime | None = None,
) -> TrainingPair:
    """Keep a pair, leave it out or set it aside, whatever the approvals say from now on.

    `decided_at` is by Slack's clock, where a later 👍 may count again; by ours where it is not given.
    Raises: NotFound; Conflict when its texts are gone, when it is to be kept and its reply was edited since, or when it is
    not in the state `only_if`.
    """
    before = load_pair(conn, pair_id, lock=True)
    if only_if is not None and before.state != only_if:
        raise Conflict(f"pair {pair_id} is {before.state} by now, not {only_if}")
    check_texts(before, what="kept" if state == "active" else "left out once more")
    if state == "active" and is_outdated(conn, pair_id):
        raise Conflict(f"pair {pair_id} cannot be kept: its reply was edited since; approve it as it stands in Slack")
    now = store.now()
    pair = set_pair_state(conn, pair_id, state=state, reason=reason, now=decided_at or now, decided_by=decided_by)
    place = {"team_id": pair.team_id, "channel_id": pair.channel_id}
    ask_curation(conn, store, shows_sign=shows_sign, inspector=None, reply_ts=pair.reply_ts, **place)
    if shows_sign and find_desk(conn, **place):  # what was imported may stand nowhere in Slack
        cause = f"{state}:{now.isoformat()}"
        add_sign(conn, store, channel_id=pair.channel_id, reply_ts=pair.reply_ts, cause=cause)
    action = {"active": "pair_kept", "withdrawn": "pair_withdrawn"}[state]
    record_act(conn, actor=decided_by, action=action, subject=str(pair_id), now=now)
    return pair


def decide_between(
    conn: sa.Connection,
    store: Store,
    pair_id: int,
    *,
    keep: Keep,
    decided_by: str,
    shows_sign: bool,
    shown_id: int | None = None,
) -> None:
    """Decide about a pair that waits because it contradicts another: keep this one, the other, or both.

    `shown_id` is the other pair that the decision was made by; None where that is whichever it is.
    Raises: NotFound; Conflict when it does not wait for that any more, or contradicts another one than was shown, or what
    is to be kept cannot be.
    """
    load_pair(conn, pair_id, lock=True)
    found = [item for item in load_findings(conn, [pair_id])[pair_id] if item.kind == "contradiction" and item.holds]
    if not found or found[0].other_id is None:
        raise Conflict(f"pair {pair_id} contradicts no other pair by now; run `thumbtune pairs show {pair_id}`")
    other_id = found[0].other_id
    if shown_id is not None and other_id != shown_id:
        raise Conflict(f"pair {pair_id} contradicts pair {other_id} by now, not {shown_id}")
    kept = {"this": [pair_id], "other": [other_id], "both": [pair_id, other_id]}[keep]
    out = {pair_id, other_id} - set(kept)
    for chosen in kept:
        only_if: PairState = "quarantined" if chosen == pair_id else "active"
        decide_pair(
            conn,
            store,
            chosen,
            state="active",
            reason="",
            only_if=only_if,
            decided_by=decided_by,
            shows_sign=shows_sign,
        )
    for left in out:
        reason = f"left out by a lead, who kept #{kept[0]}"
        decide_pair(conn, store, left, state="withdrawn", reason=reason, decided_by=decided_by, shows_sign=shows_sign)
