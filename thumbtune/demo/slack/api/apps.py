"""Answers the methods about the app, its connection and the team.

It does not know how a connection carries events.
"""

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.calls import Call, Method
from thumbtune.demo.slack.wire import Json, Refused


def _test_api(call: Call) -> Json:
    error = call.args.text("error")
    if error:
        raise Refused(error, args=call.args.values)
    return {"args": call.args.values}


def _test_auth(call: Call) -> Json:
    author = call.caller.author
    answer: Json = {
        "url": call.server.base_url + "/",
        "team": call.server.team_name,
        "team_id": seed.TEAM_ID,
        "user": call.workspace.users[author.user_id]["name"],
        "user_id": author.user_id,
        "is_enterprise_install": False,
    }
    if author.bot_id is not None:
        answer |= {"bot_id": author.bot_id}
    return answer


def _open_connection(call: Call) -> Json:
    return {"url": call.server.socket_mode.issue_url(call.server.base_url)}


def _show_team(call: Call) -> Json:
    return {
        "team": {
            "id": seed.TEAM_ID,
            "name": call.server.team_name,
            "domain": seed.TEAM_DOMAIN,
            "email_domain": "example.com",
            "icon": {"image_default": True},
        }
    }


def _show_bot(call: Call) -> Json:
    bot_id = call.args.text("bot") or call.caller.author.bot_id or ""
    for user in call.workspace.users.values():
        if user["is_bot"] and user["profile"].get("bot_id") == bot_id:
            return {
                "bot": {
                    "id": bot_id,
                    "deleted": user["deleted"],
                    "name": user["real_name"],
                    "updated": user["updated"],
                    "app_id": user["profile"]["api_app_id"],
                    "user_id": user["id"],
                    "icons": {},
                }
            }
    raise Refused("bot_not_found")


METHODS = {
    "api.test": Method(_test_api, kinds=("bot", "user", "app"), is_open=True),
    "auth.test": Method(_test_auth, kinds=("bot", "user", "app")),
    "apps.connections.open": Method(_open_connection, "connections:write", kinds=("app",)),
    "team.info": Method(_show_team, "team:read"),
    "bots.info": Method(_show_bot, "users:read"),
}
