"""Says what speaks against learning from an approved reply, and which replies are the same or contradict each other.

It is pure: it does not know the store, Slack, or what becomes of what it finds.
"""

from thumbtune.core.curation.checks import inspect_pair
from thumbtune.core.curation.explaining import KIND_WORDS, explain_pair
from thumbtune.core.curation.likeness import (
    Asked,
    Exchange,
    Likeness,
    compare_exchanges,
    read_asked,
    read_exchange,
    sign_exchange,
)

__all__ = [
    "KIND_WORDS",
    "Asked",
    "Exchange",
    "Likeness",
    "compare_exchanges",
    "explain_pair",
    "inspect_pair",
    "read_asked",
    "read_exchange",
    "sign_exchange",
]
