"""What stands under the result of a run that could not be decided: a lead may put its adapter live anyway.

It does not know who is a lead, nor what becomes of it.
"""

from thumbtune.bot.blocks.parts import ask_first, button, buttons, render_blocks, small
from thumbtune.bot.markup import encode_text
from thumbtune.bot.slack import Json
from thumbtune.core.records import Adapter, TrainingRun
from thumbtune.core.store.overriding import Override

PUT_LIVE = "run_put_live"


def build_override_blocks(run: TrainingRun, override: Override | None, adapter: Adapter | None) -> list[Json]:
    """Return the button, or who pressed it and what became of the run's adapter; nothing for a run that decided itself."""
    if run.state != "inconclusive" or adapter is None:
        return []
    if override is not None:
        by = override.overridden_by
        name = f"<@{by}>" if by.startswith(("U", "W")) else f"`{by}`"
        return render_blocks([small(f"{name} asked for `{adapter.name}` all the same. {_say_state(adapter)}")])
    confirm = ask_first(
        "Put it live anyway?",
        f"The comparison could not tell whether {adapter.name} is better. It is proven and tried before it answers; your name "
        "is kept with this.",
        confirm="Put it live",
    )
    element = button("Put live anyway", action_id=PUT_LIVE, value=run.run_id, confirm=confirm)
    return render_blocks([buttons(element), small("For the leads of this desk.")])


def _say_state(adapter: Adapter) -> str:
    if adapter.live_at is not None:
        return "It went live."
    if adapter.state in ("published", "proven"):
        return "It is proven and tried first."
    return f"It does not go live: {encode_text(adapter.reason, link_domains=())}"
