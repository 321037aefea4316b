"""The modal in which an agent changes a draft before it is posted.

It does not know how the change is judged.
"""

import json

from slack_sdk.models.blocks import InputBlock, PlainTextInputElement, PlainTextObject
from slack_sdk.models.views import View

from thumbtune.bot.blocks.parts import plain_section, small
from thumbtune.bot.slack import Json

CALLBACK_ID = "draft_edit"
BLOCK_ID, INPUT_ID = "reply", "text"
MAX_INPUT_CHARS = 3000


def build_edit_modal(
    *, draft_id: str, response_url: str, question: str, text: str, newcomer: str | None = None
) -> Json:
    """Return the modal with the draft in it and the question above; a text over MAX_INPUT_CHARS does not fit.

    `newcomer` wrote in the thread after the draft was asked for.
    """
    moved_on = [plain_section(f"⏳ {newcomer} wrote after this draft.")] if newcomer else []
    asked = question if len(question) <= 600 else question[:599] + "…"
    view = View(
        type="modal",
        callback_id=CALLBACK_ID,
        title=PlainTextObject(text="Edit the draft"),
        submit=PlainTextObject(text="Post"),
        close=PlainTextObject(text="Cancel"),
        private_metadata=json.dumps({"draft_id": draft_id, "response_url": response_url}),
        blocks=[
            *moved_on,
            small("*The customer asks*"),
            plain_section(asked or "(nothing new)"),
            InputBlock(
                block_id=BLOCK_ID,
                label=PlainTextObject(text="Your reply"),
                element=PlainTextInputElement(
                    action_id=INPUT_ID,
                    multiline=True,
                    initial_value=text,
                    max_length=MAX_INPUT_CHARS,
                    focus_on_load=True,
                ),
            ),
        ],
    )
    rendered: Json = view.to_dict()
    return rendered


def read_edit_modal(view: Json) -> tuple[str, str, str]:
    """Return draft id, response_url and the edited text of a submitted modal."""
    metadata = json.loads(str(view.get("private_metadata") or "{}"))
    values = ((view.get("state") or {}).get("values") or {}).get(BLOCK_ID) or {}
    text = str((values.get(INPUT_ID) or {}).get("value") or "")
    return str(metadata.get("draft_id") or ""), str(metadata.get("response_url") or ""), text
