"""Checks blocks and views against Slack's limits and fills in the ids that Slack would give them.

It does not know who sends them. Source: docs.slack.dev/reference/block-kit, seen 2026-11-21.
"""

from collections.abc import Iterator
from typing import Any

from thumbtune.demo.slack.wire import Json, Refused

BLOCK_TYPES = frozenset(
    {
        *("actions", "alert", "call", "card", "carousel", "container", "context", "context_actions", "divider", "file"),
        *("header", "image", "input", "markdown", "plan", "rich_text", "section", "share_shortcut", "table"),
        *("task_card", "video"),
    }
)
MAX_MESSAGE_BLOCKS = 50
MAX_VIEW_BLOCKS = 100
MAX_BLOCK_CHARS = 13_200
"""All text in a message's blocks together. Source: slackapi/bolt-js#2509, seen 2026-11-20."""

_TEXT_LIMITS = {"section": 3000, "header": 150, "markdown": 12_000, "field": 2000, "label": 2000, "button": 75}
_ELEMENT_LIMITS = {"actions": 25, "context": 10, "context_actions": 5}
_VALUE_LIMITS = {"action_id": 255, "block_id": 255, "value": 2000, "url": 3000, "alt_text": 2000}


def prepare_blocks(blocks: Any, *, maximum: int = MAX_MESSAGE_BLOCKS, prefix: str = "") -> list[Json]:
    """Return the blocks with their ids filled in.

    Raises: Refused `invalid_blocks`, `invalid_blocks_format` or `msg_blocks_too_long`.
    """  # blocks is Any: it is checked here
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    problems = list(_find_problems(blocks, maximum, prefix=prefix))
    if problems:
        raise Refused(
            "invalid_blocks", errors=problems, response_metadata={"messages": [f"[ERROR] {p}" for p in problems]}
        )
    prepared = [_fill_ids(block, index) for index, block in enumerate(blocks)]
    if sum(_count_chars(block) for block in prepared) > MAX_BLOCK_CHARS and maximum == MAX_MESSAGE_BLOCKS:
        raise Refused("msg_blocks_too_long")
    return prepared


def check_view(view: Any, *, kind: str) -> Json:
    """Return a view's fields, checked; `kind` is `modal` or `home`.

    Raises: Refused `invalid_arguments`.
    """  # view is Any: it is checked here
    problems: list[str] = []
    if not isinstance(view, dict):
        raise Refused("invalid_arguments", response_metadata={"messages": ["[ERROR] must be a view object"]})
    if view.get("type") != kind:
        problems.append(f'must be "{kind}" [json-pointer:/view/type]')
    if kind == "modal":
        for key in ("title", "submit", "close"):
            part = view.get(key)
            if part is None and key != "title":
                continue
            if not isinstance(part, dict) or part.get("type") != "plain_text" or not part.get("text"):
                problems.append(f"must be a plain_text object [json-pointer:/view/{key}]")
            elif len(str(part["text"])) > 24:
                problems.append(f"must be less than 25 characters [json-pointer:/view/{key}/text]")
    for key, limit in (("private_metadata", 3000), ("callback_id", 255), ("external_id", 255)):
        if len(str(view.get(key) or "")) > limit:
            problems.append(f"must be less than {limit + 1} characters [json-pointer:/view/{key}]")
    blocks = view.get("blocks")
    if isinstance(blocks, list):
        problems += _find_problems(blocks, MAX_VIEW_BLOCKS, prefix="/view")
        has_input = any(isinstance(block, dict) and block.get("type") == "input" for block in blocks)
        if kind == "modal" and has_input and not view.get("submit"):
            problems.append("must define `submit` to use an `input` block in modals [json-pointer:/view]")
    else:
        problems.append("missing required field: blocks [json-pointer:/view]")
    if problems:
        raise Refused("invalid_arguments", response_metadata={"messages": [f"[ERROR] {p}" for p in problems]})
    return {**view, "blocks": [_fill_ids(block, index) for index, block in enumerate(view["blocks"])]}


def iterate_elements(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Yield every interactive element with its block."""
    for block in blocks:
        elements = [*(block.get("elements") or []), block.get("accessory"), block.get("element")]
        for element in elements:
            if isinstance(element, dict) and "action_id" in element:
                yield block, element


def _find_problems(blocks: list[Any], maximum: int, *, prefix: str) -> Iterator[str]:  # Any: unchecked JSON
    if len(blocks) > maximum:
        yield f"no more than {maximum} items allowed [json-pointer:{prefix}/blocks]"
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        pointer = f"{prefix}/blocks/{index}"
        kind = block.get("type") if isinstance(block, dict) else block
        if not isinstance(block, dict) or not isinstance(kind, str) or kind not in BLOCK_TYPES:
            yield f"unsupported type: {kind} [json-pointer:{pointer}/type]"
            continue
        block_id = str(block.get("block_id") or "")
        if block_id and block_id in seen:
            yield f"`block_id` {block_id} already exists [json-pointer:{pointer}/block_id]"
        seen.add(block_id)
        yield from _find_block_problems(block, pointer)


def _find_block_problems(block: Json, pointer: str) -> Iterator[str]:
    kind = block["type"]
    yield from _find_value_problems(block, pointer)
    fields = block.get("fields")
    if kind in ("section", "header", "markdown") and not (kind == "section" and fields and "text" not in block):
        yield from _find_text_problems(block.get("text"), f"{pointer}/text", kind=kind)
    if fields is not None and (not isinstance(fields, list) or not 1 <= len(fields) <= 10):
        yield f"must have between 1 and 10 items [json-pointer:{pointer}/fields]"
    elif fields is not None:
        for place, field in enumerate(fields):
            yield from _find_text_problems(field, f"{pointer}/fields/{place}", kind="field")
    elements = block.get("elements")
    if kind in _ELEMENT_LIMITS and (not isinstance(elements, list) or not elements):
        yield f"missing required field: elements [json-pointer:{pointer}]"
    elif kind in _ELEMENT_LIMITS and len(elements or ()) > _ELEMENT_LIMITS[kind]:
        yield f"no more than {_ELEMENT_LIMITS[kind]} items allowed [json-pointer:{pointer}/elements]"
    if kind == "input":
        yield from _find_text_problems(block.get("label"), f"{pointer}/label", kind="label")
    parts: list[tuple[str, Any]] = []  # Any: unchecked JSON
    if kind in _ELEMENT_LIMITS and isinstance(elements, list):
        parts += [(f"{pointer}/elements/{place}", part) for place, part in enumerate(elements)]
    elif elements is not None and not isinstance(elements, list):
        yield f"must be a list [json-pointer:{pointer}/elements]"
    parts += [(f"{pointer}/{key}", block[key]) for key in ("accessory", "element") if key in block]
    if kind == "input" and "element" not in block:
        yield f"missing required field: element [json-pointer:{pointer}]"
    for part_pointer, part in parts:
        if isinstance(part, dict) and isinstance(part.get("type"), str):
            yield from _find_element_problems(part, part_pointer)
        else:
            yield f"missing required field: type [json-pointer:{part_pointer}]"


def _find_text_problems(text: Any, pointer: str, *, kind: str) -> Iterator[str]:  # text is Any: it is checked here
    content = text if kind == "markdown" else text.get("text") if isinstance(text, dict) else None
    if not isinstance(content, str) or not content:
        yield f"missing required field: text [json-pointer:{pointer}]"
    elif len(content) > _TEXT_LIMITS[kind]:
        yield f"must be less than {_TEXT_LIMITS[kind] + 1} characters [json-pointer:{pointer}/text]"


def _find_element_problems(element: Json, pointer: str) -> Iterator[str]:
    yield from _find_value_problems(element, pointer)
    if element["type"] == "button":
        yield from _find_text_problems(element.get("text"), f"{pointer}/text", kind="button")
        if element.get("style") not in (None, "primary", "danger"):
            yield f"unsupported style [json-pointer:{pointer}/style]"
    groups = element.get("option_groups")
    if groups is not None and (
        not isinstance(groups, list) or not all(isinstance(group, dict) and "options" in group for group in groups)
    ):
        yield f"must be a list of groups [json-pointer:{pointer}/option_groups]"
        return
    for options in [element.get("options"), *[group["options"] for group in groups or ()]]:
        yield from _find_option_problems(options, f"{pointer}/options")
    if element["type"] == "plain_text_input":
        initial, longest = element.get("initial_value"), element.get("max_length") or 3000
        if not isinstance(longest, int) or not 1 <= longest <= 3000:
            yield f"must be between 1 and 3000 [json-pointer:{pointer}/max_length]"
        elif initial is not None and (not isinstance(initial, str) or len(initial) > longest):
            yield f"initial_value is too long or no text [json-pointer:{pointer}/initial_value]"
        if not isinstance(element.get("min_length") or 0, int):
            yield f"must be a number [json-pointer:{pointer}/min_length]"


def _find_option_problems(options: Any, pointer: str) -> Iterator[str]:  # options is Any: it is checked here
    if options is None:
        return
    if not isinstance(options, list) or not 1 <= len(options) <= 100:
        yield f"must have between 1 and 100 items [json-pointer:{pointer}]"
        return
    for place, option in enumerate(options):
        value = option.get("value") if isinstance(option, dict) else None
        if not isinstance(value, str) or not isinstance(option.get("text"), dict):
            yield f"missing required field: text or value [json-pointer:{pointer}/{place}]"
        elif len(value) > 150 or len(str(option["text"].get("text"))) > 75:
            yield f"text or value is too long [json-pointer:{pointer}/{place}]"


def _find_value_problems(part: Json, pointer: str) -> Iterator[str]:
    for key, limit in _VALUE_LIMITS.items():
        value = part.get(key)
        if value is not None and not isinstance(value, str):
            yield f"must be a string [json-pointer:{pointer}/{key}]"
        elif value is not None and len(value) > limit:
            yield f"must be less than {limit + 1} characters [json-pointer:{pointer}/{key}]"


def _fill_ids(block: Json, index: int) -> Json:
    filled = {**block, "block_id": block.get("block_id") or f"block-{index}"}
    if isinstance(block.get("elements"), list) and block["type"] in ("actions", "context_actions"):
        filled["elements"] = [_fill_action_id(part, f"{index}-{place}") for place, part in enumerate(block["elements"])]
    for key in ("accessory", "element"):
        if isinstance(block.get(key), dict) and block[key].get("type") != "image":
            filled[key] = _fill_action_id(block[key], f"{index}-{key}")
    return filled


def _fill_action_id(element: Json, suffix: str) -> Json:
    return {**element, "action_id": element.get("action_id") or f"action-{suffix}"}


def _count_chars(value: Any) -> int:  # Any: any part of a block
    if isinstance(value, dict):
        return sum(
            len(part) if key == "text" and isinstance(part, str) else _count_chars(part) for key, part in value.items()
        )
    return sum(_count_chars(part) for part in value) if isinstance(value, list) else 0
