"""Names the JSON objects that travel between Slack and an app, and Slack's way of refusing a call.

It does not know any particular method or event.
"""

from typing import Any

Json = dict[str, Any]  # Any: Slack's objects are open, apps send and read keys that this server has never heard of


class Refused(Exception):
    """A call that Slack answers with `ok: false`; `extra` is merged into the answer."""

    def __init__(self, code: str, *, status: int = 200, headers: dict[str, str] | None = None, **extra: object) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.headers = headers or {}
        self.extra = extra

    def to_json(self) -> Json:
        """Return the body of Slack's answer."""
        return {"ok": False, "error": self.code, **self.extra}
