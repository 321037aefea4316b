"""Keeps the modals each person has open, as a stack, and each person's Home tab.

It does not know how people fill them in.
"""

import secrets

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.block_kit import check_view
from thumbtune.demo.slack.channels import Change
from thumbtune.demo.slack.wire import Json, Refused
from thumbtune.demo.slack.workspace import Workspace

MAX_STACK = 3


class Views:
    """All open modals and published Home tabs."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._stacks: dict[str, list[Json]] = {}
        self._homes: dict[str, Json] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._stacks.clear()
        self._homes.clear()

    def find_top(self, user_id: str) -> Json | None:
        """Return the modal a person sees."""
        stack = self._stacks.get(user_id)
        return stack[-1] if stack else None

    def find_home(self, user_id: str) -> Json | None:
        """Return a person's Home tab."""
        return self._homes.get(user_id)

    def restore_home(self, user_id: str, view: Json) -> None:
        """Put a Home tab back as it was, without telling anyone."""
        self._homes[user_id] = view

    def find_view(self, user_id: str, view_id: str) -> Json:
        """Return one of a person's modals or their Home tab.

        Raises: Refused `not_found`.
        """
        for view in [*self._stacks.get(user_id, []), self._homes.get(user_id)]:
            if view is not None and view["id"] == view_id:
                return view
        raise Refused("not_found")

    def open_modal(self, user_id: str, sent: object) -> Json:
        """Show a modal, instead of any that are open."""
        view = self._build_view(check_view(sent, kind="modal"), view_id=self._workspace.next_id("V0"))
        view["root_view_id"] = view["id"]
        self._stacks[user_id] = [view]
        return self._publish("view_opened", view, user_id=user_id)

    def push_modal(self, user_id: str, sent: object) -> Json:
        """Show a modal above the one that is open.

        Raises: Refused `push_limit_reached` above three, `not_found` when none is open.
        """
        stack = self._stacks.get(user_id)
        if not stack:
            raise Refused("not_found")
        if len(stack) >= MAX_STACK:
            raise Refused("push_limit_reached")
        view = self._build_view(check_view(sent, kind="modal"), view_id=self._workspace.next_id("V0"))
        view |= {"root_view_id": stack[0]["id"], "previous_view_id": stack[-1]["id"]}
        stack.append(view)
        return self._publish("view_opened", view, user_id=user_id)

    def update_modal(self, sent: object, *, view_id: str, external_id: str = "", expected_hash: str = "") -> Json:
        """Replace a modal's content, wherever it is open.

        Raises: Refused `not_found` or `hash_conflict`.
        """
        for user_id, stack in self._stacks.items():
            for place, view in enumerate(stack):
                if view["id"] == view_id or (external_id and view["external_id"] == external_id):
                    if expected_hash and view["hash"] != expected_hash:
                        raise Refused("hash_conflict")
                    fresh = self._build_view(check_view(sent, kind="modal"), view_id=view["id"])
                    fresh |= {key: view[key] for key in ("root_view_id", "previous_view_id")}
                    stack[place] = fresh
                    return self._publish("view_updated", fresh, user_id=user_id)
        raise Refused("not_found")

    def close_modals(self, user_id: str, *, is_all: bool) -> list[Json]:
        """Close a person's top modal, or all of them; return what was closed."""
        stack = self._stacks.get(user_id, [])
        closed = [stack.pop() for _ in range(len(stack) if is_all else min(1, len(stack)))]
        for view in closed:
            payload = {"view_id": view["id"], "view": self.find_top(user_id)}
            self._workspace.publish(Change("view_closed", payload, user=user_id))
        return closed

    def publish_home(self, user_id: str, sent: object, *, expected_hash: str = "") -> Json:
        """Replace a person's Home tab.

        Raises: Refused `hash_conflict`.
        """
        current = self._homes.get(user_id)
        if expected_hash and (current is None or current["hash"] != expected_hash):
            raise Refused("hash_conflict")
        view_id = current["id"] if current is not None else self._workspace.next_id("V0")
        view = self._build_view(check_view(sent, kind="home"), view_id=view_id)
        self._homes[user_id] = view
        return self._publish("home_published", view, user_id=user_id)

    def _publish(self, kind: str, view: Json, *, user_id: str) -> Json:
        self._workspace.publish(Change(kind, view, user=user_id))
        return view

    def _build_view(self, sent: Json, *, view_id: str) -> Json:
        return {
            "id": view_id,
            "team_id": seed.TEAM_ID,
            "type": sent["type"],
            "blocks": sent["blocks"],
            "private_metadata": sent.get("private_metadata") or "",
            "callback_id": sent.get("callback_id") or "",
            "state": {"values": {}},
            "hash": f"{self._workspace.next_ts()}.{secrets.token_hex(4)}",
            "title": sent.get("title"),
            "clear_on_close": bool(sent.get("clear_on_close")),
            "notify_on_close": bool(sent.get("notify_on_close")),
            "close": sent.get("close"),
            "submit": sent.get("submit"),
            "previous_view_id": None,
            "root_view_id": view_id,
            "app_id": seed.APP_ID,
            "external_id": sent.get("external_id") or "",
            "app_installed_team_id": seed.TEAM_ID,
            "bot_id": seed.BOT_ID,
        }
