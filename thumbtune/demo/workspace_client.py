"""Acts in the local workspace as its people do: posts, reacts, runs a message shortcut, reads what they see.

It does not know the bot or the store.
"""

import time
from typing import Any

import httpx2

from thumbtune.demo.slack.seed import PEOPLE, user_token

POLL_S = 0.1
CALL_TIMEOUT_S = 30.0
REDELIVERY_S = (0, 5, 60)


class WorkspaceClient:
    """One HTTP connection to a local workspace."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx2.Client(base_url=base_url, timeout=CALL_TIMEOUT_S)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def wait_ready(self, *, timeout_s: float) -> None:
        """Wait until the workspace answers.

        Raises: TimeoutError.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                if self._http.get("/api/api.test").status_code == httpx2.codes.OK:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(POLL_S)
        raise TimeoutError(f"the local workspace did not answer within {timeout_s:.0f} s")

    def quicken_redelivery(self) -> None:
        """Let events that nobody acknowledged come again after seconds instead of Slack's minutes."""
        self._check("pace", self._http.post("/control/pace", json={"retry_delays_s": REDELIVERY_S}).json())

    def is_app_connected(self) -> bool:
        """Return whether the bot listens; what is posted before would only come to it as a redelivery."""
        found = self._http.get("/demo/bootstrap", params={"user": PEOPLE[0].user_id}).json()
        return bool(found["app_status"]["connected"])

    def count_pending(self) -> int:
        """Return how many events the bot has not acknowledged yet."""
        return int(self._http.get("/control/state").json()["statistics"]["pending"])

    def post(self, user_id: str, text: str, *, channel: str, thread_ts: str | None = None) -> str:
        """Post a message as this person and return its `ts`."""
        body = {"channel": channel, "text": text} | ({"thread_ts": thread_ts} if thread_ts else {})
        return str(self._call("chat.postMessage", user_id, body)["ts"])

    def react(self, user_id: str, emoji: str, *, channel: str, ts: str) -> None:
        """Add a reaction as this person."""
        self._call("reactions.add", user_id, {"channel": channel, "timestamp": ts, "name": emoji})

    def run_shortcut(self, user_id: str, callback_id: str, *, channel: str, ts: str) -> None:
        """Choose a message shortcut as this person."""
        body = {"user": user_id, "callback_id": callback_id, "channel": channel, "ts": ts}
        self._check("shortcut", self._http.post("/demo/shortcut", json=body).json())

    def run_command(self, user_id: str, text: str, *, channel: str) -> None:
        """Type a slash command as this person."""
        body = {"user": user_id, "channel": channel, "text": text}
        self._check(text.split()[0], self._http.post("/demo/post", json=body).json())

    def press(
        self, user_id: str, message: dict[str, Any], action_id: str, *, channel: str
    ) -> None:  # Any: Slack's JSON
        """Press the button with this action id under a message, as this person."""
        for block in message["blocks"]:
            for element in block.get("elements", []):
                if element.get("action_id") == action_id:
                    container = {"type": "message", "channel": channel, "message_ts": message["ts"]}
                    names = {"block_id": block["block_id"], "action_id": action_id, "value": element.get("value")}
                    body = {"user": user_id, "container": container, **names}
                    self._check(action_id, self._http.post("/demo/action", json=body).json())
                    return
        raise LookupError(f"the message has no button {action_id}")

    def read_private(
        self, user_id: str, *, channel: str, thread_ts: str | None = None
    ) -> list[dict[str, Any]]:  # Any: Slack's JSON
        """Return the messages of a thread, or of the channel itself, that only this person sees, oldest first."""
        params = {"user": user_id, "channel": channel} | ({"thread_ts": thread_ts} if thread_ts else {})
        found = self._http.get("/demo/messages", params=params).json()
        return [message for message in found.get("messages", []) if message.get("is_ephemeral")]

    def _call(self, method: str, user_id: str, body: dict[str, Any]) -> dict[str, Any]:  # Any: Slack's JSON
        headers = {"Authorization": f"Bearer {user_token(user_id)}"}
        return self._check(method, self._http.post(f"/api/{method}", json=body, headers=headers).json())

    def _check(self, call: str, answer: dict[str, Any]) -> dict[str, Any]:  # Any: Slack's JSON
        if not answer.get("ok"):
            raise RuntimeError(f"the local workspace refused {call}: {answer.get('error')}")
        return answer
