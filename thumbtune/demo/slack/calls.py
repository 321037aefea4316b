"""Describes one Web API call: who calls, with which arguments, and what a method needs.

It does not know HTTP or what any method does.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from thumbtune.demo.slack.channels import Author, Channel, ChannelKind
from thumbtune.demo.slack.wire import Json, Refused
from thumbtune.demo.slack.workspace import Workspace

if TYPE_CHECKING:
    from thumbtune.demo.slack.local_slack import LocalSlack

TokenKind = Literal["bot", "user", "app"]


@dataclass(frozen=True)
class Caller:
    """Whose token a call carries and what it may do."""

    kind: TokenKind
    author: Author
    scopes: frozenset[str]


class Arguments:
    """A call's arguments, read from a form or from JSON."""

    def __init__(self, values: Json) -> None:
        self.values = values

    def text(self, name: str, default: str = "") -> str:
        """Return an argument as text."""
        value = self.values.get(name)
        return default if value is None else str(value)

    def required(self, name: str, *, code: str = "invalid_arguments") -> str:
        """Return an argument that must be there.

        Raises: Refused with `code`.
        """
        value = self.text(name)
        if not value:
            messages = [f"[ERROR] missing required field: {name}"]
            raise Refused(code, response_metadata={"messages": messages})
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean in any of the spellings that Slack takes."""
        value = self.values.get(name)
        return default if value is None else str(value).lower() in ("1", "true")

    def limit(self, default: int, *, maximum: int = 999, name: str = "limit") -> int:
        """Return a page size between 1 and `maximum`.

        Raises: Refused `invalid_limit`.
        """
        value = self.values.get(name)
        if value in (None, "", 0, "0"):
            return default
        try:
            number = int(str(value))
        except ValueError as exc:
            raise Refused("invalid_limit") from exc
        if number < 1:
            raise Refused("invalid_limit")
        return min(number, maximum)

    def json(self, name: str, *, code: str = "invalid_arguments") -> Any:  # Any: whatever JSON the app sent
        """Return an argument that is JSON, given as such or as its text; None when it is missing.

        Raises: Refused with `code` when the text is not JSON.
        """
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError as exc:
            raise Refused(code) from exc

    def objects(self, name: str, *, code: str = "invalid_arguments") -> list[Json]:
        """Return an argument that is a list of JSON objects; empty when it is missing.

        Raises: Refused with `code`.
        """
        value = self.json(name, code=code)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise Refused(code)
        return value

    def object(self, name: str, *, code: str = "invalid_arguments") -> Json:
        """Return an argument that is a JSON object; empty when it is missing.

        Raises: Refused with `code`.
        """
        value = self.json(name, code=code)
        if value is not None and not isinstance(value, dict):
            raise Refused(code)
        return value or {}

    def ids(self, name: str) -> list[str]:
        """Return a list given as JSON list or separated by commas."""
        value = self.values.get(name)
        if isinstance(value, list):
            return [str(item) for item in value]
        return [item.strip() for item in str(value or "").split(",") if item.strip()]


@dataclass(frozen=True)
class Call:
    """One call of a method."""

    server: "LocalSlack"
    caller: Caller
    args: Arguments

    @property
    def workspace(self) -> Workspace:
        """Return the workspace's state."""
        return self.server.workspace

    @property
    def user_id(self) -> str:
        """Return the user on whose behalf the call runs."""
        return self.caller.author.user_id

    def find_channel(self, name: str = "channel") -> Channel:
        """Return the channel that an argument names, if the caller can see it."""
        return self.workspace.find_channel(self.args.required(name, code="channel_not_found"), viewer=self.user_id)

    def require_scope(self, scope: str) -> None:
        """Raise Refused `missing_scope` unless the token has it."""
        if scope not in self.caller.scopes:
            raise Refused("missing_scope", needed=scope, provided=",".join(sorted(self.caller.scopes)))

    def require_read(self, kind: ChannelKind) -> None:
        """Raise Refused `missing_scope` unless the token may see conversations of this kind."""
        self.require_scope({"channel": "channels:read", "group": "groups:read", "im": "im:read"}[kind])

    def require_history(self, channel: Channel) -> None:
        """Raise Refused unless the caller may read this channel's messages."""
        self.require_scope({"channel": "channels:history", "group": "groups:history", "im": "im:history"}[channel.kind])
        if self.user_id not in channel.members:
            raise Refused("not_in_channel")


@dataclass(frozen=True)
class Method:
    """A Web API method, the scope it needs and the tokens it takes."""

    run: Callable[[Call], Json]
    scope: str | None = None
    kinds: tuple[TokenKind, ...] = ("bot", "user")
    is_open: bool = False
    """Whether it works without any token."""


def encode_cursor(value: str) -> str:
    """Return an opaque cursor."""
    return base64.b64encode(value.encode()).decode()


def decode_cursor(cursor: str, prefix: str) -> str:
    """Return what a cursor carries after its prefix, or nothing for an empty cursor.

    Raises: Refused `invalid_cursor`.
    """
    if not cursor:
        return ""
    try:
        value = base64.b64decode(cursor.encode(), validate=True).decode()
    except (binascii.Error, UnicodeError) as exc:
        raise Refused("invalid_cursor") from exc
    if not value.startswith(prefix):
        raise Refused("invalid_cursor")
    return value[len(prefix) :]


def page_list(items: Sequence[Json] | Sequence[str], args: Arguments, *, default: int = 100) -> tuple[list[Any], Json]:
    """Return one page of a list and the `response_metadata` that leads to the next."""  # Any: items as they came
    limit = args.limit(default, maximum=1000)
    offset = decode_cursor(args.text("cursor"), "offset:")
    start = int(offset) if offset.isdigit() else 0
    end = start + limit
    cursor = encode_cursor(f"offset:{end}") if end < len(items) else ""
    return list(items[start:end]), {"next_cursor": cursor}
