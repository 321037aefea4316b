"""The help centre: documents cut into passages, found by the database's own full-text search.

It does not know where documents come from.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from thumbtune.core.errors import NotFound
from thumbtune.core.prompt import Passage
from thumbtune.core.store.prepared import Prepared
from thumbtune.core.store.schema import documents, passages

_WORD = re.compile(r"[^\W_]{2,}", re.UNICODE)
_STOP_WORDS = frozenset(
    _WORD.findall(
        "an and any are as at be been but by can could did do does for from had has have hello help hi how if in is it "
        "its just me my name no not of on or our please so thank thanks that the their them then there they this to was "
        "we were what when where which who why will with would you your"
    )
)
_PLACEHOLDER = re.compile(r"\[[A-Z]+_\d+\]")


@dataclass(frozen=True)
class DocumentEntry:
    """A document as a list shows it."""

    document_id: int
    desk_id: str
    source: str
    title: str
    passages: int
    added_at: datetime


def add_document(
    conn: sa.Connection, *, desk_id: str, source: str, title: str, sections: Sequence[Passage], now: datetime
) -> bool:
    """Store a document in place of what came from the same source; return False when nothing changed."""
    content = "\x1f".join([title, *(f"{section.title}\x1e{section.text}" for section in sections)])
    content_hash = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    which = sa.and_(documents.c.desk_id == desk_id, documents.c.source == source)
    old = conn.execute(sa.select(documents.c.document_id, documents.c.content_hash).where(which)).first()
    if old is not None and old.content_hash == content_hash:
        return False
    if old is not None:
        remove_document(conn, old.document_id)
    values = {"desk_id": desk_id, "source": source, "title": title, "content_hash": content_hash, "added_at": now}
    document_id = conn.execute(sa.insert(documents).values(values).returning(documents.c.document_id)).scalar_one()
    rows = [
        {"document_id": document_id, "desk_id": desk_id, "position": position, "title": item.title, "text": item.text}
        for position, item in enumerate(sections)
    ]
    if rows:
        conn.execute(sa.insert(passages), rows)
    return True


def remove_document(conn: sa.Connection, document_id: int) -> None:
    """Delete a document and its passages.

    Raises: NotFound.
    """
    conn.execute(sa.delete(passages).where(passages.c.document_id == document_id))
    if not conn.execute(sa.delete(documents).where(documents.c.document_id == document_id)).rowcount:
        raise NotFound(f"no document {document_id}; run `thumbtune documents list`")


def list_documents(conn: sa.Connection, *, desk_id: str | None = None) -> list[DocumentEntry]:
    """Return all documents, ordered by desk and source."""
    count = sa.select(sa.func.count()).where(passages.c.document_id == documents.c.document_id).scalar_subquery()
    columns = documents.c
    query = sa.select(
        columns.document_id, columns.desk_id, columns.source, columns.title, count.label("passages"), columns.added_at
    ).order_by(columns.desk_id, columns.source)
    if desk_id is not None:
        query = query.where(columns.desk_id == desk_id)
    return [DocumentEntry(**row._mapping) for row in conn.execute(query)]


def load_passages(conn: sa.Connection) -> set[Passage]:
    """Return every passage of every desk's help centre."""
    return {Passage(row.title, row.text) for row in conn.execute(sa.select(passages.c.title, passages.c.text))}


def is_public(conn: sa.Connection, text: str, *, desk_id: str) -> bool:
    """Return whether a text stands in the desk's help centre, and so is nobody's secret."""
    holds = sa.or_(*(column.contains(text, autoescape=True) for column in (passages.c.title, passages.c.text)))
    return bool(conn.execute(sa.select(sa.exists().where(passages.c.desk_id == desk_id, holds))).scalar_one())


def search_passages(conn: sa.Connection, question: str, *, desk_id: str, limit: int) -> list[Passage]:
    """Return the desk's passages that fit a question best, best first; none when no word of it occurs."""
    if limit < 1 or not _HAS_ANY.all(conn, {"desk_id": desk_id}):  # a search takes its time even where there is nothing
        return []
    found = _WORD.findall(_PLACEHOLDER.sub(" ", question).lower())
    words = list(dict.fromkeys(word for word in found if word not in _STOP_WORDS))[:64]
    if not words:
        return []
    find = _FIND_POSTGRESQL if conn.dialect.name == "postgresql" else _FIND_SQLITE
    joined = " | ".join(words) if conn.dialect.name == "postgresql" else " OR ".join(f'"{word}"' for word in words)
    rows = find.all(conn, {"words": joined, "desk_id": desk_id, "limit": limit})
    return [Passage(title=row.title, text=row.text) for row in rows]


_HAS_ANY = Prepared(
    sa.select(passages.c.passage_id).where(passages.c.desk_id == sa.bindparam("desk_id")).limit(sa.literal_column("1"))
)

_FIND_SQLITE = Prepared(
    sa.text("""
SELECT passages.title, passages.text FROM passages_fts JOIN passages ON passages.passage_id = passages_fts.rowid
WHERE passages_fts MATCH :words AND passages.desk_id = :desk_id
ORDER BY bm25(passages_fts, 2.0, 1.0), passages.passage_id LIMIT :limit
""").columns(passages.c.title, passages.c.text)
)

_FIND_POSTGRESQL = Prepared(
    sa.text("""
SELECT title, text FROM passages
WHERE desk_id = :desk_id AND search @@ to_tsquery('english', :words)
ORDER BY ts_rank_cd(search, to_tsquery('english', :words)) DESC, passage_id LIMIT :limit
""").columns(passages.c.title, passages.c.text)
)
