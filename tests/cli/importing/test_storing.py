"""Storing on both databases: in batches, taken up after a break, by two at once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from thumbtune.cli.importing import storing
from thumbtune.cli.importing.conversations import Conversation, Parsed, Utterance
from thumbtune.cli.importing.outcome import ImportJob, Outcome
from thumbtune.cli.importing.storing import store_conversations
from thumbtune.core.records import Desk, TrainingPair
from thumbtune.core.sealing import Sealer
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, open_store
from thumbtune.core.store.audits import list_acts, verify_chain
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.forgetting import forget_person
from thumbtune.core.store.pairs import FORGOTTEN, list_pairs, put_pair
from thumbtune.core.store.tombstones import EVERY_DESK, Tombstone, digest_person

DESK = Desk("support", "T1", "Support", "Be kind.", ("C1",), ("U1",))
PARSED = Parsed([
    Conversation(f"line {number}", f"q{number}", (Utterance("customer", f"Is it {number}? a{number}@b.example", "Maya Ek"),
                 Utterance("agent", f"Yes, Maya, {number}.")), (1,)) for number in range(250)
])  # fmt: skip


@pytest.fixture
def both(store_url: str, sealer: Sealer) -> Iterator[Store]:
    """A store with a desk, on each kind of database."""
    opened = open_store(store_url, sealer)
    with opened.write() as conn:
        save_desk(conn, DESK)
    yield opened
    opened.engine.dispose()


def load(store: Store, on_done: Callable[[int], None] = lambda _: None) -> Outcome:
    job = ImportJob(store, "support", "jsonl", "0" * 64, False, on_done)
    return store_conversations(PARSED, job, desk=DESK, settings=Settings(_env_file=None))


def read(store: Store) -> list[TrainingPair]:
    with store.read() as conn:
        return list_pairs(conn, limit=1000)


def test_import_that_broke_off_is_run_again_and_ends_the_same(both: Store) -> None:
    def break_off(_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(both, break_off)
    begun = read(both)
    assert len(begun) == 100
    outcome = load(both)
    assert (outcome.imported, outcome.already_there) == (150, 100)
    pairs = read(both)
    assert pairs[:100] == begun
    assert [pair.reply for pair in pairs] == [f"Yes, [NAME_1], {number}." for number in range(250)]
    assert pairs[7].turns[0].text == "Is it 7? [EMAIL_1]"
    assert load(both).imported == 0
    with both.read() as conn:
        assert [act.detail["pairs"] for act in list_acts(conn, limit=9)] == [50, 100, 100]


def test_two_imports_of_one_file_at_once_double_nothing(both: Store) -> None:
    with ThreadPoolExecutor(2) as pool:
        outcomes = [job.result() for job in [pool.submit(load, both) for _ in range(2)]]
    assert len(read(both)) == 250
    assert sum(outcome.imported + outcome.already_there for outcome in outcomes) == 500
    with both.read() as conn:
        assert verify_chain(conn).finding == ""
        assert sum(act.detail["pairs"] for act in list_acts(conn, limit=9)) == 250


def test_who_is_forgotten_while_a_file_is_imported_is_in_no_pair_of_it(
    both: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = list[threading.Thread]()

    def forget_maya() -> None:
        digest, now = digest_person(both.sealer, "Maya Ek"), both.now()
        tombstone = Tombstone("r1", digest, (EVERY_DESK,), f"{now.timestamp():.6f}", "cli", now)
        with both.write() as conn:
            forget_person(conn, both, tombstone, min_pairs=20, shows_sign=False)

    def put_slowly(conn: sa.Connection, **values: Any) -> str | None:  # Any: a pair's columns
        change = put_pair(conn, **values)
        if not forgotten:
            forgotten.append(threading.Thread(target=forget_maya))
            forgotten[0].start()
            forgotten[0].join(1)
            assert forgotten[0].is_alive(), "it waits for the import's transaction"
        return change

    monkeypatch.setattr(storing, "put_pair", put_slowly)
    outcome = load(both)
    forgotten[0].join(20)
    assert outcome.imported + outcome.refused[FORGOTTEN] == 250
    assert 0 < outcome.imported < 250
    assert {(pair.state, pair.reply, pair.turns) for pair in read(both)} == {("withdrawn", "", ())}
