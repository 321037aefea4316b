"""Answers the methods that list conversations and read their messages.

It does not know how messages are written.
"""

from thumbtune.demo.slack.calls import Call, Method, decode_cursor, encode_cursor, page_list
from thumbtune.demo.slack.channels import ChannelKind
from thumbtune.demo.slack.wire import Json, Refused

_KINDS: dict[str, ChannelKind] = {"public_channel": "channel", "private_channel": "group", "im": "im"}


def read_kinds(call: Call) -> set[ChannelKind]:
    """Return the kinds of conversation that a call asks for; there are no group messages here.

    Raises: Refused `invalid_types` or `missing_scope`.
    """
    names = [name for name in call.args.ids("types") or ["public_channel"] if name != "mpim"]
    if any(name not in _KINDS for name in names):
        raise Refused("invalid_types")
    wanted = {_KINDS[name] for name in names}
    for kind in wanted:
        call.require_read(kind)
    return wanted


def _list_conversations(call: Call) -> Json:
    wanted = read_kinds(call)
    found = [
        channel.to_json(call.user_id)
        for channel in call.workspace.channels.values()
        if channel.kind in wanted
        and (channel.kind == "channel" or call.user_id in channel.members)
        and not (call.args.flag("exclude_archived") and channel.is_archived)
    ]
    channels, metadata = page_list(found, call.args)
    return {"channels": channels, "response_metadata": metadata}


def _show_conversation(call: Call) -> Json:
    channel = call.find_channel()
    call.require_read(channel.kind)
    shown = channel.to_json(call.user_id)
    if not call.args.flag("include_num_members"):
        shown.pop("num_members", None)
    return {"channel": shown}


def _read_history(call: Call) -> Json:
    channel = call.find_channel()
    call.require_history(channel)
    cursor = decode_cursor(call.args.text("cursor"), "before:")
    messages, has_more = channel.log.page_timeline(
        call.args.limit(100),
        oldest=_read_ts(call, "oldest"),
        latest=cursor or _read_ts(call, "latest"),
        inclusive=call.args.flag("inclusive") and not cursor,
    )
    answer: Json = {"messages": _show(call, messages), "has_more": has_more, "pin_count": 0}
    if has_more:
        answer["response_metadata"] = {"next_cursor": encode_cursor(f"before:{messages[-1]['ts']}")}
    return answer


def _read_replies(call: Call) -> Json:
    channel = call.find_channel()
    call.require_history(channel)
    ts = call.args.required("ts", code="thread_not_found")
    message = channel.log.by_ts.get(ts)
    if message is None:
        raise Refused("thread_not_found")
    if message.get("thread_ts", ts) != ts:
        return {"messages": _show(call, [message]), "has_more": False}
    limit = call.args.limit(1000, maximum=1000)
    messages, has_more = channel.log.page_thread(
        ts,
        limit=limit,
        oldest=_read_ts(call, "oldest"),
        latest=_read_ts(call, "latest"),
        inclusive=call.args.flag("inclusive"),
        after=decode_cursor(call.args.text("cursor"), "after:"),
    )
    answer: Json = {"messages": _show(call, messages), "has_more": has_more}
    if has_more:
        answer["response_metadata"] = {"next_cursor": encode_cursor(f"after:{messages[-1]['ts']}")}
    return answer


def _list_members(call: Call) -> Json:
    channel = call.find_channel()
    call.require_read(channel.kind)
    members, metadata = page_list(list(channel.members), call.args)
    return {"members": members, "response_metadata": metadata}


def _join(call: Call) -> Json:
    channel = call.find_channel()
    if channel.kind != "channel":
        raise Refused("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise Refused("is_archived")
    joined = call.workspace.join(channel, call.user_id)
    answer: Json = {"channel": channel.to_json(call.user_id)}
    if not joined:
        answer |= {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    return answer


def _open(call: Call) -> Json:
    if call.args.text("channel"):
        return {"channel": call.find_channel().to_json(call.user_id)}
    users = call.args.ids("users")
    if not users:
        raise Refused("users_list_not_supplied")
    for user_id in users:
        call.workspace.find_user(user_id)
    channel, was_open = call.workspace.open_direct([*users, call.user_id])
    shown = channel.to_json(call.user_id) if call.args.flag("return_im") else {"id": channel.channel_id}
    answer: Json = {"channel": shown}
    if was_open:
        answer |= {"no_op": True, "already_open": True}
    return answer


def _read_ts(call: Call, name: str) -> str:
    value = call.args.text(name)
    if value in ("", "0", "now"):
        return ""
    seconds, _, micros = value.partition(".")
    if not seconds.isdigit() or (micros and not micros.isdigit()):
        raise Refused(f"invalid_ts_{name}")
    return f"{int(seconds):010d}.{micros[:6]:0<6}"


def _show(call: Call, messages: list[Json]) -> list[Json]:
    if call.args.flag("include_all_metadata"):
        return messages
    return [{key: value for key, value in message.items() if key != "metadata"} for message in messages]


METHODS = {
    "conversations.list": Method(_list_conversations),
    "conversations.info": Method(_show_conversation),
    "conversations.history": Method(_read_history),
    "conversations.replies": Method(_read_replies),
    "conversations.members": Method(_list_members),
    "conversations.join": Method(_join, "channels:join"),
    "conversations.open": Method(_open, "im:write"),
}
