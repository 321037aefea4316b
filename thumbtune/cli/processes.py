"""Commands that run the processes: up, bot, trainer, serving, migrate."""

import os

import typer

from thumbtune.cli.output import console
from thumbtune.cli.supervision import SUPERVISED, SUPERVISOR_MODULE, Program, become_supervisor, python_command
from thumbtune.core.errors import ConfigError
from thumbtune.core.forgetting import keep_tombstones
from thumbtune.core.logs import configure_logs
from thumbtune.core.processes import die_with_parent
from thumbtune.core.settings import ENV_PREFIX, Settings, load_settings
from thumbtune.core.store import connect_store, migrate_store

SLACK_SECRETS = tuple(
    f"{prefix}SLACK_{name}" for prefix in ("", ENV_PREFIX) for name in ("BOT_TOKEN", "APP_TOKEN", "SIGNING_SECRET")
)
"""Variables that only the bot is given."""


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("up")(run_up)
    app.command("bot")(run_bot)
    app.command("trainer")(run_trainer)
    app.command("serving")(run_serving)
    app.command("migrate")(migrate)


def list_programs() -> list[Program]:
    """Return the three processes of a single-machine installation."""
    return [
        Program("bot", python_command("bot")),
        Program("trainer", python_command("trainer"), hidden=SLACK_SECRETS),
        Program("serving", python_command("serving"), hidden=SLACK_SECRETS, stop_timeout_s=30),
    ]


def run_up() -> None:
    """Run the bot, the trainer and serving on this machine, and start again whichever dies."""
    problems = []
    for role in ("bot", "trainer", "serving"):
        try:
            settings = load_settings(role=role)
        except ConfigError as exc:
            problems += [problem for problem in exc.problems if problem not in problems]
    if problems:
        raise ConfigError(problems)
    store = connect_store(settings)
    migrate_store(store)
    keep_tombstones(store, settings)
    store.engine.dispose()
    become_supervisor(list_programs(), run_dir=settings.data_dir.resolve() / "run")


def run_bot() -> None:
    """Run the bot: takes in what Slack sends, collects approvals, writes drafts."""
    settings = _begin("bot")
    from thumbtune.bot.process import run_bot as run

    run(settings)


def run_trainer() -> None:
    """Run the trainer: starts runs when they are due and carries them out."""
    settings = _begin("trainer")
    from thumbtune.trainer.process import run_trainer as run

    run(settings)


def run_serving() -> None:
    """Run serving: keeps vLLM up, loads and proves adapters, decides which is live."""
    settings = _begin("serving")
    from thumbtune.serving.process import run_serving as run

    run(settings)


def migrate() -> None:
    """Bring the store's tables to the shape this version knows."""
    migrate_store(connect_store(load_settings()))
    console.print("The store is up to date.")


def _begin(role: str) -> Settings:
    settings = load_settings(role=role)  # type: ignore[arg-type]  # one of the three roles
    configure_logs(process=role, level=settings.log_level, form=settings.log_format)
    if os.environ.get(SUPERVISED):
        die_with_parent(parent_word=SUPERVISOR_MODULE)
    return settings
