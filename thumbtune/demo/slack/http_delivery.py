"""Delivers to an app's request URL over signed HTTP.

It does not know when a delivery is retried.
"""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode, urlsplit

from slack_sdk.signature import SignatureVerifier

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.delivery import Answer, Delivery, Pace
from thumbtune.demo.slack.wire import Json

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class HttpDelivery:
    """One request URL for events, commands and interactions."""

    def __init__(self, pace: Pace) -> None:
        self.request_url: str | None = None
        self._pace = pace
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="http-delivery")

    def close(self) -> None:
        """Give up what is waiting to be sent."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def is_connected(self) -> bool:
        """Return whether a request URL was verified."""
        return self.request_url is not None

    def send(self, delivery: Delivery, settle: Callable[[Answer], None]) -> None:
        """Post in a thread and settle in this loop."""
        loop = asyncio.get_running_loop()
        url = self.request_url or ""

        def post() -> None:
            answer = self._post(url, delivery)
            loop.call_soon_threadsafe(settle, answer)

        self._pool.submit(post)

    async def verify(self, url: str) -> bool:
        """Return whether the URL echoes a challenge as Slack demands, and use it from then on if so."""
        if urlsplit(url).scheme not in ("http", "https"):
            return False
        challenge = f"challenge-{time.monotonic_ns()}"
        payload = {"token": seed.VERIFICATION_TOKEN, "challenge": challenge, "type": "url_verification"}
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._pool, self._post, url, Delivery("events_api", payload))
        echoed = (answer.payload or {}).get("challenge") or (answer.payload or {}).get("text")
        if answer.is_ack and echoed == challenge:
            self.request_url = url
            return True
        return False

    def _post(self, url: str, delivery: Delivery) -> Answer:
        body, kind = _encode(delivery)
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": kind,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": SignatureVerifier(seed.SIGNING_SECRET).generate_signature(timestamp=stamp, body=body)
            or "",
        }
        if delivery.retry_num:
            headers |= {"X-Slack-Retry-Num": str(delivery.retry_num), "X-Slack-Retry-Reason": delivery.retry_reason}
        request = urllib.request.Request(url, data=body.encode(), headers=headers, method="POST")
        try:
            with _OPENER.open(request, timeout=self._pace.scale(self._pace.ack_timeout_s)) as response:
                return Answer(True, payload=_decode(response.read().decode()))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(False, reason="http_error", may_retry=error.headers.get("X-Slack-No-Retry") != "1")
        except TimeoutError:
            return Answer(False, reason="http_timeout")
        except (OSError, UnicodeDecodeError):
            return Answer(False, reason="connection_failed")


def _encode(delivery: Delivery) -> tuple[str, str]:
    form = "application/x-www-form-urlencoded"
    if delivery.kind == "slash_commands":
        return urlencode(delivery.payload), form
    if delivery.kind == "interactive":
        return urlencode({"payload": json.dumps(delivery.payload)}), form
    return json.dumps(delivery.payload), "application/json"


def _decode(body: str) -> Json | None:
    if not body.strip():
        return None
    try:
        payload = json.loads(body)
    except ValueError:
        return {"text": body}
    return payload if isinstance(payload, dict) else {"text": str(payload)}
