"""Drafts that an agent asked for, for tests that need one to hang something on."""

from datetime import datetime

import sqlalchemy as sa

from thumbtune.core.records import Draft
from thumbtune.core.store import drafts


def ask_for_draft(conn: sa.Connection, number: int, *, thread_ts: str, now: datetime) -> Draft:
    """Ask for a draft in a thread of the support desk."""
    return drafts.request_draft(
        conn,
        draft_id=f"draft-{number}",
        request_key=str(number),
        desk_id="support",
        team_id="T1",
        channel_id="C1",
        thread_ts=thread_ts,
        asked_by="U1",
        last_seen_ts=thread_ts,
        now=now,
    )
