"""Finds what never reached us: compares each desk's channels with Slack at the start, after a gap and every hour.

It does not know how a thread is brought up to date. Threads with new messages are found in the channel's history,
reactions on any thread in what each approver has reacted to: Slack's history does not tell of those.
"""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from thumbtune.bot.approval import key_emoji, list_emojis, normalize_emoji
from thumbtune.bot.bot import Bot
from thumbtune.bot.repairing import repair_thread
from thumbtune.bot.slack import Json, SlackBusy, SlackLockedOut, describe_error
from thumbtune.core.errors import SlackRefused, SlackUnknown, ThumbtuneError
from thumbtune.core.records import Desk
from thumbtune.core.store.approvals import list_given
from thumbtune.core.store.backfills import Sweep, claim_sweep, finish_sweep, save_sweep
from thumbtune.core.store.desks import list_desks

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_S = 15.0
LEASE_S = 300.0
OVERLAP = timedelta(minutes=10)
"""How far a sweep looks behind the beginning of the one before: what was on its way then."""
SAVE_EVERY = 10
MAX_REACTION_PAGES = 20
PAGE = 200


class Stopped(Exception):
    """The process is ending; the sweep goes on where it stopped."""


class Backfill:
    """Sweeps the channels of all desks, a few calls a minute, one bot at a time."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._owner = f"{socket.gethostname()[:24]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
        self._gap_ended_at = bot.store.now()
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Sweep whatever is due until told to stop."""
        self._stop = stop
        while not stop.is_set():
            try:
                self.sweep_due()
            except Stopped:
                return
            except ThumbtuneError as exc:
                logger.warning("backfill_put_off", extra={"error": describe_error(exc)})
            except Exception:  # the loop must live; the lease ends and the sweep goes on where it stopped
                logger.exception("backfill_failed")
            if self._bot.signals.backfill.wait(LOOK_S):
                self._bot.signals.backfill.clear()
                self._gap_ended_at = self._bot.store.now()

    def sweep_due(self) -> None:
        """Sweep every channel whose last sweep began too long ago or before the last gap ended.

        Raises: SlackError, StoreUnavailable; Stopped.
        """
        store, team_id = self._bot.store, self._bot.identity.team_id
        with store.read() as conn:
            desks = list_desks(conn)
        for desk in desks:
            for channel_id in desk.channels if desk.team_id == team_id else ():
                now = store.now()
                interval = timedelta(seconds=self._bot.settings.backfill_interval_s)
                due_before = max(now - interval, self._gap_ended_at)
                place = {"team_id": team_id, "channel_id": channel_id, "owner": self._owner}
                with store.write() as conn:
                    sweep = claim_sweep(conn, due_before=due_before, now=now, lease_s=LEASE_S, **place)
                if sweep is not None:
                    self._sweep(desk, sweep, began_at=now)
                    with store.write() as conn:
                        finish_sweep(conn, began_at=now, **place)

    def _sweep(self, desk: Desk, sweep: Sweep, *, began_at: datetime) -> None:
        try:
            threads = self._list_threads(desk, sweep, began_at=began_at)
        except SlackLockedOut:
            raise
        except SlackRefused as exc:
            logger.warning("channel_not_swept", extra={"channel_id": sweep.channel_id, "error": exc.code})
            return
        done = set(sweep.threads_done)
        left = [ts for ts in threads if ts not in done]
        for number, ts in enumerate(left, start=1):
            self._paced(partial(repair_thread, self._bot, desk=desk, channel_id=sweep.channel_id, ts=ts))
            done.add(ts)
            if number % SAVE_EVERY == 0:
                self._save(sweep, done)
                logger.info(
                    "backfill_progress", extra={"channel_id": sweep.channel_id, "done": number, "threads": len(left)}
                )
        logger.info("channel_swept", extra={"channel_id": sweep.channel_id, "threads": len(left)})

    def _list_threads(self, desk: Desk, sweep: Sweep, *, began_at: datetime) -> list[str]:
        """Return the threads that may hold something new, oldest first."""
        window = began_at - timedelta(days=self._bot.settings.backfill_days)
        since = max(window, sweep.swept_at - OVERLAP) if sweep.swept_at is not None else window
        oldest = f"{window.timestamp():.6f}"
        found: set[str] = set()
        for root in self._pages("conversations.history", "messages", channel=sweep.channel_id, oldest=oldest):
            newest = max(str(root.get(key) or "") for key in ("ts", "latest_reply"))
            if newest >= f"{since.timestamp():.6f}":
                found.add(str(root.get("thread_ts") or root["ts"]))
        for user_id in sorted(self._bot.people.fetch_roles(desk).approvers):
            try:
                found |= self._list_differences(desk, sweep.channel_id, user_id, oldest=oldest)
            except SlackLockedOut:
                raise
            except (SlackRefused, SlackUnknown) as exc:  # the next sweep looks as far back; what history shows is swept
                fields = {"channel_id": sweep.channel_id, "user_id": user_id}
                logger.warning("reactions_not_listed", extra={**fields, "error": describe_error(exc)})
        return sorted(found)

    def _list_differences(self, desk: Desk, channel_id: str, user_id: str, *, oldest: str) -> set[str]:
        """Return the threads where what someone has reacted to is not what we know of it."""
        emojis = list_emojis([*desk.emojis, *desk.vetoes])
        shown: dict[tuple[str, str], str] = {}
        whole = True
        for number, item in enumerate(self._pages("reactions.list", "items", user=user_id, full="true")):
            if number >= MAX_REACTION_PAGES * PAGE:
                whole = False
                break
            message: Json = item.get("message") or {}
            if item.get("channel") == channel_id and str(message.get("ts") or "") >= oldest:
                thread_ts = str(message.get("thread_ts") or message["ts"])
                for emoji in _list_given_by(message, user_id, emojis):
                    shown[str(message["ts"]), emoji] = thread_ts
        with self._bot.store.read() as conn:
            place = {"team_id": self._bot.identity.team_id, "channel_id": channel_id}
            known = list_given(conn, user_id=user_id, from_ts=oldest, **place)
        missed = {thread_ts for key, thread_ts in shown.items() if key not in known}
        gone = {ts for ts, emoji in known if (ts, emoji) not in shown} if whole else set()
        return missed | gone

    def _pages(self, method: str, key: str, **arguments: object) -> Iterator[Json]:
        cursor = ""
        while True:
            more = {"cursor": cursor} if cursor else {}
            answer = self._paced(partial(self._bot.slack.call, method, limit=PAGE, **more, **arguments))
            yield from answer.get(key) or []
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    def _paced(self, call: Callable[[], T]) -> T:
        """Return a call's answer after the pause that keeps us within Slack's limits; wait when Slack asks for it.

        Raises: SlackError; Stopped.
        """
        pause_s = 60.0 / self._bot.settings.backfill_calls_per_min
        while True:
            if self._stop.wait(pause_s):
                raise Stopped
            try:
                return call()
            except SlackBusy as busy:
                pause_s = busy.retry_after_s

    def _save(self, sweep: Sweep, done: Collection[str]) -> None:
        store = self._bot.store
        with store.write() as conn:
            save_sweep(
                conn,
                team_id=self._bot.identity.team_id,
                channel_id=sweep.channel_id,
                owner=self._owner,
                threads_done=frozenset(done),
                now=store.now(),
                lease_s=LEASE_S,
            )


def _list_given_by(message: Json, user_id: str, emojis: Collection[str]) -> Iterator[str]:
    for reaction in message.get("reactions") or []:
        name = str(reaction.get("name") or "")
        if normalize_emoji(name) in emojis and user_id in (reaction.get("users") or []):
            yield key_emoji(name)
