"""Puts a lead's words in the place of a pair's reply: redacted again, audited, and kept whatever is settled later.

It does not know who may correct. Slack's message stays as it is; its next edit is another revision, to be approved anew.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from thumbtune.core.errors import BadInput, Conflict
from thumbtune.core.records import TrainingPair
from thumbtune.core.redaction import (
    PLACEHOLDER,
    NameIndex,
    Redactor,
    Span,
    apply_placeholders,
    clean_text,
    find_unfilled,
)
from thumbtune.core.settings import Settings
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.curating import Inspector, ask_curation
from thumbtune.core.store.decisions import decide_pair
from thumbtune.core.store.desks import find_desk
from thumbtune.core.store.engine import Store
from thumbtune.core.store.messages import number_placeholders
from thumbtune.core.store.pairs import check_texts, load_pair
from thumbtune.core.store.schema import pairs


def correct_pair(
    conn: sa.Connection,
    store: Store,
    pair_id: int,
    *,
    text: str,
    corrected_by: str,
    names: NameIndex,
    redactor: Redactor,
    settings: Settings,
    shows_sign: bool,
    shown: str | None = None,
) -> TrainingPair:
    """Replace a pair's reply and keep the pair; placeholders that it holds already stay what they are.

    `shown` is the digest of the reply that was corrected: one that was corrected meanwhile by the same person to the same
    words stays as it is, so that a retry does nothing twice.
    Raises: NotFound; BadInput when no text is left; Conflict when its texts are gone, its reply was edited since, or it is
    not the one that was shown; RedactionFailed.
    """
    pair = load_pair(conn, pair_id, lock=True)
    check_texts(pair, what="corrected")
    reply = _redact(conn, store, pair, text.strip(), redactor=redactor, names=names)
    if not reply:
        raise BadInput(f"pair {pair_id} needs a reply; to leave it out, withdraw it")
    if shown is not None and shown != digest_reply(pair.reply):
        if pair.corrected_by == corrected_by and _hide_numbers(pair.reply) == _hide_numbers(reply):
            return pair
        raise Conflict(f"the reply of pair {pair_id} was changed since it was shown; look at it and correct it again")
    source = "edited" if pair.source == "draft" else pair.source
    values = {"reply": reply, "source": source, "corrected_by": corrected_by}
    conn.execute(sa.update(pairs).where(pairs.c.pair_id == pair_id).values(values))
    record_act(conn, actor=corrected_by, action="pair_corrected", subject=str(pair_id), now=store.now())
    kept = decide_pair(conn, store, pair_id, state="active", reason="", decided_by=corrected_by, shows_sign=shows_sign)
    place = {"team_id": pair.team_id, "channel_id": pair.channel_id, "reply_ts": pair.reply_ts}
    ask_curation(conn, store, shows_sign=shows_sign, inspector=Inspector(settings), **place)
    return kept


def digest_reply(reply: str) -> str:
    """Return by what a reply that was shown is known again."""
    return hashlib.sha256(reply.encode()).hexdigest()


def _hide_numbers(reply: str) -> str:
    """Return a reply without its placeholders' numbers: an imported pair's count on when it is redacted once more."""
    return PLACEHOLDER.sub(lambda found: found[1], reply)


def _redact(
    conn: sa.Connection, store: Store, pair: TrainingPair, text: str, *, redactor: Redactor, names: NameIndex
) -> str:
    known = {found for part in (*(turn.text for turn in pair.turns), pair.reply) for found in find_unfilled(part)}
    cleaned = _clean_around(text, known)
    spans = [span for span in redactor.find_spans(cleaned, names=names) if not _touches(cleaned, span)]
    keys = list(dict.fromkeys((span.kind, span.canonical) for span in spans))
    place = {"team_id": pair.team_id, "channel_id": pair.channel_id}
    if find_desk(conn, **place) is not None:
        digests = {key: (key[0], store.sealer.digest(f"{key[0]}\x1f{key[1]}")) for key in keys}
        numbered = number_placeholders(conn, list(digests.values()), thread_ts=pair.thread_ts, **place)
        return apply_placeholders(cleaned, spans, {key: numbered[digest] for key, digest in digests.items()})
    return apply_placeholders(cleaned, spans, _count_on(keys, known))


def _clean_around(text: str, known: Collection[str]) -> str:
    """Return a clean text in which only the known placeholders are placeholders."""
    if not known:
        return clean_text(text)
    parts = re.split("|".join(f"({re.escape(item)})" for item in sorted(known)), text)
    return "".join(part if part in known else clean_text(part) for part in parts if part)


def _touches(text: str, span: Span) -> bool:
    """Return whether a span touches a placeholder, which hides all there is to hide."""
    return any(found.start() < span.end and span.start < found.end() for found in PLACEHOLDER.finditer(text))


def _count_on(keys: Sequence[tuple[str, str]], known: Collection[str]) -> Mapping[tuple[str, str], int]:
    """Return numbers above those of the placeholders there are, for a conversation that stands in no thread of ours."""
    found = [PLACEHOLDER.fullmatch(item) for item in known]
    used = [(match[1], int(match[2])) for match in found if match is not None]
    numbers: dict[tuple[str, str], int] = {}
    for kind, canonical in keys:
        taken = [number for name, number in used if name == kind]
        numbers[kind, canonical] = max(taken, default=0) + 1
        used.append((kind, numbers[kind, canonical]))
    return numbers
