from hypothesis import given
from hypothesis import strategies as st

from thumbtune.core.split import is_held_out


@given(st.integers(0, 10**9), st.floats(0.01, 0.49))
def test_thread_once_held_out_stays_so_when_the_share_grows(number: int, share: float) -> None:
    place = ("T1", "C1", f"{number}.000001")
    if is_held_out(*place, share=share):
        assert is_held_out(*place, share=min(0.5, share + 0.1))


def test_share_of_threads_held_out_is_the_share_asked_for() -> None:
    held_out = sum(is_held_out("T1", "C1", f"{number}.000001", share=0.1) for number in range(10_000))
    assert 900 < held_out < 1100
