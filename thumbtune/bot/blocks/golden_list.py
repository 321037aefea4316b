"""The golden set in the Home tab: what leads see of it, with the buttons to add, change and remove cases.

It does not know what becomes of a press.
"""

from collections.abc import Sequence

from slack_sdk.models.blocks import Block, DividerBlock

from thumbtune.bot.blocks.parts import ask_first, button, buttons, section, small
from thumbtune.bot.markup import encode_text
from thumbtune.core.golden import GoldenCase, describe_expectations
from thumbtune.core.prompt import find_question

ADD, MAKE = "home_golden_add", "home_golden_make"
EDIT, REMOVE = "home_golden_edit", "home_golden_remove"
SHOWN_CASES = 5
MAX_LINE_CHARS = 200
MAX_EXPECTED_CHARS = 400


def build_golden_list(cases: Sequence[GoldenCase], *, desk_id: str) -> list[Block]:
    """Return the newest cases of a desk, newest first, and a button to add one."""
    add = buttons(button("Add a golden case", action_id=ADD, value=desk_id))
    blocks: list[Block] = [
        DividerBlock(),
        section(f":trophy: *Golden set* · {len(cases)}" if cases else ":trophy: *Golden set*"),
    ]
    if not cases:
        blocks.append(
            small(
                "A new adapter does not go live when it fails a case that what answers now or the base model passes. "
                "Cases are never trained on."
            )
        )
    for case in list(reversed(cases))[:SHOWN_CASES]:
        blocks += _build_case(case)
    if len(cases) > SHOWN_CASES:
        blocks.append(small(f"{len(cases) - SHOWN_CASES} more · all of them: `thumbtune golden list --desk {desk_id}`"))
    return [*blocks, add]


def _build_case(case: GoldenCase) -> list[Block]:
    value = str(case.case_id)
    expected = f"The reply {' and '.join(describe_expectations(case.expectations))}"
    sure = ask_first("Remove it?", "What it asks may be trained on from then on.", confirm="Remove")
    return [
        section(f"*{_shorten(case.title)}*\n> {_shorten(find_question(case.turns))}"),
        small(_shorten(expected, max_chars=MAX_EXPECTED_CHARS), f"#{case.case_id}"),
        buttons(
            button("Edit", action_id=EDIT, value=value),
            button("Remove", action_id=REMOVE, value=value, confirm=sure),
        ),
    ]


def _shorten(text: str, *, max_chars: int = MAX_LINE_CHARS) -> str:
    line = " ".join(text.split()) or "…"
    return encode_text(line if len(line) <= max_chars else f"{line[:max_chars]}…", link_domains=())
