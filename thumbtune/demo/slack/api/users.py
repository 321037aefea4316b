"""Answers the methods about people.

It does not know their messages.
"""

from thumbtune.demo.slack.api.conversations import read_kinds
from thumbtune.demo.slack.calls import Call, Method, page_list
from thumbtune.demo.slack.wire import Json


def _list_users(call: Call) -> Json:
    members, metadata = page_list(
        [_show(call, user) for user in call.workspace.users.values()], call.args, default=1000
    )
    return {"members": members, "cache_ts": int(call.workspace.clock()), "response_metadata": metadata}


def _show_user(call: Call) -> Json:
    user = call.workspace.find_user(call.args.required("user", code="user_not_found"))
    return {"user": _show(call, user)}


def _list_user_conversations(call: Call) -> Json:
    user_id = call.args.text("user") or call.user_id
    call.workspace.find_user(user_id)
    wanted = read_kinds(call)
    found = [
        channel.to_json(user_id)
        for channel in call.workspace.channels.values()
        if channel.kind in wanted
        and user_id in channel.members
        and (channel.kind == "channel" or call.user_id in channel.members)
        and not (call.args.flag("exclude_archived") and channel.is_archived)
    ]
    channels, metadata = page_list(found, call.args)
    return {"channels": channels, "response_metadata": metadata}


def _show(call: Call, user: Json) -> Json:
    if "users:read.email" in call.caller.scopes:
        return user
    profile = {key: value for key, value in user["profile"].items() if key != "email"}
    return {**user, "profile": profile}


METHODS = {
    "users.list": Method(_list_users, "users:read"),
    "users.info": Method(_show_user, "users:read"),
    "users.conversations": Method(_list_user_conversations),
}
