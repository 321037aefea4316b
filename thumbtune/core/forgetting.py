"""Forgets a person everywhere the store reaches, and forgets them again when an older backup comes back.

It does not know who may ask for it. The store's part is one transaction; the file of tombstones follows it, and whatever a
kill left undone in between is done at the next start. Snapshots and adapters' folders are the trainer's to remove.
"""

import contextlib
import logging
import uuid
from collections.abc import Sequence
from datetime import timedelta

from thumbtune.core.errors import NotFound, StoreBusy
from thumbtune.core.settings import Settings
from thumbtune.core.store.desks import list_desks
from thumbtune.core.store.engine import Store, empty_wal
from thumbtune.core.store.forgetting import Receipt, forget_person
from thumbtune.core.store.tombstones import EVERY_DESK, Tombstone, digest_person, is_kept, list_tombstones
from thumbtune.core.tombstone_file import append_tombstone, read_tombstones

logger = logging.getLogger(__name__)

ON_ITS_WAY = timedelta(days=1)
"""How long after a forgetting it is done again now and then, for what was being written at that moment."""


class _TakenBack(Exception):
    """Ends a transaction that only counts."""


def forget(store: Store, settings: Settings, *, person: str, desk_ids: Sequence[str], by: str) -> Receipt:
    """Forget a person, given as Slack user id or as a file's author column spells them; return the receipt."""
    tombstone = _make_tombstone(store, person=person, desk_ids=desk_ids, by=by)
    return _forget_by(store, settings, tombstone)


def preview(store: Store, settings: Settings, *, person: str, desk_ids: Sequence[str], by: str) -> Receipt:
    """Return the receipt that forgetting this person would give now; nothing is changed."""
    tombstone = _make_tombstone(store, person=person, desk_ids=desk_ids, by=by)
    receipt: Receipt | None = None
    with contextlib.suppress(_TakenBack), store.write() as conn:
        receipt = forget_person(conn, store, tombstone, min_pairs=settings.min_pairs, shows_sign=False)
        raise _TakenBack
    assert receipt is not None
    return receipt


def replay(store: Store, settings: Settings) -> list[Receipt]:
    """Forget again everyone who ever was, also those whose tombstones only the file has; return the new receipts."""
    with store.read() as conn:
        known = {tombstone.receipt_id: tombstone for tombstone in list_tombstones(conn)}
    known |= {tombstone.receipt_id: tombstone for tombstone in read_tombstones(settings.data_dir)}
    return [_forget_by(store, settings, tombstone) for tombstone in known.values()]


def keep_tombstones(store: Store, settings: Settings) -> list[Receipt]:
    """Bring store and file to the same tombstones; whom only the file knows is forgotten again, with a new receipt."""
    filed = read_tombstones(settings.data_dir)
    with store.read() as conn:
        kept = list_tombstones(conn)
        lost = [tombstone for tombstone in filed if not is_kept(conn, tombstone)]
    for tombstone in kept:
        if tombstone.receipt_id not in {item.receipt_id for item in filed}:
            append_tombstone(settings.data_dir, tombstone)
    return [_forget_by(store, settings, tombstone) for tombstone in lost]


def forget_on_its_way(store: Store, settings: Settings) -> None:
    """Forget again whom a recent receipt names: a message of theirs may have been on its way into the store."""
    with store.read() as conn:
        recent = [item for item in list_tombstones(conn) if item.at > store.now() - ON_ITS_WAY]
    for tombstone in recent:
        with contextlib.suppress(_TakenBack), store.write() as conn:
            receipt = forget_person(conn, store, tombstone, min_pairs=settings.min_pairs, shows_sign=True)
            if not (any(receipt.counts.values()) or receipt.adapters or receipt.begun_anew):
                raise _TakenBack


def _forget_by(store: Store, settings: Settings, tombstone: Tombstone) -> Receipt:
    try:
        receipt = _forget_in_store(store, settings, tombstone)
    except StoreBusy:  # nothing was done; what it waited for is done now
        receipt = _forget_in_store(store, settings, tombstone)
    if tombstone.receipt_id not in {item.receipt_id for item in read_tombstones(settings.data_dir)}:
        append_tombstone(settings.data_dir, tombstone)
    empty_wal(store)
    logger.info("person_forgotten", extra={"receipt_id": receipt.receipt_id, "desks": list(receipt.desks)})
    return receipt


def _forget_in_store(store: Store, settings: Settings, tombstone: Tombstone) -> Receipt:
    shows_sign = bool(settings.collected_reaction)
    with store.write() as conn:
        return forget_person(conn, store, tombstone, min_pairs=settings.min_pairs, shows_sign=shows_sign)


def _make_tombstone(store: Store, *, person: str, desk_ids: Sequence[str], by: str) -> Tombstone:
    with store.read() as conn:
        known = [desk.desk_id for desk in list_desks(conn)]
    missing = [desk_id for desk_id in desk_ids if desk_id not in known]
    if missing or not known:
        raise NotFound(f"no desk {', '.join(missing) or 'yet'}; run `thumbtune desks list`")
    now = store.now()
    receipt_id, digest = f"forget-{uuid.uuid4().hex[:12]}", digest_person(store.sealer, person)
    up_to = f"{now.timestamp():.6f}"
    return Tombstone(receipt_id, digest, tuple(sorted(desk_ids)) or (EVERY_DESK,), up_to, by, now)
