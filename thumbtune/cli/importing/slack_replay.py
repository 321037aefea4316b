"""Plays a Slack export to the bot's own code: messages, reactions and roles lead to pairs as they do live.

It does not know zips. The export stands in for Slack; nothing is sent to it. Which approvals came when is not in an
export: a reply that was edited waits for review, and whatever the store knows of a reaction already, it knows better.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from thumbtune.bot.approval import (
    date_found,
    judge,
    key_emoji,
    list_approvers_needed,
    list_emojis,
    normalize_emoji,
)
from thumbtune.bot.bot import Bot, Identity
from thumbtune.bot.collecting import lost_a_part, settle_reply
from thumbtune.bot.models import Models
from thumbtune.bot.people import People, PeopleMissing
from thumbtune.bot.roles import DeskRoles, name_role
from thumbtune.bot.slack import Json, SlackApi
from thumbtune.bot.threads import (
    FILE_ONLY,
    UNREDACTED,
    LiveMessage,
    is_request,
    needs_repair,
    read_message,
    record_live,
)
from thumbtune.cli.importing.outcome import BatchOutcome, ImportJob, Outcome, cut_batches, open_batch
from thumbtune.cli.importing.slack_export import ExportChannel, ExportThread, SlackExport
from thumbtune.core.errors import BadInput, SlackRefused
from thumbtune.core.records import Approval, Desk
from thumbtune.core.redaction import Redactor
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.approvals import load_approvals, record_approval
from thumbtune.core.store.members import list_former
from thumbtune.core.store.messages import load_message
from thumbtune.core.store.pairs import ERASED, FORGOTTEN, VETOED
from thumbtune.core.store.places import IMPORT_CHANNEL, Place, find_pair, mark_imported
from thumbtune.core.store.tombstones import Forgotten, load_forgotten

OWN_NAME = "thumbtune"
"""The bot's name in deploy/slack-manifest.json: what agents tell it in a thread is no part of the conversation."""

ResolveGroup = Callable[[str], frozenset[str]]


class ExportSlack(SlackApi):
    """Answers what the bot asks of Slack from an export."""

    def __init__(self, export: SlackExport, *, resolve_group: ResolveGroup) -> None:
        self.base_url = ""
        self._export = export
        self._resolve_group = resolve_group

    def call(self, method: str, **arguments: object) -> Json:
        """Return what the export has.

        Raises: SlackRefused when it is not there.
        """
        if method == "users.info":
            user = self._export.users.get(str(arguments["user"]))
            if user is None:
                raise SlackRefused(method, "user_not_found")
            return {"user": user}
        if method == "bots.info":
            return {"bot": {"id": arguments["bot"]}}
        if method == "usergroups.users.list":
            return {"users": sorted(self._resolve_group(str(arguments["usergroup"])))}
        raise SlackRefused(method, "not_in_an_export")

    def pages(self, method: str, key: str, *, limit: int, **arguments: object) -> Iterator[Any]:  # Any: ids
        """Yield the members of a channel.

        Raises: SlackRefused for anything else.
        """
        if method != "conversations.members":
            raise SlackRefused(method, "not_in_an_export")
        for channel in self._export.channels:
            if channel.channel_id == arguments["channel"]:
                yield from (user_id for user_id in channel.members if user_id in self._export.users)


@dataclass(frozen=True)
class _Scene:
    """A thread, read and ready to be stored."""

    thread: ExportThread
    messages: tuple[LiveMessage, ...]
    raws: Mapping[str, Json]
    """The same as Slack wrote them, by `ts`."""


def open_stand_in(
    export: SlackExport, *, store: Store, settings: Settings, desk: Desk, resolve_group: ResolveGroup
) -> Bot:
    """Return a bot whose Slack is the export, and which adds no reactions to Slack.

    Raises: BadInput when the export is of another workspace than the desk.
    """
    teams = {str(user.get("team_id")) for user in export.users.values()}
    if teams <= {"", "None"}:
        raise BadInput("the export's users.json does not say of which workspace it is (team_id): is it a Slack export?")
    if desk.team_id not in teams:
        raise BadInput(
            f"the export is of workspace {', '.join(sorted(teams)[:3])}; desk {desk.desk_id} is in {desk.team_id}"
        )
    slack = ExportSlack(export, resolve_group=resolve_group)
    user_id, bot_id = _find_own(export.users)
    return Bot(
        settings=settings.model_copy(update={"collected_reaction": ""}),
        store=store,
        slack=slack,
        people=People(slack, team_id=desk.team_id, remember=lambda group_id, _: list_former(store, group_id)),
        redactor=Redactor(order_number_patterns=settings.order_number_patterns),
        models=Models(store, api_key=""),
        identity=Identity(desk.team_id, user_id, bot_id),
    )


def replay_threads(bot: Bot, threads: Sequence[ExportThread], job: ImportJob, *, desk: Desk) -> Outcome:
    """Store these threads and make the pairs that are approved in them, in batches; return what became of them."""
    roles = bot.people.fetch_roles(desk)
    outcome = Outcome()
    for batch in cut_batches(threads):
        scenes = [_read_scene(bot, thread) for thread in batch]
        # A channel may belong to no desk: a forgetting takes the place of imports as well.
        channels = {(desk.team_id, IMPORT_CHANNEL), *((desk.team_id, item.channel.channel_id) for item in batch)}
        while True:
            try:
                with open_batch(job, outcome, channels=channels) as (conn, done):
                    for scene in scenes:
                        _play(conn, bot, done, scene, desk=desk, roles=roles)
                break
            except PeopleMissing as missing:  # people who wrote or reacted, but whom only the store knows
                bot.people.fetch_people(missing.user_ids)
        job.on_done(len(batch))
    return outcome


def _read_scene(bot: Bot, thread: ExportThread) -> _Scene:
    channel_id = thread.channel.channel_id
    found = [read_message(bot, raw, channel_id=channel_id) for raw in thread.messages]
    messages = tuple(live for live in found if live is not None)
    raws = {str(raw["ts"]): raw for raw in thread.messages}
    bot.people.fetch_people(
        user for raw in raws.values() for item in raw.get("reactions") or [] for user in item["users"]
    )
    return _Scene(thread, messages, raws)


def _play(conn: sa.Connection, bot: Bot, done: BatchOutcome, scene: _Scene, *, desk: Desk, roles: DeskRoles) -> None:
    emojis = list_emojis([*desk.emojis, *desk.vetoes])
    reacted = [live for live in scene.messages if _list_shown(scene.raws[live.ts], list_emojis(desk.emojis))]
    if scene.thread.is_broken:
        done.refused["a message of its thread cannot be read"] += len(reacted)
        return
    kept = [live for live in scene.messages if not is_request(bot, live, roles)]
    place = {"team_id": bot.identity.team_id, "channel_id": scene.thread.channel.channel_id}
    forgotten = load_forgotten(conn, bot.store.sealer, **place, desk_id=desk.desk_id)
    for live in kept:
        record_live(conn, bot, live, desk_id=desk.desk_id)
        shown = _list_shown(scene.raws[live.ts], emojis)
        _record_shown(conn, bot, live, shown=shown, desk=desk, roles=roles, forgotten=forgotten)
    lost = [live.ts for live in kept if forgotten.holds(live.user_id, ts=live.ts)]
    for live in reacted:
        if lost and min(lost) <= live.ts:
            done.refused[FORGOTTEN] += 1
        else:
            _settle(conn, bot, done, live, desk=desk, roles=roles)


def _list_shown(raw: Json, emojis: frozenset[str]) -> list[tuple[str, str]]:
    """Return who gave a message which of these reactions, by user id and the name it is stored under."""
    shown = [item for item in raw.get("reactions") or [] if normalize_emoji(item["name"]) in emojis]
    return [(user_id, key_emoji(item["name"])) for item in shown for user_id in item["users"]]


def _record_shown(
    conn: sa.Connection,
    bot: Bot,
    live: LiveMessage,
    *,
    shown: Sequence[tuple[str, str]],
    desk: Desk,
    roles: DeskRoles,
    forgotten: Forgotten,
) -> None:
    """Store the reactions of which nothing is known yet, as given before anything that comes later live."""
    place = {"team_id": bot.identity.team_id, "channel_id": live.channel_id, "message_ts": live.ts}
    known = {(item.user_id, item.emoji) for item in load_approvals(conn, **place)} if shown else set()
    edited_s, _, _ = live.revision.partition(".")
    since = f"{int(edited_s) + 1}.000000" if edited_s else live.ts
    for shown_id, emoji in shown:
        user_id = forgotten.rename(shown_id, ts=live.ts)
        if known.isdisjoint([(shown_id, emoji), (user_id, emoji)]):
            person = bot.people.get_person(shown_id)
            given_at = date_found(emoji, person, desk=desk, roles=roles, since=since, now=bot.store.now())
            record_approval(conn, Approval(user_id, emoji, True, given_at, found=True), **place)


def _settle(
    conn: sa.Connection, bot: Bot, done: BatchOutcome, live: LiveMessage, *, desk: Desk, roles: DeskRoles
) -> None:
    """Let the bot judge one reply, and count what came of it."""
    team_id, channel_id = bot.identity.team_id, live.channel_id
    message = load_message(conn, team_id=team_id, channel_id=channel_id, ts=live.ts)
    if message is None:
        done.refused["a word to the bot, not to the customer"] += 1
        return
    if needs_repair(conn, bot, channel_id=channel_id, ts=live.ts):
        done.refused["the beginning of its thread is not in the export"] += 1
        return
    place = Place(team_id, channel_id, message.thread_ts, live.ts, message.revision)
    before = find_pair(conn, place)
    settle_reply(conn, bot, desk=desk, roles=roles, channel_id=channel_id, reply_ts=live.ts, may_wait=False)
    after = find_pair(conn, place)
    if before is not None:
        done.already_there += 1
    elif after is None:
        done.refused[_explain(conn, bot, live.ts, channel_id, desk=desk, roles=roles)] += 1
    else:
        mark_imported(conn, after.pair_id)
        done.imported += 1
        done.new_places.append(place)


def _explain(conn: sa.Connection, bot: Bot, ts: str, channel_id: str, *, desk: Desk, roles: DeskRoles) -> str:
    """Return why a reply with an approving reaction makes no pair."""
    team_id = bot.identity.team_id
    message = load_message(conn, team_id=team_id, channel_id=channel_id, ts=ts)
    if message is None or message.deleted:
        return "it was deleted since"
    approvals = load_approvals(conn, team_id=team_id, channel_id=channel_id, message_ts=ts)
    people = bot.people.get_people({message.user_id, *list_approvers_needed(approvals, desk=desk)})
    if message.is_bot or name_role(people.get(message.user_id), roles, ts=message.ts) != "agent":
        return "not written by an agent of the desk"
    if message.text in ("", FILE_ONLY):
        return "it has no text"
    verdict = judge(message, approvals, desk=desk, roles=roles, people=people)
    if verdict.against:
        return VETOED
    if not verdict.is_approved:
        return "not approved by enough of those whose approval counts"
    if message.text == UNREDACTED:
        return "a message of its thread could not be redacted"
    if lost_a_part(conn, bot, message):
        return ERASED
    return "no customer's message before it, or one that could not be redacted"


def _find_own(users: Mapping[str, Json]) -> tuple[str, str]:
    """Return the user id and bot id under which this very bot writes in the export; made-up ones when it does not."""
    for user_id, user in users.items():
        profile = user.get("profile")
        names = (user.get("name"), user.get("real_name"))
        if user.get("is_bot") and OWN_NAME in [str(name).lower() for name in names]:
            return user_id, str(profile.get("bot_id") or "none") if isinstance(profile, dict) else "none"
    return "none", "none"


def choose_channels(export: SlackExport, *, desk: Desk, names: Sequence[str]) -> list[ExportChannel]:
    """Return the channels to read: those named, else the desk's.

    Raises: BadInput naming what there is.
    """
    wanted = {name.lstrip("#") for name in names}
    chosen = [
        channel
        for channel in export.channels
        if (channel.name in wanted or channel.channel_id in wanted if wanted else channel.channel_id in desk.channels)
    ]
    missing = wanted - {name for channel in chosen for name in (channel.name, channel.channel_id)}
    if missing or not chosen:
        there = ", ".join(sorted(channel.name for channel in export.channels)[:20])
        lacking = ", ".join(sorted(missing)) or f"none of desk {desk.desk_id}'s channels"
        raise BadInput(f"the export lacks {lacking}; it holds {there}: choose with --channel NAME")
    return chosen
