"""The modal in which a lead corrects the reply of a training pair.

It does not know how the correction is kept.
"""

import json

from slack_sdk.models.blocks import Block, InputBlock, PlainTextInputElement, PlainTextObject
from slack_sdk.models.views import View

from thumbtune.bot.blocks.edit_modal import BLOCK_ID, INPUT_ID, MAX_INPUT_CHARS
from thumbtune.bot.blocks.parts import plain_section, small
from thumbtune.bot.slack import Json
from thumbtune.core.prompt import find_question
from thumbtune.core.records import TrainingPair
from thumbtune.core.store.correcting import digest_reply

CALLBACK_ID = "pair_edit"


def build_pair_modal(pair: TrainingPair) -> Json:
    """Return the modal with a pair's reply in it; a reply over MAX_INPUT_CHARS can only be corrected by command."""
    asked = find_question(pair.turns)
    shown: list[Block] = [
        small("*The customer asks*"),
        plain_section(asked if len(asked) <= 600 else asked[:599] + "…"),
    ]
    if len(pair.reply) > MAX_INPUT_CHARS:
        hint = f"This reply is too long to be edited in Slack: run `thumbtune pairs edit {pair.pair_id}`."
        shown.append(small(hint))
    else:
        text = PlainTextInputElement(
            action_id=INPUT_ID,
            multiline=True,
            initial_value=pair.reply,
            max_length=MAX_INPUT_CHARS,
            focus_on_load=True,
        )
        hint = "Words in brackets, such as [NAME_1], stand for what was hidden: leave them where they belong."
        shown += [
            InputBlock(
                block_id=BLOCK_ID, label=PlainTextObject(text="What the team should have written"), element=text
            ),
            small(hint, "It changes what is learned, not the message in Slack."),
        ]
    view = View(
        type="modal",
        callback_id=CALLBACK_ID,
        title=PlainTextObject(text="Correct a reply"),
        submit=PlainTextObject(text="Keep it so") if len(pair.reply) <= MAX_INPUT_CHARS else None,
        close=PlainTextObject(text="Cancel"),
        private_metadata=json.dumps({"pair_id": pair.pair_id, "shown": digest_reply(pair.reply)}),
        blocks=shown,
    )
    rendered: Json = view.to_dict()
    return rendered


def read_pair_modal(view: Json) -> tuple[int | None, str, str]:
    """Return the pair, the digest of the reply that was shown, and the corrected text of a submitted modal."""
    metadata = json.loads(str(view.get("private_metadata") or "{}"))
    values = ((view.get("state") or {}).get("values") or {}).get(BLOCK_ID) or {}
    text = str((values.get(INPUT_ID) or {}).get("value") or "")
    return metadata.get("pair_id"), str(metadata.get("shown") or ""), text
