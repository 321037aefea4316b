import pytest

from thumbtune.core.errors import NotFound
from thumbtune.core.prompt import Passage
from thumbtune.core.store import Store, documents

pytestmark = pytest.mark.usefixtures("desk")

SECTIONS = [
    Passage("Delivery: Times", "Orders arrive within three days."),
    Passage("Returns: How long", "You may send tea back within 30 days, unopened."),
    Passage("Shop: Hours", "We open at nine and close at six."),
]


def add(store: Store, sections: list[Passage], source: str = "help.md") -> bool:
    with store.write() as conn:
        return documents.add_document(
            conn, desk_id="support", source=source, title="Help", sections=sections, now=store.now()
        )


def search(store: Store, question: str, limit: int = 3) -> list[str]:
    with store.read() as conn:
        return [item.title for item in documents.search_passages(conn, question, desk_id="support", limit=limit)]


def test_question_finds_the_passage_whose_words_it_shares(store: Store) -> None:
    add(store, SECTIONS)
    assert search(store, "When will my order arrive, [NAME_1]? It is [ORDER_1].")[0] == "Delivery: Times"
    assert search(store, "Can I return an opened tea?")[0] == "Returns: How long"


@pytest.mark.parametrize(
    "question", ["", "Hello, could you please help me?", "[NAME_1] [ORDER_2]", "\" OR * ) ( ' ; --", "🍵"]
)
def test_question_without_telling_words_finds_nothing(store: Store, question: str) -> None:
    add(store, SECTIONS)
    assert search(store, question) == []


@pytest.mark.parametrize("question", ['tea" OR 1=1 --', "tea & | ! :*", "tea'; DROP TABLE passages; --", "tea " * 5000])
def test_odd_signs_in_a_question_do_no_harm(store: Store, question: str) -> None:
    add(store, SECTIONS)
    assert "Returns: How long" in search(store, question)


def test_changed_document_replaces_its_passages(store: Store) -> None:
    assert add(store, SECTIONS)
    assert not add(store, SECTIONS)
    assert add(store, [Passage("Delivery: Times", "Orders arrive within five days.")])
    assert search(store, "When do we open?") == []
    with store.read() as conn:
        (entry,) = documents.list_documents(conn)
        (found,) = documents.search_passages(conn, "orders arrive", desk_id="support", limit=3)
    assert (entry.passages, found.text) == (1, "Orders arrive within five days.")


def test_removed_document_is_found_no_more(store: Store) -> None:
    add(store, SECTIONS)
    with store.write() as conn:
        (entry,) = documents.list_documents(conn, desk_id="support")
        documents.remove_document(conn, entry.document_id)
        with pytest.raises(NotFound):
            documents.remove_document(conn, entry.document_id)
    assert search(store, "orders") == []


def test_one_desk_never_sees_anothers_passages(store: Store) -> None:
    add(store, SECTIONS)
    with store.read() as conn:
        assert documents.search_passages(conn, "orders arrive", desk_id="billing", limit=3) == []
