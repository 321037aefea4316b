"""Sets up structured logs: a fixed event word plus fields, never message text.

It does not know what is logged; Bolt's and the SDK's own lines, which may hold message bodies, are kept at WARNING
and below is dropped.
"""

import logging
import sys
from types import TracebackType
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_NOISY = (
    "slack_bolt",
    "slack_sdk",
    "httpx",
    "httpx2",
    "openai",
    "apscheduler",
    "urllib3",
    "alembic",
    "presidio-analyzer",
)


class _TextFormatter(logging.Formatter):
    """One line for people: time, level, process, event word, then the fields."""

    def __init__(self, process: str) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{key}={value}" for key, value in vars(record).items() if key not in _RESERVED)
        line = f"{self.formatTime(record, self.datefmt)} {record.levelname:<7} {self._process} {record.getMessage()} {fields}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line.rstrip()


class _NoBodies(logging.Filter):
    """Drops the two lines in which Bolt writes a whole request body.

    Source: slack_bolt/app/app.py and slack_bolt/middleware/request_verification, 1.30.0, seen 2026-11-21.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        text = str(record.msg)
        return not (record.name.startswith("slack_bolt") and ("body" in text.lower() or "Unhandled request" in text))


def configure_logs(*, process: str, level: str = "INFO", form: Literal["text", "json"] = "text") -> None:
    """Send this process's logs to standard error in the chosen form."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        handler.setFormatter(
            JsonFormatter("{asctime}{levelname}{name}{message}", style="{", static_fields={"process": process})
        )
    else:
        handler.setFormatter(_TextFormatter(process))
    handler.addFilter(_NoBodies())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def hide_text(exc: Exception) -> tuple[type[Exception], Exception, TracebackType | None]:
    """Return, as `exc_info`, where an error happened without its message, which may quote what was worked on."""
    return (Exception, Exception(type(exc).__name__), exc.__traceback__)
