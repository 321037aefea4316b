"""Which pairs train, judge and are left out, and that no growth turns one into the other."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from thumbtune.core.candidates import Candidate, Place, weigh_conversation, weigh_pair
from thumbtune.core.curation.likeness import ALIKE, measure_likeness, read_asked
from thumbtune.core.prompt import Turn
from thumbtune.core.records import TrainingPair
from thumbtune.core.selection import GOLDEN, SAME, STRADDLING, Selection, choose, compare_candidates
from thumbtune.core.settings import Settings

SETTINGS = Settings(_env_file=None, min_pairs=4, held_out_min=10, held_out_max=1000)
NOW = datetime(2026, 3, 2, tzinfo=UTC)
ENDINGS = ("", " please", " thanks", " today", " soon", " again", " at all")
TOPICS = (
    "May I return a lamp that I bought in your shop in town and have used",
    "Where do I find the serial number of the radio that I was given",
    "My kettle makes a loud noise when the water boils and then stops",
    "How do I cancel the subscription to your magazine that my son has",
    "Which paint do you recommend for a wooden fence that stands in the rain",
    "Any news?",
)


def make_pair(pair_id: int, thread: int, *texts: str, reply: str = "Certainly.") -> TrainingPair:
    turns = tuple(Turn("customer" if at % 2 == 0 else "agent", text) for at, text in enumerate(texts))
    place = ("support", "T1", "C1", f"{thread}.0", f"{thread}.{pair_id}")
    return TrainingPair(pair_id, *place, turns, reply, (), "active", "", "human", "U1", NOW, NOW)


def select(
    pairs: Sequence[TrainingPair], sides: dict[Place, bool], golden: Sequence[Sequence[Turn]] = (), **changes: object
) -> Selection:
    candidates: list[Candidate] = [weigh_pair(pair) for pair in pairs]
    comparison = compare_candidates(candidates, golden=[weigh_conversation(turns) for turns in golden])
    return choose(candidates, comparison, sides=sides, settings=SETTINGS.model_copy(update=changes))


def ask_the_same(one: TrainingPair, other: TrainingPair) -> bool:
    first, second = read_asked(one.turns), read_asked(other.turns)
    if first is None or second is None:
        return (one.turns, one.reply) == (other.turns, other.reply)
    shares = [measure_likeness(getattr(first, name), getattr(second, name)) for name in ("conversation", "question")]
    return min(shares) >= ALIKE and first.question_facts == second.question_facts


def check_nobody_is_judged_by_what_was_trained_on(pairs: Sequence[TrainingPair], selection: Selection) -> None:
    by_id = {pair.pair_id: pair for pair in pairs}
    for one, other in itertools.product(selection.trained, selection.held_out):
        assert not ask_the_same(by_id[one], by_id[other]), (one, other)
        assert by_id[one].thread_ts != by_id[other].thread_ts


question = st.tuples(st.sampled_from(TOPICS), st.sampled_from(ENDINGS), st.integers(0, 12))
arrival = st.tuples(st.integers(0, 25), question, st.sampled_from(("Certainly.", "Let me see.", "No, sorry.")))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.lists(arrival, max_size=30), max_size=5))
def test_growth_moves_nothing_and_no_near_duplicate_is_on_both_sides(
    growth: list[list[tuple[int, tuple[str, str, int], str]]],
) -> None:
    pairs: list[TrainingPair] = []
    sides: dict[Place, bool] = {}
    before = Selection()
    for arrivals in growth:
        for thread, (topic, ending, number), reply in arrivals:
            text = f"{topic}{ending}{f', order number {number}' if number > 6 else ''}"
            pairs.append(make_pair(len(pairs) + 1, thread, text, reply=reply))
        now = select(pairs, sides)
        check_nobody_is_judged_by_what_was_trained_on(pairs, now)
        assert dict(now.sides) | sides == dict(now.sides)
        assert set(before.trained) <= set(now.trained)
        assert set(before.held_out) <= set(now.held_out)
        everyone = sorted((*now.trained, *now.held_out, *now.left_out))
        assert everyone == [pair.pair_id for pair in pairs]
        assert sum(now.dropped.values()) == len(now.left_out)
        before, sides = now, dict(now.sides)


def test_exchange_that_is_there_twice_judges_once() -> None:
    pairs = [make_pair(1, 0, TOPICS[0]), make_pair(2, 1, TOPICS[0]), make_pair(3, 2, TOPICS[1])]
    sides = {("T1", "C1", "0.0"): True, ("T1", "C1", "1.0"): True, ("T1", "C1", "2.0"): False}
    now = select(pairs, sides)
    assert (now.trained, now.held_out, now.left_out) == ((3,), (1,), (2,))
    assert now.dropped == {SAME: 1}


def test_pair_between_two_sides_gives_way_and_those_before_it_stay() -> None:
    held_out, trained = ("T1", "C1", "0.0"), ("T1", "C1", "1.0")
    sides = {held_out: True, trained: False}
    pairs = [make_pair(1, 0, TOPICS[0]), make_pair(2, 1, TOPICS[1])]
    for later, thread, topic in ((3, 0, TOPICS[1]), (4, 1, TOPICS[0]), (5, 2, TOPICS[0]), (6, 3, TOPICS[1])):
        pairs.append(make_pair(later, thread, f"{topic} before", reply=f"As you wish {later}."))
    now = select(pairs, sides)
    assert (now.trained, now.held_out, now.left_out) == ((2, 6), (1, 5), (3, 4))
    assert now.dropped == {STRADDLING: 2}


def test_what_asks_what_a_golden_case_asks_is_never_trained_on() -> None:
    pairs = [make_pair(number, number, f"{TOPICS[number % 5]} number {number}") for number in range(10)]
    pairs += [make_pair(20, 20, TOPICS[0]), make_pair(21, 21, f"{TOPICS[0]} please"), make_pair(22, 22, "Any news?")]
    pairs += [make_pair(23, 23, "Any news?", "No.", "And now?"), make_pair(24, 24, "any  news?", reply="None.")]
    golden = [(Turn("customer", TOPICS[0]),), (Turn("customer", "Any news?"),)]
    nothing_held_out = {"held_out_share": 0.01, "held_out_min": 0}
    now = select(pairs, {}, golden, **nothing_held_out)
    assert now.left_out == (20, 21, 22, 24)
    assert now.dropped == {GOLDEN: 4}
    assert len(now.trained) == 11


def test_golden_pairs_do_not_count_as_pairs_that_are_left_to_train_on() -> None:
    pairs = [make_pair(number, number, f"{TOPICS[number % 5]} number {number}") for number in range(12)]
    golden = [pair.turns for pair in pairs[:4]]
    assert len(select(pairs, {}, golden, min_pairs=8).trained) == 8
