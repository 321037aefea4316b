"""Stores conversations of a file as pairs: redacted, each once, whatever is run how often.

It does not know file formats.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import sqlalchemy as sa

from thumbtune.cli.importing.conversations import Conversation, Parsed, Problem
from thumbtune.cli.importing.origins import find_authors
from thumbtune.cli.importing.outcome import BatchOutcome, ImportJob, Outcome, cut_batches, open_batch
from thumbtune.cli.importing.redacting import redact_conversation, redact_passage
from thumbtune.core.errors import RedactionFailed
from thumbtune.core.prompt import Passage, Turn, find_question
from thumbtune.core.records import Desk
from thumbtune.core.redaction import Redactor
from thumbtune.core.sealing import Sealer
from thumbtune.core.settings import Settings
from thumbtune.core.store.curating import Inspector, ask_curation
from thumbtune.core.store.documents import load_passages, search_passages
from thumbtune.core.store.pairs import FORGOTTEN, put_pair
from thumbtune.core.store.places import IMPORT_CHANNEL, Place, find_pair, record_authors
from thumbtune.core.store.tombstones import digest_person, holds_forgotten


def store_conversations(parsed: Parsed, job: ImportJob, *, desk: Desk, settings: Settings) -> Outcome:
    """Make a pair of every reply of a parsed file, in batches; return what became of them."""
    redactor = Redactor(order_number_patterns=settings.order_number_patterns)
    outcome = Outcome(refused=parsed.refused.copy(), problems=list(parsed.problems))
    seen: set[Place] = set()
    with job.store.read() as conn:
        public = load_passages(conn)
    for batch in cut_batches(parsed.conversations):
        redacted: list[tuple[Conversation, list[Turn]]] = []
        for conversation in batch:
            try:
                redacted.append(_redact(redactor, conversation, public))
            except RedactionFailed:
                outcome.problems.append(Problem(conversation.where, "it could not be redacted, so it is not kept"))
        origins = [item.origin for item in batch if item.origin is not None]
        channels = {(desk.team_id, IMPORT_CHANNEL), *((origin.team_id, origin.channel_id) for origin in origins)}
        with open_batch(job, outcome, channels=channels) as (conn, done):
            for conversation, turns in redacted:
                _store(conn, job, done, conversation, turns, seen=seen, desk=desk, settings=settings)
        job.on_done(len(batch))
    return outcome


def _redact(
    redactor: Redactor, conversation: Conversation, public: Collection[Passage]
) -> tuple[Conversation, list[Turn]]:
    """Redact all of a conversation, but what the help centre says word for word: that is public, and drafts see it."""
    if conversation.passages is not None:
        keeps = conversation.origin is not None
        passages = tuple(
            passage if passage in public else redact_passage(redactor, passage, keeps=keeps)
            for passage in conversation.passages
        )
        conversation = replace(conversation, passages=passages)
    return conversation, redact_conversation(redactor, conversation)


def _store(
    conn: sa.Connection,
    job: ImportJob,
    done: BatchOutcome,
    conversation: Conversation,
    turns: Sequence[Turn],
    *,
    seen: set[Place],
    desk: Desk,
    settings: Settings,
) -> None:
    for at in conversation.replies:
        before, reply = [turn for turn in turns[:at] if turn.text], turns[at].text
        question = find_question(before)
        if not question or not reply:
            done.refused["no customer's message before it" if reply else "no text is left of it"] += 1
            continue
        place = _find_place(conn, job.store.sealer, conversation, at=at, desk=desk)
        if place in seen:
            done.refused["the same as another in the file"] += 1
            continue
        seen.add(place)
        authors = sorted({item.author for item in conversation.utterances[: at + 1] if item.author.strip()})
        found, digests = find_pair(conn, place), [digest_person(job.store.sealer, author) for author in authors]
        is_erased = found is not None and found.reason == FORGOTTEN
        known = find_authors(conn, job.store.sealer, conversation.origin, desk_id=desk.desk_id)
        if known is None or is_erased or holds_forgotten(conn, digests, desk_id=desk.desk_id):
            if conversation.origin is None:
                done.refused[FORGOTTEN] += 1
            else:
                done.problems.append(Problem(conversation.where, FORGOTTEN))
            continue
        if found is not None:
            done.already_there += 1
            continue
        passages = conversation.passages
        if passages is None:
            limit = settings.grounding_passages
            passages = tuple(search_passages(conn, question, desk_id=desk.desk_id, limit=limit)) if limit else ()
        change = put_pair(
            conn,
            desk_id=desk.desk_id,
            team_id=place.team_id,
            channel_id=place.channel_id,
            thread_ts=place.thread_ts,
            reply_ts=place.reply_ts,
            revision=place.revision,
            turns=before,
            reply=reply,
            passages=passages,
            source=conversation.source,
            approved_by=conversation.approved_by,
            now=job.store.now(),
        )
        is_new = change == "new"
        if is_new:
            record_authors(conn, place, sorted({*digests, *known}))
            where = {"team_id": place.team_id, "channel_id": place.channel_id, "reply_ts": place.reply_ts}
            inspector = Inspector(settings, is_new=True)
            ask_curation(conn, job.store, shows_sign=False, inspector=inspector, **where)
            done.new_places.append(place)
        done.imported += is_new
        done.already_there += not is_new  # another import came first, between the look and now


def _find_place(conn: sa.Connection, sealer: Sealer, conversation: Conversation, *, at: int, desk: Desk) -> Place:
    """Return where a reply belongs: its own place in Slack when it is of this desk, else one made of its content.

    The digest is keyed and of the text as it came, so that a better redactor never makes it another pair.
    """
    origin = conversation.origin
    if origin is not None:
        found = find_pair(conn, origin)
        is_ours = origin.team_id == desk.team_id and origin.channel_id in desk.channels
        if (found is not None and found.desk_id == desk.desk_id) or (found is None and is_ours):
            return origin
        thread, reply = f"{origin.team_id}:{origin.channel_id}:{origin.thread_ts}", conversation.key
    else:
        texts = [f"{item.role} {item.text.strip()}" for item in conversation.utterances[: at + 1]]
        thread, reply = conversation.key, "\x1f".join([conversation.key, *texts])
    thread_ts, reply_ts = (f"i{sealer.digest(f'import:{desk.desk_id}:{text}')[:24]}" for text in (thread, reply))
    return Place(desk.team_id, IMPORT_CHANNEL, thread_ts, reply_ts, "")
