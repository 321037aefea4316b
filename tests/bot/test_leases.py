"""Leases are extended again after the database has undone one that waited with another writer."""

import logging
import threading

import pytest

from thumbtune.bot.leases import Leases
from thumbtune.core.errors import StoreBusy
from thumbtune.core.store import Store


def test_extension_that_the_database_undid_is_told_in_a_line_and_done_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop, tries = threading.Event(), list[int]()

    def extend(_leases: Leases) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise StoreBusy
        stop.set()

    monkeypatch.setattr(Leases, "_extend", extend)
    with caplog.at_level(logging.WARNING):
        Leases(store, owner="w", lease_s=0.03).run(stop)
    assert len(tries) == 2
    assert [(item.levelname, item.exc_info) for item in caplog.records] == [("WARNING", None)]
