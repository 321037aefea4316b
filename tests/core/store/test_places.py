import pytest

from tests.core.store.test_pairs import put
from thumbtune.core.store import Store
from thumbtune.core.store.pairs import load_pair
from thumbtune.core.store.places import FoundPair, Place, find_pair, load_revisions, mark_imported

pytestmark = pytest.mark.usefixtures("desk")


def test_each_revision_of_a_reply_is_found_at_its_place(store: Store) -> None:
    put(store)
    put(store, revision="150.000001", reply="It ships tomorrow.")
    place = Place("T1", "C1", "100.000001", "100.000002", "150.000001")
    with store.write() as conn:
        found = find_pair(conn, place)
        assert found == FoundPair(found.pair_id if found else 0, "support", "active", "")
        assert load_revisions(conn, [found.pair_id - 1, found.pair_id]) == {
            found.pair_id - 1: "",
            found.pair_id: "150.000001",
        }
        mark_imported(conn, found.pair_id)
        assert load_pair(conn, found.pair_id).source == "imported"
        assert find_pair(conn, Place("T1", "C2", "100.000001", "100.000002", "")) is None
