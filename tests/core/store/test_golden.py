"""How golden cases are kept."""

from dataclasses import replace

import pytest

from thumbtune.core.errors import BadInput, Conflict, NotFound
from thumbtune.core.golden import CaseContent, Expectations, GoldenCase, digest_case
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Desk
from thumbtune.core.store import Store, golden
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.desks import save_desk

CASE = CaseContent(
    title="Returns",
    turns=(Turn("customer", "How long may I return a lamp?"),),
    expectations=Expectations(contains_all=("30 days",), max_chars=600),
)


@pytest.fixture(autouse=True)
def desks(store: Store) -> None:
    with store.write() as conn:
        for desk_id in ("support", "billing"):
            save_desk(conn, Desk(desk_id, "T1", desk_id, "Be kind."))


def add(store: Store, content: CaseContent = CASE, *, desk_id: str = "support") -> GoldenCase:
    with store.write() as conn:
        return golden.add_case(conn, content, desk_id=desk_id, added_by="U1", now=store.now())


def list_titles(store: Store, desk_id: str | None = None) -> list[str]:
    with store.read() as conn:
        return [case.title for case in golden.list_cases(conn, desk_id=desk_id)]


def list_actions(store: Store) -> list[tuple[str, str, str]]:
    with store.read() as conn:
        return [(act.action, act.actor, act.subject) for act in list_acts(conn, limit=9)]


def test_case_comes_back_as_it_was_added_to_its_desk(store: Store) -> None:
    added = add(store)
    add(store, replace(CASE, title="Invoices", grounded=False), desk_id="billing")
    with store.read() as conn:
        assert golden.load_case(conn, added.case_id) == added
        assert golden.list_cases(conn, desk_id="support") == [added]
    assert (added.turns, added.expectations, added.grounded) == (CASE.turns, CASE.expectations, True)
    assert (added.added_by, added.changed_by, added.pair_id) == ("U1", "U1", None)
    assert list_titles(store) == ["Returns", "Invoices"]
    assert list_actions(store)[1] == ("golden_case_added", "U1", str(added.case_id))


def test_same_case_is_kept_once_a_desk_and_a_bad_one_not_at_all(store: Store) -> None:
    add(store)
    add(store, desk_id="billing")
    with pytest.raises(Conflict, match="the same case already"):
        add(store)
    with pytest.raises(BadInput, match="something to expect"):
        add(store, replace(CASE, expectations=Expectations()))
    assert list_titles(store) == ["Returns", "Returns"]
    assert len(list_actions(store)) == 2


def test_edit_changes_what_was_shown_and_nothing_else(store: Store, clock: object) -> None:
    case, other = add(store), add(store, replace(CASE, title="Other"))
    shown = digest_case(case)
    changed = replace(CASE, expectations=Expectations(contains_any=("30 days", "a month")))
    for _ in range(2):  # done again by a retry, it changes nothing more
        with store.write() as conn:
            edited = golden.edit_case(conn, case.case_id, changed, changed_by="U2", now=store.now(), shown=shown)
        assert (edited.expectations, edited.added_by, edited.changed_by) == (changed.expectations, "U1", "U2")
    with pytest.raises(Conflict, match="changed since it was shown"), store.write() as conn:
        golden.edit_case(conn, case.case_id, CASE, changed_by="U2", now=store.now(), shown=shown)
    with pytest.raises(Conflict, match="the same case already"), store.write() as conn:
        golden.edit_case(conn, other.case_id, changed, changed_by="U2", now=store.now())
    with pytest.raises(BadInput, match="needs a title"), store.write() as conn:
        golden.edit_case(conn, case.case_id, replace(CASE, title=""), changed_by="U2", now=store.now())
    assert [action for action, *_ in list_actions(store)].count("golden_case_edited") == 1


def test_removed_case_is_gone_and_told_so(store: Store) -> None:
    case = add(store)
    with store.write() as conn:
        golden.remove_case(conn, case.case_id, removed_by="U2", now=store.now())
    assert list_titles(store) == []
    assert list_actions(store)[0] == ("golden_case_removed", "U2", str(case.case_id))
    for act in (golden.load_case, golden.remove_case):
        with pytest.raises(NotFound, match="thumbtune golden list"), store.write() as conn:
            act(conn, case.case_id, **({} if act is golden.load_case else {"removed_by": "U2", "now": store.now()}))


def test_golden_set_has_a_limit(store: Store) -> None:
    with store.write() as conn:
        for number in range(golden.MAX_CASES):
            content = replace(CASE, title=f"Case {number}")
            golden.add_case(conn, content, desk_id="support", added_by="U1", now=store.now())
    with pytest.raises(Conflict, match="the most it can have"):
        add(store)
    add(store, desk_id="billing")
