"""The small parts that cards, modals and the Home tab are made of.

It does not know what they are about. Text that comes in is encoded before it gets here.
"""

from collections.abc import Iterable

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ConfirmObject,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from thumbtune.bot.slack import Json

MAX_SECTION_CHARS = 3000
MAX_FIELD_CHARS = 2000
CHUNK_CHARS = 1400


def render_blocks(blocks: Iterable[Block]) -> list[Json]:
    """Return blocks as Slack's JSON.

    Raises: SlackObjectFormationError when one breaks Slack's limits.
    """
    rendered: list[Json] = [block.to_dict() for block in blocks]
    return rendered


def section(markup: str, *, block_id: str | None = None) -> SectionBlock:
    """Return a paragraph of Slack markup."""
    return SectionBlock(text=MarkdownTextObject(text=markup[:MAX_SECTION_CHARS]), block_id=block_id)


def section_with(markup: str, element: ButtonElement) -> SectionBlock:
    """Return a paragraph of Slack markup with a button beside it."""
    return SectionBlock(text=MarkdownTextObject(text=markup[:MAX_SECTION_CHARS]), accessory=element)


def two_columns(left: str, right: str) -> SectionBlock:
    """Return two paragraphs of Slack markup side by side, one above the other on a telephone."""
    return SectionBlock(fields=[MarkdownTextObject(text=markup[:MAX_FIELD_CHARS]) for markup in (left, right)])


def plain_section(text: str) -> SectionBlock:
    """Return a paragraph in which nothing is markup."""
    return SectionBlock(text=PlainTextObject(text=text[:MAX_SECTION_CHARS] or " ", emoji=False))


def header(text: str) -> HeaderBlock:
    """Return a heading."""
    return HeaderBlock(text=PlainTextObject(text=text[:150]))


def small(*markups: str) -> ContextBlock:
    """Return a line of small print."""
    elements = [MarkdownTextObject(text=markup[:2000]) for markup in markups if markup][:10]
    return ContextBlock(elements=elements)


def button(
    text: str, *, action_id: str, value: str, style: str | None = None, confirm: ConfirmObject | None = None
) -> ButtonElement:
    """Return a button; `value` holds ids only."""
    return ButtonElement(
        text=PlainTextObject(text=text), action_id=action_id, value=value, style=style, confirm=confirm
    )


def ask_first(title: str, text: str, *, confirm: str, style: str | None = None) -> ConfirmObject:
    """Return the question that a button asks before it does anything."""
    return ConfirmObject(title=title, text=PlainTextObject(text=text), confirm=confirm, deny="Cancel", style=style)


def buttons(*elements: ButtonElement) -> ActionsBlock:
    """Return a row of buttons."""
    return ActionsBlock(elements=list(elements))


def split_text(text: str, *, size: int = CHUNK_CHARS) -> list[str]:
    """Return a long text in parts that fit a section even when every character has to be escaped twice over."""
    parts: list[str] = []
    rest = text
    while len(rest) > size:
        cut = max(rest.rfind("\n", 0, size), rest.rfind(" ", 0, size))
        cut = cut if cut > size // 2 else size
        parts.append(rest[:cut])
        rest = rest[cut:].lstrip("\n ")
    return [*parts, rest] if rest or not parts else parts
