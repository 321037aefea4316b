"""The Home tab: what the desk has learned, what is live, the last run, what waits for review, my approvals and drafts.

It does not know where any of that comes from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from slack_sdk.models.blocks import Block, DividerBlock

from thumbtune.bot.blocks.golden_list import MAKE, build_golden_list
from thumbtune.bot.blocks.parts import (
    ask_first,
    button,
    buttons,
    header,
    render_blocks,
    section,
    section_with,
    small,
    two_columns,
)
from thumbtune.bot.blocks.run_progress import describe_phase, describe_result
from thumbtune.bot.markup import encode_text
from thumbtune.bot.slack import Json
from thumbtune.core.curation import KIND_WORDS
from thumbtune.core.golden import GoldenCase
from thumbtune.core.prompt import find_question
from thumbtune.core.records import (
    OPEN_RUN_STATES,
    Adapter,
    Desk,
    Draft,
    Finding,
    FindingKind,
    TrainingPair,
    TrainingRun,
)

RETRAIN = "home_retrain"
KEEP, LEAVE_OUT, UNDO = "home_pair_keep", "home_pair_leave_out", "home_pair_undo"
KEEP_ALL, LEAVE_OUT_ALL = "home_pairs_keep", "home_pairs_leave_out"
KEEP_THIS, KEEP_OTHER, KEEP_BOTH = "home_pair_keep_this", "home_pair_keep_other", "home_pair_keep_both"
WITHDRAW, RESTORE, EDIT = "home_pair_withdraw", "home_pair_restore", "home_pair_edit"
SHOWN_DRAFTS = 5
SHOWN_PAIRS = 5
SHOWN_NEWEST = 3
MAX_LINE_CHARS = 200
MAX_BLOCKS = 100
"""Source: docs.slack.dev, "Blocks": at most 100 in a Home tab, seen 2026-11-21."""
_STATES = {"sent": "sent as drafted", "edited": "sent edited", "discarded": "dismissed", "ready": "waiting for you"}


@dataclass(frozen=True)
class ReviewItem:
    """A pair that a lead has to decide about."""

    pair: TrainingPair
    findings: tuple[Finding, ...]
    other: TrainingPair | None
    """The pair in use that it contradicts."""


@dataclass(frozen=True)
class Review:
    """What a lead may look at; empty for others."""

    waiting: tuple[ReviewItem, ...] = ()
    """Oldest first."""
    waiting_count: int = 0
    counts: Mapping[FindingKind, int] = field(default_factory=dict)
    """How many pairs have a finding of each kind."""
    newest: tuple[ReviewItem, ...] = ()
    """In use, newest first."""
    left_out: tuple[TrainingPair, ...] = ()
    """Withdrawn by hand, newest first."""
    url: str = ""
    """Where the workspace is; empty when that is not known, and nothing is linked."""


@dataclass(frozen=True)
class DeskView:
    """One desk as one person may see it."""

    desk: Desk
    pairs: int
    new_pairs: int
    pairs_this_week: int
    live: Adapter | None
    last_run: TrainingRun | None
    next_run: str
    """For leads: why no run starts by itself; markup without texts of people."""
    my_drafts: tuple[Draft, ...]
    my_pairs: tuple[TrainingPair, ...]
    """What this person approved, first or after another, and is learned; newest first."""
    is_lead: bool
    review: Review
    """What leads see."""
    golden: tuple[GoldenCase, ...]
    """What leads see: the golden set, oldest first."""


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
    due = f"*{view.new_pairs}* of {desk.threshold} until the next training"
    if view.new_pairs >= desk.threshold:
        due = f"*{view.new_pairs}* of them new: enough for a training, which takes {desk.threshold}"
    blocks: list[Block] = [
        header(desk.name),
        section(
            f":books: *{view.pairs}* approved {plural} · {due}"
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
        blocks.append(small(view.next_run))
        blocks.append(buttons(button("Retrain now", action_id=RETRAIN, value=desk.desk_id)))
        blocks += _build_review(view.review)
        blocks += build_golden_list(view.golden, desk_id=desk.desk_id)
    if view.my_pairs:
        blocks.append(section("*Replies I approved*"))
        for pair in view.my_pairs[:SHOWN_PAIRS]:
            said = f"{_quote(find_question(pair.turns))}\n{_shorten(pair.reply)}"
            if pair.decided_by and not view.is_lead:
                blocks += [section(said), small(f"kept by {_name(pair.decided_by)}, who can take it out")]
            else:
                blocks.append(section_with(said, button("Undo", action_id=UNDO, value=str(pair.pair_id))))
    if view.my_drafts:
        blocks.append(section("*My recent drafts*"))
        for draft in view.my_drafts[:SHOWN_DRAFTS]:
            state = _STATES.get(draft.state, draft.state)
            blocks.append(small(_shorten(draft.text), f"{state} · <#{draft.channel_id}>"))
    return blocks


def _build_review(review: Review) -> list[Block]:
    """Return what a lead has to decide, what was learned last and what was left out."""
    blocks: list[Block] = []
    if review.waiting:
        blocks.append(section(f":mag: *Waiting for your review* · {review.waiting_count}"))
        blocks += [block for item in review.waiting for block in _build_waiting(item, url=review.url)]
        blocks += _build_for_all(review)
    counted = [f"{count} {KIND_WORDS[kind]}" for kind, count in sorted(review.counts.items()) if count]
    if counted:
        blocks.append(small(f"Found so far: {' · '.join(counted)}"))
    if review.newest:
        blocks.append(DividerBlock())
        blocks.append(section(":seedling: *Newest replies in use*"))
    for item in review.newest:
        value = str(item.pair.pair_id)
        blocks += [
            section(f"{_quote(find_question(item.pair.turns))}\n{_shorten(item.pair.reply)}"),
            small(
                _tell_origin(item.pair, url=review.url),
                *(f"noted: {_encode(found.explanation)}" for found in item.findings),
            ),
            buttons(
                button("Leave out", action_id=WITHDRAW, value=value),
                button("Edit", action_id=EDIT, value=value),
                button("Make a golden case", action_id=MAKE, value=value),
            ),
        ]
    if review.left_out:
        blocks.append(DividerBlock())
        blocks.append(section(":wastebasket: *Left out by hand*"))
    for pair in review.left_out:
        again = ask_first(
            "Restore it?", f"The model will learn from it. Why it was out: {pair.reason}"[:300], confirm="Restore"
        )
        restore = button("Restore", action_id=RESTORE, value=str(pair.pair_id), confirm=again)
        blocks.append(section_with(f"{_quote(find_question(pair.turns))}\n{_shorten(pair.reply)}", restore))
        blocks.append(small(f"#{pair.pair_id} · {_encode(pair.reason)} · by {_name(pair.decided_by)}"))
    return blocks


def _build_for_all(review: Review) -> list[Block]:
    """Return what decides about all that are shown, as after a burst, and how many more there are.

    What contradicts another, or may hold a secret, is decided by itself.
    """
    alone = [str(item.pair.pair_id) for item in review.waiting if item.other is None and not _may_hold_secret(item)]
    blocks: list[Block] = []
    if len(alone) > 1:
        value, these = ":".join(alone), f"these {len(alone)} replies"
        keep = ask_first("Keep them all?", f"The model will learn from {these}.", confirm="Keep")
        leave = ask_first("Leave them all out?", f"The model will not learn from {these}.", confirm="Leave out")
        blocks.append(
            buttons(
                button(f"Keep all {len(alone)}", action_id=KEEP_ALL, value=value, confirm=keep),
                button(f"Leave all {len(alone)} out", action_id=LEAVE_OUT_ALL, value=value, confirm=leave),
            )
        )
    hidden = review.waiting_count - len(review.waiting)
    if hidden > 0:
        blocks.append(
            small(f"{hidden} more to come as you decide · all of them: `thumbtune pairs list --state quarantined`")
        )
    return blocks


def _may_hold_secret(item: ReviewItem) -> bool:
    return any(found.kind == "secret" and found.holds for found in item.findings)


def _build_waiting(item: ReviewItem, *, url: str) -> list[Block]:
    pair, other, value = item.pair, item.other, str(item.pair.pair_id)
    reason = small(f":warning: {_encode(pair.reason)}", _tell_origin(pair, url=url))
    edit = button("Edit", action_id=EDIT, value=value)
    if other is None:
        return [
            section(f"{_quote(find_question(pair.turns))}\n{_shorten(pair.reply)}"),
            reason,
            buttons(
                button("Keep", action_id=KEEP, value=value, style="primary"),
                button("Leave out", action_id=LEAVE_OUT, value=value),
                edit,
            ),
        ]
    both = f"{pair.pair_id}:{other.pair_id}"
    return [
        section(_quote(find_question(pair.turns))),
        two_columns(
            f"*This one · #{pair.pair_id}*\n{_shorten(pair.reply)}",
            f"*The other, in use · #{other.pair_id}*\n{_shorten(other.reply)}",
        ),
        reason,
        buttons(
            button("Keep this", action_id=KEEP_THIS, value=both, style="primary"),
            button("Keep the other", action_id=KEEP_OTHER, value=both),
            button("Keep both", action_id=KEEP_BOTH, value=both),
            edit,
        ),
    ]


def _tell_origin(pair: TrainingPair, *, url: str) -> str:
    if pair.source == "imported":
        return f"#{pair.pair_id} · imported"
    corrected = f" · corrected by {_name(pair.corrected_by)}" if pair.corrected_by else ""
    told = f"#{pair.pair_id} · approved by {_name(pair.approved_by)}{corrected}"
    if not url:
        return told
    place = f"{url}archives/{pair.channel_id}/p{pair.reply_ts.replace('.', '')}?thread_ts={pair.thread_ts}"
    return f"{told} · <{place}&amp;cid={pair.channel_id}|open the thread>"


def _name(user_id: str) -> str:
    """Return who it was: a mention for people of Slack, the word for what is not."""
    return f"<@{user_id}>" if user_id[:1] in ("U", "W") else _encode(user_id)


def _encode(text: str) -> str:
    return encode_text(text, link_domains=())


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
