"""Says in words why a pair is in or out, and what else was found about it.

It does not know how people are shown: they stand as ids.
"""

from collections.abc import Sequence

from thumbtune.core.records import Finding, FindingKind, TrainingPair

KIND_WORDS: dict[FindingKind, str] = {
    "same": "the same as another",
    "contradiction": "contradicting another",
    "too_short": "too short to teach anything",
    "too_long": "too long",
    "language": "in another language",
    "secret": "perhaps with a secret left in",
    "ungrounded": "with facts found nowhere else",
    "burst": "in a burst of approvals",
    "over_cap": "over one person's approvals a day",
}
"""How several pairs with a finding are counted: so many …"""

_OUT = {
    "withdrawn": "out",
    "quarantined": "out until a lead decides",
    "merged": "out, as another teaches the same",
}


def explain_pair(pair: TrainingPair, findings: Sequence[Finding]) -> list[str]:
    """Return why a pair is in or out, then a line for each further finding."""
    if pair.state == "active":
        lines = [f"in: {_explain_use(pair)}"]
    else:
        by = f" (decided by {pair.decided_by})" if pair.decided_by else ""
        lines = [f"{_OUT[pair.state]}: {pair.reason or 'no reason was given'}{by}"]
    if pair.corrected_by:
        lines.append(f"the reply was corrected by {pair.corrected_by}")
    return [*lines, *(f"noted: {item.explanation}" for item in findings if item.explanation not in pair.reason)]


def _explain_use(pair: TrainingPair) -> str:
    if pair.decided_by:
        return f"kept by {pair.decided_by}"
    return f"approved by {pair.approved_by}" if pair.approved_by else "imported"
