"""The `thumbtune` command: puts the commands together and says in one sentence what went wrong.

thumbtune --help
"""

import os
import sys

import typer

from thumbtune.cli import (
    adapters,
    audit,
    demo,
    desks,
    doctor,
    documents,
    drafts,
    evaluate,
    forgetting,
    golden,
    inbox,
    pairs,
    processes,
    run_report,
    runs,
    triage,
    trials,
)
from thumbtune.cli.output import errors
from thumbtune.core.errors import ConfigError, ThumbtuneError

app = typer.Typer(
    name="thumbtune",
    help="A Slack bot for support teams that learns from the replies its agents approve.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

processes.register(app)
demo.register(app)
doctor.register(app)
evaluate.register(app)
forgetting.register(pairs.app)
trials.register(adapters=adapters.app, runs=runs.app)
run_report.register(runs.app)
app.add_typer(pairs.app, name="pairs")
app.add_typer(runs.app, name="runs")
app.add_typer(adapters.app, name="adapters")
app.add_typer(desks.app, name="desks")
app.add_typer(documents.app, name="documents")
app.add_typer(golden.app, name="golden")
app.add_typer(drafts.app, name="drafts")
app.add_typer(triage.app, name="triage")
app.add_typer(inbox.app, name="inbox")
app.add_typer(audit.app, name="audit")


def main() -> None:
    """Run the command line; exit 1 on an error, 2 when the settings are wrong, 130 on Ctrl-C."""
    os.umask(0o077)  # what we write is for this user alone
    try:
        app()
    except ConfigError as exc:
        errors.print("The settings need attention:", style="bold red")
        for problem in exc.problems:
            errors.print(f"  • {problem}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except ThumbtuneError as exc:
        errors.print(str(exc), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
