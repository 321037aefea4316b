"""Reads conversations from a file, refusing it whole when a line is wrong.

It does not know where the conversations are played.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thumbtune.core.errors import BadInput
from thumbtune.core.prompt import Role, Turn

OWN_THREADS = Path(__file__).parent / "threads.jsonl"
SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class DemoThread:
    """A conversation between one customer and one agent."""

    thread_id: str
    turns: tuple[Turn, ...]
    customer: str
    """Full name, empty when the file names nobody."""
    agent: str

    @property
    def opening(self) -> tuple[Turn, ...]:
        """The customer's messages before the first agent reply."""
        turns = list(self.turns)
        while turns and turns[0].role == "agent":
            turns.pop(0)
        opening = []
        for turn in turns:
            if turn.role == "agent":
                break
            opening.append(turn)
        return tuple(opening)


def load_threads(path: Path) -> list[DemoThread]:
    """Return the conversations of a JSON Lines file.

    Raises: BadInput with line numbers and reasons when any line cannot be used; nothing is used then.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as exc:
        raise BadInput(f"{path} cannot be read: {exc.strerror}") from exc
    threads: list[DemoThread] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            thread = _read_thread(line)
            if thread.thread_id in seen:
                raise _Wrong(f"thread_id {thread.thread_id!r} is already on line {seen[thread.thread_id]}")
            seen[thread.thread_id] = number
            threads.append(thread)
        except _Wrong as exc:
            problems.append(f"line {number}: {exc}")
    if not threads and not problems:
        problems.append("the file holds no conversation")
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:SHOWN_PROBLEMS])
        more = f"\n  … and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        raise BadInput(f"{path} cannot be used; mend these lines and try again:\n{shown}{more}")
    return threads


class _Wrong(Exception):
    """Why one line cannot be used."""


def _read_thread(line: bytes) -> DemoThread:
    try:
        found = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise _Wrong(f"not UTF-8 text (byte {exc.start})") from exc
    except (json.JSONDecodeError, RecursionError) as exc:
        raise _Wrong(f"not valid JSON ({getattr(exc, 'msg', 'nested too deep')})") from exc
    if not isinstance(found, dict):
        raise _Wrong("not a JSON object")
    thread_id, messages = found.get("thread_id"), found.get("messages")
    if not isinstance(thread_id, str) or not thread_id.strip():
        raise _Wrong("thread_id is missing or not text")
    if not isinstance(messages, list) or not messages:
        raise _Wrong("messages is missing or empty")
    turns = tuple(_read_turn(message, position) for position, message in enumerate(messages, start=1))
    if not any(turn.role == "agent" for turn in turns):
        raise _Wrong("no agent reply")
    if not any(turn.role == "customer" for turn in turns):
        raise _Wrong("no customer message")
    names = {key: found.get(key, "") for key in ("customer", "agent")}
    if not all(isinstance(name, str) for name in names.values()):
        raise _Wrong("customer and agent must be names")
    return DemoThread(thread_id, turns, **names)


def _read_turn(message: Any, position: int) -> Turn:  # Any: whatever JSON can hold
    if not isinstance(message, dict):
        raise _Wrong(f"message {position} is not an object")
    role, text = message.get("role"), message.get("text")
    if role not in ("customer", "agent"):
        raise _Wrong(f"message {position} has the unknown role {role!r}; use customer or agent")
    if not isinstance(text, str) or not text.strip():
        raise _Wrong(f"message {position} is empty")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise _Wrong(f"message {position} holds half a character (a lone surrogate at {exc.start})") from exc
    known: Role = role
    return Turn(known, text)
