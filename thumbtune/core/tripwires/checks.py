"""Looks at one draft: is it empty, stuck or cut, how near is it to the approved reply, are its facts from the prompt.

It does not know models or where drafts are kept. What it returns holds counts and kinds, no text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from thumbtune.core.curation.facts import list_facts
from thumbtune.core.prompt import ChatMessage, Passage
from thumbtune.core.redaction import PLACEHOLDER, Kind, NameIndex, Redactor
from thumbtune.core.tripwires.chrf import compute_chrf
from thumbtune.core.tripwires.loops import is_looping

LEAK_KINDS: tuple[Kind, ...] = ("KEY", "EMAIL", "IBAN", "CARD", "PHONE")
"""What a model can only have from someone's data. An order number that is made up is a wrong fact."""


@dataclass(frozen=True)
class DraftCheck:
    """What was found about one draft."""

    is_empty: bool
    is_looping: bool
    is_cut: bool
    """Ended by the limit of tokens."""
    length_ratio: float | None = None
    """Its words to those of the approved reply."""
    chrf: float | None = None
    facts_wanted: int = 0
    """Facts of the approved reply that a passage has."""
    facts_right: int = 0
    """Those of them that the draft has too."""
    facts_made_up: int = 0
    """Facts and placeholders of the draft that its prompt has not."""
    leaks: tuple[str, ...] = ()
    """Kinds of what identifies someone and is neither in the prompt nor public."""

    @property
    def is_broken(self) -> bool:
        """Whether nobody could send it."""
        return self.is_empty or self.is_looping or self.is_cut


def check_draft(
    text: str,
    *,
    is_cut: bool,
    prompt: Sequence[ChatMessage],
    passages: Sequence[Passage] = (),
    approved: str | None = None,
    leaks: Iterable[str] = (),
) -> DraftCheck:
    """Return what is found about a draft; `leaks` are the kinds that `find_leaks` told, as far as they are not public."""
    shown = "\n".join(message["content"] for message in prompt)
    known = list_facts("\n".join(f"{passage.title}\n{passage.text}" for passage in passages))
    wanted = list_facts(approved) & known if approved else frozenset[str]()
    stated = list_facts(text)
    invented = stated - list_facts(shown) - known
    fillable = PLACEHOLDER.findall(f"{shown}\n{approved or ''}")  # the team may greet by a name that was not said
    unfilled = set(PLACEHOLDER.findall(text)).difference(fillable)
    return DraftCheck(
        is_empty=not text.strip(),
        is_looping=is_looping(text),
        is_cut=is_cut,
        length_ratio=round(len(text.split()) / max(len(approved.split()), 1), 3) if approved else None,
        chrf=round(compute_chrf(text, approved), 2) if approved else None,
        facts_wanted=len(wanted),
        facts_right=len(wanted & stated),
        facts_made_up=len(invented) + len(unfilled),
        leaks=tuple(sorted(set(leaks))),
    )


def find_leaks(text: str, *, prompt: Sequence[ChatMessage], redactor: Redactor) -> list[tuple[Kind, str]]:
    """Return kind and wording of what identifies someone in a draft and does not stand in its prompt.

    Customers' data is replaced by placeholders before anything is learned, so none should ever be found.
    Raises: RedactionFailed.
    """
    shown = "\n".join(message["content"] for message in prompt)
    found = [span for span in redactor.find_spans(text, names=NameIndex()) if span.kind in LEAK_KINDS]
    if not found:
        return []
    known = {span.canonical for span in redactor.find_spans(shown, names=NameIndex())}
    return [
        (span.kind, text[span.start : span.end])
        for span in found
        if span.canonical not in known and text[span.start : span.end] not in shown
    ]
