"""Reads what a person entered or chose in blocks into Slack's state values and actions, and checks it.

It does not know views, messages or the app.
"""

from thumbtune.demo.slack.block_kit import iterate_elements
from thumbtune.demo.slack.wire import Json

_STATE_KEYS = {
    "plain_text_input": "value",
    "email_text_input": "value",
    "number_input": "value",
    "url_text_input": "value",
    "rich_text_input": "rich_text_value",
    "static_select": "selected_option",
    "external_select": "selected_option",
    "multi_static_select": "selected_options",
    "multi_external_select": "selected_options",
    "users_select": "selected_user",
    "multi_users_select": "selected_users",
    "conversations_select": "selected_conversation",
    "multi_conversations_select": "selected_conversations",
    "channels_select": "selected_channel",
    "multi_channels_select": "selected_channels",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "radio_buttons": "selected_option",
    "checkboxes": "selected_options",
}
_ACTION_KEYS = {**_STATE_KEYS, "overflow": "selected_option"}


def read_state(blocks: list[Json], values: Json) -> Json:
    """Return Slack's state values of all elements that hold one, from what the person entered or the initial values."""
    state: Json = {}
    for block, element in iterate_elements(blocks):
        kind = element["type"]
        key = _STATE_KEYS.get(kind)
        if key is None:
            continue
        in_block = values.get(block["block_id"])
        sent = in_block.get(element["action_id"]) if isinstance(in_block, dict) else None
        value = _read_value(element, key, sent) if sent is not None else _read_initial(element, key)
        state.setdefault(block["block_id"], {})[element["action_id"]] = {"type": kind, key: value}
    return state


def find_input_errors(blocks: list[Json], state: Json) -> dict[str, str]:
    """Return what a person still has to put right, by block id: what Slack checks itself before the app sees it."""
    errors: dict[str, str] = {}
    for block, element in iterate_elements(blocks):
        if block["type"] != "input" or element["type"] not in _STATE_KEYS:
            continue
        entered = state[block["block_id"]][element["action_id"]]
        value = entered[_STATE_KEYS[element["type"]]]
        if not value and not block.get("optional"):
            errors[block["block_id"]] = "Please complete this required field."
        elif isinstance(value, str) and element["type"] == "plain_text_input":
            shortest, longest = int(element.get("min_length") or 0), int(element.get("max_length") or 3000)
            if not shortest <= len(value) <= longest:
                errors[block["block_id"]] = f"Please enter between {shortest} and {longest} characters."
    return errors


def build_action(block: Json, element: Json, *, sent: Json, action_ts: str) -> Json:
    """Return the action that Slack reports for a pressed or changed element."""
    kind = element["type"]
    action: Json = {
        "type": kind,
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "action_ts": action_ts,
    }
    if kind in ("button", "icon_button", "workflow_button"):
        for key in ("text", "value", "style", "url", "icon"):
            if key in element:
                action[key] = element[key]
    elif kind == "feedback_buttons":
        for button in (element.get("positive_button"), element.get("negative_button")):
            if isinstance(button, dict) and button.get("value") == sent.get("value"):
                action |= {"value": button.get("value"), "text": button.get("text")}
    elif kind in _ACTION_KEYS:
        key = _ACTION_KEYS[kind]
        action[key] = _read_value(element, key, sent)
    return action


def _read_value(element: Json, key: str, sent: object) -> object:
    value = sent.get(key, sent.get("value")) if isinstance(sent, dict) else sent
    if value in ("", None):
        return [] if key.endswith("s") else None
    if key == "selected_option":
        return _find_option(element, value)
    if key == "selected_options":
        return [_find_option(element, item) for item in value] if isinstance(value, list) else []
    return value


def _read_initial(element: Json, key: str) -> object:
    if key in ("value", "rich_text_value"):
        return element.get("initial_value")
    name = key.replace("selected_", "initial_")
    return element.get(name, [] if key.endswith("s") else None)


def _find_option(element: Json, wanted: object) -> object:
    value = wanted.get("value") if isinstance(wanted, dict) else wanted
    groups = [group.get("options", []) for group in element.get("option_groups", [])]
    for option in [*element.get("options", []), *[option for group in groups for option in group]]:
        if option["value"] == value:
            return option
    return wanted if isinstance(wanted, dict) else None
