"""Carries what people do with the app to it: slash commands, shortcuts, buttons, modals and the Home tab.

It does not know the page that people do it on.
"""

from typing import TYPE_CHECKING

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.block_kit import iterate_elements
from thumbtune.demo.slack.channels import Change, Channel
from thumbtune.demo.slack.delivery import Answer
from thumbtune.demo.slack.inputs import build_action, find_input_errors, read_state
from thumbtune.demo.slack.responses import apply_response
from thumbtune.demo.slack.text import compose_text
from thumbtune.demo.slack.triggers import ResponseTarget
from thumbtune.demo.slack.wire import Json, Refused

if TYPE_CHECKING:
    from thumbtune.demo.slack.local_slack import LocalSlack


class Interactivity:
    """Everything a person can do with the app; each method waits for the app's acknowledgement.

    All raise Refused `dispatch_failed` when the app is not connected and `operation_timeout` when it does not answer.
    """

    def __init__(self, server: "LocalSlack") -> None:
        self._server = server

    async def run_command(self, user_id: str, channel: Channel, *, typed: str, thread_ts: str | None) -> None:
        """Run a slash command; what the app answers at once is shown.

        Raises: Refused `invalid_command` or `not_supported_in_thread`.
        """
        name, _, rest = typed.partition(" ")
        command = self._server.profile.find_command(name)
        if command is None:
            raise Refused("invalid_command", message=f"{name} is not a valid command.")
        if thread_ts:
            raise Refused("not_supported_in_thread", message=f"{name} is not supported in threads. Sorry!")
        names = self._server.list_names() if command.should_escape else {}
        text = compose_text(rest, names) if command.should_escape else rest
        target = ResponseTarget(channel.channel_id, user_id)
        payload = {
            "token": seed.VERIFICATION_TOKEN,
            "team_id": seed.TEAM_ID,
            "team_domain": seed.TEAM_DOMAIN,
            "channel_id": channel.channel_id,
            "channel_name": channel.name if channel.kind == "channel" else _PRIVATE_NAMES[channel.kind],
            "user_id": user_id,
            "user_name": self._server.workspace.users[user_id]["name"],
            "command": name,
            "text": text.strip(),
            "api_app_id": seed.APP_ID,
            "is_enterprise_install": "false",
            "response_url": self._issue_url(target, "commands"),
            "trigger_id": self._server.triggers.issue_trigger(user_id),
        }
        answer = await self._ask("slash_commands", payload)
        if answer.payload:
            apply_response(self._server.workspace, target, answer.payload)

    async def run_shortcut(self, user_id: str, channel: Channel, *, callback_id: str, ts: str) -> None:
        """Use a message shortcut.

        Raises: Refused `unknown_shortcut` or `message_not_found`.
        """
        if all(item.callback_id != callback_id for item in self._server.profile.shortcuts):
            raise Refused("unknown_shortcut")
        message = self._server.workspace.find_message(channel, ts)
        target = ResponseTarget(channel.channel_id, user_id, thread_ts=message.get("thread_ts"))
        payload = {
            **self._build_base("message_action", user_id),
            "action_ts": self._server.workspace.next_ts(),
            "channel": {"id": channel.channel_id, "name": channel.name or _PRIVATE_NAMES[channel.kind]},
            "callback_id": callback_id,
            "response_url": self._issue_url(target, "app"),
            "message_ts": ts,
            "message": {key: value for key, value in message.items() if key != "metadata"},
        }
        await self._ask("interactive", payload)

    async def press_in_message(
        self, user_id: str, channel: Channel, *, ts: str, block_id: str, action_id: str, sent: Json
    ) -> None:
        """Press or change an element of a message that this person sees.

        Raises: Refused `message_not_found` or `action_not_found`.
        """
        own = self._server.workspace.ephemerals.get((user_id, channel.channel_id), {})
        is_ephemeral = ts in own
        message = own[ts] if is_ephemeral else self._server.workspace.find_message(channel, ts)
        blocks = message.get("blocks", [])
        target = ResponseTarget(
            channel.channel_id,
            user_id,
            message_ts=ts,
            is_ephemeral=is_ephemeral,
            thread_ts=message.get("thread_ts"),
        )
        container = {
            "type": "message",
            "message_ts": ts,
            "channel_id": channel.channel_id,
            "is_ephemeral": is_ephemeral,
        }
        if message.get("thread_ts"):
            container["thread_ts"] = message["thread_ts"]
        payload = {
            **self._build_base("block_actions", user_id),
            "container": container,
            "channel": {"id": channel.channel_id, "name": channel.name or _PRIVATE_NAMES[channel.kind]},
            "state": {"values": read_state(blocks, _read_entered(sent))},
            "response_url": self._issue_url(target, "actions"),
            "actions": [self._build_action(blocks, block_id, action_id=action_id, sent=sent)],
        }
        if not is_ephemeral:
            payload["message"] = {key: value for key, value in message.items() if key != "metadata"}
        await self._ask("interactive", payload)

    async def press_in_view(self, user_id: str, view_id: str, *, block_id: str, action_id: str, sent: Json) -> None:
        """Press or change an element of a person's modal or Home tab.

        Raises: Refused `not_found` or `action_not_found`.
        """
        view = self._server.views.find_view(user_id, view_id)
        state = {"values": read_state(view["blocks"], _read_entered(sent))}
        payload = {
            **self._build_base("block_actions", user_id),
            "container": {"type": "view", "view_id": view_id},
            "view": {**view, "state": state},
            "actions": [self._build_action(view["blocks"], block_id, action_id=action_id, sent=sent)],
        }
        await self._ask("interactive", payload)

    async def submit_view(self, user_id: str, view_id: str, *, values: Json) -> Json:
        """Submit a modal; return the `response_action` that the page has to follow, with `errors` by block.

        Raises: Refused `not_found` or `invalid_arguments` when the app answers with a view that Slack would refuse.
        """
        views = self._server.views
        view = views.find_view(user_id, view_id)
        state = read_state(view["blocks"], values)
        errors = find_input_errors(view["blocks"], state)
        if errors:
            return {"response_action": "errors", "errors": errors}
        base = self._build_base("view_submission", user_id)
        answer = await self._ask(
            "interactive", {**base, "view": {**view, "state": {"values": state}}, "response_urls": []}
        )
        payload = answer.payload or {}
        action = payload.get("response_action")
        if action == "errors":
            return {"response_action": "errors", "errors": payload.get("errors") or {}}
        if action == "update":
            views.update_modal(payload.get("view"), view_id=view_id)
        elif action == "push":
            views.push_modal(user_id, payload.get("view"))
        else:
            views.close_modals(user_id, is_all=action == "clear")
        return {"response_action": action or "close"}

    async def close_view(self, user_id: str, view_id: str) -> None:
        """Close a modal; the app hears of it when it asked to.

        Raises: Refused `not_found`.
        """
        view = self._server.views.find_view(user_id, view_id)
        is_all = bool(view["clear_on_close"])
        for closed in self._server.views.close_modals(user_id, is_all=is_all):
            if closed["notify_on_close"]:
                payload = {**self._build_base("view_closed", user_id), "view": closed, "is_cleared": is_all}
                await self._server.dispatcher.ask("interactive", payload)

    def open_home(self, user_id: str, *, tab: str = "home") -> None:
        """Tell the app that a person looks at its Home tab."""
        channel, _ = self._server.workspace.open_direct([user_id, seed.BOT_USER_ID])
        payload: Json = {
            "user": user_id,
            "channel": channel.channel_id,
            "tab": tab,
            "event_ts": self._server.workspace.next_ts(),
        }
        home = self._server.views.find_home(user_id)
        if home is not None:
            payload["view"] = home
        self._server.workspace.publish(Change("app_home_opened", payload))

    async def _ask(self, kind: str, payload: Json) -> Answer:
        answer = await self._server.dispatcher.ask(kind, payload)
        if not answer.is_ack:
            raise Refused(answer.reason)
        return answer

    def _build_action(self, blocks: list[Json], block_id: str, *, action_id: str, sent: Json) -> Json:
        for block, element in iterate_elements(blocks):
            if block["block_id"] == block_id and element["action_id"] == action_id:
                return build_action(block, element, sent=sent, action_ts=self._server.workspace.next_ts())
        raise Refused("action_not_found")

    def _build_base(self, kind: str, user_id: str) -> Json:
        user = self._server.workspace.users[user_id]
        return {
            "type": kind,
            "token": seed.VERIFICATION_TOKEN,
            "team": {"id": seed.TEAM_ID, "domain": seed.TEAM_DOMAIN},
            "user": {"id": user_id, "username": user["name"], "name": user["name"], "team_id": user["team_id"]},
            "api_app_id": seed.APP_ID,
            "is_enterprise_install": False,
            "enterprise": None,
            "trigger_id": self._server.triggers.issue_trigger(user_id),
        }

    def _issue_url(self, target: ResponseTarget, kind: str) -> str:
        key = self._server.triggers.issue_response(target)
        return f"{self._server.base_url}/{kind}/{seed.TEAM_ID}/{key}"


def _read_entered(sent: Json) -> Json:
    entered = sent.get("state")
    return entered if isinstance(entered, dict) else {}


_PRIVATE_NAMES = {"channel": "", "group": "privategroup", "im": "directmessage"}
