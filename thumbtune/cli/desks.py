"""Commands on desks: add, set, list, show."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from thumbtune.bot.approval import normalize_emoji
from thumbtune.cli.context import open_checked_store
from thumbtune.cli.output import console, print_json, print_record, print_table, shorten
from thumbtune.core.errors import BadInput, Conflict, NotFound
from thumbtune.core.records import Desk
from thumbtune.core.settings import load_settings
from thumbtune.core.store import audits, desks
from thumbtune.core.triage import check_categories
from thumbtune.trainer.timetable import load_zone, read_quiet_hours

app = typer.Typer(help="Desks: support teams with their channels, voice and people.", no_args_is_help=True)

DESK_ID_PATTERN = r"^[a-z][a-z0-9-]{0,30}$"
EMOJI_PATTERN = re.compile(r"[\w'+-]{1,100}")
FIELDS = {
    "channel": "channels",
    "agent": "agents",
    "approver": "approvers",
    "lead": "leads",
    "emoji": "emojis",
    "veto": "vetoes",
    "category": "categories",
}
"""Options that are given once for each, and the fields of a desk they fill."""
NEVER_EMPTY = frozenset({"channels", "agents", "emojis"})

Channels = Annotated[list[str] | None, typer.Option("--channel", help="Channel id (C…); repeat for several.")]
Agents = Annotated[list[str] | None, typer.Option("--agent", help="User id (U…) or user-group id (S…); repeat.")]
Approvers = Annotated[
    list[str] | None, typer.Option("--approver", help="Whose 👍 counts; none (or '') means the agents. Repeat.")
]
Leads = Annotated[
    list[str] | None, typer.Option("--lead", help="Who may retrain, promote and roll back; '' for none. Repeat.")
]
Emojis = Annotated[list[str] | None, typer.Option("--emoji", help="Name of a reaction that approves (+1); repeat.")]
Vetoes = Annotated[
    list[str] | None,
    typer.Option(
        "--veto", help="Name of a reaction with which one approver keeps a reply out (-1); '' for none. Repeat."
    ),
]
ApprovalsNeeded = Annotated[int | None, typer.Option(min=1, help="Approvers who must agree before a reply is learned.")]
AuthorMayApprove = Annotated[
    bool | None,
    typer.Option("--author-may-approve/--author-may-not-approve", help="Whether the author's own 👍 alone is enough."),
]
EditsKeepApproval = Annotated[
    bool | None,
    typer.Option(
        "--edits-keep-approval/--edits-need-approval",
        help="Whether a 👍 counts also for what the reply says after a later edit, or the edited reply needs a new one.",
    ),
]
Categories = Annotated[
    list[str] | None, typer.Option("--category", help="What a conversation can be about; '' for none. Repeat.")
]
Voice = Annotated[str | None, typer.Option(help="System prompt: how the team writes. Takes effect at once.")]
Threshold = Annotated[int | None, typer.Option(min=1, help="New pairs after which a run starts by itself.")]

QuietHours = Annotated[
    str | None,
    typer.Option(help="When no run starts by itself, by the desk's clock, such as 22:00-07:00; '' for never."),
]
TimeZone = Annotated[str | None, typer.Option(help="The desk's clock: an IANA name such as Europe/Berlin.")]
CooldownHours = Annotated[
    float | None, typer.Option("--cooldown-hours", min=0, help="Hours between two runs that start by themselves.")
]
BudgetGpuSeconds = Annotated[
    float | None,
    typer.Option(
        "--budget-gpu-seconds", min=0, help="Seconds of training a month over which none does; 0 for no limit."
    ),
]
BudgetMoney = Annotated[
    float | None,
    typer.Option(min=0, help="The same in money, by THUMBTUNE_GPU_PRICE_PER_HOUR; 0 for no limit."),
]
TrainingChannel = Annotated[
    str | None,
    typer.Option(help="Channel (C…) where progress and results of runs are told; '' for who asked, in private."),
]


@app.command("add")
def add_desk(
    desk_id: Annotated[str, typer.Argument(help="Short name in small letters, such as `support`.")],
    team: Annotated[str, typer.Option(help="Slack workspace id (T…).")],
    channel: Channels = None,
    agent: Agents = None,
    approver: Approvers = None,
    lead: Leads = None,
    emoji: Emojis = None,
    veto: Vetoes = None,
    approvals_needed: ApprovalsNeeded = None,
    author_may_approve: AuthorMayApprove = None,
    edits_keep_approval: EditsKeepApproval = None,
    category: Categories = None,
    voice: Voice = None,
    name: Annotated[str | None, typer.Option(help="Name people see.")] = None,
    threshold: Threshold = None,
    quiet_hours: QuietHours = None,
    time_zone: TimeZone = None,
    cooldown_h: CooldownHours = None,
    budget_gpu_s: BudgetGpuSeconds = None,
    budget_money: BudgetMoney = None,
    training_channel: TrainingChannel = None,
) -> None:
    """Make a desk."""
    if not re.match(DESK_ID_PATTERN, desk_id):
        raise BadInput(f"{desk_id!r} cannot name a desk: use small letters, digits and dashes, beginning with a letter")
    if not channel or not agent:
        raise BadInput("a desk needs at least one --channel and one --agent")
    changes = _changes(
        channel=channel,
        agent=agent,
        approver=approver,
        lead=lead,
        emoji=emoji,
        veto=veto,
        approvals_needed=approvals_needed,
        author_may_approve=author_may_approve,
        edits_keep_approval=edits_keep_approval,
        category=category,
        threshold=threshold,
        quiet_hours=quiet_hours,
        time_zone=time_zone,
        cooldown_h=cooldown_h,
        budget_gpu_s=budget_gpu_s,
        budget_money=budget_money,
        training_channel=training_channel,
    )
    desk = Desk(desk_id=desk_id, team_id=team, name=name or desk_id.title(), voice=voice or DEFAULT_VOICE)
    store = open_checked_store()
    with store.write() as conn:
        if desks.list_desks(conn, desk_id=desk_id):
            raise Conflict(f"desk {desk_id} exists already; change it with `thumbtune desks set {desk_id}`")
        desks.save_desk(conn, replace(desk, **changes))
        audits.record_act(conn, actor="cli", action="desk_added", subject=desk_id, now=store.now())
    console.print(f"Desk {desk_id} is ready. Invite the bot to its channels: /invite @Thumbtune")
    _warn_without_price(changes)


DEFAULT_VOICE = "You write replies for a customer support team. Be friendly, clear and brief."


@app.command("set")
def set_desk(
    desk_id: str,
    channel: Channels = None,
    agent: Agents = None,
    approver: Approvers = None,
    lead: Leads = None,
    emoji: Emojis = None,
    veto: Vetoes = None,
    approvals_needed: ApprovalsNeeded = None,
    author_may_approve: AuthorMayApprove = None,
    edits_keep_approval: EditsKeepApproval = None,
    category: Categories = None,
    voice: Voice = None,
    name: Annotated[str | None, typer.Option(help="Name people see.")] = None,
    threshold: Threshold = None,
    quiet_hours: QuietHours = None,
    time_zone: TimeZone = None,
    cooldown_h: CooldownHours = None,
    budget_gpu_s: BudgetGpuSeconds = None,
    budget_money: BudgetMoney = None,
    training_channel: TrainingChannel = None,
) -> None:
    """Change a desk; what is left out stays as it is, and what is given replaces all that was there."""
    changes = _changes(
        channel=channel,
        agent=agent,
        approver=approver,
        lead=lead,
        emoji=emoji,
        veto=veto,
        approvals_needed=approvals_needed,
        author_may_approve=author_may_approve,
        edits_keep_approval=edits_keep_approval,
        category=category,
        voice=voice,
        name=name,
        threshold=threshold,
        quiet_hours=quiet_hours,
        time_zone=time_zone,
        cooldown_h=cooldown_h,
        budget_gpu_s=budget_gpu_s,
        budget_money=budget_money,
        training_channel=training_channel,
    )
    if not changes:
        raise BadInput("nothing to change: give at least one option")
    store = open_checked_store()
    with store.write() as conn:
        desks.save_desk(conn, replace(desks.load_desk(conn, desk_id), **changes))
        detail = {"changed": sorted(changes)}
        audits.record_act(conn, actor="cli", action="desk_changed", subject=desk_id, now=store.now(), detail=detail)
    console.print(f"Desk {desk_id} is changed; it takes effect at once.")
    _warn_without_price(changes)


@app.command("list")
def list_desks(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List desks."""
    store = open_checked_store()
    with store.read() as conn:
        found = desks.list_desks(conn)
    if as_json:
        print_json(found)
        return
    rows = [(desk.desk_id, desk.name, ", ".join(desk.channels), desk.threshold, shorten(desk.voice)) for desk in found]
    print_table(("desk", "name", "channels", "threshold", "voice"), rows, empty="No desks yet: `thumbtune desks add`.")


@app.command("show")
def show_desk(desk_id: str, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show one desk."""
    store = open_checked_store()
    with store.read() as conn:
        found = desks.list_desks(conn, desk_id=desk_id)
    if not found:
        raise NotFound(f"no desk {desk_id!r}; run `thumbtune desks list`")
    (print_json if as_json else print_record)(found[0])


def _warn_without_price(changes: Mapping[str, Any]) -> None:  # Any: as in _changes
    """Say that a budget of money lets no run start by itself without a price; the trainer may have one that is not here."""
    if changes.get("budget_money") and not load_settings().gpu_price_per_hour:
        console.print(
            "Without THUMBTUNE_GPU_PRICE_PER_HOUR in the trainer's settings no run starts by itself: a budget of money is "
            "counted by it."
        )


def _changes(**options: Any) -> dict[str, Any]:  # Any: lists, numbers and texts alike
    given = {FIELDS.get(key, key): value for key, value in options.items() if value is not None}
    changes: dict[str, Any] = {  # Any: as above
        key: _read_list(value) if isinstance(value, list) else value for key, value in given.items()
    }
    for key in ("emojis", "vetoes"):
        if key in changes:
            changes[key] = tuple(_read_emoji(name) for name in changes[key])
    if changes.get("quiet_hours"):
        changes["quiet_hours"] = "{:%H:%M}-{:%H:%M}".format(*read_quiet_hours(changes["quiet_hours"]))
    if "time_zone" in changes:
        load_zone(changes["time_zone"])
    check_categories(changes.get("categories", ()))
    for key in NEVER_EMPTY & changes.keys():
        if not changes[key]:
            raise BadInput(f"a desk needs {key}: give at least one")
    return changes


def _read_list(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value.strip() for value in values if value.strip()))


def _read_emoji(name: str) -> str:
    plain = normalize_emoji(name)
    if not EMOJI_PATTERN.fullmatch(plain):
        raise BadInput(f"{name!r} is no name of a reaction: write it as Slack does between colons, such as +1")
    return plain
