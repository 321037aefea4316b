"""Writes a desk's pairs to files: chat JSONL, or a folder that Hugging Face's datasets library loads.

It does not know the command line. What is written is what training sees, with the pair's own turns, passages and place
beside it, from which `thumbtune pairs import` makes the same pairs of those that are in use.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from thumbtune.core.errors import BadInput
from thumbtune.core.prompt import ChatMessage, build_prompt
from thumbtune.core.records import Desk, PairState, TrainingPair
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.places import load_revisions

ExportFormat = Literal["jsonl", "hf"]
PAGE = 500


@dataclass
class Written:
    """What was written."""

    pairs: int = 0
    threads: set[str] = field(default_factory=set)
    sources: Counter[str] = field(default_factory=Counter)
    sha256: str = ""


def export_pairs(
    store: Store, desk: Desk, out: Path, *, form: ExportFormat, state: PairState, settings: Settings
) -> Written:
    """Write the desk's pairs of one state; it is audited, and `out` is whole or not there.

    Raises: BadInput when `out` cannot be written, or is there already.
    """
    if out.exists():
        raise BadInput(f"{out} exists already: remove it or name another")
    aside = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        if form == "hf":
            (aside / "data").mkdir(parents=True)
            written = _write_lines(aside / "data" / "train.jsonl", store, desk, state=state, settings=settings)
            (aside / "README.md").write_text(_build_card(desk, written, state=state, store=store), encoding="utf-8")
        else:
            out.parent.mkdir(parents=True, exist_ok=True)
            written = _write_lines(aside, store, desk, state=state, settings=settings)
        detail = {"format": form, "state": state, "pairs": written.pairs, "sha256": written.sha256}
        with store.write() as conn:
            now = store.now()
            record_act(conn, actor="cli", action="pairs_exported", subject=desk.desk_id, now=now, detail=detail)
        aside.replace(out)
    except OSError as exc:
        raise BadInput(f"{out} cannot be written: {exc.strerror}") from exc
    finally:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # where nothing could be written, nothing is left
                aside.unlink()
    return written


def _write_lines(path: Path, store: Store, desk: Desk, *, state: PairState, settings: Settings) -> Written:
    written, digest = Written(), hashlib.sha256()
    with path.open("wb") as stream:
        for pair, revision in _read_pairs(store, desk_id=desk.desk_id, state=state):
            line = _build_line(pair, revision, desk=desk, max_prompt_chars=settings.max_prompt_chars)
            data = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "replace")
            digest.update(data)
            stream.write(data)
            written.pairs += 1
            written.threads.add(str(line["thread_id"]))
            written.sources[pair.source] += 1
        _sync(stream)
    written.sha256 = digest.hexdigest()
    return written


def _build_line(pair: TrainingPair, revision: str, *, desk: Desk, max_prompt_chars: int) -> dict[str, Any]:  # Any: JSON
    reply: ChatMessage = {"role": "assistant", "content": pair.reply}
    prompt = build_prompt(pair.turns, voice=desk.voice, max_chars=max_prompt_chars, passages=pair.passages)
    return {
        "messages": [*prompt, reply],
        "pair_id": pair.pair_id,
        "thread_id": f"{pair.team_id}:{pair.channel_id}:{pair.thread_ts}",
        "reply_ts": pair.reply_ts,
        "revision": revision,
        "turns": [asdict(turn) for turn in pair.turns],
        "passages": [asdict(passage) for passage in pair.passages],
        "source": pair.source,
        "state": pair.state,
        "approved_by": pair.approved_by,
        "created_at": pair.created_at.isoformat(),
    }


def _read_pairs(store: Store, *, desk_id: str, state: PairState) -> Iterator[tuple[TrainingPair, str]]:
    after = 0
    while True:
        with store.read() as conn:
            page = list_pairs(conn, desk_id=desk_id, state=state, after_id=after, limit=PAGE)
            revisions = load_revisions(conn, [pair.pair_id for pair in page])
        yield from ((pair, revisions[pair.pair_id]) for pair in page)
        if len(page) < PAGE:
            return
        after = page[-1].pair_id


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _build_card(desk: Desk, written: Written, *, state: PairState, store: Store) -> str:
    """Return the dataset card; its features are written out, as an empty list would tell a loader nothing."""
    sources = "".join(f"| {source} | {count} |\n" for source, count in sorted(written.sources.items()))
    return CARD.format(
        desk_id=desk.desk_id,
        pairs=written.pairs,
        threads=len(written.threads),
        sources=sources,
        sha256=written.sha256,
        state=state,
        at=store.now().isoformat(timespec="seconds"),
    )


CARD = """---
pretty_name: Approved replies of the desk {desk_id}
task_categories:
- text-generation
tags:
- customer-support
- thumbtune
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train.jsonl
dataset_info:
  features:
  - name: messages
    list:
    - name: role
      dtype: string
    - name: content
      dtype: string
  - name: pair_id
    dtype: int64
  - name: thread_id
    dtype: string
  - name: reply_ts
    dtype: string
  - name: revision
    dtype: string
  - name: turns
    list:
    - name: role
      dtype: string
    - name: text
      dtype: string
  - name: passages
    list:
    - name: title
      dtype: string
    - name: text
      dtype: string
  - name: source
    dtype: string
  - name: state
    dtype: string
  - name: approved_by
    dtype: string
  - name: created_at
    dtype: string
---

# Approved replies of the desk {desk_id}

Replies of a support team that its approvers approved, each with the conversation it answers. The last message of
`messages` is the reply; those before it are what the model is asked and trained with. Written by Thumbtune at {at}.

| | |
|---|---|
| pairs ({state}) | {pairs} |
| conversations | {threads} |
| SHA-256 of data/train.jsonl | `{sha256}` |

| where they come from | pairs |
|---|---|
{sources}
## Redaction

E-mail addresses, phone numbers, cards, IBANs, keys, order numbers and the names of those in the conversation are replaced
by placeholders such as `[EMAIL_1]` and `[NAME_2]`, the same for the same thing within a conversation; the originals are not
in Thumbtune's store. Other personal details that people wrote in free words may remain: treat the texts as the team's own
and confidential. `approved_by` and `thread_id` hold ids of the workspace.

## Use

    datasets.load_dataset("path/of/this/folder")

Split by `thread_id`, so that no conversation is on both sides.
"""
