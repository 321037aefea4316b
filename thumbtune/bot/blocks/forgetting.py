"""What a lead sees who asks to forget someone: what would be erased with a button that asks again, then the receipt.

It does not know how forgetting is done.
"""

from thumbtune.bot.blocks.parts import ask_first, button, buttons, header, render_blocks, section, small
from thumbtune.bot.slack import Json
from thumbtune.core.receipts import NOT_REACHED, describe_counts, describe_learned, describe_sequel
from thumbtune.core.store.forgetting import Receipt

CONFIRM = "forget_confirm"


def build_question(found: Receipt, *, user_id: str) -> list[Json]:
    """Return what would be erased, with the button that does it."""
    counts = describe_counts(found) or "Nothing of theirs is here; a tombstone would still keep older messages out."
    told = "What they wrote until now is erased here. It cannot be undone."
    sure = ask_first("Forget this person?", told, confirm="Forget", style="danger")
    press = button("Forget", action_id=CONFIRM, value=user_id, style="danger", confirm=sure)
    lines = [f"Forgetting <@{user_id}> for {_list(found)} would erase:", counts, describe_learned(found)]
    return render_blocks([section("\n".join(lines)), small(NOT_REACHED), buttons(press)])


def build_receipt(receipt: Receipt) -> list[Json]:
    """Return the receipt."""
    lines = [
        f"Erased for {_list(receipt)}: {describe_counts(receipt) or 'nothing was there; the tombstone keeps them out'}.",
        describe_learned(receipt),
        *describe_sequel(receipt),
    ]
    proof = f"`{receipt.receipt_id}` · person `{receipt.person[:16]}…` (keyed digest) · {receipt.at:%Y-%m-%d %H:%M} UTC"
    whole = f"`thumbtune audit list --action person_forgotten --json` shows the whole receipt. {NOT_REACHED}"
    return render_blocks([header("Forgotten"), section("\n".join(lines)), small(proof, whole)])


def _list(receipt: Receipt) -> str:
    return ", ".join(f"`{desk_id}`" for desk_id in receipt.desks)
