"""The Home tab: what the desk has learned, what is live, the last run, and my own drafts.

It does not know where any of that comes from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from slack_sdk.models.blocks import Block, DividerBlock

from thumbtune.bot.blocks.parts import button, buttons, header, render_blocks, section, small
from thumbtune.bot.blocks.run_progress import describe_phase, describe_result
from thumbtune.bot.markup import encode_text
from thumbtune.bot.slack import Json
from thumbtune.core.records import OPEN_RUN_STATES, Adapter, Desk, Draft, TrainingRun

RETRAIN = "home_retrain"
SHOWN_DRAFTS = 5
_STATES = {"sent": "sent as drafted", "edited": "sent edited", "discarded": "dismissed", "ready": "waiting for you"}


@dataclass(frozen=True)
class DeskView:
    """One desk as one person may see it."""

    desk: Desk
    pairs: int
    new_pairs: int
    live: Adapter | None
    last_run: TrainingRun | None
    my_drafts: tuple[Draft, ...]
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
    return {"type": "home", "blocks": render_blocks(blocks)}


def _build_desk(view: DeskView) -> list[Block]:
    desk, run = view.desk, view.last_run
    plural = "reply" if view.pairs == 1 else "replies"
    blocks: list[Block] = [
        header(desk.name),
        section(
            f":books: *{view.pairs}* approved {plural} · *{view.new_pairs}* of {desk.threshold} until the next training"
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
    if view.my_drafts:
        blocks.append(section("*My recent drafts*"))
        for draft in view.my_drafts[:SHOWN_DRAFTS]:
            first = draft.text.strip().split("\n")[0][:140] or "…"
            state = _STATES.get(draft.state, draft.state)
            blocks.append(small(f"{encode_text(first, link_domains=())}", f"{state} · <#{draft.channel_id}>"))
    return blocks


def _describe_start(view: DeskView) -> str:
    if view.pairs:
        return ":writing_hand: Drafts are written by the base model from the nearest approved replies"
    return ":writing_hand: Nothing learned yet: give a 👍 to replies worth learning from"
