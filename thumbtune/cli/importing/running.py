"""Imports one file into a desk: finds out what it is, reads it whole, and stores it in batches.

It does not know the command line.
"""

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from thumbtune.bot.approval import list_emojis
from thumbtune.bot.slack import SlackApi
from thumbtune.cli.importing.archive import JsonArchive
from thumbtune.cli.importing.chat_jsonl import read_chat_lines
from thumbtune.cli.importing.conversations import MAX_FILE_BYTES
from thumbtune.cli.importing.help_desk_csv import UTF16, read_table
from thumbtune.cli.importing.outcome import ImportJob, Outcome
from thumbtune.cli.importing.slack_export import ExportThread, SlackExport
from thumbtune.cli.importing.slack_replay import choose_channels, open_stand_in, replay_threads
from thumbtune.cli.importing.storing import store_conversations
from thumbtune.core.errors import BadInput, SlackError
from thumbtune.core.records import Desk
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.desks import find_desk

Format = Literal["slack", "csv", "jsonl"]

_ZIP = b"PK\x03\x04"

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Opened with how many conversations there are; takes how many more are done."""


@dataclass(frozen=True)
class ImportOptions:
    """What may be said about a file."""

    format: Format | None = None
    channels: tuple[str, ...] = ()
    """Slack: channels to read instead of the desk's, by name or id."""
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Slack: who is in a user group; exports do not say."""
    keep_system: bool = False
    is_dry_run: bool = False


def import_file(
    path: Path, store: Store, *, settings: Settings, desk: Desk, options: ImportOptions, open_progress: Progress
) -> tuple[Format, Outcome]:
    """Return what the file was and what became of it; running it again changes nothing more.

    Raises: BadInput when the file as a whole cannot be used; nothing is stored then.
    """
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as stream:
            file_hash = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as exc:
        raise BadInput(f"{path} cannot be read: {exc.strerror}") from exc
    if not size_bytes:
        raise BadInput(f"{path} is empty")
    if size_bytes > MAX_FILE_BYTES:
        raise BadInput(f"{path} is larger than {MAX_FILE_BYTES // 1024**3} GiB: split it")
    form = options.format or detect_format(path)
    if form != "slack":
        _check_text(path)

    def make_job(on_done: Callable[[int], None]) -> ImportJob:
        return ImportJob(store, desk.desk_id, form, file_hash, options.is_dry_run, on_done)

    if form == "slack":
        with JsonArchive(path, marker="users.json") as archive:
            return form, _import_slack(
                SlackExport(archive, path=path), store, settings, desk, options, open_progress, make_job
            )
    parsed = read_table(path) if form == "csv" else read_chat_lines(path, keep_system=options.keep_system)
    if not (parsed.conversations or parsed.problems or parsed.refused):
        raise BadInput(f"{path} holds no conversation")
    with open_progress(len(parsed.conversations)) as on_done:
        return form, store_conversations(parsed, make_job(on_done), desk=desk, settings=settings)


def detect_format(path: Path) -> Format:
    """Return what a file is by its beginning: a zip, JSON lines, or else a table."""
    if zipfile.is_zipfile(path):
        return "slack"
    with path.open("rb") as stream:
        begin = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return "jsonl" if begin.startswith(b"{") else "csv"


def _check_text(path: Path) -> None:
    """Refuse what is no text from its first bytes on.

    Raises: BadInput.
    """
    with path.open("rb") as stream:
        begin = stream.read(4096)
    if begin.startswith(_ZIP):
        raise BadInput(f"{path} is a zip that cannot be opened: it is cut off or damaged; download it again")
    if b"\0" in begin and not begin.startswith(UTF16):
        raise BadInput(f"{path} is no text: give a Slack export (.zip), a help-desk table (.csv) or chat JSONL")


def _import_slack(
    export: SlackExport,
    store: Store,
    settings: Settings,
    desk: Desk,
    options: ImportOptions,
    open_progress: Progress,
    make_job: Callable[[Callable[[int], None]], ImportJob],
) -> Outcome:
    channels = choose_channels(export, desk=desk, names=options.channels)
    with store.read() as conn:
        for channel in channels:
            owner = find_desk(conn, team_id=desk.team_id, channel_id=channel.channel_id)
            if owner is not None and owner.desk_id != desk.desk_id:
                raise BadInput(f"channel {channel.name} belongs to desk {owner.desk_id}: import it there")

    def resolve_group(group_id: str) -> frozenset[str]:
        return options.groups.get(group_id) or _fetch_group(settings, group_id)

    bot = open_stand_in(export, store=store, settings=settings, desk=desk, resolve_group=resolve_group)
    outcome = Outcome()
    threads: list[ExportThread] = []
    for channel in channels:
        wanted = export.find_reacted(channel, emojis=list_emojis(desk.emojis))
        threads += export.read_threads(channel, thread_ts=wanted, problems=outcome.problems)
    with open_progress(len(threads)) as on_done:
        outcome.add(replay_threads(bot, threads, make_job(on_done), desk=desk))
    return outcome


def _fetch_group(settings: Settings, group_id: str) -> frozenset[str]:
    """Ask Slack who is in a user group.

    Raises: BadInput saying how to tell it by hand.
    """
    how = f"say who is in it with --group {group_id}=U…,U…"
    if settings.slack_bot_token is None:
        raise BadInput(f"exports do not say who is in user group {group_id}: set SLACK_BOT_TOKEN, or {how}")
    slack = SlackApi(settings.slack_bot_token.get_secret_value(), base_url=settings.slack_api_url)
    try:
        return frozenset(slack.call("usergroups.users.list", usergroup=group_id)["users"])
    except SlackError as exc:
        raise BadInput(f"Slack did not say who is in user group {group_id} ({exc}): {how}") from exc
