"""Whoever waits longest writes next."""

import threading

import pytest

from thumbtune.core.store.turn import Turn

PATIENCE_S = 10.0


def test_turn_is_handed_on_in_the_order_of_asking() -> None:
    turn, order = Turn(), list[int]()

    def write(number: int) -> None:
        with turn:
            order.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    with turn:
        for number, thread in enumerate(threads):
            thread.start()
            while turn.count_waiting() <= number:
                assert thread.is_alive()
    with turn:  # asked for last, however quick this thread is
        order.append(99)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert order == [0, 1, 2, 3, 4, 99]


def test_turn_is_free_after_an_error() -> None:
    turn = Turn()
    with pytest.raises(ValueError, match="broken"), turn:
        raise ValueError("broken")
    with turn:
        assert turn.count_waiting() == 0
