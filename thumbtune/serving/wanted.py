"""Reads from the store what a server should hold, and which adapters may go live.

It knows rows only: no server, no files.
"""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from thumbtune.core.records import Adapter
from thumbtune.core.store.adapters import ASKED_FOR, find_previous, list_adapters
from thumbtune.core.store.replicas import list_replicas
from thumbtune.core.store.trials import may_go_live


def list_wanted(conn: sa.Connection, *, max_loaded: int) -> list[Adapter]:
    """Return what a server should hold, most wanted first: live, on their way to be live, and those to fall back to.

    Only what is fallen back to gives way to `max_loaded`: beyond it vLLM reads adapters from the disk as they are used.
    """
    live = list_adapters(conn, state="live") + list_adapters(conn, state="canary")
    desks = dict.fromkeys(adapter.desk_id for adapter in live)
    previous = [adapter for desk_id in desks if (adapter := find_previous(conn, desk_id=desk_id)) is not None]
    wanted = _unique([*live, *_list_coming(conn)])
    return _unique([*wanted, *previous[: max(0, max_loaded - len(wanted))]])


def list_ready(conn: sa.Connection, *, now: datetime) -> list[Adapter]:
    """Return, oldest first, what may go live: tried, proven on every healthy server, newer than all that ever were live.

    The age keeps a rollback: what was passed over does not come back by itself, unless someone asked for it.
    """
    healthy = [replica for replica in list_replicas(conn, now=now) if replica.healthy]
    ready = []
    for adapter in _list_coming(conn):
        once_live = [other for other in list_adapters(conn, desk_id=adapter.desk_id) if other.live_at is not None]
        is_newest = all((other.published_at, other.name) < (adapter.published_at, adapter.name) for other in once_live)
        is_wished = is_newest or adapter.reason == ASKED_FOR
        is_ready = is_wished and may_go_live(conn, adapter.name)
        if healthy and is_ready and all(adapter.name in replica.proven for replica in healthy):
            ready.append(adapter)
    return ready


def list_on_trial(conn: sa.Connection) -> list[Adapter]:
    """Return, oldest first, what is on its way to be live and has no trial behind it."""
    return [adapter for adapter in _list_coming(conn) if not may_go_live(conn, adapter.name)]


def _list_coming(conn: sa.Connection) -> list[Adapter]:
    return _oldest_first(list_adapters(conn, state="published") + list_adapters(conn, state="proven"))


def _oldest_first(adapters: Iterable[Adapter]) -> list[Adapter]:
    return sorted(adapters, key=lambda adapter: (adapter.published_at, adapter.name))


def _unique(adapters: Iterable[Adapter]) -> list[Adapter]:
    return list({adapter.name: adapter for adapter in adapters}.values())
