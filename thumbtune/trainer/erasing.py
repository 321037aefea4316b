"""Removes from this machine's disk what was erased in the store: snapshots, work folders, adapters that were replaced.

It does not know why it was erased. What is to go is read from rows, so that nothing is lost by a kill.
"""

import contextlib
import logging
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from thumbtune.core.errors import BadInput
from thumbtune.core.records import Adapter
from thumbtune.core.settings import Settings
from thumbtune.core.store.adapters import find_live, list_adapters, lock_adapters, quarantine
from thumbtune.core.store.engine import Store
from thumbtune.core.store.pairs import holds_erased
from thumbtune.core.store.preferences import holds_erased_draft
from thumbtune.core.store.runs import list_idle_runs
from thumbtune.core.store.triages import holds_erased_triage
from thumbtune.trainer.snapshot_files import META_NAME, load_meta

logger = logging.getLogger(__name__)

NOT_ASKED_FOR = "the gate did not pass it and nobody asked for it in time: its files were removed"

STILL_ASKED_FOR = timedelta(minutes=10)
"""How long after its replacement a draft may still name an adapter."""


def erase_from_disk(store: Store, settings: Settings) -> None:
    """Remove what has to go and is not in use; safe at any time and again."""
    drop_erased_snapshots(store, settings.snapshots_dir)
    drop_replaced_adapters(store, settings.adapters_dir)
    drop_held_adapters(store, settings)


def drop_erased_snapshots(store: Store, snapshots_dir: Path) -> list[str]:
    """Remove snapshots that hold a pair which was erased, and folders in which nobody works; return their names.

    What belongs to a run that is under way stays: that run begins anew, and freezes its snapshot anew.
    """
    with store.read() as conn:
        idle = list_idle_runs(conn)
    gone = []
    for path in snapshots_dir.iterdir() if snapshots_dir.is_dir() else ():
        run_id = next((run_id for run_id in idle if run_id in path.name), None)
        is_work = path.name.startswith((".work-", ".freezing-"))
        if run_id is not None and (is_work or (path.name == run_id and is_stale(store, path))):
            shutil.rmtree(path, ignore_errors=True)
            gone.append(path.name)
            logger.info("snapshot_removed", extra={"run_id": run_id})
    return gone


def is_stale(store: Store, snapshot: Path) -> bool:
    """Return whether a whole snapshot holds a pair, a draft or a triage that was erased since."""
    if not (snapshot / META_NAME).is_file():
        return False
    try:
        meta = load_meta(snapshot)
    except BadInput:
        return False
    pair_ids: Sequence[int] = [*meta.trained_pair_ids, *meta.held_out_pair_ids]
    with store.read() as conn:
        triage_ids = [*meta.trained_triage_ids, *meta.held_out_triage_ids]
        return (
            holds_erased(conn, pair_ids)
            or holds_erased_draft(conn, meta.rejected_draft_ids)
            or holds_erased_triage(conn, triage_ids)
        )


def drop_replaced_adapters(store: Store, adapters_dir: Path) -> list[str]:
    """Remove the folders of adapters that learned from someone who was forgotten and answer no more."""
    with store.read() as conn:
        marked = [item for item in list_adapters(conn) if item.replace_since is not None and item.state != "live"]
        gone = [
            item for item in marked if _is_out_of_use(item, live=find_live(conn, desk_id=item.desk_id), store=store)
        ]
    return _remove_folders([item.name for item in gone], adapters_dir)


def drop_held_adapters(store: Store, settings: Settings) -> list[str]:
    """Remove the folders of adapters that the gate did not pass and that nobody asked for in time."""
    before = store.now() - timedelta(days=settings.held_adapter_days)
    with store.write() as conn:
        lock_adapters(conn)
        for item in list_adapters(conn, state="held"):
            if item.published_at < before:
                quarantine(conn, item.name, reason=NOT_ASKED_FOR)
        gone = [item.name for item in list_adapters(conn, state="quarantined") if item.reason == NOT_ASKED_FOR]
    return _remove_folders(gone, settings.adapters_dir)


def _remove_folders(gone: Sequence[str], adapters_dir: Path) -> list[str]:
    """Remove adapters' folders, each at once; return the names of those that were there."""
    names = [name for name in gone if (adapters_dir / name).is_dir()]
    for name in names:
        with contextlib.suppress(OSError):  # the next look tries again
            grave = adapters_dir / f".forgotten-{name}"
            (adapters_dir / name).rename(grave)
            shutil.rmtree(grave)
            logger.info("adapter_removed", extra={"adapter": name})
    for grave in adapters_dir.glob(".forgotten-*"):
        shutil.rmtree(grave, ignore_errors=True)
    return names


def _is_out_of_use(adapter: Adapter, *, live: Adapter | None, store: Store) -> bool:
    since = live.live_at if live is not None and live.live_at is not None else adapter.replace_since
    return since is not None and since <= store.now() - STILL_ASKED_FOR
