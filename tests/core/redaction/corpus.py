"""A thousand messages to a support team, each with something that must not be left over: seeded, the same every time."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.core.redaction import people, values
from thumbtune.bot.markup import decode_markup

SEED = 20_261_121
SHARES = {"EMAIL": 150, "PHONE": 220, "CARD": 90, "IBAN": 110, "ORDER": 60, "KEY": 150, "NAME": 220}
"""How many of each: 1,000 together."""


@dataclass(frozen=True)
class Item:
    """A message as we read it from Slack, and what must be gone from it."""

    kind: str
    text: str
    secrets: tuple[str, ...]


_CARRIERS: dict[str, Sequence[str]] = {
    "EMAIL": (
        "Please send the invoice to {} instead.",
        "my address is {}",
        "{} is what I signed up with",
        "Write me ({}) today!",
        "I never got the mail, {}, please look",
        "mail:{}",
        "E-Mail: {}\nName: none",
        "&gt; {} wrote this\nyes, that is me",
        "```user = {}```",
        "Is it `{}`?",
        "two accounts:{};old one closed",
        "קיבלתי את זה ב {} תודה",
        "contact={}&amp;lang=en",
    ),
    "PHONE": (
        "Please call me at {} after five.",
        "Tel.{}",
        "Tel. {}",
        "call me,{}",
        "me/{}",
        "phone:{}",
        "my number is {}.",
        "({})",
        "{} – please ring twice",
        "mobile={}",
        "📞{}",
        "WhatsApp: {}, thanks",
        "*{}*",
        "_{}_",
        "call\u202a{}\u202c now",
        "reach me on {} or by mail",
        "電話{}です",
        "Handy {}; abends",
        "tel:{}",
        "`{}`",
        "رقمي {} شكرا",
        "Rückruf an {}\nDanke",
    ),
    "CARD": (
        "I paid with {} yesterday.",
        "card {} was charged twice",
        "Visa:{}",
        "cc={}",
        "My card ({}) expired",
        "the card,{}, is new",
        "*{}*",
        "```{}```",
        "Karte {}, gültig bis 04/29",
        "{} exp 11/28 cvv",
        "Kartennr.{}",
        "כרטיס {}",
    ),
    "IBAN": (
        "Refund to {} please.",
        "iban {}",
        "IBAN:{}",
        "Konto {}, danke",
        "my account is ({})",
        "{} is the new account",
        "IBAN.{}",
        "transfer it to {} from now on",
        "`{}`",
        "account,{}",
        "_{}_",
        "{}\nThanks a lot",
        "It is {} and not the old one",
    ),
    "ORDER": (
        "Where is {}?",
        "order {} came broken",
        "Order:{}",
        "{} is late",
        "my orders, {}, and more",
        "*{}*",
        "about {}: when?",
        "Bestellung {}, bitte",
        "הזמנה {}",
        "`{}`",
        "I ordered ({}) last week",
    ),
    "KEY": (
        "I pasted {} by mistake",
        "key: {}",
        "my config has {} in it",
        "```{}```",
        "`{}`",
        "why is {} refused?",
        "{}",
        "use {}, please",
        "It says “{}” is wrong",
        "&gt; {}\nis that a problem?",
        "token={}",
        "export X={}",
    ),
    "NAME": (
        "Could {} look at it?",
        "I talked to {} yesterday",
        "thanks {} for your help",
        "as {} said before",
        "ask {} please",
        "it was {} who promised it",
        "hey {}, any news?",
        "\nGreetings\n{}",
        "my colleague {} ordered it",
        "👋{} hello",
        "cc {} again",
        "the parcel for {} is here",
        "I am {} from Leeds",
        "&gt; {} wrote\nno",
        "Hi {} 🙂",
        "شكرا {} كثيرا",
        "tell {} that it works",
    ),
}

_BEFORE = [
    "",
    "",
    "",
    "Hello! ",
    "Hi there, ",
    "It arrived 3 days late. ",
    "Sorry to bother you again 🙈 ",
    "1) ",
    "Order no. 2: ",
]
_AFTER = [
    "",
    "",
    "",
    " Thanks!",
    " Kind regards",
    " :pray:",
    " It cost €49.90.",
    " I wait since 12.03.2026.",
    " 🙏🏽",
    "\n• one\n• two",
]


def build_corpus() -> list[Item]:
    """Return the items, kind by kind."""
    rng = random.Random(SEED)
    makers: dict[str, Callable[[], Item]] = {
        "EMAIL": lambda: _link(rng, "EMAIL", values.make_email(rng), "mailto"),
        "PHONE": lambda: _link(rng, "PHONE", values.make_phone(rng), "tel"),
        "KEY": lambda: _make_key(rng),
        "NAME": lambda: _make_name(rng),
        **{
            kind: (lambda kind=kind, make=make: _wrap(rng, kind, make(rng)))
            for kind, make in (("CARD", values.make_card), ("IBAN", values.make_iban), ("ORDER", values.make_order))
        },
    }
    return [makers[kind]() for kind, count in SHARES.items() for _ in range(count)]


def _wrap(rng: random.Random, kind: str, secret: str, written: str | None = None) -> Item:
    carrier = rng.choice(_CARRIERS[kind]).format(written or secret)
    markup = rng.choice(_BEFORE) + carrier + rng.choice(_AFTER)
    return Item(kind, decode_markup(markup, name_user=str), (secret,))


def _link(rng: random.Random, kind: str, secret: str, scheme: str) -> Item:
    if rng.random() < 0.8 or not secret.isascii():
        return _wrap(rng, kind, secret)
    target = "".join(char for char in secret if char.isdigit() or char == "+") if scheme == "tel" else secret
    item = _wrap(rng, kind, secret, f"<{scheme}:{target}|{secret}>")
    return Item(kind, item.text, (secret, target) if target in item.text else (secret,))


def _make_key(rng: random.Random) -> Item:
    if rng.random() < 0.6:
        return _wrap(rng, "KEY", values.make_key(rng))
    form, make = rng.choice(values.ANNOUNCED)
    secret = make(rng)
    return Item(
        "KEY", decode_markup(rng.choice(_BEFORE) + form.format(secret) + rng.choice(_AFTER), name_user=str), (secret,)
    )


def _make_name(rng: random.Random) -> Item:
    secret, written = people.make_mention(rng)
    return _wrap(rng, "NAME", secret, written)
