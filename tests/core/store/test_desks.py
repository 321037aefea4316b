from dataclasses import replace

import pytest

from thumbtune.core.errors import Conflict, NotFound
from thumbtune.core.records import Desk
from thumbtune.core.store import Store, desks


def test_desk_is_found_by_its_channel_as_it_was_stored(store: Store, desk: Desk) -> None:
    with store.read() as conn:
        assert desks.find_desk(conn, team_id="T1", channel_id="C1") == desk
        assert desks.find_desk(conn, team_id="T2", channel_id="C1") is None
        assert desks.list_desks(conn) == [desk]


def test_changed_voice_and_channels_take_the_place_of_the_old(store: Store, desk: Desk) -> None:
    changed = replace(desk, voice="Be brief.", channels=("C2", "C3"))
    with store.write() as conn:
        desks.save_desk(conn, changed)
        assert desks.load_desk(conn, "support") == changed
        assert desks.find_desk(conn, team_id="T1", channel_id="C1") is None


def test_channel_cannot_belong_to_two_desks(store: Store, desk: Desk) -> None:
    with pytest.raises(Conflict, match="channel C1"), store.write() as conn:
        desks.save_desk(conn, replace(desk, desk_id="billing"))
    with store.read() as conn:
        assert [item.desk_id for item in desks.list_desks(conn)] == ["support"]


def test_unknown_desk_is_named_in_the_error(store: Store) -> None:
    with store.read() as conn, pytest.raises(NotFound, match="no desk 'sales'"):
        desks.load_desk(conn, "sales")
