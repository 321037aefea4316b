"""Which pairs are in follows from the pairs alone: from what they say, who decided, and nothing of the order they came in."""

import random as chance
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.conftest import SESSION_KEY
from thumbtune.core.curation import compare_exchanges, read_exchange
from thumbtune.core.prompt import Turn
from thumbtune.core.records import TrainingPair
from thumbtune.core.redaction import Redactor
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, pairs, runs, schema
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.curating import Inspector, ask_curation, ask_for_dependents, curate
from thumbtune.core.store.decisions import decide_pair
from thumbtune.core.store.engine import do_now
from thumbtune.core.store.findings import load_findings
from thumbtune.core.store.forgetting import forget_person
from thumbtune.core.store.tombstones import Tombstone, digest_person

pytestmark = pytest.mark.usefixtures("desk")

SETTINGS = Settings(_env_file=None, secret_key=SESSION_KEY, burst_approvals=3, approvals_per_day=6)
REDACTOR = Redactor()
NORWAY = "Do you ship to Norway, and how long does it take?"
FIVE_DAYS = "Yes, we ship to Norway. It takes 5 working days."
NINE_DAYS = "Yes, we ship to Norway. It takes 9 working days."


def approve(
    store: Store,
    number: int,
    *,
    question: str = NORWAY,
    reply: str = FIVE_DAYS,
    by: str = "U1",
    at: float | None = None,
    thread: int | None = None,
    doubt: str = "",
    before: tuple[Turn, ...] = (),
) -> None:
    with store.write() as conn:
        put(conn, store, number, question, reply, by=by, at=at, thread=thread, doubt=doubt, before=before)


def put(
    conn: sa.Connection,
    store: Store,
    number: int,
    question: str = NORWAY,
    reply: str = FIVE_DAYS,
    *,
    by: str = "U1",
    at: float | None = None,
    thread: int | None = None,
    doubt: str = "",
    before: tuple[Turn, ...] = (),
) -> None:
    place = {"team_id": "T1", "channel_id": "C1", "reply_ts": f"{1000 + number}.000002"}
    changed = pairs.put_pair(
        conn,
        desk_id="support",
        thread_ts=f"{1000 + (number if thread is None else thread)}.000001",
        revision="",
        turns=[*before, Turn("customer", question)],
        reply=reply,
        passages=(),
        source="human",
        approved_by=by,
        approved_at=None if at is None else datetime.fromtimestamp(1_700_000_000 + at, UTC),
        doubt=doubt,
        now=store.now(),
        **place,
    )
    inspector = Inspector(SETTINGS, REDACTOR, is_new=changed == "new") if changed else None
    ask_curation(conn, store, shows_sign=True, inspector=inspector, **place)


def take_back(store: Store, number: int) -> None:
    place = {"team_id": "T1", "channel_id": "C1", "reply_ts": f"{1000 + number}.000002"}
    with store.write() as conn:
        pairs.withdraw_reply(conn, reason=pairs.NOT_APPROVED, now=store.now(), **place)
        ask_curation(conn, store, shows_sign=True, **place)


def decide(store: Store, number: int, state: str) -> None:
    with store.write() as conn:
        pair_id = find(store, number).pair_id
        values = {"state": state, "reason": "", "decided_by": "ULEAD"}
        decide_pair(conn, store, pair_id, shows_sign=True, **values)  # type: ignore[arg-type]  # one of the states


def find(store: Store, number: int) -> TrainingPair:
    with store.read() as conn:
        found = pairs.list_pairs(conn, desk_id="support", limit=1000)
    return next(pair for pair in found if pair.reply_ts == f"{1000 + number}.000002")


def states(store: Store) -> dict[int, str]:
    with store.read() as conn:
        found = pairs.list_pairs(conn, desk_id="support", limit=1000)
    return {int(float(pair.reply_ts)) - 1000: pair.state for pair in found}


def kinds(store: Store, number: int) -> list[str]:
    with store.read() as conn:
        pair_id = find(store, number).pair_id
        return [item.kind for item in load_findings(conn, [pair_id])[pair_id] if item.kind != "ungrounded"]


def test_near_duplicates_become_one_and_come_back_with_it_gone(store: Store) -> None:
    approve(store, 1)
    approve(store, 2, reply="Yes, we ship to Norway! It takes 5 working days")
    approve(store, 3)
    assert states(store) == {1: "active", 2: "merged", 3: "merged"}
    assert find(store, 2).reason.startswith(f"same as #{find(store, 1).pair_id}, the earlier one")
    take_back(store, 1)
    assert states(store) == {1: "withdrawn", 2: "active", 3: "merged"}
    approve(store, 1)
    assert states(store) == {1: "active", 2: "merged", 3: "merged"}
    with store.read() as conn:
        assert {act.action for act in list_acts(conn, limit=9)} == {"pair_merged", "pair_let_in"}


def test_older_reply_that_comes_late_takes_the_newer_ones_place(store: Store) -> None:
    approve(store, 5)
    approve(store, 2)
    assert states(store) == {2: "active", 5: "merged"}


def test_contradiction_sets_the_newer_aside_until_the_older_is_gone(store: Store) -> None:
    approve(store, 1)
    approve(store, 2, reply=NINE_DAYS)
    assert states(store) == {1: "active", 2: "quarantined"}
    assert kinds(store, 2) == ["contradiction"]
    assert "different numbers" in find(store, 2).reason
    take_back(store, 1)
    assert states(store) == {1: "withdrawn", 2: "active"}
    assert kinds(store, 2) == []


def test_other_questions_and_other_desks_stay_apart(store: Store) -> None:
    approve(store, 1)
    approve(store, 2, question="Do you ship to Sweden, and how long does it take?", reply=NINE_DAYS)
    approve(store, 3, question="Can I pay by invoice?", reply=FIVE_DAYS)
    long = (Turn("customer", f"{NORWAY} " * 20), Turn("agent", "Well."))
    approve(store, 4, before=long)
    approve(store, 5, before=(*long, Turn("agent", "So.")), reply=NINE_DAYS, thread=4)  # the thread moved on
    assert set(states(store).values()) == {"active"}


def test_short_questions_are_not_compared(store: Store) -> None:
    approve(store, 1, question="And then?", reply="It leaves our house on Monday.")
    approve(store, 2, question="And then?", reply="You press the green button for 4 seconds.")
    assert states(store) == {1: "active", 2: "active"}


def test_decision_for_the_newer_one_sets_the_older_and_later_ones_aside(store: Store) -> None:
    approve(store, 1)
    approve(store, 2, reply=NINE_DAYS)
    decide(store, 2, "active")
    assert states(store) == {1: "quarantined", 2: "active"}
    approve(store, 3, reply=NINE_DAYS)
    approve(store, 0, reply=NINE_DAYS)
    assert states(store) == {0: "merged", 1: "quarantined", 2: "active", 3: "merged"}
    assert "which a lead kept" in find(store, 3).reason


def test_decisions_stick_whatever_is_settled_anew(store: Store) -> None:
    approve(store, 1)
    approve(store, 2, reply=NINE_DAYS)
    decide(store, 1, "active")
    decide(store, 2, "active")
    for number, reply in ((1, FIVE_DAYS), (2, NINE_DAYS), (1, FIVE_DAYS)):
        approve(store, number, reply=reply)
    assert states(store) == {1: "active", 2: "active"}
    decide(store, 2, "withdrawn")
    approve(store, 2, reply=NINE_DAYS)
    assert states(store) == {1: "active", 2: "withdrawn"}


def test_kept_although_too_short_stays_in_and_says_so(store: Store) -> None:
    approve(store, 1, reply="Ok, thanks!")
    assert (states(store), kinds(store, 1)) == ({1: "quarantined"}, ["too_short"])
    decide(store, 1, "active")
    approve(store, 1, reply="Ok, thanks!")
    assert (states(store), kinds(store, 1)) == ({1: "active"}, ["too_short"])


def test_doubt_stays_while_it_is_there(store: Store) -> None:
    approve(store, 1, doubt=pairs.FOUND_EDITED)
    approve(store, 1, doubt=pairs.FOUND_EDITED)
    assert (find(store, 1).state, find(store, 1).reason) == ("quarantined", pairs.FOUND_EDITED)
    approve(store, 1)
    assert (find(store, 1).state, find(store, 1).reason) == ("active", "")


def test_what_is_withdrawn_is_compared_no_more(store: Store) -> None:
    approve(store, 1)
    take_back(store, 1)
    with store.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(schema.pair_bands)).scalar_one() == 0


def test_burst_is_set_aside_as_a_whole_and_by_slacks_times(store: Store) -> None:
    lines = iter(("red", "blue", "green", "black", "white", "brown", "grey"))
    for number, at in enumerate((40.0, 10.0, 30.0, 20.0)):
        approve(store, number, question=f"Is the {next(lines)} one good for a garden?", at=at)
    assert set(states(store).values()) == {"quarantined"}
    assert kinds(store, 0) == ["burst"]
    approve(store, 10, question=f"Is the {next(lines)} one good for a garden?", at=500.0)
    approve(store, 11, question=f"Is the {next(lines)} one good for a garden?", at=20.0, by="U2")
    approve(store, 12, question=f"Is the {next(lines)} one good for a garden?")
    assert {states(store)[number] for number in (10, 11, 12)} == {"active"}
    decide(store, 0, "active")
    take_back(store, 1)
    assert states(store)[0] == "active"
    assert states(store)[2] == "quarantined"


def test_burst_is_forgotten_of_replies_that_are_approved_anew(store: Store) -> None:
    questions = {
        number: f"Is the {word} one good for a garden?" for number, word in enumerate(("red", "blue", "green", "black"))
    }
    for number, question in questions.items():
        approve(store, number, question=question, at=number)
    take_back(store, 0)
    approve(store, 0, question=questions[0], at=0)  # by the same approval, as when a veto is gone
    assert (states(store)[0], kinds(store, 0)) == ("quarantined", ["burst"])
    for number, by in ((0, "U2"), (1, "U1")):
        take_back(store, number)
        approve(store, number, question=questions[number], by=by, at=5000.0)
    assert states(store) == {0: "active", 1: "active", 2: "quarantined", 3: "quarantined"}
    assert kinds(store, 0) == kinds(store, 1) == []


def test_one_persons_day_has_its_cap(store: Store) -> None:
    for number in range(8):
        approve(store, number, question=f"What is the price of lamp {number}, please?", at=number * 100.0)
    assert [states(store)[number] for number in range(8)] == ["active"] * 6 + ["quarantined"] * 2
    assert kinds(store, 7) == ["over_cap"]
    approve(store, 20, question="What is the price of lamp 20, please?", at=86_400.0)
    assert states(store)[20] == "active"


REPLIES = (
    FIVE_DAYS,
    NINE_DAYS,
    "Yes, we do ship to Norway. It takes 5 working days.",
    "No, we do not ship there.",
    "Ok, thanks!",
    "Have a look at the page on shipping, it lists every country.",
)
QUESTIONS = (NORWAY, NORWAY.replace("Do you", "Hi! Do you"), "Do you ship to Sweden, and how long does it take?")
STEPS = st.tuples(
    st.integers(0, 6), st.sampled_from(["approve", "approve", "take back", "keep", "leave out"]), st.integers(0, 17)
)


def test_every_order_ends_alike(store: Store) -> None:
    """What pairs are there and what was decided says which are in; the reference goes through them one by one."""

    @hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(STEPS, min_size=2, max_size=14), st.integers(0, 1000))
    def check(steps: list[tuple[int, str, int]], seed: int) -> None:
        with store.write() as conn:
            conn.execute(sa.delete(schema.pairs))
        said = {number: (QUESTIONS[variant % 3], REPLIES[variant // 3]) for number, _, variant in steps}
        standing = dict.fromkeys(said, "none")
        chance.Random(seed).shuffle(steps)
        for number, step, _ in steps:
            if step == "approve":
                question, reply = said[number]
                approve(store, number, question=question, reply=reply)
                standing[number] = {"none": "open", "back": "open"}.get(standing[number], standing[number])
            elif standing[number] == "none":
                continue
            elif step == "take back":
                take_back(store, number)
                standing[number] = "out" if standing[number] == "out" else "back"
            else:
                decide(store, number, "active" if step == "keep" else "withdrawn")
                standing[number] = "kept" if step == "keep" else "out"
        assert states(store) == expect(said, standing)

    check()


def expect(said: dict[int, tuple[str, str]], standing: dict[int, str]) -> dict[int, str]:
    """The states by the rule as it is told, without any of the machinery."""
    found = {number: "withdrawn" for number, how in standing.items() if how in ("back", "out")}
    found |= {number: "active" for number, how in standing.items() if how == "kept"}
    for number in sorted(number for number, how in standing.items() if how == "open"):
        mine = read_exchange([Turn("customer", said[number][0])], said[number][1])
        related = set()
        for other, state in found.items():
            theirs = read_exchange([Turn("customer", said[other][0])], said[other][1])
            comes_first = standing[other] == "kept" or other < number
            if state == "active" and comes_first and mine is not None and theirs is not None:
                likeness = compare_exchanges(mine, theirs)
                related |= {"holding" if likeness.holds else likeness.kind} if likeness else set()
        is_held = "holding" in related or said[number][1] == "Ok, thanks!"
        found[number] = "merged" if "same" in related else "quarantined" if is_held else "active"
    return found


def test_erasing_one_lets_its_duplicates_in(store: Store) -> None:
    for number in range(3):
        approve(store, number)
    with store.write() as conn:
        pair_ids = [find(store, 0).pair_id]
        pairs.erase_pairs(conn, pair_ids, reason=pairs.EXPIRED, now=store.now())
        ask_for_dependents(conn, store, pair_ids, shows_sign=True)
    assert states(store) == {0: "withdrawn", 1: "active", 2: "merged"}


def is_waited_for(store: Store) -> bool:
    """Whether a writer waits for another: on SQLite from its beginning, so that there is nothing to look at."""
    if store.engine.dialect.name == "sqlite":
        return True
    with store.read() as conn:
        return bool(conn.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar_one())


def test_writer_waits_for_another_and_sees_its_pairs(store: Store) -> None:
    """On PostgreSQL nobody sees what others have not committed: without the lock on the desk both would stay in."""
    with ThreadPoolExecutor(1) as other:
        with store.write() as conn:
            put(conn, store, 1)
            do_now(conn, curate)
            second = other.submit(approve, store, 2)
            while not (second.done() or is_waited_for(store)):
                pass
        second.result(30)
    assert states(store) == {1: "active", 2: "merged"}


def test_older_pair_that_another_writer_holds_is_passed_over_and_judged_by_them(store: Store) -> None:
    approve(store, 1)
    approve(store, 2)
    with ThreadPoolExecutor(1) as other:
        with store.write() as conn:
            put(conn, store, 2)  # holds the row; nothing changes
            second = other.submit(take_back, store, 1)
            if store.engine.dialect.name == "postgresql":
                second.result(30)
        second.result(30)
    assert states(store) == {1: "withdrawn", 2: "active"}


def test_pairs_of_a_snapshot_that_is_being_recorded_are_judged(store: Store) -> None:
    """On PostgreSQL a snapshot locks the keys of its pairs until it is whole, and nobody judges them after it."""
    approve(store, 10)
    approve(store, 11)
    approve(store, 20, question="Can I pay by invoice, please?")
    with ThreadPoolExecutor(1) as other:
        with store.write() as conn:
            run, _ = runs.open_run(conn, desk_id="support", reason="threshold", now=store.now())
            row = {"run_id": run.run_id, "held_out": False}
            snapshot = [{**row, "pair_id": find(store, number).pair_id} for number in (10, 20)]
            conn.execute(sa.insert(schema.snapshot_pairs), snapshot)
            writers = [
                other.submit(approve, store, 5, reply=NINE_DAYS),
                other.submit(take_back, store, 10),
                other.submit(approve, store, 15, question="Can I pay by invoice, please?", reply=NINE_DAYS),
            ]
            if store.engine.dialect.name == "postgresql":
                for writer in writers:
                    writer.result(30)
        for writer in writers:
            writer.result(30)
    assert states(store) == {5: "active", 10: "withdrawn", 11: "quarantined", 15: "active", 20: "quarantined"}
    take_back(store, 5)
    assert states(store)[11] == "active"


def test_pairs_that_lose_their_approvers_name_are_judged_after_it(store: Store) -> None:
    """On PostgreSQL forgetting someone holds the pairs they approved, although nothing that counts changes in them."""
    approve(store, 1, by="U1")
    approve(store, 2, by="U2")
    digest = digest_person(store.sealer, "U2")
    tombstone = Tombstone("forget-1", digest, ("support",), "2000.000000", "U9", store.now())
    with ThreadPoolExecutor(1) as other:
        with store.write() as conn:
            forget_person(conn, store, tombstone, min_pairs=1, shows_sign=True)
            first = other.submit(decide, store, 1, "withdrawn")
            if store.engine.dialect.name == "postgresql":
                first.result(30)
        first.result(30)
    assert states(store) == {1: "withdrawn", 2: "active"}
