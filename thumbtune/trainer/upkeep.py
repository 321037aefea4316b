"""What the trainer does beside runs: keeps tombstones, lets texts expire, and takes from the disk what was erased.

It does not know runs. Each part tries again at the next call what it could not do at this one.
"""

import logging

from thumbtune.core.forgetting import forget_on_its_way, keep_tombstones
from thumbtune.core.settings import Settings
from thumbtune.core.store.engine import Store, empty_wal
from thumbtune.core.store.retention import expire_texts
from thumbtune.trainer.erasing import erase_from_disk

logger = logging.getLogger(__name__)

ACTOR = "trainer"
EVERY_S = 3600.0


def keep_house(store: Store, settings: Settings) -> None:
    """Forget again whom a restored store remembers, erase what is too old, and take both from the disk."""
    keep_tombstones(store, settings)
    forget_on_its_way(store, settings)
    expired = expire_texts(
        store,
        message_days=settings.message_retention_days,
        pair_days=settings.pair_retention_days,
        shows_sign=bool(settings.collected_reaction),
        actor=ACTOR,
    )
    if expired:
        logger.info("texts_expired", extra=dict(expired))
    empty_wal(store)
    erase_from_disk(store, settings)
