"""The private card with a draft: its text, what wrote it, its sources, and what can be done with it.

It does not know how drafts are written or sent.
"""

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass

from slack_sdk.models.blocks import Block, ButtonElement

from thumbtune.bot.blocks.edit_modal import MAX_INPUT_CHARS
from thumbtune.bot.blocks.parts import button, buttons, render_blocks, section, section_with, small, split_text
from thumbtune.bot.markup import encode_text
from thumbtune.bot.slack import Json
from thumbtune.core.records import Draft
from thumbtune.core.redaction import find_unfilled
from thumbtune.core.triage import Triage
from thumbtune.core.tripwires import is_looping

POST, POST_ANYWAY, EDIT, RETRY, DISMISS = (
    "draft_post",
    "draft_post_anyway",
    "draft_edit",
    "draft_retry",
    "draft_dismiss",
)
TRIAGE = "triage_correct"
MAX_TITLE_CHARS = 120


@dataclass(frozen=True)
class CardTriage:
    """The triage as a card shows it, filled back; without one, agents may still write it."""

    triage: Triage | None
    is_decided: bool = False
    """Whether an agent confirmed or corrected it."""


def build_draft_card(
    draft: Draft,
    *,
    text: str,
    footer: str,
    link_domains: Collection[str],
    triage: CardTriage | None = None,
    problem: str = "",
    not_posted: str = "",
) -> list[Json]:
    """Return the card of a draft that is ready; `text` is filled back already.

    `triage` is None for a desk that has no categories. `problem` says why an edited text was `not_posted`; that text is
    shown so that it is not lost.
    """
    blocks: list[Block] = [section(f":warning: {problem}")] if problem else []
    if not_posted:
        blocks.append(small("*Your text*"))
        blocks += [section(encode_text(part, link_domains=link_domains)) for part in split_text(not_posted)]
    blocks.append(small("*Draft* · only you can see this"))
    for index, part in enumerate(split_text(text)):
        blocks.append(section(encode_text(part, link_domains=link_domains), block_id=f"draft_text_{index}"))
    unfilled = find_unfilled(text)
    can_edit = len(text) <= MAX_INPUT_CHARS
    if unfilled and can_edit:
        blocks.append(
            section(f":warning: Fill in {', '.join(unfilled)} before this can go out: *Edit* opens the text.")
        )
    elif unfilled:
        blocks.append(section(f":warning: {', '.join(unfilled)} cannot be filled in here, so this cannot go out."))
    if not can_edit:
        blocks.append(small(f"Too long to edit here: Slack's editor holds {MAX_INPUT_CHARS:,} characters."))
    if triage is not None and triage.triage is not None:
        word = "Change triage" if triage.is_decided else "Correct triage"
        correct = button(word, action_id=TRIAGE, value=draft.draft_id)
        blocks.append(section_with(_describe_triage(triage.triage, is_decided=triage.is_decided), correct))
    blocks.append(small(footer, *_list_sources(draft, link_domains=link_domains)))
    post = button("Post", action_id=POST, value=draft.draft_id, style="primary")
    edit = button("Edit", action_id=EDIT, value=draft.draft_id, style="primary" if unfilled else None)
    rest: tuple[ButtonElement, ...] = (
        button("Try again", action_id=RETRY, value=draft.draft_id),
        button("Dismiss", action_id=DISMISS, value=draft.draft_id),
    )
    if triage is not None and triage.triage is None:
        rest = (*rest, button("Triage", action_id=TRIAGE, value=draft.draft_id))
    blocks.append(buttons(*([] if unfilled else [post]), *([edit] if can_edit else []), *rest))
    return render_blocks(blocks)


def build_stale_card(draft: Draft, *, text: str, who: str, link_domains: Collection[str]) -> list[Json]:
    """Return the card of a draft whose thread has moved on since it was asked for."""
    blocks: list[Block] = [
        section(
            f":hourglass_flowing_sand: *The thread moved on:* {encode_text(who, link_domains=())} wrote after this draft."
        ),
        *[section(encode_text(part, link_domains=link_domains)) for part in split_text(text)],
        buttons(
            button("Try again", action_id=RETRY, value=draft.draft_id, style="primary"),
            button("Post anyway", action_id=POST_ANYWAY, value=draft.draft_id),
            button("Dismiss", action_id=DISMISS, value=draft.draft_id),
        ),
    ]
    return render_blocks(blocks)


def build_failed_card(draft_id: str, *, reason: str) -> list[Json]:
    """Return the card of a draft that could not be written."""
    return render_blocks(
        [
            section(f":warning: {reason}"),
            small(f"Reference `{draft_id}`"),
            buttons(
                button("Try again", action_id=RETRY, value=draft_id, style="primary"),
                button("Dismiss", action_id=DISMISS, value=draft_id),
            ),
        ]
    )


def build_posted_card(*, edit_share: float | None) -> list[Json]:
    """Return what is left of the card when the reply is in the thread."""
    edited = f", {edit_share:.0%} changed" if edit_share else ""
    return render_blocks([small(f":white_check_mark: Posted in the thread{edited}. A 👍 on it teaches the desk.")])


def describe_mode(draft: Draft, *, examples: int, missing_adapter: str | None, is_cut: bool) -> str:
    """Return the footer: what wrote the draft, and what it did without."""
    if draft.mode == "adapter":
        words = f"written by *{draft.adapter}*"
    elif draft.mode == "few-shot":
        words = f"few-shot from {examples} approved {'reply' if examples == 1 else 'replies'}"
    else:
        words = "grounded in the help centre" if draft.passages else "grounded in the thread alone"
    notes: Sequence[str] = [
        f":warning: {missing_adapter} is not loaded right now, so the base model wrote" if missing_adapter else "",
        "cut at the longest reply allowed" if is_cut else "",
        ":warning: stuck in a loop" if is_looping(draft.text) else "",
        f"{draft.latency_ms / 1000:.1f} s" if draft.latency_ms is not None else "",
    ]
    return " · ".join([words, *(note for note in notes if note)])


def _describe_triage(triage: Triage, *, is_decided: bool) -> str:
    category, priority, summary, action = (encode_text(text, link_domains=()) for text in astuple(triage))
    mark = ":white_check_mark: " if is_decided else ""
    return f"{mark}*{category}* · {priority}\n{summary}\n_Next:_ {action}"


def _list_sources(draft: Draft, *, link_domains: Collection[str]) -> list[str]:
    titles = list(dict.fromkeys(passage.title[:MAX_TITLE_CHARS] for passage in draft.passages if passage.title))
    if not titles:
        return ["No source found in the help centre"]
    return ["Sources: " + " · ".join(encode_text(title, link_domains=link_domains) for title in titles)]
