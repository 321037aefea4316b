"""Makes up what must be redacted, in the forms customers write it: the same seed gives the same values."""

import base64
import random
import string
from collections.abc import Callable, Sequence

import phonenumbers

from thumbtune.core.redaction import PHONE_REGIONS

Make = Callable[[random.Random], str]

_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_FIRST = ["maya", "j.ortega", "anna-lena", "o_brien", "li.wei", "t", "søren", "info", "kundin42", "d'angelo", "x+shop"]
_LAST = ["", ".berg", "88", "_k", "-home", "+tea", ".de.vries"]
_HOSTS = [
    "example",
    "mail.example",
    "posteo",
    "uni-köln",
    "t-online",
    "shop.example",
    "sub.do-main.example",
    "xn--bcher-kva",
]
_ENDS = ["com", "org", "de", "co.uk", "se", "com.br", "museum", "io", "ac.jp", "eu"]
_IBANS = {
    "DE": "18n", "NL": "4a10n", "GB": "4a14n", "FR": "10n11c2n", "ES": "20n", "IT": "1a10n12c", "SE": "20n", "NO": "11n",
    "BE": "12n", "AT": "16n", "CH": "5n12c", "PL": "24n", "PT": "21n", "DK": "14n", "FI": "14n", "IE": "4a14n", "CZ": "20n",
    "MT": "4a5n18c", "TR": "5n1n16c", "SA": "2n18c", "GR": "7n16c", "LU": "3n13c", "HU": "24n", "IL": "19n", "AE": "19n",
}  # fmt: skip
_CARDS = [
    ("4", 16),
    ("51", 16),
    ("55", 16),
    ("2221", 16),
    ("2720", 16),
    ("34", 15),
    ("37", 15),
    ("6011", 16),
    ("3528", 16),
]
_CARDS += [("36", 14), ("62", 16), ("4", 16), ("53", 16)]
_ORDERS = ["RE-{}", "#{}", "TS-{}", "ORD-{}", "ab-{}", "(#{})", "INV-{}"]


def pick(rng: random.Random, alphabet: str, length: int) -> str:
    """Return random characters."""
    return "".join(rng.choices(alphabet, k=length))


def make_email(rng: random.Random) -> str:
    """Return an e-mail address, one in ten written so that robots do not see it."""
    local, host, end = rng.choice(_FIRST) + rng.choice(_LAST), rng.choice(_HOSTS), rng.choice(_ENDS)
    form = rng.random()
    if form < 0.05:
        return f"{local} (at) {host} (dot) {end.replace('.', ' (dot) ')}"
    if form < 0.1:
        return f"{local}[at]{host}.{end}"
    address = f"{local}@{host}.{end}"
    return address.upper() if form < 0.2 else address.title() if form < 0.25 else address


def make_phone(rng: random.Random) -> str:
    """Return a number that exists by the plan of its country: national where we look for its country, else with a +."""
    national = rng.random() < 0.6
    region = rng.choice(PHONE_REGIONS if national else sorted(phonenumbers.SUPPORTED_REGIONS))
    kinds = [phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]
    example = phonenumbers.example_number_for_type(region, rng.choice(kinds)) or phonenumbers.example_number(region)
    for _ in range(50):
        digits = str(example.national_number)
        changed = phonenumbers.PhoneNumber(
            country_code=example.country_code,
            national_number=int(digits[:-3] + pick(rng, string.digits, 3)),
            italian_leading_zero=example.italian_leading_zero,
        )
        if phonenumbers.is_valid_number(changed):
            break
    form = phonenumbers.PhoneNumberFormat
    text = phonenumbers.format_number(changed, form.NATIONAL if national else form.INTERNATIONAL)
    return _respace(rng, text) if text[0] in "+0(" or region in ("US", "NO", "DK", "ES", "PL", "PT") else text


def make_card(rng: random.Random) -> str:
    """Return a card number with a right check digit."""
    prefix, length = rng.choice(_CARDS)
    body = prefix + pick(rng, string.digits, length - len(prefix) - 1)
    total = sum(sum(divmod(int(digit) * (2 - index % 2), 10)) for index, digit in enumerate(reversed(body)))
    number = body + str(-total % 10)
    cuts = (4, 10) if length in (14, 15) else (4, 8, 12)
    groups = [number[left:right] for left, right in zip((0, *cuts), (*cuts, length), strict=True)]
    return rng.choice(["", " ", "-", "\u00a0", ".", " ", ""]).join(groups)


def make_iban(rng: random.Random) -> str:
    """Return an account number with right check digits."""
    country = rng.choice(sorted(_IBANS))
    plan, body, count = _IBANS[country], "", ""
    for char in plan:
        if char.isdigit():
            count += char
            continue
        alphabet = {"n": string.digits, "a": string.ascii_uppercase, "c": string.digits}[char]
        body += pick(rng, alphabet, int(count))
        count = ""
    value = int("".join(str(int(char, 36)) for char in f"{body}{country}00"))
    iban = f"{country}{98 - value % 97:02}{body}"
    if rng.random() < 0.4:
        iban = iban.lower()
    return rng.choice(["", " ", " ", "-", "\u00a0"]).join(iban[at : at + 4] for at in range(0, len(iban), 4))


def make_order(rng: random.Random) -> str:
    """Return an order number of the demo's patterns."""
    return rng.choice(_ORDERS).format(rng.randint(1000, 99_999_999))


def make_key(rng: random.Random) -> str:
    """Return a made-up key, token or password in its issuer's form, with the word that announces it."""
    return rng.choice(KEYS)(rng)


def make_jwt(rng: random.Random) -> str:
    """Return three parts in base64."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    return f"{head}.eyJ{pick(rng, _ALNUM, 40)}.{pick(rng, _ALNUM + '-_', 43)}"


def make_private_key(rng: random.Random) -> str:
    """Return a private key block, one in three cut off."""
    name = rng.choice(
        ["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
    )
    lines = "\n".join(pick(rng, _ALNUM + "+/", 64) for _ in range(4))
    return f"-----BEGIN {name}-----\n{lines}\n" + (f"-----END {name}-----" if rng.random() < 0.67 else "")


def _respace(rng: random.Random, number: str) -> str:
    """Return a number with its groups kept and what stands between them exchanged."""
    groups = "".join(char if char.isdigit() or char == "+" else " " for char in number).split()
    return rng.choice(
        [number, number, "".join(groups), *(gap.join(groups) for gap in (" ", "-", ".", "/", " - ", "\u202f"))]
    )


def _prefixed(prefix: str, alphabet: str, length: int) -> Make:
    return lambda rng: prefix + pick(rng, alphabet, length)


def _password(rng: random.Random) -> str:
    return pick(rng, string.ascii_letters, 4) + pick(rng, string.digits, 3) + pick(rng, _ALNUM + "!$%", 4)


UPPER = string.ascii_uppercase + string.digits
KEYS: Sequence[Make] = (
    lambda rng: f"xoxb-{pick(rng, string.digits, 12)}-{pick(rng, string.digits, 13)}-{pick(rng, _ALNUM, 24)}",
    lambda rng: f"xoxe.xoxp-1-{pick(rng, _ALNUM, 60)}",
    lambda rng: f"xapp-1-A{pick(rng, UPPER, 10)}-{pick(rng, string.digits, 13)}-{pick(rng, _HEX, 64)}",
    _prefixed("AKIA", UPPER, 16),
    _prefixed("ASIA", UPPER, 16),
    lambda rng: f"{pick(rng, _ALNUM, 12)}/K7{pick(rng, _ALNUM, 9)}a+{pick(rng, _ALNUM, 14)}",
    _prefixed("ghp_", _ALNUM, 36),
    _prefixed("gho_", _ALNUM, 36),
    lambda rng: f"github_pat_{pick(rng, _ALNUM, 22)}_{pick(rng, _ALNUM, 59)}",
    _prefixed("glpat-", _ALNUM + "-_", 20),
    _prefixed("sk_live_", _ALNUM, 24),
    _prefixed("rk_test_", _ALNUM, 24),
    _prefixed("whsec_", _ALNUM, 32),
    _prefixed("sk-", _ALNUM, 48),
    _prefixed("sk-proj-", _ALNUM + "-_", 80),
    _prefixed("sk-ant-api03-", _ALNUM + "-_", 93),
    _prefixed("AIza", _ALNUM + "-_", 35),
    _prefixed("ya29.", _ALNUM + "-_", 60),
    _prefixed("npm_", _ALNUM, 36),
    _prefixed("pypi-AgEIcHlwaS5vcmc", _ALNUM, 60),
    _prefixed("hf_", string.ascii_letters, 34),
    _prefixed("dop_v1_", _HEX, 64),
    _prefixed("shpat_", _HEX, 32),
    lambda rng: f"SG.{pick(rng, _ALNUM, 22)}.{pick(rng, _ALNUM, 43)}",
    _prefixed("SK", _HEX, 32),
    lambda rng: f"{pick(rng, '123456789', 10)}:AA{pick(rng, _ALNUM + '-_', 33)}",
    make_jwt,
    make_private_key,
)
ANNOUNCED: Sequence[tuple[str, Make]] = (
    ("Authorization: Bearer {}", _prefixed("", _ALNUM + "-._", 32)),
    ("Authorization: Basic {}", lambda rng: base64.b64encode(f"maya:{_password(rng)}".encode()).decode()),
    ("password: {}", _password),
    ("my password is {}", _password),
    ("Passwort: {}", _password),
    ("mot de passe : {}", _password),
    ("pwd={}", _password),
    ("aws_secret_access_key = {}", _prefixed("", _ALNUM + "/+", 40)),
    ('"client_secret": "{}"', _prefixed("", _ALNUM, 24)),
    ("API key: {}", _prefixed("", _ALNUM, 20)),
    ("x-api-key: {}", _prefixed("", _HEX, 24)),
    ("AccountKey={}", lambda rng: base64.b64encode(rng.randbytes(64)).decode()),
    ("SESSION_TOKEN='{}'", _prefixed("", _ALNUM, 18)),
    ("postgres://shop:{}@db.example/shop", _password),
    ("<https://shop.example/reset?token={}>", _prefixed("", _ALNUM, 22)),
    ("<https://shop.example/login?next=%2F&access_token={}&lang=en|log in>", _prefixed("", _ALNUM, 28)),
    (
        "<https://hooks.slack.com/services/{}>",
        lambda rng: f"T{pick(rng, UPPER, 8)}/B{pick(rng, UPPER, 8)}/{pick(rng, _ALNUM, 24)}",
    ),
    ("key-{}", _prefixed("", _HEX, 32)),
    ("<https://files.example/a.pdf?X-Amz-Signature={}>", _prefixed("", _HEX, 64)),
    ("<https://files.example/a.pdf?sig={}>", _prefixed("", _ALNUM, 24)),
)
"""What is found by the words before it."""
