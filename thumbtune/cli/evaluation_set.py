"""Reads a file of chat JSONL into questions with approved replies, redacted, with what the help centre has on each.

It does not know models. Nothing of it is stored.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thumbtune.cli.importing.chat_jsonl import read_chat_lines
from thumbtune.cli.importing.conversations import MAX_FILE_BYTES, Conversation, Problem
from thumbtune.cli.importing.redacting import redact_conversation, redact_passage
from thumbtune.core.errors import BadInput, RedactionFailed
from thumbtune.core.prompt import ChatMessage, Passage, Turn, build_prompt, find_question, list_budgets
from thumbtune.core.records import Desk
from thumbtune.core.redaction import Redactor
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.documents import search_passages


@dataclass(frozen=True)
class Question:
    """One line of the file: a conversation, what the help centre has on it, and the reply that was approved."""

    number: int
    where: str
    thread_id: str
    turns: Sequence[Turn]
    passages: Sequence[Passage]
    reply: str

    def build_prompts(self, desk: Desk, settings: Settings) -> list[list[ChatMessage]]:
        """Return the prompts to try in turn, the longest first."""
        prompts: list[list[ChatMessage]] = []
        for max_chars in list_budgets(settings.max_prompt_chars):
            prompt = build_prompt(self.turns, voice=desk.voice, max_chars=max_chars, passages=self.passages)
            if not prompts or prompt != prompts[-1]:
                prompts.append(prompt)
        return prompts


def read_questions(
    path: Path, store: Store, *, desk: Desk, settings: Settings, limit: int | None
) -> tuple[list[Question], list[Problem]]:
    """Return the usable lines of a file, at most so many, and what is wrong with the others.

    Raises: BadInput when the file cannot be read or has no usable line, naming the first problems.
    """
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MAX_FILE_BYTES:
            raise BadInput(f"{path} is larger than {MAX_FILE_BYTES // 1024**3} GiB: split it")
        parsed = read_chat_lines(path, keep_system=False)
    except OSError as exc:
        raise BadInput(f"{path} cannot be read: {exc.strerror}") from exc
    redactor = Redactor(order_number_patterns=settings.order_number_patterns)
    questions: list[Question] = []
    problems = list(parsed.problems)
    for conversation in parsed.conversations:
        if limit is not None and len(questions) == limit:
            break
        try:
            questions.append(_read(conversation, redactor, len(questions), store=store, desk=desk, settings=settings))
        except RedactionFailed:
            problems.append(Problem(conversation.where, "it could not be redacted"))
        except BadInput as exc:
            problems.append(Problem(conversation.where, str(exc)))
    if not questions:
        told = "; ".join(map(str, problems[:5])) or "it is empty"
        raise BadInput(
            f'{path} has no line that can be used ({told}); a line is {{"messages": [{{"role": "user", …}}, …]}}'
        )
    return questions, problems


def _read(
    conversation: Conversation, redactor: Redactor, number: int, *, store: Store, desk: Desk, settings: Settings
) -> Question:
    keeps = conversation.origin is not None
    turns = redact_conversation(redactor, conversation)
    [at] = conversation.replies
    before = [turn for turn in turns[:at] if turn.text]
    question = find_question(before)
    if not question or not turns[at].text:
        raise BadInput("nothing is left of its question or its reply")
    if conversation.passages is not None:
        passages = [redact_passage(redactor, passage, keeps=keeps) for passage in conversation.passages]
    else:
        with store.read() as conn:
            limit = settings.grounding_passages
            passages = search_passages(conn, question, desk_id=desk.desk_id, limit=limit) if limit else []
    thread_id = hashlib.sha256(conversation.key.encode("utf-8", "replace")).hexdigest()[:16]
    return Question(number, conversation.where, thread_id, before, passages, turns[at].text)
