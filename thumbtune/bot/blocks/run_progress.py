"""The one message in which a training run is followed, and the words for its result.

It does not know how a run is carried out.
"""

from thumbtune.bot.blocks.parts import ask_first, button, buttons, header, render_blocks, section, small
from thumbtune.bot.markup import encode_text
from thumbtune.bot.slack import Json
from thumbtune.core.records import OPEN_RUN_STATES, TrainingRun
from thumbtune.core.store.forgetting import REASON as FORGET

CANCEL = "run_cancel"
BAR_CELLS = 20
STAYS_LIVE = (
    "It was to replace an adapter that learned from someone who was forgotten; that one stays live until another takes its "
    "place."
)
_ICONS = {"passed": "🎉", "rejected": "↩️", "inconclusive": "🤝", "failed": "⚠️", "cancelled": "⏹️"}
_PHASES = {
    "waiting": "Waiting for a trainer",
    "snapshot": "Choosing the replies to learn from",
    "finetune": "Learning",
    "preferences": "Learning from rejected drafts",
    "evaluate": "Comparing with what is live",
    "gate": "Deciding",
    "publish": "Publishing",
}


def build_run_message(run: TrainingRun, *, desk_name: str) -> tuple[str, list[Json]]:
    """Return text and blocks for a run as it stands."""
    if run.state in OPEN_RUN_STATES:
        line = f"{_draw_bar(run.progress)} {run.progress:.0%} · {describe_phase(run)}"
        is_named = run.requested_by.startswith(("U", "W")) and run.reason != FORGET
        asked = f"asked for by <@{run.requested_by}>" if is_named else ""
        blocks = [
            section(f"*{encode_text(desk_name, link_domains=())} is learning*"),
            section(line),
            small(describe_speed(run), f"`{run.run_id}` {asked}"),
        ]
        if not run.cancel_requested:
            sure = ask_first("Cancel this training?", "What is live stays live.", confirm="Cancel the training")
            blocks.append(buttons(button("Cancel training", action_id=CANCEL, value=run.run_id, confirm=sure)))
        return f"{desk_name} is learning: {run.progress:.0%}", render_blocks(blocks)
    result = describe_result(run)
    if run.reason == FORGET and run.state != "passed":
        result = f"{result} {STAYS_LIVE}"
    blocks_done = [
        header(f"{_ICONS.get(run.state, '')} Training {run.state}"),
        section(encode_text(result, link_domains=())),
        small(_describe_figures(run)),
    ]
    return f"{desk_name}: {result}", render_blocks(blocks_done)


def describe_result(run: TrainingRun) -> str:
    """Return a closed run's result in words a team lead understands."""
    if run.message and run.state == "failed":
        return f"{run.message} What is live stays live; `thumbtune runs show {run.run_id}` says more."
    if run.message:
        return run.message
    name = run.adapter or "The candidate"
    better = _compare(run)
    words = {
        "passed": f"{name} is live.{better}",
        "rejected": f"{name} was not better than what is live, so nothing changes.{better}",
        "inconclusive": "There are too few held-out threads to be sure, so what is live stays. More approved replies help.",
        "cancelled": "The run was cancelled; nothing changes.",
        "failed": "Training did not work; what is live stays. Try `/retrain` again; `thumbtune runs show "
        f"{run.run_id}` says what happened.",
    }
    return words.get(run.state, run.message or run.state)


def describe_phase(run: TrainingRun) -> str:
    """Return what a run is doing now."""
    if run.cancel_requested and run.finished_at is None:
        return "Being cancelled"
    return _PHASES.get(run.phase, run.phase.replace("_", " ").capitalize())


def describe_speed(run: TrainingRun) -> str:
    """Return how far and how fast an open run is, as far as it is known; empty while nothing is computed."""
    parts = [f"step {run.step:,} of {run.steps:,}"] if run.steps else []
    if run.loss is not None:
        parts.append(f"loss {run.loss:.3f}")
    if run.tokens_per_s:
        parts.append(f"{run.tokens_per_s:,.0f} tokens/s")
    if run.eta_s:
        parts.append(f"{describe_time(run.eta_s)} left")
    return " · ".join(parts)


def describe_time(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:
        return f"about {max(5, round(seconds / 5) * 5):.0f} s"
    return f"about {round(seconds / 60):.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def _compare(run: TrainingRun) -> str:
    old = run.nll_live if run.nll_live is not None else run.nll_base
    if not old or run.nll_candidate is None:
        return ""
    share = (old - run.nll_candidate) / old
    against = "what was live" if run.nll_live is not None else "the base model"
    if share < 0:
        return f" On the held-out threads it predicts your team's replies {-share:.0%} worse than {against}."
    return f" On the held-out threads it predicts your team's replies {share:.0%} better than {against}."


def _describe_figures(run: TrainingRun) -> str:
    parts = [f"`{run.run_id}`"]
    if run.examples:
        parts.append(f"{run.examples} replies learned, {run.held_out} held out")
    if run.started_at and run.finished_at:
        parts.append(describe_time((run.finished_at - run.started_at).total_seconds()).removeprefix("about "))
    return " · ".join(parts)


def _draw_bar(progress: float) -> str:
    filled = round(max(0.0, min(1.0, progress)) * BAR_CELLS)
    return f"`{'█' * filled}{'░' * (BAR_CELLS - filled)}`"
