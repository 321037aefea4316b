"""Shows the demo's progress: bars on a terminal, plain lines elsewhere.

It does not know what is being done.
"""

import time

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from thumbtune.cli.output import console

PLAIN_INTERVAL_S = 10.0


class BarNarrator:
    """One bar a phase; finished ones stay above."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/green]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("[dim]{task.fields[note]}[/dim]"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "BarNarrator":
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing; what was drawn stays."""
        self._progress.stop()

    def begin(self, phase: str, text: str) -> None:
        """Begin a phase with an empty bar."""
        self._task = self._progress.add_task(text, total=1.0, note="")

    def update(self, share: float, text: str) -> None:
        """Move the bar to `share` (0 to 1)."""
        if self._task is not None:
            self._progress.update(self._task, completed=share, note=text)

    def finish(self, text: str) -> None:
        """Fill the bar."""
        if self._task is not None:
            self._progress.update(self._task, completed=1.0, note=text)


class PlainNarrator:
    """A line when a phase begins and ends, and one now and then between."""

    def __init__(self) -> None:
        self._phase = ""
        self._began = self._shown = 0.0

    def __enter__(self) -> "PlainNarrator":
        """Nothing to prepare."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def begin(self, phase: str, text: str) -> None:
        """Say what begins."""
        self._phase = phase
        self._began = self._shown = time.monotonic()
        self._say(f"{text} …")

    def update(self, share: float, text: str) -> None:
        """Say how far it is, at most every few seconds."""
        if time.monotonic() - self._shown >= PLAIN_INTERVAL_S:
            self._shown = time.monotonic()
            self._say(f"{share:4.0%}  {text}")

    def finish(self, text: str) -> None:
        """Say what came of it."""
        self._say(f"done  {text}  ({time.monotonic() - self._began:.1f} s)")

    def _say(self, text: str) -> None:
        console.print(f"{self._phase:<8} {text}", markup=False, highlight=False, soft_wrap=True)


def open_narrator() -> BarNarrator | PlainNarrator:
    """Return the narrator that fits where the output goes."""
    return BarNarrator() if console.is_terminal else PlainNarrator()
