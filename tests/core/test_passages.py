from thumbtune.core.passages import MAX_PASSAGE_CHARS, cut_document
from thumbtune.core.prompt import Passage

PAGE = """# Delivery

We ship on weekdays.

## Times

Orders arrive in *three* days.
To islands: five.

- Express: next day

## Prices

| Size | Price |
|------|-------|
| Box  | $4    |
"""


def test_each_section_becomes_a_passage_under_the_pages_title() -> None:
    title, passages = cut_document(PAGE, fallback_title="x")
    assert title == "Delivery"
    assert passages[0] == Passage("Delivery", "We ship on weekdays.")
    assert passages[1] == Passage(
        "Delivery: Times", "Orders arrive in three days.\nTo islands: five.\nExpress: next day"
    )
    assert (passages[2].title, passages[2].text) == ("Delivery: Prices", "Size\nPrice\nBox\n$4")


def test_page_without_headings_takes_its_files_name() -> None:
    assert cut_document("Just a line.", fallback_title="notes") == ("notes", [Passage("notes", "Just a line.")])


def test_long_section_is_cut_between_paragraphs() -> None:
    paragraph = "word " * 100
    _, passages = cut_document("# T\n\n" + "\n\n".join([paragraph] * 8), fallback_title="x")
    assert len(passages) > 1
    assert all(len(item.text) <= MAX_PASSAGE_CHARS for item in passages)
    assert sum(item.text.count("word") for item in passages) == 800
