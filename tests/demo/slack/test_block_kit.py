"""Blocks and views are accepted within Slack's limits and refused beyond them, whatever an app sends."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thumbtune.demo.slack.block_kit import check_view, iterate_elements, prepare_blocks
from thumbtune.demo.slack.inputs import build_action, find_input_errors, read_state
from thumbtune.demo.slack.wire import Json, Refused

PLAIN = {"type": "plain_text", "text": "Label"}
OPTIONS = [{"text": PLAIN, "value": "a"}, {"text": PLAIN, "value": "b"}]
BLOCKS: list[Json] = [
    {"type": "header", "text": PLAIN},
    {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "hi"},
        "accessory": {"type": "overflow", "options": OPTIONS},
    },
    {"type": "section", "fields": [{"type": "mrkdwn", "text": "hi"}]},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "hi"}]},
    {"type": "markdown", "text": "# hi"},
    {
        "type": "actions",
        "block_id": "choices",
        "elements": [
            {"type": "button", "text": PLAIN, "action_id": "go", "value": "7", "style": "primary"},
            {"type": "static_select", "options": OPTIONS, "initial_option": OPTIONS[0]},
            {"type": "checkboxes", "options": OPTIONS},
        ],
    },
    {"type": "input", "label": PLAIN, "element": {"type": "plain_text_input", "min_length": 2, "max_length": 5}},
    {"type": "input", "label": PLAIN, "optional": True, "element": {"type": "multi_static_select", "options": OPTIONS}},
]
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=3), st.sampled_from(["button", "input"])),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["type", "text"]), inner)),
    max_leaves=4,
)


def list_places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *[found for key, part in inner for found in list_places(part, (*place, key))]]


PLACES = [place for place in list_places(BLOCKS) if place]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=3))
def test_odd_blocks_are_refused_or_usable(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    blocks = copy.deepcopy(BLOCKS)
    for place, value in changes:
        target: Any = blocks
        try:
            for key in place[:-1]:
                target = target[key]
            target[place[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue  # an earlier change took this place away
    try:
        prepared = prepare_blocks(blocks)
        check_view({"type": "home", "blocks": blocks}, kind="home")
    except Refused as refused:
        assert refused.code in ("invalid_blocks", "invalid_arguments")
        return
    state = read_state(prepared, {})
    find_input_errors(prepared, state)
    for block, element in iterate_elements(prepared):
        build_action(block, element, sent={"value": "a"}, action_ts="1.000001")


def test_good_blocks_get_their_missing_ids() -> None:
    prepared = prepare_blocks(BLOCKS)
    assert all(block["block_id"] for block in prepared)
    assert prepared[5]["block_id"] == "choices"
    assert all(element["action_id"] for _, element in iterate_elements(prepared))


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ({"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}, "less than 3001"),
        ({"type": "header", "text": {**PLAIN, "text": "x" * 151}}, "less than 151"),
        ({"type": "section", "text": "just text"}, "missing required field: text"),
        ({"type": "actions", "elements": [{"type": "button", "text": PLAIN}] * 26}, "no more than 25"),
        ({"type": "actions", "elements": [{"type": "button", "text": PLAIN, "value": "x" * 2001}]}, "less than 2001"),
        ({"type": "actions", "elements": [{"type": "button", "text": PLAIN, "value": 7}]}, "must be a string"),
        ({"type": "actions", "elements": [{"type": "button", "text": PLAIN, "style": "loud"}]}, "unsupported style"),
        ({"type": "section", "fields": [{**PLAIN, "text": "x" * 2001}]}, "less than 2001"),
    ],
)
def test_limits_are_named_with_their_place(block: Json, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        prepare_blocks([block])
    problems = refused.value.extra["errors"]
    assert isinstance(problems, list)
    assert any(reason in problem and "json-pointer:/blocks/0" in problem for problem in problems)


def test_modal_needs_title_and_submit_for_inputs() -> None:
    view = {"type": "modal", "title": PLAIN, "submit": PLAIN, "blocks": BLOCKS[6:]}
    assert check_view(view, kind="modal")["blocks"][0]["element"]["action_id"]
    for broken in ({"title": None}, {"title": {**PLAIN, "text": "x" * 25}}, {"submit": None}, {"type": "home"}):
        with pytest.raises(Refused, match="invalid_arguments"):
            check_view({**view, **broken}, kind="modal")
    with pytest.raises(Refused, match="invalid_arguments"):
        check_view({**view, "private_metadata": "x" * 3001}, kind="modal")


def test_state_holds_what_was_entered_or_offered_first() -> None:
    prepared = prepare_blocks(BLOCKS)
    text_id = prepared[6]["element"]["action_id"]
    entered = {prepared[6]["block_id"]: {text_id: {"type": "plain_text_input", "value": "hello!"}}}
    state = read_state(prepared, entered)
    assert state[prepared[6]["block_id"]][text_id]["value"] == "hello!"
    assert state["choices"]["action-5-1"]["selected_option"]["value"] == "a"
    assert state["choices"]["action-5-2"]["selected_options"] == []
    assert find_input_errors(prepared, state) == {prepared[6]["block_id"]: "Please enter between 2 and 5 characters."}
