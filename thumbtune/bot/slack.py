"""Calls Slack's Web API, one attempt a call, and says plainly how it ended.

It does not know what the calls are for. The SDK's own retries are off: they send again what may have happened.
Source: slack_sdk/http_retry of slack-sdk 3.47.0, seen 2026-11-21.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook import WebhookClient

from thumbtune.core.errors import SlackError, SlackRefused, SlackUnknown

logger = logging.getLogger(__name__)

Json = dict[str, Any]  # Any: Slack's JSON

CALL_TIMEOUT_S = 10
HTTP_TOO_MANY = 429
_UNCLEAR_CODES = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org", "unknown_error"}
)
_LOCKED_OUT_CODES = frozenset(
    {
        "account_inactive",
        "accesslimited",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_auth",
        "missing_scope",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)
"""Source: Slack's errors of every method as slack_kit 1.0.0-alpha.0 collects them (common_errors.json), seen 2026-11-21."""
_RESPONSE_HOST = "hooks.slack.com"


class SlackBusy(SlackUnknown):
    """Slack asked to wait; the call surely did not happen."""

    def __init__(self, method: str, *, retry_after_s: float) -> None:
        self.method = method
        self.retry_after_s = retry_after_s
        super().__init__(f"Slack limits {method}; again in {retry_after_s:g} s")


class SlackLockedOut(SlackRefused):
    """Slack refuses the whole installation, not this call: it passes when someone mends the app or its token."""


class SlackApi:
    """The Web API as one bot sees it."""

    def __init__(self, token: str, *, base_url: str) -> None:
        self.base_url = base_url
        self._client = WebClient(token, base_url=base_url, timeout=CALL_TIMEOUT_S, retry_handlers=[])

    def call(self, method: str, **arguments: object) -> Json:
        """Return Slack's answer.

        Raises: SlackBusy, SlackRefused, of which SlackLockedOut may pass, SlackUnknown.
        """
        try:
            response = (
                self._client.api_call(method, json=arguments) if _takes_json(method) else self._get(method, arguments)
            )
        except SlackApiError as exc:
            raise _read_refusal(method, exc) from None
        except (SlackClientError, OSError, ValueError) as exc:
            raise SlackUnknown(f"{method} got no clear answer: {type(exc).__name__}") from exc
        return response.data if isinstance(response.data, dict) else {}

    def pages(self, method: str, key: str, *, limit: int, **arguments: object) -> Iterator[Any]:  # Any: ids or objects
        """Yield the items of every page under `key`.

        Raises: as `call`.
        """
        cursor = ""
        while True:
            answer = self.call(method, limit=limit, **({"cursor": cursor} if cursor else {}), **arguments)
            yield from answer.get(key, [])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    def upload(self, files: Mapping[str, bytes], *, channel_id: str, thread_ts: str, comment: str) -> None:
        """Upload files by name, together in one message of a thread.

        Raises: SlackBusy, SlackRefused, SlackUnknown.
        """
        method = "files.completeUploadExternal"
        uploads = [{"filename": name, "title": name, "content": content} for name, content in files.items()]
        try:
            self._client.files_upload_v2(
                file_uploads=uploads, channel=channel_id, thread_ts=thread_ts, initial_comment=comment
            )
        except SlackApiError as exc:
            raise _read_refusal(method, exc) from None
        except (SlackClientError, OSError, ValueError) as exc:
            raise SlackUnknown(f"{method} got no clear answer: {type(exc).__name__}") from exc

    def respond(self, response_url: str, **message: object) -> bool:
        """Answer an interaction as well as it goes; a card that cannot be changed must not stop the work."""
        host = urlsplit(response_url).netloc
        if host not in (_RESPONSE_HOST, urlsplit(self.base_url).netloc):
            logger.warning("response_url_refused", extra={"host": host})
            return False
        try:
            answer = WebhookClient(response_url, timeout=CALL_TIMEOUT_S, retry_handlers=[]).send_dict(message)
        except (SlackClientError, OSError, ValueError) as exc:
            logger.warning("response_failed", extra={"error": type(exc).__name__})
            return False
        return bool(answer.status_code == 200)

    def whisper(self, *, channel_id: str, user_id: str, thread_ts: str | None = None, **message: object) -> bool:
        """Show one person a message that nobody else sees, as well as it goes."""
        try:
            return self.whisper_surely(channel_id=channel_id, user_id=user_id, thread_ts=thread_ts, **message)
        except SlackError as exc:
            logger.warning("ephemeral_failed", extra={"channel_id": channel_id, "error": describe_error(exc)})
            return False

    def whisper_surely(self, *, channel_id: str, user_id: str, thread_ts: str | None = None, **message: object) -> bool:
        """Show one person a message that nobody else sees; False when Slack refuses it for good.

        Raises: SlackBusy, SlackLockedOut, SlackUnknown.
        """
        place = {"thread_ts": thread_ts} if thread_ts else {}
        try:
            self.call("chat.postEphemeral", channel=channel_id, user=user_id, **place, **message)
        except SlackLockedOut:
            raise
        except SlackRefused as exc:
            logger.warning("ephemeral_failed", extra={"channel_id": channel_id, "error": describe_error(exc)})
            return False
        return True

    def _get(self, method: str, arguments: Json) -> Any:  # Any: the SDK's response
        return self._client.api_call(method, http_verb="GET", params=arguments)


def describe_error(exc: Exception) -> str:
    """Return what may be logged or stored of an error: Slack's code or a class name, never a text."""
    return exc.code if isinstance(exc, SlackRefused) else type(exc).__name__


def _takes_json(method: str) -> bool:
    return method.startswith(("chat.", "views.", "reactions.add", "reactions.remove", "conversations.open"))


def _read_refusal(method: str, exc: SlackApiError) -> SlackError:
    response = exc.response
    status = getattr(response, "status_code", 0)
    data = response.data if hasattr(response, "data") else response
    code = str(data.get("error", "")) if isinstance(data, dict) else ""
    if status == HTTP_TOO_MANY or code == "ratelimited":
        headers = {key.lower(): value for key, value in (getattr(response, "headers", None) or {}).items()}
        return SlackBusy(method, retry_after_s=_read_seconds(headers.get("retry-after")))
    if status >= 500 or not code or code in _UNCLEAR_CODES:
        return SlackUnknown(f"{method} got HTTP {status}")
    return (SlackLockedOut if code in _LOCKED_OUT_CODES else SlackRefused)(method, code)


def _read_seconds(value: object) -> float:
    first = value[0] if isinstance(value, list) and value else value
    try:
        return min(max(float(str(first)), 1.0), 600.0)
    except ValueError:
        return 30.0
