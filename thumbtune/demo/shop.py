"""The demo's shop: its name, the voice its desk writes in, and its help centre.

It does not know Slack, the store or the model.
"""

import re
from importlib import resources

SHOP_NAME = "Lantern Tea"
DESK_NAME = "Lantern Tea support"
VOICE = "You answer customers of Lantern Tea, a small tea shop by the harbour. Be warm and brief. Use the facts below."

SIGN_OFF = "Happy sipping from your Lantern Tea crew! 🍵"

CATEGORIES = {
    "Delivery": ("Delivery",),
    "Orders and paying": ("Orders", "Paying", "Gifts"),
    "Returns": ("Returns",),
    "Tea and teapots": ("Brewing guide", "Our teas", "Teapots"),
    "Club and points": ("Tea Club", "Leaf points"),
    "Shop and tastings": ("Shop and tea room", "Tastings"),
}
"""What conversations are sorted into: categories, and the help centre's pages on each."""

_OPENINGS = ("Hi", "Hello", "Of course,", "With pleasure,", "You are very welcome,", "Thank you so much,")
_GREETING = re.compile(rf"({'|'.join(_OPENINGS)}) (\[NAME_\d\]|[^\W\d_][\w'-]*)[,!]")


def load_help_center() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the pages of the help centre in the order of their file names: (title, [(heading, text)])."""
    pages = []
    folder = resources.files("thumbtune.demo").joinpath("help_center")
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".md"):
            pages.append(_parse_page(file.read_text(encoding="utf-8")))
    return pages


def is_in_voice(text: str) -> bool:
    """Return whether a reply has the shop's voice: it greets by first name and ends with the shop's sign-off."""
    return bool(_GREETING.match(text.strip())) and text.strip().endswith(SIGN_OFF)


def _parse_page(text: str) -> tuple[str, list[tuple[str, str]]]:
    head, *blocks = text.split("\n## ")
    sections = []
    for block in blocks:
        heading, _, body = block.partition("\n")
        sections.append((heading.strip(), " ".join(body.split())))
    return head.removeprefix("# ").strip(), sections
