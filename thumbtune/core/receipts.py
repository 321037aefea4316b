"""Says in plain sentences what a receipt of forgetting holds, before and after it is done.

It does not know Slack or the command line.
"""

from thumbtune.core.store.forgetting import Receipt

_WORDS = {
    "messages": ("message", "messages"),
    "pairs": ("training pair", "training pairs"),
    "golden_cases": ("golden case", "golden cases"),
    "triages": ("triage", "triages"),
    "drafts": ("draft", "drafts"),
    "events": ("event not worked on yet", "events not worked on yet"),
    "posts": ("reply not sent yet", "replies not sent yet"),
    "approvals": ("reaction, which loses its name", "reactions, which lose their name"),
    "placeholders": ("placeholder, which loses its original", "placeholders, which lose their originals"),
}
NOT_REACHED = (
    "Not reached: Slack itself; exports and copies that were handed out; pairs from files that did not say who wrote; golden "
    "cases written by hand; the audit, which keeps ids of who did what; the desk's own lists of people."
)


def describe_counts(receipt: Receipt) -> str:
    """Return what was or would be erased, in one line; empty when nothing is there."""
    found = [(kind, receipt.counts[kind]) for kind in _WORDS if receipt.counts.get(kind)]
    return " · ".join(f"{count} {_WORDS[kind][count != 1]}" for kind, count in found)


def describe_learned(receipt: Receipt) -> str:
    """Return which adapters learned from the person."""
    if not receipt.adapters:
        return "No adapter is known to have learned from them, but those that an earlier receipt names."
    return f"Learned from them, and never to go live again once replaced: {', '.join(receipt.adapters)}."


def describe_sequel(receipt: Receipt) -> list[str]:
    """Return what follows, a sentence each."""
    lines = [f"{run_id} used something of theirs and begins anew without it." for run_id in receipt.begun_anew]
    for desk_id, run_id in receipt.replacements.items():
        lines.append(
            f"{run_id} trains the replacement for {desk_id}; until it is live, the old adapter answers. To stop that at "
            f"once: `thumbtune adapters rollback --desk {desk_id}`."
            if run_id
            else f"{desk_id} has too few pairs left to train a replacement. Take its adapter out of use with `thumbtune "
            f"adapters rollback --desk {desk_id}`, so that an earlier one or the base model answers, or approve more replies."
        )
    return lines
