"""The `doctor` command: checks settings, store, Slack, people, training, vLLM, spool and disk; says how to mend each."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from thumbtune.bot.spool import Spool
from thumbtune.cli.context import SLACK_MANIFEST
from thumbtune.cli.output import console, print_json
from thumbtune.core.errors import BadInput, ConfigError, ThumbtuneError
from thumbtune.core.settings import Settings, load_settings
from thumbtune.core.store import Store, adapters, check_store, connect_store, desks, outlooks, replicas, runs

SLACK_TIMEOUT_S = 10
MIN_FREE_BYTES = 2 * 1024**3

STORE = "store"
NEED_THE_STORE = ("desks", "training", "vLLM", "forgetting")

Finding = tuple[str, bool, str]
"""What was checked, whether it is well, and what was found or what to do."""


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("doctor")(run_doctor)


def run_doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check everything Thumbtune needs and say how to mend what is wrong."""
    findings = list(_find_all())
    if as_json:
        print_json([{"check": check, "ok": ok, "finding": finding} for check, ok, finding in findings])
    else:
        for check, ok, finding in findings:
            mark = "[green]✓[/green]" if ok else "[red]✗[/red]"
            console.print(f"{mark} [bold]{check}[/bold]  {finding}", highlight=False)
    if not all(ok for _, ok, _ in findings):
        raise typer.Exit(1)


def load_scopes(manifest: Path = SLACK_MANIFEST) -> set[str]:
    """Return the bot scopes that the Slack manifest asks for.

    Raises: BadInput when it is missing or broken, as in a package that was not installed whole.
    """
    try:
        scopes = json.loads(manifest.read_text(encoding="utf-8"))["oauth_config"]["scopes"]["bot"]
    except (OSError, ValueError, LookupError) as exc:
        raise BadInput(f"{manifest} cannot be read, so the scopes are not checked: install Thumbtune again") from exc
    return set(scopes)


def _find_all() -> Iterator[Finding]:
    try:
        settings = load_settings()
    except ConfigError as exc:
        yield from (("settings", False, problem) for problem in exc.problems)
        return
    for role in ("bot", "trainer", "serving"):
        try:
            load_settings(role=role)
            yield (f"settings for the {role}", True, "complete")
        except ConfigError as exc:
            yield (f"settings for the {role}", False, "; ".join(exc.problems))
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        (STORE, _check_store),
        ("Slack", _check_slack),
        ("desks", _check_desks),
        ("base model", _check_base_model),
        ("training", _check_training),
        ("vLLM", _check_serving),
        ("forgetting", _check_forgetting),
        ("spool", _check_spool),
        ("disk", _check_disk),
    )
    failed: set[str] = set()
    for name, check in checks:
        if STORE in failed and name in NEED_THE_STORE:
            yield (name, False, "not checked: mend the store first")
            continue
        try:
            yield (name, True, check(settings))
        except (ThumbtuneError, _Trouble) as exc:
            failed.add(name)
            yield (name, False, str(exc))


class _Trouble(Exception):
    """Something is not well; the message says what to do."""


@contextlib.contextmanager
def _opened_store(settings: Settings) -> Iterator[Store]:
    store = connect_store(settings)
    try:
        yield store
    finally:
        store.engine.dispose()


def _check_store(settings: Settings) -> str:
    with _opened_store(settings) as store:
        check_store(store)
        return f"{store.engine.dialect.name}, tables up to date"


def _check_slack(settings: Settings) -> str:
    if settings.slack_bot_token is None:
        where = f"deploy/slack-manifest.json (also {SLACK_MANIFEST})"
        raise _Trouble(f"no SLACK_BOT_TOKEN: make the app from {where} and install it")
    client = WebClient(settings.slack_bot_token.get_secret_value(), settings.slack_api_url, timeout=SLACK_TIMEOUT_S)
    try:
        answer = client.auth_test()
    except SlackApiError as exc:
        raise _Trouble(f"auth.test says {exc.response['error']}: check SLACK_BOT_TOKEN") from exc
    except OSError as exc:
        raise _Trouble(f"{settings.slack_api_url} does not answer: check the network and SLACK_API_URL") from exc
    granted = set(str(answer.headers.get("x-oauth-scopes", "")).replace(" ", "").split(","))
    missing = sorted(load_scopes() - granted)
    if missing:
        raise _Trouble(f"scopes missing: {', '.join(missing)}; update the app from the manifest and install it again")
    return f"connected to {answer['team']} as {answer['user']}, all scopes granted"


def _check_desks(settings: Settings) -> str:
    with _opened_store(settings) as store, store.read() as conn:
        known = desks.list_desks(conn)
        live = {desk.desk_id: adapters.find_live(conn, desk_id=desk.desk_id) for desk in known}
    if not known:
        raise _Trouble("none yet: make one with `thumbtune desks add`")
    without_leads = [desk.desk_id for desk in known if not desk.leads]
    if without_leads:
        raise _Trouble(f"nobody may run /retrain for {', '.join(without_leads)}: `thumbtune desks set NAME --lead U…`")
    return ", ".join(f"{name} (live: {adapter.name if adapter else 'base model'})" for name, adapter in live.items())


def _check_base_model(settings: Settings) -> str:
    if not settings.base_model:
        raise _Trouble("THUMBTUNE_BASE_MODEL is not set: give the path or hub name of an open model")
    path = Path(settings.base_model)
    if path.is_absolute() and not (path / "config.json").exists():
        raise _Trouble(f"{path} holds no config.json: give the folder of a model")
    return settings.base_model


def _check_training(settings: Settings) -> str:
    with _opened_store(settings) as store, store.read() as conn:
        seen = {desk.desk_id: outlooks.find_outlook(conn, desk_id=desk.desk_id) for desk in desks.list_desks(conn)}
        now = store.now()
    for outlook in seen.values():
        silence = outlooks.find_silence(outlook, now=now, tick_s=settings.train_tick_s)
        if silence is not None:
            raise _Trouble(silence)
    found = ", ".join(f"{name} ({outlook.why})" for name, outlook in seen.items() if outlook is not None)
    return f"why no run starts by itself, or one does: {found}" if found else "no desks yet"


def _check_serving(settings: Settings) -> str:
    with _opened_store(settings) as store, store.read() as conn:
        seen = replicas.list_replicas(conn, now=store.now())
    if not any(replica.healthy for replica in seen):
        raise _Trouble("no healthy replica was seen in the last minute: is `thumbtune serving` running? See its log")
    return ", ".join(f"{replica.replica_id} with {len(replica.proven)} adapters proven" for replica in seen)


def _check_forgetting(settings: Settings) -> str:
    with _opened_store(settings) as store, store.read() as conn:
        waiting = adapters.list_to_replace(conn)
        open_runs = {item.name: runs.find_open_run(conn, desk_id=item.desk_id) for item in waiting}
    stuck = [name for name, run in open_runs.items() if run is None]
    if stuck:
        raise _Trouble(
            f"{', '.join(stuck)} learned from someone who was forgotten and no run replaces it: `thumbtune runs start`, or "
            "`thumbtune adapters rollback` to take it out of use"
        )
    replaced = ", ".join(f"{name} by {run.run_id}" for name, run in open_runs.items() if run is not None)
    return f"to be replaced: {replaced}" if replaced else "nothing that answers learned from anyone who was forgotten"


def _check_spool(settings: Settings) -> str:
    spool = Spool(settings.spool_dir, max_bytes=settings.spool_max_mb * 1_000_000)
    refused = [path.name for path in spool.list_refused()]
    if refused:
        raise _Trouble(
            f"{len(refused)} of its files could not be taken into the inbox, the first is {refused[0]} in "
            f"{settings.spool_dir}: mend what `spool_file_refused` in the bot's log names and call them .spool again, or "
            "delete them; 30 days after they were put aside they are deleted"
        )
    return "some of it waits for the store" if spool.has_files() else "empty"


def _check_disk(settings: Settings) -> str:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data_dir).free
    if free < MIN_FREE_BYTES:
        raise _Trouble(f"only {free / 1024**3:.1f} GiB free in {settings.data_dir}: make room")
    return f"{free / 1024**3:.0f} GiB free in {settings.data_dir}"
