from dataclasses import replace

import pytest

from tests.conftest import Clock
from thumbtune.core.records import Outlook
from thumbtune.core.store import Store
from thumbtune.core.store.outlooks import find_outlook, find_silence, record_outlook

pytestmark = pytest.mark.usefixtures("desk")


def test_newest_outlook_of_a_desk_is_kept(store: Store, clock: Clock) -> None:
    first = Outlook("support", False, "180 of 200 new pairs", clock())
    second = replace(first, is_due=True, why="200 new pairs", looked_at=clock.advance(seconds=30))
    with store.write() as conn:
        assert find_outlook(conn, desk_id="support") is None
        for outlook in (first, second):
            record_outlook(conn, outlook)
        assert find_outlook(conn, desk_id="support") == second


def test_trainer_that_looks_no_more_is_noticed_and_a_slow_one_is_not(clock: Clock) -> None:
    outlook = Outlook("support", True, "200 new pairs", clock())
    assert "has looked at this desk yet" in str(find_silence(None, now=clock(), tick_s=30))
    assert find_silence(outlook, now=clock.advance(seconds=119), tick_s=30) is None
    assert find_silence(outlook, now=clock.advance(seconds=600), tick_s=300) is None
    assert "last seen 12 minutes ago" in str(find_silence(outlook, now=clock(), tick_s=30))
    assert "last seen 5 hours ago" in str(find_silence(outlook, now=clock.advance(seconds=5 * 3600), tick_s=30))
