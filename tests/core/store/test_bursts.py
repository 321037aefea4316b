"""A burst of approvals waits as a whole, in whatever order and transaction what belongs to it is told of."""

import pytest

from tests.core.store.test_curating import kinds, put, states
from thumbtune.core.store import Store

pytestmark = pytest.mark.usefixtures("desk")
COLORS = ("red", "blue", "green", "black", "white")


def approve_all(store: Store, *, at: list[float | None]) -> None:
    """Approve five replies in one transaction, as when they come after an outage."""
    with store.write() as conn:
        for number, (color, moment) in enumerate(zip(COLORS, at, strict=True)):
            put(conn, store, number, f"Is the {color} one good for a garden?", at=moment)


def test_burst_that_is_stored_at_once_waits_as_a_whole(store: Store) -> None:
    approve_all(store, at=[0.0, 1.0, 2.0, 3.0, 4.0])
    assert states(store) == dict.fromkeys(range(5), "quarantined")
    assert [kinds(store, number) for number in range(5)] == [["burst"]] * 5


def test_approvals_that_were_found_make_a_burst_once_it_is_told_when_they_were_given(store: Store) -> None:
    approve_all(store, at=[None] * 5)
    assert states(store) == dict.fromkeys(range(5), "active")
    approve_all(store, at=[0.0, 1.0, 2.0, 3.0, 4.0])
    assert states(store) == dict.fromkeys(range(5), "quarantined")
