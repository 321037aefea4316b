"""Redacts a whole conversation of a file: placeholders are numbered as in a thread, the asker first.

It does not know the store: the conversation is all there, so nothing has to be remembered to number it the same again.
"""

import re

from thumbtune.cli.importing.conversations import Conversation
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.redaction import NameIndex, Redactor, redact_together

NO_NAMES = frozenset(
    re.findall(
        r"\w+",
        "admin agent anonymous bot client customer desk end guest help me member operator requester service staff support "
        "system team the unknown us user you",
    )
)
"""Words that stand where a name should: nobody is called that."""


def redact_conversation(redactor: Redactor, conversation: Conversation) -> list[Turn]:
    """Return the conversation as turns with placeholders.

    Raises: RedactionFailed.
    """
    names = NameIndex()
    for item in conversation.utterances:
        if is_name(item.author):
            names.add(item.author.casefold(), [item.author])
    redacted = redact_together(
        redactor,
        [item.text for item in conversation.utterances],
        names=names,
        keeps=conversation.origin is not None,
        authors=[item.author if is_name(item.author) else "" for item in conversation.utterances],
    )
    return [Turn(item.role, text) for item, text in zip(conversation.utterances, redacted, strict=True)]


def redact_passage(redactor: Redactor, passage: Passage, *, keeps: bool) -> Passage:
    """Return a passage with placeholders, numbered by itself; `keeps` leaves those alone that it holds already.

    Raises: RedactionFailed.
    """
    texts = [passage.title, passage.text]
    title, text = redact_together(redactor, texts, names=NameIndex(), keeps=keeps)
    return Passage(title, text)


def is_name(author: str) -> bool:
    """Return whether an author column names someone rather than a part or an address."""
    words = author.casefold().split()
    return bool(words) and "@" not in author and not NO_NAMES.issuperset(words)
