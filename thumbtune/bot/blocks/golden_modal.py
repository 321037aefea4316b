"""The modal in which a lead writes a golden case: what is asked, and what the reply has to be.

It does not know how the case is kept.
"""

import json
from dataclasses import dataclass

from slack_sdk.models.blocks import Block, InputBlock, Option, PlainTextInputElement, PlainTextObject
from slack_sdk.models.blocks.block_elements import CheckboxesElement
from slack_sdk.models.views import View

from thumbtune.bot.blocks.parts import plain_section, small
from thumbtune.bot.slack import Json
from thumbtune.core.golden import MAX_TITLE_CHARS, CaseContent, Expectations, digest_case, find_problems
from thumbtune.core.prompt import Turn, find_question

CALLBACK_ID = "golden_case"
INPUT_ID = "text"
TITLE, QUESTION, PASSAGES = "title", "question", "passages"
ALL, ANY, NONE, LENGTH = "contains_all", "contains_any", "contains_none", "max_chars"
MAX_INPUT_CHARS = 3000
_WITH = Option(value="with", text=PlainTextObject(text="Ask with what the help centre says on it, as a draft is"))
_HINT = "One word or phrase a line. Letters count whatever their case; a number counts as a whole."


@dataclass(frozen=True)
class WrittenCase:
    """What a lead wrote in the modal, and what it is about."""

    desk_id: str
    pair_id: int | None
    case_id: int | None
    shown: str
    """Digest of the case that was changed; empty for a new one."""
    title: str
    question: str
    expectations: Expectations
    problem: str
    """What cannot be read of it; empty when all can."""
    grounded: bool


def build_golden_modal(
    content: CaseContent, *, desk_id: str, pair_id: int | None = None, case_id: int | None = None
) -> Json:
    """Return the modal with a case in it; one with a question over MAX_INPUT_CHARS can only be changed by command."""
    question, expected = find_question(content.turns), content.expectations
    metadata = {"desk_id": desk_id, "pair_id": pair_id, "case_id": case_id}
    if case_id is not None:
        metadata["shown"] = digest_case(content)
    before = [] if len(content.turns) < 2 else [small(f"Asked after {len(content.turns) - 1} earlier messages.")]
    blocks: list[Block] = [
        _input(TITLE, "What it is about", content.title, max_chars=MAX_TITLE_CHARS),
        *before,
        _input(QUESTION, "The customer asks", question[:MAX_INPUT_CHARS], is_long=True),
        _input(ALL, "The reply has to contain all of", "\n".join(expected.contains_all), is_long=True, is_needed=False),
        _input(ANY, "And one of", "\n".join(expected.contains_any), is_long=True, is_needed=False),
        _input(NONE, "And none of", "\n".join(expected.contains_none), is_long=True, is_needed=False),
        _input(LENGTH, "Characters at most", str(expected.max_chars or ""), max_chars=6, is_needed=False),
        InputBlock(
            block_id=PASSAGES,
            label=PlainTextObject(text="Help centre"),
            optional=True,
            element=CheckboxesElement(
                action_id=INPUT_ID, options=[_WITH], initial_options=[_WITH] if content.grounded else None
            ),
        ),
        small(_HINT, "Words in brackets, such as [NAME_1], stand for what was hidden: leave them where they belong."),
    ]
    fits = len(question) <= MAX_INPUT_CHARS
    if not fits:
        blocks = [
            plain_section(
                "This question is too long to be changed in Slack: use `thumbtune golden add --pair` or `golden edit`."
            )
        ]
    view = View(
        type="modal",
        callback_id=CALLBACK_ID,
        title=PlainTextObject(text="Golden case"),
        submit=PlainTextObject(text="Keep") if fits else None,
        close=PlainTextObject(text="Cancel"),
        private_metadata=json.dumps(metadata),
        blocks=blocks,
    )
    rendered: Json = view.to_dict()
    return rendered


def read_golden_modal(view: Json) -> WrittenCase:
    """Return what was written in a submitted modal."""
    metadata = json.loads(str(view.get("private_metadata") or "{}"))
    values = (view.get("state") or {}).get("values") or {}

    def read(block_id: str) -> Json:
        found: Json = (values.get(block_id) or {}).get(INPUT_ID) or {}
        return found

    def read_text(block_id: str) -> str:
        return str(read(block_id).get("value") or "").strip()

    def read_terms(block_id: str) -> tuple[str, ...]:
        return tuple(line.strip() for line in read_text(block_id).splitlines() if line.strip())

    length = read_text(LENGTH)
    is_number = length.isascii() and length.isdigit()
    return WrittenCase(
        desk_id=str(metadata.get("desk_id") or ""),
        pair_id=metadata.get("pair_id"),
        case_id=metadata.get("case_id"),
        shown=str(metadata.get("shown") or ""),
        title=read_text(TITLE),
        question=read_text(QUESTION),
        expectations=Expectations(
            read_terms(ALL), read_terms(ANY), read_terms(NONE), int(length) if is_number else None
        ),
        problem="" if is_number or not length else f"“{length}” is no number of characters",
        grounded=bool(read(PASSAGES).get("selected_options")),
    )


def list_golden_errors(view: Json) -> dict[str, str]:
    """Return what keeps a submitted modal from being kept, by the input under which Slack shows it; empty when nothing does.

    It looks at nothing but the words: what else may stand against the case is found later.
    """
    try:
        written = read_golden_modal(view)
    except (AttributeError, TypeError, ValueError):  # nothing that Slack sends: whoever works on it says so
        return {}
    if written.problem:
        return {LENGTH: written.problem}
    content = CaseContent(
        title=written.title, turns=(Turn("customer", written.question),), expectations=written.expectations
    )
    errors: dict[str, str] = {}
    for part, problem in find_problems(content):  # the inputs are named as the parts are
        errors.setdefault(part, problem)
    return errors


def _input(
    block_id: str,
    label: str,
    value: str,
    *,
    is_long: bool = False,
    is_needed: bool = True,
    max_chars: int = MAX_INPUT_CHARS,
) -> InputBlock:
    element = PlainTextInputElement(
        action_id=INPUT_ID, multiline=is_long, initial_value=value or None, max_length=max_chars
    )
    return InputBlock(block_id=block_id, label=PlainTextObject(text=label), element=element, optional=not is_needed)
