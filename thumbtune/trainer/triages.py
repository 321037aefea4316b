"""Freezes what agents made of a desk's triages, as a task of its own beside the replies of a snapshot.

It does not know tokenizers or models. A thread is on one side for both tasks.
"""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from thumbtune.core.candidates import Place, weigh_conversation
from thumbtune.core.prompt import build_triage_prompt, list_budgets
from thumbtune.core.records import Desk, ThreadTriage
from thumbtune.core.settings import Settings
from thumbtune.core.split import is_held_out
from thumbtune.core.store.engine import Store
from thumbtune.core.store.golden import list_cases, list_places
from thumbtune.core.store.sides import keep_sides, load_sides, lock_sides
from thumbtune.core.store.triages import list_taught
from thumbtune.core.triage import MIN_TRIAGES, dump_triage
from thumbtune.trainer.publish import write_durably
from thumbtune.trainer.snapshot_files import dump_line


def freeze_triages(path: Path, store: Store, *, desk: Desk, settings: Settings) -> tuple[list[int], list[int]]:
    """Write the triages that a run trains on, and return their ids and those of the ones held out; none while too few.

    A held-out one whose conversation is the same as one that is trained on is left out, and so is one of a golden case.
    """
    with store.write() as conn:
        lock_sides(conn, desk_id=desk.desk_id)
        taught = list_taught(conn, desk_id=desk.desk_id) if desk.categories else []
        taught = _leave_out_golden(conn, taught, desk_id=desk.desk_id)
        sides = load_sides(conn, desk_id=desk.desk_id)
        new = {
            place: is_held_out(place, {}, share=settings.held_out_share)
            for place in map(_place, taught)
            if place not in sides
        }
        sides |= new
        trained = [item for item in taught if not sides[_place(item)]]
        if len(trained) < MIN_TRIAGES:
            trained, taught = [], []
        else:
            keep_sides(conn, new, desk_id=desk.desk_id)
    seen = {weigh_conversation(item.turns)[0] for item in trained}
    judges = [item for item in taught if sides[_place(item)] and weigh_conversation(item.turns)[0] not in seen]
    lines = [_write_line(item, desk=desk, max_prompt_chars=settings.max_prompt_chars) for item in trained]
    write_durably(path, b"".join(lines))
    return [item.triage_id for item in trained], [item.triage_id for item in judges]


def _leave_out_golden(conn: sa.Connection, items: Sequence[ThreadTriage], *, desk_id: str) -> list[ThreadTriage]:
    """Return the triages of threads that no golden case was made from, and that ask what none asks."""
    asked = {weigh_conversation(case.turns)[0] for case in list_cases(conn, desk_id=desk_id)}
    places = set(list_places(conn, desk_id=desk_id))
    return [item for item in items if _place(item) not in places and weigh_conversation(item.turns)[0] not in asked]


def _place(item: ThreadTriage) -> Place:
    return item.team_id, item.channel_id, item.thread_ts


def _write_line(item: ThreadTriage, *, desk: Desk, max_prompt_chars: int) -> bytes:
    assert item.decided is not None
    return dump_line(
        pair_id=f"triage-{item.triage_id}",
        thread_id=":".join(_place(item)),
        prompts=(
            build_triage_prompt(item.turns, categories=desk.categories, max_chars=max_chars)
            for max_chars in list_budgets(max_prompt_chars)
        ),
        reply=dump_triage(item.decided),
    )
