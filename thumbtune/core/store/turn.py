"""Lets the threads of a process write one after another, in the order in which they asked.

It does not know what is written. A lock of Python's own goes to whoever is quickest: a thread that writes all the time keeps
one that writes now and then waiting for seconds.
"""

import threading
from collections import deque
from types import TracebackType


class Turn:
    """A lock that is handed on to whoever has waited longest; a thread must not take it twice."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            mine.acquire()
        except BaseException:  # interrupted: whoever comes next must not wait for ever
            with self._guard:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                else:
                    self._hand_on()
            raise

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._guard:
            self._hand_on()

    def count_waiting(self) -> int:
        """Return how many threads wait for their turn."""
        return len(self._waiting)

    def _hand_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().release()
        else:
            self._is_taken = False
