"""Of a thousand seeded items hardly any is left over, and of three hundred clean messages hardly any loses a word."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.redaction.clean import COUNT, build_clean
from tests.core.redaction.corpus import SHARES, Item, build_corpus
from tests.core.redaction.people import PEOPLE, build_names
from thumbtune.core.redaction import Redactor, Span, apply_placeholders, clean_text, fill_back

ORDERS = [r"\b[A-Z]{2,4}-\d{4,10}\b", r"#\d{4,12}\b"]
STRUCTURED = ("EMAIL", "PHONE", "CARD", "IBAN", "ORDER")
LEAST = {"structured": 0.99, "KEY": 0.98, "NAME": 0.99}
MOST_SPOILT = 0.01
NAMES = build_names()
ITEMS = build_corpus()


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(order_number_patterns=ORDERS)


def find_left(item: Item, spans: list[Span]) -> list[str]:
    """Return what of the secrets is not covered; a secret counts wherever it stands in the text."""
    covered = {index for span in spans for index in range(span.start, span.end)}
    left = []
    for secret in item.secrets:
        at = item.text.index(secret)
        while at >= 0:
            rest = [char for index, char in enumerate(secret, at) if char.isalnum() and index not in covered]
            left += ["".join(rest)] if rest else []
            at = item.text.find(secret, at + 1)
    return left


def test_corpus_holds_a_thousand_items_and_is_the_same_every_time() -> None:
    assert len(ITEMS) == sum(SHARES.values()) == 1000
    assert build_corpus() == ITEMS
    assert len(set(ITEMS)) > 950


def test_hardly_any_seeded_item_is_left_over(redactor: Redactor) -> None:
    found: Counter[str] = Counter()
    missed = defaultdict(list)
    for item in ITEMS:
        left = find_left(item, redactor.find_spans(item.text, names=NAMES))
        found[item.kind] += not left
        if left:
            missed[item.kind].append((item.text, left))
    shares = {kind: found[kind] / SHARES[kind] for kind in SHARES}
    shares["structured"] = sum(found[kind] for kind in STRUCTURED) / sum(SHARES[kind] for kind in STRUCTURED)
    short = {kind: (shares[kind], missed) for kind, least in LEAST.items() if shares[kind] < least}
    assert not short
    assert all(shares[kind] >= LEAST["structured"] for kind in STRUCTURED), (shares, missed)


def test_what_stands_beside_a_seeded_item_is_kept(redactor: Redactor) -> None:
    spoilt = [
        (item.text, item.text[span.start : span.end])
        for item in ITEMS
        for span in redactor.find_spans(item.text, names=NAMES)
        if not any(item.text[span.start : span.end].strip() in secret for secret in item.secrets)
        and not any(secret in item.text[span.start : span.end] for secret in item.secrets)
    ]
    assert len(spoilt) <= MOST_SPOILT * len(ITEMS), spoilt


def test_hardly_any_clean_message_loses_a_word(redactor: Redactor) -> None:
    clean = build_clean()
    spoilt = [(text, found) for text in clean if (found := redactor.find_spans(text, names=NAMES))]
    assert len(clean) == COUNT
    assert len(spoilt) <= MOST_SPOILT * COUNT, spoilt


FRAGMENTS = st.one_of(
    st.sampled_from([item.text for item in ITEMS]),
    st.sampled_from([mention for person in PEOPLE for mention in person.mentions]),
    st.text(max_size=40),
    st.sampled_from(["[EMAIL_1]", "[PHONE_", "1]", "[", "]", "\u200b", "\x00", "\ud800"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAGMENTS, max_size=6).map("".join))
def test_what_was_replaced_is_restored_exactly(redactor: Redactor, raw: str) -> None:
    text = clean_text(raw)
    spans = [
        Span(span.start, span.end, span.kind, text[span.start : span.end])
        for span in redactor.find_spans(text, names=NAMES)
    ]
    numbers = {
        key: number for number, key in enumerate(dict.fromkeys((span.kind, span.canonical) for span in spans), 1)
    }
    redacted = apply_placeholders(text, spans, numbers)
    originals = {f"[{kind}_{number}]": original for (kind, original), number in numbers.items()}
    assert fill_back(redacted, originals) == text
