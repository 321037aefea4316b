"""Answers the methods about reactions.

It does not know what a reaction means to an app.
"""

from thumbtune.demo.slack.calls import Call, Method, decode_cursor, encode_cursor
from thumbtune.demo.slack.channels import Channel
from thumbtune.demo.slack.reactions import add_reaction, remove_reaction
from thumbtune.demo.slack.wire import Json, Refused


def _find_target(call: Call) -> tuple[Channel, str]:
    if not call.args.text("channel") and not call.args.text("timestamp"):
        raise Refused("no_item_specified")
    return call.find_channel(), call.args.required("timestamp", code="bad_timestamp")


def _add(call: Call) -> Json:
    channel, ts = _find_target(call)
    name = call.args.required("name", code="invalid_name")
    if channel.is_archived:
        raise Refused("is_archived")
    if call.user_id not in channel.members:
        raise Refused("not_in_channel")
    add_reaction(call.workspace, channel, ts=ts, user_id=call.user_id, name=name)
    return {}


def _remove(call: Call) -> Json:
    channel, ts = _find_target(call)
    name = call.args.required("name", code="invalid_name")
    remove_reaction(call.workspace, channel, ts=ts, user_id=call.user_id, name=name)
    return {}


def _get(call: Call) -> Json:
    channel, ts = _find_target(call)
    if call.user_id not in channel.members:
        raise Refused("not_in_channel")
    message = call.workspace.find_message(channel, ts)
    shown = {key: value for key, value in message.items() if key != "metadata"}
    shown["permalink"] = call.server.build_permalink(channel.channel_id, message)
    return {"type": "message", "channel": channel.channel_id, "message": shown}


def _list(call: Call) -> Json:
    user_id = call.args.text("user") or call.user_id
    call.workspace.find_user(user_id)
    cursor = decode_cursor(call.args.text("cursor"), "before:")
    before = int(cursor) if cursor.isdigit() else None
    reacted = call.workspace.reacted.get(user_id)
    places, following = reacted.page(call.args.limit(100, maximum=1000), before=before) if reacted else ([], None)
    items: list[Json] = []
    for channel_id, ts in places:
        channel = call.workspace.channels[channel_id]
        if call.user_id in channel.members and ts in channel.log.by_ts:
            items.append({"type": "message", "channel": channel_id, "message": channel.log.by_ts[ts]})
    next_cursor = encode_cursor(f"before:{following}") if following is not None else ""
    return {"items": items, "response_metadata": {"next_cursor": next_cursor}}


METHODS = {
    "reactions.add": Method(_add, "reactions:write"),
    "reactions.remove": Method(_remove, "reactions:write"),
    "reactions.get": Method(_get, "reactions:read"),
    "reactions.list": Method(_list, "reactions:read"),
}
