"""A golden case was submitted: it is kept, redacted, as a new one or in place of what it was.

It does not know how cases are checked.
"""

from thumbtune.bot.blocks.golden_modal import WrittenCase, read_golden_modal
from thumbtune.bot.blocks.parts import render_blocks, section
from thumbtune.bot.bot import Bot
from thumbtune.bot.homes import publish_home
from thumbtune.bot.listeners.actions.home_golden import leads_desk
from thumbtune.bot.markup import encode_text
from thumbtune.core.errors import BadInput, Conflict, NotFound
from thumbtune.core.golden import CaseContent, redact_case, validate_case
from thumbtune.core.prompt import Turn, replace_question
from thumbtune.core.records import InboxEvent
from thumbtune.core.redaction import NameIndex
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.golden import add_case, edit_case, holds_case, load_case
from thumbtune.core.store.pairs import load_pair

NOT_KEPT = ":warning: Your golden case was not kept: {}. You wrote:"
MAX_WORDS_CHARS = 2000


def handle_golden_case_submitted(event: InboxEvent, bot: Bot) -> None:
    """Keep the case if who submitted is a lead of its desk, and draw the Home tab anew; done again, it is kept once.

    Whose case could not be kept is told so there, with their words.
    """
    written = read_golden_modal(event.body.get("view") or {})
    user_id = str((event.body.get("user") or {}).get("id") or "")
    try:
        if not leads_desk(bot, user_id, desk_id=written.desk_id):
            return
        _keep(bot, written, user_id=user_id)
    except (BadInput, Conflict, NotFound) as exc:
        why = encode_text(f"{exc}", link_domains=())
        words = encode_text(_list_words(written)[:MAX_WORDS_CHARS], link_domains=())
        publish_home(bot, user_id, notice=render_blocks([section(f"{NOT_KEPT.format(why)}\n{words}")]))
        return
    publish_home(bot, user_id)


def _keep(bot: Bot, written: WrittenCase, *, user_id: str) -> None:
    if written.problem:
        raise BadInput(written.problem)
    with bot.store.read() as conn:
        desk = load_desk(conn, written.desk_id)
        case = load_case(conn, written.case_id) if written.case_id else None
        pair = load_pair(conn, written.pair_id) if written.pair_id else None
    before: tuple[Turn, ...] = case.turns if case else pair.turns if pair else ()
    if any(of.desk_id != desk.desk_id for of in (case, pair) if of is not None):
        raise NotFound("it is of another desk")
    channel_id = pair.channel_id if pair and pair.channel_id in desk.channels else next(iter(desk.channels), "")
    content = CaseContent(
        title=written.title,
        turns=replace_question(before, written.question),
        expectations=written.expectations,
        grounded=written.grounded,
    )
    validate_case(content)
    names = bot.people.fetch_names(channel_id) if channel_id else NameIndex()
    content = redact_case(bot.redactor, content, names=names)
    now = bot.store.now()
    with bot.store.write() as conn:
        if case is not None:
            edit_case(conn, case.case_id, content, changed_by=user_id, now=now, shown=written.shown)
        elif not holds_case(conn, content, desk_id=desk.desk_id):  # else it was kept before
            add_case(conn, content, desk_id=desk.desk_id, added_by=user_id, now=now, pair_id=written.pair_id)


def _list_words(written: WrittenCase) -> str:
    """Return all that was written, a part a line."""
    expected = written.expectations
    terms = (*expected.contains_all, *expected.contains_any, *expected.contains_none)
    return "\n".join([written.title, written.question, *terms])
