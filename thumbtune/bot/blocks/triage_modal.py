"""The modal in which an agent confirms or corrects a thread's triage, or writes it where none was suggested.

It does not know what is kept of it.
"""

import json
from collections.abc import Sequence

from slack_sdk.models.blocks import InputBlock, Option, PlainTextInputElement, PlainTextObject, StaticSelectElement
from slack_sdk.models.views import View

from thumbtune.bot.blocks.parts import plain_section, small
from thumbtune.bot.slack import Json
from thumbtune.core.triage import FIELDS, MAX_TEXT_CHARS, PRIORITIES, Triage

CALLBACK_ID = "triage_correct"
INPUT_ID = "value"
MAX_INPUT_CHARS = 2 * MAX_TEXT_CHARS
"""Room for names, which are shorter where they are hidden."""


def build_triage_modal(
    *, draft_id: str, response_url: str, question: str, categories: Sequence[str], triage: Triage | None
) -> Json:
    """Return the modal with a triage in it, filled back; the question stands above."""
    category, priority = (triage.category, triage.priority) if triage else ("", PRIORITIES[1])
    summary, action = (triage.summary, triage.suggested_action) if triage else ("", "")
    asked = question if len(question) <= 600 else question[:599] + "…"
    view = View(
        type="modal",
        callback_id=CALLBACK_ID,
        title=PlainTextObject(text="Triage"),
        submit=PlainTextObject(text="Keep it so"),
        close=PlainTextObject(text="Cancel"),
        private_metadata=json.dumps({"draft_id": draft_id, "response_url": response_url}),
        blocks=[
            small("*The customer asks*"),
            plain_section(asked or "(nothing new)"),
            _select("category", "Category", categories, category),
            _select("priority", "Priority", PRIORITIES, priority),
            _input("summary", "Summary", summary),
            _input("suggested_action", "Suggested action", action),
            small(f"A line of up to {MAX_TEXT_CHARS} characters each. Your desk's next training learns from it."),
        ],
    )
    rendered: Json = view.to_dict()
    return rendered


def read_triage_modal(view: Json) -> tuple[str, str, Triage]:
    """Return draft id, response_url and what was written in a submitted modal."""
    metadata = json.loads(str(view.get("private_metadata") or "{}"))
    values = (view.get("state") or {}).get("values") or {}
    found: dict[str, str] = {}
    for name in FIELDS:
        element = (values.get(name) or {}).get(INPUT_ID) or {}
        found[name] = str((element.get("selected_option") or {}).get("value") or element.get("value") or "")
    return str(metadata.get("draft_id") or ""), str(metadata.get("response_url") or ""), Triage(**found)


def _select(name: str, label: str, words: Sequence[str], chosen: str) -> InputBlock:
    options = [Option(value=word, text=PlainTextObject(text=word, emoji=False)) for word in words]
    first = next((option for option in options if option.value == chosen), None)
    element = StaticSelectElement(action_id=INPUT_ID, options=options, initial_option=first)
    return InputBlock(block_id=name, label=PlainTextObject(text=label), element=element)


def _input(name: str, label: str, text: str) -> InputBlock:
    element = PlainTextInputElement(
        action_id=INPUT_ID, initial_value=text[:MAX_INPUT_CHARS] or None, max_length=MAX_INPUT_CHARS
    )
    return InputBlock(block_id=name, label=PlainTextObject(text=label), element=element)
