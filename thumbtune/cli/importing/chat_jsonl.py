"""Reads chat JSONL: one conversation a line, in the form of OpenAI's chat messages; the last assistant message is the reply.

It does not know the store. Lines that `thumbtune pairs export` wrote carry the pair's own turns, passages and place
beside the messages, and come back as the same pair, as long as it is in use.
"""

import json
import re
from pathlib import Path
from typing import Any

from thumbtune.cli.importing.conversations import (
    MAX_MESSAGES,
    Conversation,
    Parsed,
    Problem,
    Unusable,
    Utterance,
    check_text,
)
from thumbtune.core.prompt import Passage, Role
from thumbtune.core.records import PairSource
from thumbtune.core.store.places import Place

MAX_LINE_BYTES = 16 * 1024**2
SYSTEM_TITLE = "Instructions"
_BOM = b"\xef\xbb\xbf"
_ROLES: dict[str, Role] = {"user": "customer", "assistant": "agent"}
_SYSTEM = ("system", "developer")
_SOURCES: dict[str, PairSource] = {"draft": "draft", "edited": "edited", "human": "imported", "imported": "imported"}
_ID = re.compile(r"[A-Za-z0-9_.-]{0,32}")
_NOT_OURS = "turns, passages and place are not as `thumbtune pairs export` writes them"


def read_chat_lines(path: Path, *, keep_system: bool) -> Parsed:
    """Return every line as a conversation or as a problem; `keep_system` keeps a system message as a passage."""
    parsed = Parsed()
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            where = f"line {number}"
            if len(line) > MAX_LINE_BYTES:
                parsed.problems.append(Problem(where, f"longer than {MAX_LINE_BYTES // 1024**2} MiB"))
                while not line.endswith(b"\n") and (line := stream.readline(MAX_LINE_BYTES)):
                    pass
                continue
            if number == 1:
                line = line.removeprefix(_BOM)
            if not line.strip():
                continue
            try:
                parsed.conversations.append(_read_line(line, where=where, keep_system=keep_system))
            except Unusable as exc:
                parsed.problems.append(Problem(where, str(exc)))
    return parsed


def _read_line(line: bytes, *, where: str, keep_system: bool) -> Conversation:
    try:
        found = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise Unusable(f"not UTF-8 text (byte {exc.start})") from exc
    except (ValueError, RecursionError) as exc:
        raise Unusable(f"not valid JSON ({getattr(exc, 'msg', 'nested too deep or a number too long')})") from exc
    messages = found.get("messages") if isinstance(found, dict) else None
    if not isinstance(messages, list) or not messages:
        raise Unusable("no list of messages")
    if len(messages) > MAX_MESSAGES:
        raise Unusable(f"{len(messages)} messages, more than {MAX_MESSAGES}")
    system, spoken = _read_messages(messages)
    last = max((at for at, item in enumerate(spoken) if item.role == "agent"), default=-1)
    if last < 0:
        raise Unusable("no assistant message to learn from")
    spoken = spoken[: last + 1]
    if not spoken[last].text.strip():
        raise Unusable("the reply is empty")
    if "turns" in found and "thread_id" in found:
        return _read_own(found, spoken[last], where=where)
    if not any(item.role == "customer" and item.text.strip() for item in spoken):
        raise Unusable("no user message before the reply")
    passages = (Passage(SYSTEM_TITLE, "\n\n".join(system)),) if keep_system and system else None
    return Conversation(where, spoken[0].text, tuple(spoken), (last,), passages=passages)


def _read_messages(messages: list[Any]) -> tuple[list[str], list[Utterance]]:  # Any: whatever JSON can hold
    system: list[str] = []
    spoken: list[Utterance] = []
    for position, message in enumerate(messages, start=1):
        what = f"message {position}"
        if not isinstance(message, dict):
            raise Unusable(f"{what} is not an object")
        role, text = message.get("role"), _read_content(message.get("content"), what=what)
        if role in _SYSTEM:
            system.append(text)
            continue
        if not isinstance(role, str) or role not in _ROLES:
            raise Unusable(f"{what} has the role {role!r}; known are system, user and assistant")
        name = message.get("name")
        spoken.append(Utterance(_ROLES[role], text, name if isinstance(name, str) else ""))
    return system, spoken


def _read_content(content: object, *, what: str) -> str:
    """Return a message's text, which may come in parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        if len(parts) < len(content) or not all(isinstance(part, str) for part in parts):
            raise Unusable(f"{what} holds something other than text")
        content = "".join(str(part) for part in parts)
    return check_text(content, what=what)


def _read_own(found: dict[str, Any], reply: Utterance, *, where: str) -> Conversation:  # Any: JSON
    """Return a line that `thumbtune pairs export` wrote."""
    state = found.get("state", "active")
    if state != "active":
        raise Unusable(f"the pair is {str(state)[:40]!r}: only active pairs are imported")
    try:
        team_id, channel_id, thread_ts = found["thread_id"].split(":")
        ids = (team_id, channel_id, thread_ts, found["reply_ts"], found["revision"], found["approved_by"])
        turns = [
            Utterance(_read_role(turn["role"]), check_text(turn["text"], what="a turn")) for turn in found["turns"]
        ]
        passages = tuple(
            Passage(check_text(item["title"], what="a passage"), check_text(item["text"], what="a passage"))
            for item in found["passages"]
        )
        source = _SOURCES[found.get("source", "imported")]
        are_ids = all(_ID.fullmatch(value) for value in ids)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise Unusable(_NOT_OURS) from exc
    if not turns or len(turns) > MAX_MESSAGES or not are_ids:
        raise Unusable(_NOT_OURS)
    *place, approved_by = ids
    return Conversation(
        where,
        json.dumps(place),
        (*turns, reply),
        (len(turns),),
        passages=passages,
        origin=Place(*place),
        approved_by=approved_by or "cli",
        source=source,
    )


def _read_role(role: object) -> Role:
    if role == "customer" or role == "agent":
        return role
    raise ValueError("neither customer nor agent")
