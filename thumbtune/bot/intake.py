"""Has everything Slack sends kept before it is acknowledged; only a form that cannot be right goes back to who filled it in.

It does not know what an event means, nor where it is kept. Retries are kept like anything else: they may be the only
delivery, and a second row for the same event is refused by its key.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from slack_bolt import BoltRequest, BoltResponse
from slack_bolt.middleware import Middleware

from thumbtune.bot.blocks.golden_modal import CALLBACK_ID, list_golden_errors
from thumbtune.bot.bot import Identity, Signals
from thumbtune.bot.keeping import Keeper
from thumbtune.bot.relay import COLLECTED
from thumbtune.bot.slack import Json
from thumbtune.bot.spool import SealedEvent, Spool
from thumbtune.core.errors import StoreError
from thumbtune.core.records import EventKind
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store

logger = logging.getLogger(__name__)

_KINDS: dict[str, EventKind] = {
    "block_actions": "action",
    "view_submission": "view",
    "message_action": "shortcut",
    "shortcut": "shortcut",
}
_MAX_NAME, _MAX_KEY = 128, 128


@dataclass(frozen=True)
class Entry:
    """What tells one delivery from another, read from its body."""

    team_id: str
    event_key: str
    kind: EventKind
    name: str


def read_entry(body: Json) -> Entry | None:
    """Return what a body is, or None for what the bot has no use for."""
    if not isinstance(body, dict):
        return None
    event = body.get("event")
    if isinstance(event, dict) and isinstance(event.get("type"), str) and body.get("event_id"):
        return _make_entry(body, "event", event["type"], str(body["event_id"]))
    if isinstance(body.get("command"), str):
        return _make_entry(body, "command", body["command"], f"command:{_read_trigger(body)}")
    kind = _KINDS.get(str(body.get("type") or ""))
    if kind is None:
        return None
    return _make_entry(body, kind, _read_name(body, kind), f"{kind}:{_read_trigger(body)}")


class Intake(Middleware):
    """Bolt's first step after the signature check: keeps and acknowledges, and leaves Bolt only Slack's handshake."""

    def __init__(self, store: Store, keeper: Keeper, *, identity: Identity) -> None:
        self._store = store
        self._keeper = keeper
        self._identity = identity

    def process(self, *, req: BoltRequest, resp: BoltResponse, next: Callable[[], BoltResponse]) -> BoltResponse:
        """Return 200 when the body is kept, was kept before or is of no use; 503 when it could not be kept."""
        if req.body.get("type") == "url_verification":
            return next()
        entry = read_entry(req.body)
        if entry is None or not entry.name or _is_own(req.body, self._identity):
            return BoltResponse(status=200, body="")
        if entry.kind == "view" and entry.name == CALLBACK_ID and (errors := list_golden_errors(req.body["view"])):
            return _send_back(errors)
        try:
            sealed = self._store.sealer.seal(req.body)
            self._keeper.keep(SealedEvent(**vars(entry), sealed_body=sealed, received_at=self._store.now()), req.body)
        except StoreError as exc:
            logger.error("intake_failed", extra={"kind": entry.kind, "error": type(exc).__name__})
            return BoltResponse(status=503, body="")  # not acknowledged: Slack sends it again
        return BoltResponse(status=200, body="")


def build_keeper(settings: Settings, store: Store, *, signals: Signals) -> Keeper:
    """Return what keeps events for this process and wakes its workers."""

    def wake(name: str) -> None:
        if name in COLLECTED:
            signals.collect.call()
        else:
            signals.click.set()
            signals.ask.release()

    spool = Spool(settings.spool_dir, max_bytes=settings.spool_max_mb * 1_000_000)
    return Keeper(store, spool, wake=wake, relay=signals.collect)


def _send_back(errors: Mapping[str, str]) -> BoltResponse:
    """Return the answer that leaves a dialog open, with what is wrong under its inputs.

    Source: docs.slack.dev, "Modals", section "Displaying errors in views", seen 2026-11-22.
    """
    body = json.dumps({"response_action": "errors", "errors": errors})
    return BoltResponse(status=200, body=body, headers={"content-type": ["application/json"]})


def _make_entry(body: Json, kind: EventKind, name: str, key: str) -> Entry:
    team = body.get("team")
    team_id = str(body.get("team_id") or (team.get("id") if isinstance(team, dict) else "") or "")
    spelled = _spell(key)
    if len(spelled) > _MAX_KEY:
        spelled = hashlib.sha256(spelled.encode()).hexdigest()
    return Entry(_spell(team_id)[:32], spelled, kind, _spell(name)[:_MAX_NAME])


def _spell(text: str) -> str:
    """Return a text in characters that every database takes: no NUL, no lone surrogate."""
    return json.dumps(text)[1:-1]


def _read_name(body: Json, kind: EventKind) -> str:
    if kind == "action":
        actions = body.get("actions")
        first = actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], dict) else {}
        return str(first.get("action_id") or "")
    view = body.get("view")
    if kind == "view":
        return str(view.get("callback_id") or "") if isinstance(view, dict) else ""
    return str(body.get("callback_id") or "")


def _read_trigger(body: Json) -> str:
    trigger = str(body.get("trigger_id") or "")
    return (
        trigger or hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()
    )


def _is_own(body: Json, identity: Identity) -> bool:
    """Return whether this is the echo of our own doing; deletions of our messages by others are not."""
    event = body.get("event")
    if not isinstance(event, dict):
        return False
    kind = str(event.get("type") or "")
    if kind.startswith("reaction_"):
        return event.get("user") == identity.user_id
    if kind != "message" or event.get("subtype") == "message_deleted":
        return False
    inner = event.get("message") if event.get("subtype") == "message_changed" else event
    is_ours = isinstance(inner, dict) and identity.bot_id and inner.get("bot_id") == identity.bot_id
    return bool(is_ours)
