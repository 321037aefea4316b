"""The people of the corpus, and the ways others write their names."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from thumbtune.core.redaction import NameIndex


@dataclass(frozen=True)
class Somebody:
    """Someone as Slack names them, and what of them must not be left over in a text."""

    names: tuple[str, ...]
    mentions: tuple[str, ...]


PEOPLE: Sequence[Somebody] = (
    Somebody(
        ("Maya Lindqvist", "maya 🌻 (she/her)", "Maya", "Lindqvist"),
        (
            "Maya",
            "maya",
            "MAYA",
            "Maya Lindqvist",
            "maya lindqvist",
            "Lindqvist",
            "@maya",
            "@mayalindqvist",
            "Lindqvist, Maya",
        ),
    ),
    Somebody(
        ("Tomás Oliveira", "Tomás | Support", "Tomás", "Oliveira"),
        ("Tomás", "Tomas", "TOMÁS", "tomas", "Toma\u0301s", "Oliveira", "@tomas.oliveira", "@toliveira", "oliveira"),
    ),
    Somebody(
        ("Søren Kjærgaard", "skj", "Søren", "Kjærgaard"),
        ("Søren", "Soren", "søren", "Kjærgaard", "Kjaergaard", "SØREN KJÆRGAARD", "@skj"),
    ),
    Somebody(
        ("Jürgen Müller-Weiß", "Jogi", "Jürgen", "Müller-Weiß"),
        ("Jürgen", "Juergen", "jurgen", "Jogi", "jogi", "Mueller-Weiss", "Müller-Weiß", "Müller", "@jogi"),
    ),
    Somebody(("Łukasz Wójcik", "lukasz", "Łukasz", "Wójcik"), ("Łukasz", "Lukasz", "wojcik", "Wójcik", "@lukasz")),
    Somebody(
        ("Anne-Marie O'Brien", "annie [Care]", "Anne-Marie", "O'Brien"),
        ("Anne-Marie", "Anne Marie", "anne-marie", "O'Brien", "O’Brien", "OBrien", "Annie", "annie", "@annie"),
    ),
    Somebody(("Will May", "Will", "Will", "May"), ("Will", "Will May", "will may", "WILL MAY", "@will", "May", "@may")),
    Somebody(
        ("Nguyễn Thị Hạnh", "Hạnh", "Hạnh", "Nguyễn"), ("Hạnh", "Hanh", "hanh", "Nguyễn", "nguyen thi hanh", "Nguyen")
    ),
    Somebody(("İpek Yılmaz", "ipek", "İpek", "Yılmaz"), ("İpek", "Ipek", "ipek", "Yılmaz", "Yilmaz", "@ipek")),
    Somebody(("田中 愛子", "Aiko 愛子", "愛子", "田中"), ("田中", "愛子", "田中愛子", "Aiko", "aiko")),
    Somebody(("דנה לוי", "דנה", "דנה", "לוי"), ("דנה", "דנה לוי", "לוי")),
    Somebody(("ليلى حداد", "ليلى", "ليلى", "حداد"), ("ليلى", "ليلى حداد")),
    Somebody(("Ольга Сидорова", "Оля", "Ольга", "Сидорова"), ("Ольга", "ольга", "Сидорова", "Оля")),
    Somebody(
        ("Alan Price", "Al — Customer Care", "Alan", "Price"),
        ("Alan", "alan", "Alan Price", "alan price", "Price", "@alan"),
    ),
    Somebody(
        ("Rose Baker", "rosie.b", "Rose", "Baker"),
        ("Rose", "Rose Baker", "rose baker", "Rosie", "@rosie.b", "ROSE BAKER"),
    ),
    Somebody(
        ("Dr. Priya Raghunathan", "Priya – Sales Team", "Priya", "Raghunathan"),
        ("Priya", "priya", "Raghunathan", "@priya"),
    ),
    Somebody(
        ("Jan-Willem van der Berg", "JW", "Jan-Willem", "van der Berg"),
        ("Jan-Willem", "jan-willem", "van der Berg", "JW"),
    ),
    Somebody(
        ("Tony Miller", "tony (OOO till Monday)", "Tony", "Miller"), ("tony", "Tony", "miller", "@tony", "TMiller")
    ),
    Somebody(
        ("Chloë Saint-Exupéry", "chlo", "Chloë", "Saint-Exupéry"), ("Chloë", "Chloe", "chloe", "Saint-Exupery", "chlo")
    ),
)

_AROUND = ["{}", "{}", "{}", "{}'s", "{}’s", "*{}*", "_{}_", "~{}~", "({})", "{},", "{}!", '"{}"', "{}:", "{}/"]
_AROUND += ["\u200f{}\u200e", "`{}`"]
_NO_GENITIVE = ("Will", "May", "Price", "Rose")


def make_mention(rng: random.Random) -> tuple[str, str]:
    """Return what must go, and how it stands in a text."""
    name = rng.choice(rng.choice(PEOPLE).mentions)
    takes_s = name.isascii() and name.istitle() and name.isalpha() and name not in _NO_GENITIVE
    if takes_s and rng.random() < 0.1:
        return name, f"{name}s"  # as German, Dutch and the languages of the north write whose it is
    return name, rng.choice(_AROUND).format(name)


def build_names() -> NameIndex:
    """Return the index of all of them."""
    names = NameIndex()
    for number, person in enumerate(PEOPLE):
        names.add(f"U{number}", person.names)
    return names
