"""Measures adapters on replies that are not of a run, by the same child program as a run's evaluation.

It does not know the store or where the replies come from.
"""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from thumbtune.core.errors import BadInput, TrainingError
from thumbtune.core.prompt import ChatMessage
from thumbtune.core.settings import Settings
from thumbtune.trainer.backend import LocalBackend
from thumbtune.trainer.child import EXIT_OK, REASONS
from thumbtune.trainer.recipe import dump_recipe, plan_recipe
from thumbtune.trainer.snapshot_files import HELD_OUT_NAME, META_NAME, RECIPE_NAME, SnapshotMeta, dump_meta

_POLL_S = 0.1


@dataclass(frozen=True)
class Reply:
    """One reply with the prompts to try in turn, the longest first."""

    key: str
    thread_id: str
    prompts: Sequence[Sequence[ChatMessage]]
    reply: str


@dataclass(frozen=True)
class Measured:
    """Each reply's tokens and summed negative log likelihood under each model, and what could not be measured and why."""

    tokens: dict[str, int]
    nll: dict[str, dict[str, float]]
    grounding: dict[str, dict[str, float]]
    """As `compare_grounding` says it."""
    skipped: dict[str, int]


def measure_replies(
    replies: Sequence[Reply],
    *,
    voice: str,
    settings: Settings,
    base: Path,
    candidate: Path,
    live: Path | None,
    on_progress: Callable[[float], None],
) -> Measured:
    """Return what base, `candidate` and `live` make of these replies; `on_progress` is told the share done.

    `voice` is the one that the prompts were built with.

    Raises: BadInput when they cannot be measured with these files; TrainingError when the program ended otherwise.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".evaluate-", dir=settings.data_dir) as name:
        work = Path(name).resolve()
        lines = [
            {"pair_id": reply.key, "thread_id": reply.thread_id, "messages": reply.prompts[0], "reply": reply.reply}
            | ({"shorter": list(reply.prompts[1:])} if reply.prompts[1:] else {})
            for reply in replies
        ]
        content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (work / HELD_OUT_NAME).write_bytes(content.encode("utf-8", "replace"))
        (work / META_NAME).write_bytes(dump_meta(SnapshotMeta("", "", voice, "", (), (), 0, {})))
        (work / RECIPE_NAME).write_bytes(dump_recipe(plan_recipe(settings, base)))
        out = work / "evaluation.json"
        arguments = ["--snapshot", str(work), "--base", str(base), "--recipe", str(work / RECIPE_NAME)]
        arguments += ["--candidate", str(candidate), "--out", str(out)]
        arguments += ["--live", str(live)] if live is not None else []
        _run(arguments, log_path=settings.logs_dir / "evaluate.log", on_progress=on_progress)
        found = json.loads(out.read_bytes())
    return Measured(
        {score["pair_id"]: score["tokens"] for score in found["scores"]},
        {score["pair_id"]: score["nll"] for score in found["scores"]},
        found["grounding"],
        found["skipped"],
    )


def _run(arguments: Sequence[str], *, log_path: Path, on_progress: Callable[[float], None]) -> None:
    job = LocalBackend().submit("evaluate", arguments=arguments, log_path=log_path)
    reason = ""
    try:
        while True:
            status = job.poll()
            for event in status.events:
                if event["event"] == "progress":
                    on_progress(event["step"] / event["steps"])
                elif event["event"] == "failed":
                    reason = event["reason"]
            if status.exit_code is not None:
                break
            time.sleep(_POLL_S)
    finally:
        job.cancel()
    if status.exit_code in REASONS:
        raise BadInput(f"it could not be measured: {reason or REASONS[status.exit_code]}")
    if status.exit_code != EXIT_OK:
        raise TrainingError(f"the evaluation ended with exit code {status.exit_code}; see {log_path}")
