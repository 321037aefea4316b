"""A desk to hang rows on."""

import pytest

from thumbtune.core.records import Desk
from thumbtune.core.store import Store, desks


@pytest.fixture
def desk(store: Store) -> Desk:
    """A stored desk with one channel."""
    stored = Desk(
        desk_id="support",
        team_id="T1",
        name="Support",
        voice="Be kind.",
        channels=("C1",),
        agents=("U1", "S1"),
        leads=("U9",),
    )
    with store.write() as conn:
        desks.save_desk(conn, stored)
    return stored
