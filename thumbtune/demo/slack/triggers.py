"""Issues the short-lived ids and addresses with which an app may answer a person's action.

It does not know what the action was.
"""

import secrets
import time
from dataclasses import dataclass

from thumbtune.demo.slack.delivery import Pace
from thumbtune.demo.slack.wire import Refused

MAX_RESPONSES = 5


@dataclass(frozen=True)
class ResponseTarget:
    """Where an answer to a response_url goes, and which message it may replace."""

    channel_id: str
    user_id: str
    message_ts: str | None = None
    is_ephemeral: bool = False
    thread_ts: str | None = None


@dataclass
class _OpenResponse:
    target: ResponseTarget
    ends_at: float
    left: int = MAX_RESPONSES


class Triggers:
    """The open trigger ids and response addresses; times are monotonic."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._triggers: dict[str, tuple[str, float]] = {}
        self._responses: dict[str, _OpenResponse] = {}

    def issue_trigger(self, user_id: str) -> str:
        """Return a trigger id that opens one modal for this person."""
        trigger_id = f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**10)}.{secrets.token_hex(16)}"
        self._triggers[trigger_id] = (user_id, time.monotonic() + self._pace.scale(self._pace.trigger_lifetime_s))
        _forget_oldest(self._triggers)
        return trigger_id

    def use_trigger(self, trigger_id: str) -> str:
        """Return the person whose action a trigger belongs to, and end the trigger.

        Raises: Refused `invalid_trigger_id`, `expired_trigger_id` or `exchanged_trigger_id`.
        """
        if trigger_id not in self._triggers:
            raise Refused("invalid_trigger_id")
        user_id, ends_at = self._triggers[trigger_id]
        if ends_at < 0:
            raise Refused("exchanged_trigger_id")
        if time.monotonic() > ends_at:
            raise Refused("expired_trigger_id")
        self._triggers[trigger_id] = (user_id, -1.0)
        return user_id

    def issue_response(self, target: ResponseTarget) -> str:
        """Return the secret part of a response_url."""
        key = secrets.token_urlsafe(18)
        ends_at = time.monotonic() + self._pace.scale(self._pace.response_url_lifetime_s)
        self._responses[key] = _OpenResponse(target, ends_at)
        _forget_oldest(self._responses)
        return key

    def use_response(self, key: str) -> ResponseTarget:
        """Return where an answer goes; an address works five times.

        Raises: Refused `used_url` or `expired_url`, with status 404.
        """
        response = self._responses.get(key)
        if response is None or time.monotonic() > response.ends_at:
            raise Refused("expired_url", status=404)
        if response.left == 0:
            raise Refused("used_url", status=404)
        response.left -= 1
        return response.target


def _forget_oldest(held: dict[str, object] | dict[str, tuple[str, float]] | dict[str, _OpenResponse]) -> None:
    if len(held) > 10_000:
        del held[next(iter(held))]
