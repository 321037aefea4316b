"""A run that a lead asks for: what it would use, which is shown first, and its beginning.

It does not know who may ask, or how training works.
"""

from dataclasses import dataclass

from thumbtune.core.preferences import read_preferences
from thumbtune.core.records import FEWEST_TO_SET_ASIDE, Desk, TrainingRun
from thumbtune.core.selection import select_pairs
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.pairs import count_new_pairs, count_pairs
from thumbtune.core.store.runs import open_run


@dataclass(frozen=True)
class RunPreview:
    """What a run that started now would use of a desk's pairs."""

    new: int
    """Pairs that the last judged run did not see."""
    trained: int
    held_out: int
    dropped: dict[str, int]
    """How many are in use and yet left out, by reason."""
    waiting: int
    """How many wait for a lead's review."""
    min_pairs: int
    preferences: int = 0
    """Preference pairs of those to learn from."""
    preferences_needed: int = 0
    """How many a second stage needs; 0 when the settings ask for none."""
    trained_threads: int = 0
    """Conversations of those to learn from."""

    @property
    def is_enough(self) -> bool:
        """Whether a run can start."""
        return self.trained >= self.min_pairs

    @property
    def has_second_stage(self) -> bool:
        """Whether the settings ask for a second stage, and there is enough for one."""
        return 0 < self.preferences_needed <= self.preferences and self.trained_threads >= FEWEST_TO_SET_ASIDE


def preview_run(store: Store, settings: Settings, *, desk_id: str) -> RunPreview:
    """Return what a run would use, counted as its snapshot counts."""
    selection = select_pairs(store, desk_id=desk_id, settings=settings)
    preferences = sum(1 for _ in read_preferences(store, desk_id=desk_id, pair_ids=set(selection.trained)))
    with store.read() as conn:
        return RunPreview(
            new=count_new_pairs(conn, desk_id=desk_id),
            trained=len(selection.trained),
            held_out=len(selection.held_out),
            dropped=selection.dropped,
            waiting=count_pairs(conn, desk_id=desk_id).get("quarantined", 0),
            min_pairs=settings.min_pairs,
            preferences=preferences,
            preferences_needed=0 if settings.train_preferences == "off" else settings.train_preference_min,
            trained_threads=selection.trained_threads,
        )


def describe_preview(preview: RunPreview) -> list[str]:
    """Return what a run would use in words, a line each."""
    lines = [
        f"{preview.new} new since the last run",
        f"{preview.trained} to learn from, {preview.held_out} held out to judge by",
    ]
    if preview.dropped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(preview.dropped.items()))
        lines.append(f"{sum(preview.dropped.values())} left out: {reasons}")
    if preview.waiting:
        lines.append(f"{preview.waiting} not in use until a lead has reviewed them")
    if preview.has_second_stage:
        lines.append(f"{preview.preferences} preference pairs, from which a second stage learns")
    elif 0 < preview.preferences_needed <= preview.preferences:
        lines.append(
            f"{preview.preferences} preference pairs: no second stage, which needs {FEWEST_TO_SET_ASIDE} conversations to learn "
            f"from, to set some aside and check it by; there are {preview.trained_threads}"
        )
    elif preview.preferences_needed:
        lines.append(
            f"{preview.preferences} preference pairs: no second stage, which needs {preview.preferences_needed}"
        )
    elif preview.preferences:
        lines.append(f"{preview.preferences} preference pairs, not used: train_preferences is off")
    return lines


def describe_lack(preview: RunPreview, desk: Desk) -> str:
    """Return why a run cannot start, with what to do."""
    replies = "approved reply" if preview.trained == 1 else "approved replies"
    return (
        f"{desk.name} has {preview.trained} {replies} to learn from; training needs at least {preview.min_pairs}. "
        "Give a 👍 to good replies and try again."
    )


def request_run(store: Store, desk: Desk, *, by: str, announce_channel: str | None) -> tuple[TrainingRun, bool]:
    """Open a run for who asked and return it with True; the one that is open already with False."""
    now = store.now()
    with store.write() as conn:
        run, is_new = open_run(
            conn,
            desk_id=desk.desk_id,
            reason="retrain",
            now=now,
            requested_by=by,
            announce_channel=announce_channel,
        )
        if is_new:
            record_act(conn, actor=by, action="run_requested", subject=run.run_id, now=now)
    return run, is_new
