"""Replaces the values in a text (prices, days, hours, names, colours) by random ones of the same kind.

It does not know topics or prompts. A tenth of all values is held out by a checksum: training never sees them, so the
share of facts copied right can be measured on values that are new to the model.
"""

import random
import re
import zlib
from collections.abc import Callable

WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["January", "February", "March", "April", "June", "July", "August", "September", "October", "November"]
KINDS = ["green", "black", "white", "oolong", "herbal", "red", "yellow", "blue", "grey", "pink", "brown", "purple"]
KINDS += ["orange", "silver", "golden", "fruit", "mint", "rose", "ginger", "lemon"]
MATERIALS = ["clay", "glass", "iron", "wood", "steel", "copper", "stone", "paper", "tin", "wool", "cotton", "bamboo"]
GOODS = ["tea", "coffee", "cocoa", "soap", "honey", "rice", "spice", "wine", "juice", "bread", "cheese", "jam"]
PLACES = ["Harbour", "Mill", "Church", "Station", "Garden", "Market", "River", "Bridge", "Castle", "Forest", "School"]
PLACES += ["King", "Queen", "Linden", "Baker", "Park", "Hill", "Lake", "North", "South", "Rose", "Elm", "Maple", "Oak"]
WAYS = ["Street", "Lane", "Road", "Square", "Avenue"]
FIRST_WORDS = ["Harbour", "Night", "Mint", "Almond", "Nutty", "Red", "Silver", "Morning", "Winter", "Summer", "Golden"]
FIRST_WORDS += ["Little", "Blue", "Happy", "Quiet", "Wild", "Old", "Royal", "Sunny", "Misty", "Honey", "Iron", "Paper"]
SECOND_WORDS = ["Black", "Garden", "Cloud", "Star", "Monk", "Fox", "Moon", "River", "Bird", "Bear", "Lantern", "Flower"]
SECOND_WORDS += ["Stone", "Wave", "Dream", "Leaf", "Bell", "Wind", "Cat", "Owl", "Apple", "House", "Song", "Rain"]
SYLLABLES = "ba be bo da de di do fa fe fi ga go ka ke ki la le li lo lu ma me mi mo na ne ni no pa pe ra re ri ro "
SYLLABLES += "sa se si so ta te ti to va ve vi vo za zo len mar nor sel tan ver vin wen zan tor fel dor kun bran"
NAMES = ["Harbour Black", "Night Garden", "Mint Cloud", "Almond Star", "Nutty Monk", "Robo Fox", "Bluebird"]
NAMES += ["Oslo", "Lund", "PayPal", "Spain", "France"]
MONEY = ["euros", "euros", "euros", "dollars", "pounds", "crowns"]
SPANS = ["days", "weeks", "months", "hours", "minutes", "years"]

_VALUE = re.compile(
    r"\b(?P<time>\d{1,2}:\d{2})\b"
    r"|\b(?P<ordinal>\d{1,2})(?:st|nd|rd|th)\b"
    r"|\b(?P<number>\d+(?:\.\d\d)?)(?P<unit> (?:working days|[a-z]+))?"
    r"|\b(?P<street>[A-Z][a-z]+) (?:Street|Lane|Road)\b"
    r"|\b(?P<weekday>" + "|".join(WEEKDAYS) + r")\b"
    r"|\b(?P<month>" + "|".join(MONTHS) + r")\b"
)
_SHARED = re.compile(r"\b(" + "|".join([*NAMES, *KINDS[:6], *MATERIALS[:3], "blue", "yellow", "grey"]) + r")\b", re.I)
_GOODS = re.compile(r"\btea\b")


def is_held_out(value: str) -> bool:
    """Return whether a value is kept out of all training text."""
    return zlib.crc32(value.encode()) % 10 == 0


class ValueMaker:
    """Draws values from one side of the split; what it gives to a name or a kind stays the same for one prompt."""

    def __init__(self, rng: random.Random, *, held_out: bool) -> None:
        self.rng = rng
        self._held_out = held_out
        self._shared: dict[str, str] = {}

    def start_prompt(self) -> None:
        """Forget the names given in the last prompt."""
        kinds = self.rng.sample(KINDS, len(KINDS))
        materials = self.rng.sample(MATERIALS, len(MATERIALS))
        self._shared = dict(zip(KINDS, kinds, strict=True)) | dict(zip(MATERIALS, materials, strict=True))
        if self.rng.random() < 0.5:
            self._shared = {}
        self._keep_kinds = not self._shared
        self._goods = self.rng.choice(GOODS) if self.rng.random() < 0.25 else "tea"

    def vary(self, texts: list[str]) -> list[str]:
        """Return the texts of one passage and its questions with new values, the same value for the same text."""
        seen: dict[str, str] = {}

        def replace_value(match: re.Match[str]) -> str:
            found = match.group(0)
            if found not in seen:
                seen[found] = self._draw_like(match)
            return seen[found]

        def replace_shared(match: re.Match[str]) -> str:
            found = match.group(0)
            key = found.lower()
            if key in KINDS or key in MATERIALS:
                if self._keep_kinds:
                    return found
                new = self._shared[key]
                return new.capitalize() if found[0].isupper() else new
            if key not in self._shared:
                self._shared[key] = self.draw(self.make_name)
            return self._shared[key] if found[0].isupper() else self._shared[key].lower()

        varied = [_SHARED.sub(replace_shared, _VALUE.sub(replace_value, text)) for text in texts]
        return [_GOODS.sub(self._goods, text) for text in varied]

    def draw(self, make: Callable[[], str]) -> str:
        """Return a made value from this maker's side of the split."""
        value = make()
        for _ in range(200):
            if is_held_out(value) == self._held_out:
                break
            value = make()
        return value

    def make_name(self) -> str:
        """Return a product-like name: two words or made-up syllables."""
        if self.rng.random() < 0.45:
            return f"{self.rng.choice(FIRST_WORDS)} {self.rng.choice(SECOND_WORDS)}"
        return "".join(self.rng.choices(SYLLABLES.split(), k=self.rng.choice([2, 2, 3]))).capitalize()

    def make_time(self) -> str:
        """Return a time of day on a quarter of an hour."""
        return f"{self.rng.randint(6, 22)}:{self.rng.choice(['00', '30', '15', '45', '10', '20', '40', '50'])}"

    def make_street(self) -> str:
        """Return a street name without its number."""
        first = self.rng.choice(PLACES) if self.rng.random() < 0.5 else self.make_name().split()[0]
        return f"{first} {self.rng.choice(WAYS)}"

    def make_price(self) -> str:
        """Return a price with its currency."""
        whole = self.rng.choice([self.rng.randint(1, 30), self.rng.randint(1, 99), self.rng.randint(20, 400)])
        cents = self.rng.choice(
            ["", "", f".{self.rng.choice([0, 50, 90, 95, 99, 20, 80, self.rng.randint(10, 99)]):02d}"]
        )
        return f"{whole}{cents} {self.rng.choice(MONEY)}"

    def make_number(self, like: int) -> str:
        """Return a whole number of about the size of `like`."""
        if like == 1:
            return "1"
        top = 20 if like < 10 else 120 if like < 100 else 999 if like < 1000 else 9999
        low = 2 if like < 100 else 20
        return str(self.rng.choice([self.rng.randint(low, top), self.rng.randint(low, max(low, top // 3))]))

    def _draw_like(self, match: re.Match[str]) -> str:
        if match["time"]:
            return self.draw(self.make_time)
        if match["ordinal"]:
            return self.draw(lambda: _write_ordinal(self.rng.randint(1, 30)))
        if match["street"]:
            return self.draw(self.make_street)
        if match["weekday"]:
            return self.rng.choice(WEEKDAYS)
        if match["month"]:
            return self.rng.choice(MONTHS)
        number, unit = match["number"], match["unit"] or ""
        if unit == " euros":
            return self.draw(self.make_price)
        if unit[1:] in SPANS and self.rng.random() < 0.3:
            unit = " " + self.rng.choice(SPANS)
        return self.draw(lambda: self.make_number(int(float(number))) + unit)


def _write_ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
