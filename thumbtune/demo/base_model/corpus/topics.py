"""Loads the corpus's topics: a passage, the questions it answers, and which of its sentences answer them.

Form of a topics file: `# Title`, the passage on the next line (left out when the demo's help centre has it), `? a | b`
questions, and `= 1 2` for the numbers of the sentences that answer the questions above it (all, when left out).
"""

import re
from dataclasses import dataclass, field
from importlib import resources

from thumbtune.demo.shop import load_help_center

_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z])")


@dataclass(frozen=True)
class Ask:
    """Questions that the same sentences answer."""

    questions: list[str]
    sentences: list[int]


@dataclass(frozen=True)
class Topic:
    """One passage and what can be asked about it."""

    page: str
    heading: str
    sentences: list[str]
    asks: list[Ask] = field(default_factory=list)


def load_topics() -> list[list[Topic]]:
    """Return all topics, one list per page."""
    shop = {f"{title}: {heading}": text for title, sections in load_help_center() for heading, text in sections}
    pages: dict[str, list[Topic]] = {}
    for name in ("shop_questions.txt", "other_shops.txt"):
        text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
        for block in text.split("# ")[1:]:
            topic = _parse_topic(block.strip().split("\n"), shop)
            pages.setdefault(topic.page, []).append(topic)
    return list(pages.values())


def _parse_topic(lines: list[str], shop: dict[str, str]) -> Topic:
    title, rest = lines[0], lines[1:]
    passage = rest.pop(0) if not rest[0].startswith("?") else shop[title]
    sentences = _SENTENCE_END.split(passage)
    page, heading = title.split(": ", 1)
    topic = Topic(page, heading, sentences)
    for line in rest:
        if line.startswith("? "):
            topic.asks.append(Ask(line[2:].split(" | "), list(range(len(sentences)))))
        else:
            numbers = [int(word) - 1 for word in line[2:].split()]
            topic.asks[-1] = Ask(topic.asks[-1].questions, numbers)
    return topic
