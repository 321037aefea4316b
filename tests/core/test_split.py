"""On which side of the split threads are, and that they stay there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thumbtune.core.candidates import Candidate, Place
from thumbtune.core.curation.alike import sign_exactly
from thumbtune.core.split import Quota, is_held_out, split_threads

QUOTA = Quota(0.1, 50, min_trained=20)


def name(number: int) -> Place:
    return ("T1", "C1", f"{number}.000001")


def make(threads: range, *, pairs: int = 1) -> list[Candidate]:
    return [
        Candidate(thread * 100 + at, name(thread), b"", b"", sign_exactly(b"%d" % thread), is_self_taught=False)
        for thread in threads
        for at in range(pairs)
    ]


@pytest.mark.parametrize(
    ("threads", "held_out"),
    [(0, 0), (1, 0), (3, 0), (20, 0), (22, 2), (30, 10), (60, 20), (150, 50), (400, 50), (500, 50), (1000, 100)],
)
def test_small_sets_hold_out_up_to_fifty_and_never_starve_training(threads: int, held_out: int) -> None:
    sides = split_threads(make(range(threads)), [], sides={}, quota=QUOTA)
    assert len(sides) == threads
    assert sum(sides.values()) == held_out


def test_thread_too_long_for_what_may_be_held_out_trains() -> None:
    candidates = [*make(range(1), pairs=90), *make(range(1, 31))]
    for quota in (Quota(0.1, 50, min_trained=2), Quota(0.1, 50, min_trained=100)):
        sides = split_threads(candidates, [], sides={}, quota=quota)
        assert not sides[name(0)]
        assert sum(sides.values()) == 10


def test_linked_threads_are_on_one_side_and_a_crowd_of_them_trains() -> None:
    crowd = [name(number) for number in range(40)]
    sides = split_threads(make(range(60)), [crowd, (name(50), name(51))], sides={}, quota=QUOTA)
    assert {sides[place] for place in crowd} == {False}
    assert sides[name(50)] == sides[name(51)]
    assert sum(sides.values()) == 20


def test_new_thread_joins_the_side_of_those_it_is_linked_to_and_of_the_first_where_they_are_on_both() -> None:
    known = {name(0): True, name(1): True, name(2): False}
    links = [
        (name(3), name(0)),
        (name(4), name(2)),
        (name(1), name(2), name(5)),
        (name(2), name(1), name(6)),
        (name(7), name(6)),
        (name(8), name(9), name(0)),
    ]
    sides = split_threads(make(range(9)), links, sides=known, quota=QUOTA)
    assert {place: sides[place] for place in known} == known
    assert [sides[name(number)] for number in range(3, 10)] == [True, False, True, False, False, True, True]


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=6), st.randoms(use_true_random=False))
def test_no_growth_moves_a_thread(growth: list[int], chance: object) -> None:
    sides: dict[Place, bool] = {}
    count = 0
    for more in growth:
        count += more
        links = [(name(number), name(number // 3)) for number in range(0, count, 4)]
        now = split_threads(make(range(count)), links, sides=sides, quota=QUOTA)
        assert now | sides == now
        assert split_threads(make(range(count)), links[::-1], sides=sides, quota=QUOTA) == now
        sides = now
    assert sum(not side for side in sides.values()) >= min(count, 20)


def test_which_are_held_out_has_nothing_to_do_with_when_they_were() -> None:
    sides = split_threads(make(range(1000)), [], sides={}, quota=QUOTA)
    early = sum(side for place, side in sides.items() if float(place[2]) < 500)
    assert 30 < early < 70


def test_thread_that_no_run_saw_may_come_to_be_held_out() -> None:
    held_out = [is_held_out(name(number), {}, share=0.1) for number in range(10_000)]
    assert 900 < sum(held_out) < 1100
    place = name(held_out.index(True))
    assert not is_held_out(place, {place: False}, share=0.1)
    place = name(held_out.index(False))
    assert is_held_out(place, {place: True}, share=0.1)
