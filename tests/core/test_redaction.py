"""What identifies people is found, replaced and filled back; the rest of a text stays as it is."""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from thumbtune.core.errors import RedactionFailed
from thumbtune.core.redaction import NameIndex, Redactor, Span, apply_placeholders, clean_text, fill_back, find_unfilled
from thumbtune.core.redaction.phones import MOST_ASKED

ORDERS = [r"\b[A-Z]{2,4}-\d{4,10}\b", r"#\d{4,12}\b"]


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor(order_number_patterns=ORDERS)


@pytest.fixture
def names() -> NameIndex:
    index = NameIndex()
    index.add("U1", ["Maya Lindqvist", "Maya"])
    index.add("U2", ["Tomás Oliveira"])
    index.add("U3", ["Will Smith"])
    index.add("U4", ["田中 愛子"])
    index.add("U5", ["Anne-Marie O'Brien"])
    return index


def redact(redactor: Redactor, text: str, names: NameIndex) -> tuple[str, dict[str, str]]:
    """Return the redacted text and its originals, numbered in order of appearance."""
    spans = redactor.find_spans(text, names=names)
    numbers: dict[tuple[str, str], int] = {}
    for span in spans:
        same_kind = [key for key in numbers if key[0] == span.kind]
        numbers.setdefault((span.kind, span.canonical), len(same_kind) + 1)
    originals = {f"[{s.kind}_{numbers[s.kind, s.canonical]}]": text[s.start : s.end] for s in spans}
    return apply_placeholders(text, spans, numbers), originals


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Write to maya.lindqvist@example.com!", "Write to [EMAIL_1]!"),
        ("a+b@mail.example.co.uk, x@test.test", "[EMAIL_1], [EMAIL_2]"),
        ("Call +46 70 123 45 67 or 070-123 45 67.", "Call [PHONE_1] or [PHONE_2]."),
        ("US (415) 555-2671 and UK 020 7946 0958", "US [PHONE_1] and UK [PHONE_2]"),
        ("card 4111-1111-1111-1111 please", "card [CARD_1] please"),
        ("card 4111\u00a01111\u00a01111\u00a01111 please", "card [CARD_1] please"),
        ("amex 378282246310005, new 2223 0031 2200 3222", "amex [CARD_1], new [CARD_2]"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN [IBAN_1]."),
        ("order RE-48213 and #48213", "order [ORDER_1] and [ORDER_2]"),
        ("token xoxb-123456-abcdef-7890 leaked", "token [KEY_1] leaked"),
        ("AKIAIOSFODNN7EXAMPLE ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[KEY_1] [KEY_2]"),
        ("sk-proj-abcdefghij1234567890ABCD", "[KEY_1]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def_123", "[KEY_1]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- ok", "[KEY_1] ok"),
        ("password: hunter22 is mine", "password: [KEY_1] is mine"),
        ("Hi Maya, maya's and MAYA LINDQVIST", "Hi [NAME_1], [NAME_1]'s and [NAME_1]"),
        ("Tomas, TOMÁS and Toma\u0301s Oliveira", "[NAME_1], [NAME_1] and [NAME_1]"),
        ("Ask Anne-Marie or anne marie o’brien", "Ask [NAME_1] or [NAME_1]"),
        ("Will it come? It will. Smith will know.", "Will it come? It will. [NAME_1] will know."),
        ("I asked Will. Will said yes, will it?", "I asked [NAME_1]. [NAME_1] said yes, will it?"),
        ("田中さん、愛子", "[NAME_1]さん、[NAME_1]"),
        ("Mayas hus, not mayas or Lindqvister", "[NAME_1]s hus, not mayas or Lindqvister"),
        ("Tel.030-23125000", "Tel.[PHONE_1]"),
        ("call me,07911 123456", "call me,[PHONE_1]"),
        ("me/07911123456", "me/[PHONE_1]"),
        ("Tel.+44 20 7946 0958", "Tel.[PHONE_1]"),
        ("+46\u200b701234567 and\u202a+46 70 123 45 67\u202c", "[PHONE_1] and\u202a[PHONE_1]\u202c"),
        ("iban de89370400440532013000", "iban [IBAN_1]"),
        ("de89 3704 0044 0532 0130 00 and DE89 3704 0044 0532 0130 00 from now", "[IBAN_1] and [IBAN_1] from now"),
        ("be68 5390 0754 7034 from then on", "[IBAN_1] from then on"),
        ("PT50 0002 0123 1234 5678 9015 4, is it?", "[IBAN_1], is it?"),
        ("４１１１ １１１１ １１１１ １１１１", "[CARD_1]"),
    ],
)
def test_what_identifies_someone_is_replaced(redactor: Redactor, names: NameIndex, text: str, redacted: str) -> None:
    assert redact(redactor, text, names)[0] == redacted


@pytest.mark.parametrize(
    "text",
    [
        "It takes 2 working days, 3-5 in winter, and costs 1,299.00 kr or $49.99.",
        "On 2026-03-02 at 10:30, 12.03.2026 or 3/12/2026 we close at 17:00.",
        "Size 42, 100% cotton, room 12-14, version 1.2.3 of 12.04",
        "Reset your password in the account settings; the token is shown once.",
        "שלום, איפה החבילה שלי? 👩‍👩‍👧 مرحبا",
    ],
)
def test_ordinary_text_stays_as_it_is(redactor: Redactor, names: NameIndex, text: str) -> None:
    assert redact(redactor, text, names)[0] == text


def test_same_value_in_another_form_is_the_same_placeholder(redactor: Redactor, names: NameIndex) -> None:
    text = "RE-48213 re-48213, A@B.example a@b.example, 4111 1111 1111 1111 4111111111111111"
    redacted = "[ORDER_1] [ORDER_1], [EMAIL_1] [EMAIL_1], [CARD_1] [CARD_1]"
    assert redact(redactor, text, names)[0] == redacted


def test_overlapping_finds_leave_nothing_of_either(redactor: Redactor, names: NameIndex) -> None:
    redacted, _ = redact(redactor, "https://maya:hunter2@maya.example.com/reset?to=maya@example.com", names)
    assert not any(word in redacted for word in ("hunter2", "maya"))


def test_placeholders_are_filled_back_exactly(redactor: Redactor, names: NameIndex) -> None:
    text = "Maya, RE-48213 goes to maya@example.com; call +46 70 123 45 67."
    redacted, originals = redact(redactor, text, names)
    assert fill_back(redacted, originals) == text
    assert find_unfilled(fill_back(redacted + " [ORDER_9]", originals)) == ["[ORDER_9]"]


def test_forged_placeholder_is_no_placeholder() -> None:
    assert clean_text("give me [EMAIL_1] and \x00[CARD_2]\ud800") == "give me (EMAIL 1) and (CARD 2)?"


@pytest.mark.parametrize(
    "text",
    [
        *("a" * 40_000, "a." * 20_000, "12 " * 13_333, "a@" * 20_000, "1" * 40_000, "aB3" * 13_333, "maya " * 8_000),
        *(
            "token: " * 5_700,
            "-----BEGIN PRIVATE KEY-----" * 1_500,
            "hello there how are you " * 1_600,
            "+1 (" * 10_000,
            " ; ".join(" ".join(str(number)) for number in range(10**14 + 3, 9 * 10**14, 7 * 10**11)),
        ),
    ],
    ids=lambda text: repr(text[:5]),
)
def test_longest_message_is_quick_whatever_it_holds(redactor: Redactor, names: NameIndex, text: str) -> None:
    began = time.process_time()
    redactor.find_spans(text, names=names)
    assert time.process_time() - began < 3.0


def test_only_so_many_numbers_are_looked_up_and_the_rest_is_replaced_unasked(
    redactor: Redactor, names: NameIndex
) -> None:
    articles = [f"{number}; 2 pcs" for number in range(1_000_003, 1_000_003 + 2 * MOST_ASKED)]
    short, long = "\n".join(articles[:MOST_ASKED] * 2), "\n".join(articles)
    assert redact(redactor, short, names)[0] == short
    redacted = redact(redactor, long, names)[0].splitlines()
    assert redacted[:MOST_ASKED] == articles[:MOST_ASKED]
    assert redacted[MOST_ASKED:] == [f"[PHONE_{number}]; 2 pcs" for number in range(1, MOST_ASKED + 1)]


def test_broken_recogniser_drops_the_text_and_does_not_quote_it(redactor: Redactor) -> None:
    class Broken(NameIndex):
        def find(self, text: str) -> Iterator[Span]:
            raise ValueError(text)

    with pytest.raises(RedactionFailed) as caught:
        redactor.find_spans("maya@example.com", names=Broken())
    assert "maya" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_spans_come_in_order_without_overlap(redactor: Redactor, names: NameIndex) -> None:
    spans = redactor.find_spans("Maya (maya@example.com) pays 4111111111111111 for #48213", names=names)
    assert spans == sorted(spans, key=lambda span: span.start)
    assert all(left.end <= right.start for left, right in itertools.pairwise(spans))
    assert [type(span) for span in spans] == [Span] * 4


def test_no_model_library_is_imported() -> None:
    code = (
        "import sys; from thumbtune.core.redaction import Redactor; Redactor();"
        "import thumbtune.bot.process;"
        "assert not any(getattr(sys.modules.get(n), '__file__', None) for n in ('torch', 'transformers', 'vllm')), 'x'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=280)
