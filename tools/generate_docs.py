"""Writes docs/settings.md and docs/cli.md from the code, or checks that they still say what the code says.

make docs
python tools/generate_docs.py --check
"""

import argparse
import html
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo

from thumbtune.core.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MADE_BY = "<!-- Made by `make docs`; edit the code it comes from. -->\n"


def describe_settings() -> str:
    """Settings as a table: variable, type, default, meaning."""
    lines = [
        "# Settings",
        "",
        MADE_BY,
        "Every process reads its settings from the environment, or from a file `.env` in the folder it starts in; the",
        "environment wins. All problems are reported at once, at the start. What differs from desk to desk (channels,",
        "voice, approvers, threshold) is not here: it lives in the store and is changed with `thumbtune desks`.",
        "",
        "| variable | type | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        cells = (
            f"`{variable_name(name, field)}`",
            describe_type(field),
            describe_default(field),
            field.description or "",
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def variable_name(name: str, field: FieldInfo) -> str:
    """The environment variable of a setting; its own name where it has one."""
    alias = field.validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"{ENV_PREFIX}{name.upper()}"


def describe_type(field: FieldInfo) -> str:
    """The type of a setting, with its choices or bounds."""
    if get_origin(field.annotation) is Literal:
        return _list_choices(field.annotation)
    if get_origin(field.annotation) is list and get_origin(get_args(field.annotation)[0]) is Literal:
        return f"JSON list of {_list_choices(get_args(field.annotation)[0])}"
    text = _TYPES[field.annotation]
    bounds = [
        f"{sign} {getattr(limit, word)}" for limit in field.metadata for word, sign in _BOUNDS if hasattr(limit, word)
    ]
    return ", ".join([text, *bounds])


def _list_choices(annotation: object) -> str:
    return " or ".join(f"`{choice}`" for choice in get_args(annotation))


_BOUNDS = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
_TYPES = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    list[str]: "JSON list",
    SecretStr | None: "secret",
}


def describe_default(field: FieldInfo) -> str:
    """The default of a setting; secrets have none."""
    default = field.get_default(call_default_factory=True)
    if default is None or default == "" or isinstance(default, SecretStr):
        return "empty"
    return f"`{default}`"


def describe_commands() -> str:
    """Every command with its usage, its arguments and its options, as typer itself writes them down."""
    command = [sys.executable, "-m", "typer", "thumbtune.cli.main", "utils", "docs", "--name", "thumbtune"]
    title = "Commands of Thumbtune"
    written = subprocess.run([*command, "--title", title], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return html.unescape(written).replace(f"# {title}\n", f"# {title}\n\n{MADE_BY}", 1).rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    only_check = parser.parse_args().check
    stale = []
    for path, text in ((DOCS / "settings.md", describe_settings()), (DOCS / "cli.md", describe_commands())):
        if path.exists() and path.read_text() == text:
            continue
        stale.append(f"docs/{path.name}")
        if not only_check:
            path.write_text(text)
    if only_check and stale:
        print(f"out of date: {', '.join(stale)}; run `make docs`", file=sys.stderr)
        return 1
    print("written: " + ", ".join(stale) if stale else "docs/settings.md and docs/cli.md are up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
