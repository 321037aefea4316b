"""Answers the methods that open, change and publish views.

It does not know how people fill them in.
"""

from thumbtune.demo.slack.calls import Call, Method
from thumbtune.demo.slack.wire import Json, Refused


def _open(call: Call) -> Json:
    view = call.args.json("view")
    user_id = call.server.triggers.use_trigger(call.args.required("trigger_id"))
    return {"view": call.server.views.open_modal(user_id, view)}


def _push(call: Call) -> Json:
    view = call.args.json("view")
    user_id = call.server.triggers.use_trigger(call.args.required("trigger_id"))
    return {"view": call.server.views.push_modal(user_id, view)}


def _update(call: Call) -> Json:
    args = call.args
    view_id, external_id = args.text("view_id"), args.text("external_id")
    if not view_id and not external_id:
        raise Refused("invalid_arguments")
    view = call.server.views.update_modal(
        args.json("view"), view_id=view_id, external_id=external_id, expected_hash=args.text("hash")
    )
    return {"view": view}


def _publish(call: Call) -> Json:
    user_id = call.args.required("user_id")
    if user_id not in call.workspace.users:
        raise Refused("user_not_found")
    view = call.server.views.publish_home(user_id, call.args.json("view"), expected_hash=call.args.text("hash"))
    return {"view": view}


METHODS = {
    "views.open": Method(_open, kinds=("bot",)),
    "views.push": Method(_push, kinds=("bot",)),
    "views.update": Method(_update, kinds=("bot",)),
    "views.publish": Method(_publish, kinds=("bot",)),
}
