"""Answers the methods about user groups.

It does not know what a group may do.
"""

from thumbtune.demo.slack.calls import Call, Method
from thumbtune.demo.slack.wire import Json, Refused


def _list_groups(call: Call) -> Json:
    groups = []
    for group in call.workspace.groups.values():
        if group["date_delete"] and not call.args.flag("include_disabled"):
            continue
        shown = {key: value for key, value in group.items() if key not in ("users", "user_count")}
        if call.args.flag("include_users"):
            shown["users"] = group["users"]
        if call.args.flag("include_count"):
            shown["user_count"] = group["user_count"]
        groups.append(shown)
    return {"usergroups": groups}


def _list_group_users(call: Call) -> Json:
    group = call.workspace.groups.get(call.args.required("usergroup"))
    if group is None or (group["date_delete"] and not call.args.flag("include_disabled")):
        raise Refused("no_such_subteam")
    return {"users": list(group["users"])}


METHODS = {
    "usergroups.list": Method(_list_groups, "usergroups:read"),
    "usergroups.users.list": Method(_list_group_users, "usergroups:read"),
}
