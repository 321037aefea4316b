"""Finds what identifies people in a text and puts stable placeholders in its place; fills them back in memory.

It does not know Slack's markup or where texts are kept. Every recogniser is a presidio pattern recogniser that is
called directly: no language model, no network.
"""

from thumbtune.core.redaction.names import NameIndex
from thumbtune.core.redaction.phones import PHONE_REGIONS
from thumbtune.core.redaction.placeholders import (
    PLACEHOLDER,
    apply_placeholders,
    clean_text,
    fill_back,
    find_unfilled,
    name_placeholder,
)
from thumbtune.core.redaction.redactor import Redactor
from thumbtune.core.redaction.spans import KINDS, Kind, Span
from thumbtune.core.redaction.together import redact_together

__all__ = [
    "KINDS",
    "PHONE_REGIONS",
    "PLACEHOLDER",
    "Kind",
    "NameIndex",
    "Redactor",
    "Span",
    "apply_placeholders",
    "clean_text",
    "fill_back",
    "find_unfilled",
    "name_placeholder",
    "redact_together",
]
