"""Lists a desk's preference pairs and writes them to a file, in the form that trainers of preferences read.

It does not know the command line, or how preference pairs are found.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thumbtune.core.errors import BadInput
from thumbtune.core.preferences import Preference, read_preferences
from thumbtune.core.prompt import ChatMessage, build_prompt
from thumbtune.core.records import Desk
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.audits import record_act


def list_preferences(store: Store, desk: Desk) -> list[dict[str, Any]]:  # Any: JSON
    """Return a desk's preference pairs, oldest pair first, with what became of the draft."""
    return [
        {
            "pair_id": found.pair.pair_id,
            "draft_id": found.draft_id,
            "state": found.state,
            "mode": found.mode,
            "adapter": found.adapter,
            "edit_share": found.edit_share,
            "chosen": found.pair.reply,
            "rejected": found.rejected,
        }
        for found in read_preferences(store, desk_id=desk.desk_id)
    ]


def export_preferences(store: Store, desk: Desk, out: Path, *, settings: Settings) -> int:
    """Write a desk's preference pairs as JSONL (`prompt`, `chosen`, `rejected` as chat messages); return how many.

    It is audited, and `out` is whole or not there.
    Source of the form: huggingface.co/docs/trl, "DPO Trainer", conversational format, seen 2026-11-21.
    Raises: BadInput when `out` cannot be written, or is there already.
    """
    if out.exists():
        raise BadInput(f"{out} exists already: remove it or name another")
    aside = out.with_name(f".{out.name}.part")
    digest, count = hashlib.sha256(), 0
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as stream:
            for line in _build_lines(store, desk, settings=settings):
                digest.update(line)
                stream.write(line)
                count += 1
            stream.flush()
            os.fsync(stream.fileno())
        with store.write() as conn:
            detail = {"pairs": count, "sha256": digest.hexdigest()}
            record_act(
                conn, actor="cli", action="preferences_exported", subject=desk.desk_id, now=store.now(), detail=detail
            )
        aside.replace(out)
    except OSError as exc:
        raise BadInput(f"{out} cannot be written: {exc.strerror}") from exc
    finally:
        with contextlib.suppress(OSError):  # where nothing could be written, nothing is left
            aside.unlink()
    return count


def _build_lines(store: Store, desk: Desk, *, settings: Settings) -> Iterator[bytes]:
    for found in read_preferences(store, desk_id=desk.desk_id):
        yield (json.dumps(_build_line(found, desk=desk, settings=settings), ensure_ascii=False) + "\n").encode(
            "utf-8", "replace"
        )


def _build_line(found: Preference, *, desk: Desk, settings: Settings) -> dict[str, Any]:  # Any: JSON
    pair = found.pair
    chosen: ChatMessage = {"role": "assistant", "content": pair.reply}
    rejected: ChatMessage = {"role": "assistant", "content": found.rejected}
    return {
        "prompt": build_prompt(
            pair.turns, voice=desk.voice, max_chars=settings.max_prompt_chars, passages=pair.passages
        ),
        "chosen": [chosen],
        "rejected": [rejected],
        "pair_id": pair.pair_id,
        "draft_id": found.draft_id,
        "thread_id": f"{pair.team_id}:{pair.channel_id}:{pair.thread_ts}",
    }
