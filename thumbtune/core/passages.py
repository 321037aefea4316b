"""Cuts a Markdown document into passages, one a section, so that each can ground a draft by itself.

It does not know where documents come from or how passages are found.
"""

from markdown_it import MarkdownIt

from thumbtune.core.prompt import Passage

MAX_PASSAGE_CHARS = 1500


def cut_document(markdown: str, *, fallback_title: str) -> tuple[str, list[Passage]]:
    """Return a document's title and its passages, titled "Document: Section"; long sections are cut at paragraphs."""
    title = ""
    heading = ""
    paragraphs: dict[str, list[str]] = {}
    tokens = MarkdownIt().enable("table").parse(markdown)
    for position, token in enumerate(tokens):
        if token.type != "inline":
            continue
        text = _plain_text(token.children or [])
        before = tokens[position - 1]
        if before.type == "heading_open" and before.tag == "h1" and not title:
            title = text
        elif before.type == "heading_open":
            heading = text
        elif text:
            paragraphs.setdefault(heading, []).append(text)
    title = title or fallback_title
    passages: list[Passage] = []
    for name, texts in paragraphs.items():
        passages += _group(f"{title}: {name}" if name else title, texts)
    return title, passages


def _plain_text(children: list) -> str:  # type: ignore[type-arg]  # markdown-it's own token type
    return "".join("\n" if child.type in ("softbreak", "hardbreak") else child.content for child in children).strip()


def _group(title: str, texts: list[str]) -> list[Passage]:
    groups: list[str] = []
    for text in texts:
        if groups and len(groups[-1]) + len(text) < MAX_PASSAGE_CHARS:
            groups[-1] += f"\n{text}"
        else:
            groups.append(text)
    return [Passage(title, group) for group in groups]
