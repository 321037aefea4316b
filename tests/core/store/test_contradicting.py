"""What becomes of contradictions: about the shop they hold the newer pair, about one customer's affair they are noted."""

import dataclasses
from pathlib import Path

import pytest

from tests.conftest import SESSION_KEY
from tests.core.store.test_curating import FIVE_DAYS, NINE_DAYS, approve, decide, find, kinds, states, take_back
from thumbtune.core.errors import Conflict
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, connect_store
from thumbtune.core.store.decisions import decide_between
from thumbtune.core.store.findings import load_findings

pytestmark = pytest.mark.usefixtures("desk")

CANCEL = "Hello, can you please cancel my subscription?"


def test_forty_customers_affairs_are_all_learned_from(store: Store) -> None:
    for number in range(40):
        reply = f"Done! It ends on {number % 28 + 1} {('May', 'June', 'July')[number % 3]}; you can use it until then."
        approve(store, number, question=CANCEL, reply=reply)
    assert set(states(store).values()) <= {"active", "merged"}
    assert kinds(store, 39) == ["contradiction"]
    with store.read() as conn:
        pair_id = find(store, 39).pair_id
        (noted,) = [item for item in load_findings(conn, [pair_id])[pair_id] if item.kind == "contradiction"]
    assert not noted.holds


def test_only_what_holds_is_decided_between(store: Store) -> None:
    approve(store, 1, question=CANCEL, reply="Done! It ends on 3 May.")
    approve(store, 2, question=CANCEL, reply="Done! It ends on 9 June.")
    with pytest.raises(Conflict), store.write() as conn:
        decide_between(conn, store, find(store, 2).pair_id, keep="this", decided_by="ULEAD", shows_sign=False)


def test_older_note_does_not_hide_what_holds(store: Store) -> None:
    approve(store, 1, reply="Have a look at the page on shipping, it lists every country.")
    approve(store, 2)
    assert states(store) == {1: "active", 2: "active"}
    approve(store, 3, reply=NINE_DAYS)
    assert states(store) == {1: "active", 2: "active", 3: "quarantined"}
    assert f"contradicts #{find(store, 2).pair_id}" in find(store, 3).reason


def test_setting_lets_all_of_them_in(store: Store) -> None:
    lenient = dataclasses.replace(store, holds_contradictions=False)
    for number, reply in enumerate((FIVE_DAYS, NINE_DAYS, "No, we do not ship there.")):
        approve(lenient, number, reply=reply)
    take_back(lenient, 0)
    approve(lenient, 0)
    assert set(states(store).values()) == {"active"}
    assert kinds(store, 1) == ["contradiction"]
    decide(store, 0, "active")
    assert states(store) == {0: "active", 1: "quarantined", 2: "quarantined"}


def test_setting_reaches_the_store(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, secret_key=SESSION_KEY, data_dir=tmp_path)
    assert connect_store(settings).holds_contradictions
    assert not connect_store(settings.model_copy(update={"hold_contradictions": False})).holds_contradictions
