"""The Home tab: what the desk has learned, what is live, the last run, what waits for review, my approvals and drafts.

It does not know where any of that comes from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from slack_sdk.models.blocks import Block, DividerBlock

from thumbtune.bot.blocks.parts import button, buttons, header, render_blocks, section, section_with, small
from thumbtune.bot.blocks.run_progress import describe_phase, describe_result
from thumbtune.bot.markup import encode_text
from thumbtune.bot.slack import Json
from thumbtune.core.prompt import find_question
from thumbtune.core.records import OPEN_RUN_STATES, Adapter, Desk, Draft, TrainingPair, TrainingRun

RETRAIN = "home_retrain"
KEEP, LEAVE_OUT, UNDO = "home_pair_keep", "home_pair_leave_out", "home_pair_undo"
SHOWN_DRAFTS = 5
SHOWN_PAIRS = 5
MAX_LINE_CHARS = 200
MAX_BLOCKS = 100
"""Source: docs.slack.dev, "Blocks": at most 100 in a Home tab, seen 2026-11-21."""
_STATES = {"sent": "sent as drafted", "edited": "sent edited", "discarded": "dismissed", "ready": "waiting for you"}


@dataclass(frozen=True)
class DeskView:
    """One desk as one person may see it."""

    desk: Desk
    pairs: int
    new_pairs: int
    pairs_this_week: int
    live: Adapter | None
    last_run: TrainingRun | None
    my_drafts: tuple[Draft, ...]
    my_pairs: tuple[TrainingPair, ...]
    """What this person approved and is learned, newest first."""
    waiting: tuple[TrainingPair, ...]
    """Quarantined pairs, oldest first; leads see them."""
    waiting_count: int
    is_lead: bool


def build_home(views: Sequence[DeskView]) -> Json:
    """Return the Home tab of someone who belongs to these desks."""
    blocks: list[Block] = []
    for view in views:
        blocks += [*_build_desk(view), DividerBlock()]
    if not views:
        blocks = [
            header("Thumbtune"),
            section("You are on no support desk yet. A desk's agents are set with `thumbtune desks`."),
        ]
    return {"type": "home", "blocks": render_blocks(blocks[:MAX_BLOCKS])}


def _build_desk(view: DeskView) -> list[Block]:
    desk, run = view.desk, view.last_run
    plural = "reply" if view.pairs == 1 else "replies"
    blocks: list[Block] = [
        header(desk.name),
        section(
            f":books: *{view.pairs}* approved {plural} · *{view.new_pairs}* of {desk.threshold} until the next training"
            + (f" · *{view.pairs_this_week}* this week" if view.pairs_this_week else "")
        ),
        section(f":writing_hand: Drafts are written by *{view.live.name}*" if view.live else _describe_start(view)),
    ]
    if run is not None:
        is_open = run.state in OPEN_RUN_STATES
        words = (
            f"{describe_phase(run)}, {run.progress:.0%}"
            if is_open
            else encode_text(describe_result(run), link_domains=())
        )
        blocks.append(section(f":mortar_board: Last training: {words}"))
    if view.is_lead:
        blocks.append(buttons(button("Retrain now", action_id=RETRAIN, value=desk.desk_id)))
        blocks += _build_review(view)
    if view.my_pairs:
        blocks.append(section("*Replies I approved*"))
        for pair in view.my_pairs[:SHOWN_PAIRS]:
            undo = button("Undo", action_id=UNDO, value=str(pair.pair_id))
            blocks.append(section_with(f"{_quote(find_question(pair.turns))}\n{_shorten(pair.reply)}", undo))
    if view.my_drafts:
        blocks.append(section("*My recent drafts*"))
        for draft in view.my_drafts[:SHOWN_DRAFTS]:
            state = _STATES.get(draft.state, draft.state)
            blocks.append(small(_shorten(draft.text), f"{state} · <#{draft.channel_id}>"))
    return blocks


def _build_review(view: DeskView) -> list[Block]:
    """Return what a lead has to decide."""
    if not view.waiting:
        return []
    blocks: list[Block] = [section(f":mag: *Waiting for your review* · {view.waiting_count}")]
    for pair in view.waiting[:SHOWN_PAIRS]:
        value = str(pair.pair_id)
        blocks += [
            section(f"{_quote(find_question(pair.turns))}\n{_shorten(pair.reply)}"),
            small(f"{encode_text(pair.reason, link_domains=())} · approved by <@{pair.approved_by}>"),
            buttons(
                button("Keep", action_id=KEEP, value=value, style="primary"),
                button("Leave out", action_id=LEAVE_OUT, value=value),
            ),
        ]
    return blocks


def _quote(text: str) -> str:
    return f"> {_shorten(text)}"


def _shorten(text: str) -> str:
    """Return the beginning of a text as one line in which nothing is markup."""
    line = " ".join(text.split()) or "…"
    return encode_text(line if len(line) <= MAX_LINE_CHARS else f"{line[:MAX_LINE_CHARS]}…", link_domains=())


def _describe_start(view: DeskView) -> str:
    if view.pairs:
        return ":writing_hand: Drafts are written by the base model from the nearest approved replies"
    return ":writing_hand: Nothing learned yet: give a 👍 to replies worth learning from"
