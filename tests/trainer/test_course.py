"""The curve that a run's report draws."""

from hypothesis import given
from hypothesis import strategies as st

from thumbtune.trainer.finetune import thin_out


@given(st.lists(st.floats(0, 20), max_size=1200), st.integers(1, 300))
def test_thinned_curve_keeps_its_ends_and_its_mean(losses: list[float], most: int) -> None:
    points = thin_out(losses, most=most)
    assert len(points) <= most
    assert [step for step, _ in points] == sorted({step for step, _ in points})
    assert not losses or points[-1][0] == len(losses)
    steps = [0, *(step for step, _ in points)]
    total = sum(loss * (last - first) for (_, loss), first, last in zip(points, steps, steps[1:], strict=False))
    assert abs(total - sum(losses)) <= 1e-5 * max(1, len(losses))


def test_short_curve_stays_as_it_is() -> None:
    assert thin_out([2.0, 1.5, 1.25]) == [(1, 2.0), (2, 1.5), (3, 1.25)]
