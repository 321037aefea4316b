"""The records that cross floors: frozen copies of rows, and the states they can be in.

It does not know SQL. Times are timezone-aware UTC; Slack's `ts` stays a string.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.triage import Triage

PairState = Literal["active", "merged", "withdrawn", "quarantined"]
FindingKind = Literal[
    "same", "contradiction", "too_short", "too_long", "language", "secret", "ungrounded", "burst", "over_cap"
]
PairSource = Literal["human", "draft", "edited", "imported"]
DraftState = Literal["requested", "ready", "sent", "edited", "discarded", "failed", "stale"]
DraftMode = Literal["grounded", "few-shot", "adapter"]
RunState = Literal["queued", "running", "evaluating", "passed", "rejected", "inconclusive", "failed", "cancelled"]
AdapterState = Literal["held", "published", "proven", "canary", "live", "retired", "quarantined"]
TriageState = Literal["suggested", "confirmed", "corrected", "erased"]
EventKind = Literal["event", "shortcut", "command", "action", "view"]

OPEN_RUN_STATES: tuple[RunState, ...] = ("queued", "running", "evaluating")

FEWEST_TO_SET_ASIDE = 100
"""Threads to train on below which none is set aside to choose a training's best moment and check its second stage by."""


@dataclass(frozen=True)
class Desk:
    """A support team: its channels, its people, its voice and its rules."""

    desk_id: str
    team_id: str
    name: str
    voice: str
    channels: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    """User ids and user-group ids (S…) whose messages are the team's."""
    approvers: tuple[str, ...] = ()
    """User ids and user-group ids whose 👍 counts; empty means the agents."""
    leads: tuple[str, ...] = ()
    emojis: tuple[str, ...] = ("+1",)
    """Normalised reaction names that approve."""
    vetoes: tuple[str, ...] = ("-1",)
    """Normalised reaction names with which one approver keeps a reply out, whoever approves it."""
    approvals_needed: int = 1
    author_may_approve: bool = False
    """Whether the author's own 👍 alone is enough."""
    edits_keep_approval: bool = False
    """Whether an approval given before the reply was edited counts for what it says now."""
    threshold: int = 200
    """New pairs since the last run after which a run starts by itself."""
    categories: tuple[str, ...] = ()
    quiet_hours: str = ""
    """When no run starts by itself, such as `22:00-07:00` by the clock of `time_zone`; empty for never."""
    time_zone: str = "UTC"
    """IANA name, such as `Europe/Berlin`; a month of the budget begins at its midnight."""
    cooldown_h: float = 0.0
    """Hours after a run that started by itself in which no other does."""
    budget_gpu_s: float = 0.0
    """Seconds of training a month over which no run starts by itself; 0 for no limit."""
    budget_money: float = 0.0
    """The same in money, by the price of an hour in the settings."""
    training_channel: str = ""
    """Where the progress and the results of runs are told; empty: to whoever asked."""


@dataclass(frozen=True)
class InboxEvent:
    """Something Slack sent, claimed by a worker."""

    inbox_id: int
    team_id: str
    kind: EventKind
    name: str
    """Slack's word: the event type, callback_id, command or action_id."""
    body: dict[str, Any]  # Any: Slack's JSON
    attempts: int
    received_at: datetime


@dataclass(frozen=True)
class DeadEvent:
    """Something Slack sent that was set aside after several attempts, without what it says."""

    inbox_id: int
    kind: EventKind
    name: str
    error: str
    """Slack's code or an error's class, never a text."""
    attempts: int
    received_at: datetime
    done_at: datetime
    """When it was set aside."""


@dataclass(frozen=True)
class FormerText:
    """What a message said before an edit, redacted."""

    revision: str
    text: str


@dataclass(frozen=True)
class Message:
    """A message of a desk's channel, redacted."""

    team_id: str
    channel_id: str
    ts: str
    thread_ts: str
    user_id: str
    """Author's user id, or the bot id of an app's message."""
    is_bot: bool
    text: str
    revision: str
    """Slack's `ts` of the last edit; empty while never edited."""
    deleted: bool
    former: tuple[FormerText, ...] = ()
    """Texts it had before its last edit, as far as they were seen."""


@dataclass(frozen=True)
class Approval:
    """What one person's reaction on one message last was."""

    user_id: str
    emoji: str
    given: bool
    event_ts: str
    found: bool = False
    """Found on the message later: that it was given is known, when is not."""


@dataclass(frozen=True)
class TrainingPair:
    """An approved reply with the conversation it answers."""

    pair_id: int
    desk_id: str
    team_id: str
    channel_id: str
    thread_ts: str
    reply_ts: str
    turns: tuple[Turn, ...]
    reply: str
    passages: tuple[Passage, ...]
    state: PairState
    reason: str
    source: PairSource
    approved_by: str
    created_at: datetime
    changed_at: datetime
    decided_by: str = ""
    """Who decided by hand about its state; empty while the approvals do."""
    corrected_by: str = ""
    """Who changed its reply by hand; empty while it is what was approved."""


@dataclass(frozen=True)
class Finding:
    """Something found about a pair that a lead may want to know, or that keeps it out until one decides."""

    kind: FindingKind
    explanation: str
    """In words with figures; never what was written."""
    holds: bool = False
    """Whether it keeps the pair out."""
    other_id: int | None = None
    """The pair that it is the same as, or contradicts."""


@dataclass(frozen=True)
class Draft:
    """A reply the model wrote for an agent."""

    draft_id: str
    desk_id: str
    team_id: str
    channel_id: str
    thread_ts: str
    asked_by: str
    state: DraftState
    mode: DraftMode | None
    adapter: str | None
    text: str
    """With placeholders; filled back only in memory."""
    sent_text: str
    sent_ts: str | None
    edit_share: float | None
    """0 when sent as drafted, 1 when nothing of the draft was kept."""
    latency_ms: int | None
    passages: tuple[Passage, ...]
    last_seen_ts: str
    """Newest message of the thread when the draft was asked for."""
    requested_at: datetime


@dataclass(frozen=True)
class ThreadTriage:
    """A thread's triage beside one draft: what a model suggested, and what an agent made of it."""

    triage_id: int
    desk_id: str
    team_id: str
    channel_id: str
    thread_ts: str
    draft_id: str
    last_seen_ts: str
    """Newest message of the thread that it is about."""
    turns: tuple[Turn, ...]
    suggested: Triage | None
    """None when no model did."""
    adapter: str | None
    """Which adapter suggested it; None for the base model."""
    decided: Triage | None
    """As an agent confirmed or corrected it: what is learned."""
    state: TriageState
    reason: str
    decided_by: str
    decided_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class Post:
    """A call to Slack that must happen once, claimed from the outbox."""

    post_id: int
    dedupe_key: str
    method: str
    payload: dict[str, Any]  # Any: Slack's JSON
    state: Literal["pending", "sending", "unknown", "sent", "failed"]
    attempts: int


@dataclass(frozen=True)
class TrainingRun:
    """One attempt to make a better adapter for a desk."""

    run_id: str
    desk_id: str
    state: RunState
    reason: str
    """Why it started: `threshold`, `retrain` or `forget`."""
    requested_by: str
    examples: int
    held_out: int
    snapshot_hash: str
    nll_base: float | None
    nll_live: float | None
    nll_candidate: float | None
    gate: dict[str, Any]  # Any: the gate's result as JSON
    adapter: str | None
    message: str
    """The result in words a team lead understands."""
    phase: str
    progress: float
    """Share done of the whole run, 0 to 1."""
    eta_s: float | None
    attempts: int
    fence: int
    cancel_requested: bool
    announce_channel: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    step: int = 0
    """Of `steps`, of what its phase does; as are loss and tokens."""
    steps: int = 0
    loss: float | None = None
    tokens_per_s: float | None = None
    gpu_s: float = 0.0
    """Seconds its child programs ran on each GPU, in all attempts; of the CPU where there is no GPU."""


@dataclass(frozen=True)
class Outlook:
    """What the trainer last saw when it looked whether a desk's run is due."""

    desk_id: str
    is_due: bool
    why: str
    """Why a run is due, or why none starts by itself."""
    looked_at: datetime


@dataclass(frozen=True)
class Adapter:
    """A published adapter of a desk."""

    name: str
    desk_id: str
    run_id: str
    path: str
    manifest_hash: str
    base_model: str
    state: AdapterState
    reason: str
    published_at: datetime
    proven_at: datetime | None
    live_at: datetime | None
    replace_since: datetime | None = None
    """Since when it has to be replaced, having learned from someone who was forgotten; it never goes live again."""


@dataclass(frozen=True)
class Replica:
    """One vLLM server as it was last seen."""

    replica_id: str
    url: str
    healthy: bool
    base_model: str
    proven: tuple[str, ...]
    """Adapters loaded and proven on it, by name."""
    seen_at: datetime


@dataclass(frozen=True)
class Act:
    """One row of the audit: who did what to which thing."""

    audit_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]  # Any: ids and counts as JSON
    prev_hash: str
    hash: str
