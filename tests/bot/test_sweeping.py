from datetime import UTC, datetime, timedelta
from itertools import pairwise

from thumbtune.bot.sweeping import choose_unchanged, list_changed

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
THREADS = [f"17724000{number:02}.000000" for number in range(100)]


def test_first_sweep_looks_at_every_thread_newest_first() -> None:
    assert choose_unchanged(THREADS, swept_at=None, began_at=NOON, newest=3) == THREADS[::-1]


def test_newest_threads_are_looked_at_in_each_sweep() -> None:
    soon = NOON + timedelta(seconds=1)
    assert list(choose_unchanged(THREADS, swept_at=NOON, began_at=soon, newest=3))[:3] == THREADS[:-4:-1]


def test_each_thread_is_looked_at_once_a_day_whenever_the_sweeps_are() -> None:
    moments = [NOON + timedelta(hours=hours) for hours in (0, 1, 1.5, 2, 9, 10, 11, 12, 23, 24)]
    sweeps = [
        choose_unchanged(THREADS, swept_at=swept_at, began_at=began_at, newest=0)
        for swept_at, began_at in pairwise(moments)
    ]
    assert sorted(ts for sweep in sweeps for ts in sweep) == THREADS
    assert 0 < len(sweeps[0]) < 20


def test_after_more_than_a_day_every_thread_is_looked_at_once() -> None:
    after = NOON + timedelta(days=2)
    assert choose_unchanged(THREADS, swept_at=NOON, began_at=after, newest=1) == THREADS[::-1]


def test_thread_is_changed_when_its_beginning_is_gone_or_edited_or_something_is_new_in_it() -> None:
    roots = [
        {"ts": "1.0"},
        {"ts": "2.0", "edited": {"user": "U1", "ts": "8.0"}},
        {"ts": "3.0", "edited": {"user": "U1", "ts": "7.0"}},
        {"ts": "4.0", "subtype": "tombstone", "latest_reply": "4.5"},
        {"ts": "5.0", "latest_reply": "9.5"},
        {"ts": "9.2", "thread_ts": "0.5", "subtype": "thread_broadcast"},
    ]
    stored = {"1.0": "", "2.0": "8.0", "3.0": "", "4.0": "", "5.0": "", "6.0": ""}
    assert list_changed(roots, stored, since="9.0") == {"0.5", "3.0", "4.0", "5.0", "6.0"}
