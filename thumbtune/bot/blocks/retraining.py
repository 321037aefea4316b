"""What a lead sees who asks for a training: what it would use, with the button that starts it.

It does not know how pairs are counted.
"""

from thumbtune.bot.blocks.parts import button, buttons, render_blocks, section
from thumbtune.bot.markup import encode_text
from thumbtune.bot.slack import Json
from thumbtune.core.records import Desk
from thumbtune.core.retraining import RunPreview, describe_preview

START, LEAVE = "retrain_start", "retrain_leave"


def build_offer(preview: RunPreview, desk: Desk) -> list[Json]:
    """Return the figures, with the buttons."""
    lines = [f"• {encode_text(line, link_domains=())}" for line in describe_preview(preview)]
    title = f"*Train {encode_text(desk.name, link_domains=())} now?* Its approved replies:"
    return render_blocks(
        [
            section("\n".join([title, *lines])),
            buttons(
                button("Start training", action_id=START, value=desk.desk_id, style="primary"),
                button("Cancel", action_id=LEAVE, value=desk.desk_id),
            ),
        ]
    )
