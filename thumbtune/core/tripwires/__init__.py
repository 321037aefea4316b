"""Tripwires: what is looked at in drafts before a candidate may go live. They can stop it, never recommend it.

It does not know models, rows or servers: texts and numbers come in, findings go out.
"""

from thumbtune.core.tripwires.checks import DraftCheck, check_draft, find_leaks
from thumbtune.core.tripwires.chrf import compute_chrf
from thumbtune.core.tripwires.loops import is_looping
from thumbtune.core.tripwires.style import Style, describe_style, measure_distance

__all__ = [
    "DraftCheck",
    "Style",
    "check_draft",
    "compute_chrf",
    "describe_style",
    "find_leaks",
    "is_looping",
    "measure_distance",
]
