"""What becomes of golden cases when what they were made from is forgotten or deleted."""

import pytest

from tests.core.store.test_forgetting import HERE, MAYA, forget, talk
from thumbtune.core.errors import Conflict
from thumbtune.core.golden import CaseContent, Expectations
from thumbtune.core.prompt import Turn
from thumbtune.core.pseudonyms import is_pseudonym
from thumbtune.core.receipts import describe_counts
from thumbtune.core.store import Store, golden, pairs
from thumbtune.core.store.audits import list_acts

pytestmark = pytest.mark.usefixtures("desk")


def test_golden_cases_made_of_what_they_wrote_go_and_those_they_kept_lose_their_name(store: Store) -> None:
    first, second = talk(store)
    with store.write() as conn:
        for pair_id, by in ((first, "U9"), (second, MAYA), (None, MAYA)):
            turns = (Turn("customer", "Where is [ORDER_1]?"),)
            content = CaseContent(title=f"Order {pair_id}", turns=turns, expectations=Expectations(max_chars=500))
            golden.add_case(conn, content, desk_id="support", added_by=by, now=store.now(), pair_id=pair_id)
    receipt = forget(store, MAYA)
    assert receipt.counts["golden_cases"] == 1
    assert "1 golden case" in describe_counts(receipt)
    with store.read() as conn:
        left = golden.list_cases(conn, desk_id="support")
        acts = list_acts(conn, limit=20, action="golden_case_removed")
    assert [case.pair_id for case in left] == [second, None]
    assert all(is_pseudonym(case.added_by) and is_pseudonym(case.changed_by) for case in left)
    assert [act.actor for act in acts] == ["erasing"]
    with pytest.raises(Conflict, match="no texts any more"), store.write() as conn:
        golden.add_case(conn, content, desk_id="support", added_by="U9", now=store.now(), pair_id=first)


def test_golden_case_goes_with_a_deleted_message_that_it_holds(store: Store) -> None:
    first, second = talk(store)
    with store.write() as conn:
        for pair_id in (first, second):
            turns = (Turn("customer", "Where is [ORDER_1]?"),)
            content = CaseContent(title=f"Order {pair_id}", turns=turns, expectations=Expectations(max_chars=500))
            golden.add_case(conn, content, desk_id="support", added_by="U9", now=store.now(), pair_id=pair_id)
        here = {**HERE, "thread_ts": "100.000001"}
        pairs.erase_texts(conn, **here, deleted_ts="100.000002", now=store.now())  # the reply is not in the case
        assert len(golden.list_cases(conn)) == 2
        pairs.erase_texts(conn, **here, deleted_ts="100.000001", now=store.now())
        assert [case.pair_id for case in golden.list_cases(conn)] == [second]
