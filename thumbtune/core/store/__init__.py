"""The store: one module per noun, functions that take a connection, transactions handed out by `Store`."""

from thumbtune.core.sealing import load_sealer
from thumbtune.core.settings import Settings
from thumbtune.core.store.engine import Store, open_store, utc_now
from thumbtune.core.store.migrate import check_store, migrate_store

__all__ = ["Store", "check_store", "connect_store", "migrate_store", "open_store", "utc_now"]


def connect_store(settings: Settings) -> Store:
    """Return the store these settings name; it does not migrate."""
    sealer = load_sealer(settings)
    return open_store(settings.store_url, sealer, holds_contradictions=settings.hold_contradictions)
