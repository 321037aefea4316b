"""Lets a person change a text in their own editor.

It does not know what the text is.
"""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from thumbtune.core.errors import BadInput


def edit_text(text: str) -> str:
    """Return the text as it was left in $VISUAL, $EDITOR or vi.

    Raises: BadInput when the editor cannot be started or fails.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reply.txt"
        path.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(path)], check=True)
        except (OSError, subprocess.CalledProcessError) as exc:
            raise BadInput(f"the editor {editor!r} did not work: set $EDITOR, or give the text with --reply") from exc
        return path.read_text(encoding="utf-8")
