"""The local workspace shows every emoji that the bot uses."""

import ast
import re
from pathlib import Path

import thumbtune.bot
import thumbtune.demo.slack
from thumbtune.core.records import Desk
from thumbtune.core.settings import Settings

TABLE = Path(thumbtune.demo.slack.__path__[0]) / "page" / "emoji" / "table.js"
BOT = Path(thumbtune.bot.__path__[0])


def list_known() -> set[str]:
    groups = re.findall("`([^`]*)`", TABLE.read_text(encoding="utf-8"))
    return {name for group in groups for entry in group.split(",") for name in entry.split()[1:]}


def list_used() -> set[str]:
    """The emoji in texts of the bot: a name between colons, with a space behind it."""
    used: set[str] = set()
    for path in BOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.update(re.findall(r"(?:^|\s):([a-z0-9_+-]+):\s", node.value))
    return used


def test_page_knows_every_emoji_of_the_bots_texts_and_reactions() -> None:
    desk = Desk("support", "T1", "Support", "Be kind.")
    used = list_used()
    assert {"books", "warning", "mortar_board"} <= used
    reactions = {Settings(_env_file=None).collected_reaction, *desk.emojis, *desk.vetoes}
    assert (used | reactions) - list_known() == set()
