"""Finds what never reached us: compares each desk's channels with Slack at the start, after a gap and every hour.

It does not know how a thread is brought up to date, nor which of them to look at: sweeping.py decides that from the
channel's history, from what each approver has reacted to, and from what is stored.
"""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from thumbtune.bot.approval import list_emojis
from thumbtune.bot.bot import Bot
from thumbtune.bot.pacing import LEASE_S, PAGE, HeldSweep, Stopped, SweepLost
from thumbtune.bot.repairing import repair_thread
from thumbtune.bot.slack import SlackLockedOut, describe_error
from thumbtune.bot.sweeping import Reacted, choose_unchanged, compare_reactions, list_changed, read_reacted
from thumbtune.core.errors import SlackRefused, SlackUnknown, StoreUnavailable, ThumbtuneError
from thumbtune.core.logs import hide_text
from thumbtune.core.records import Desk
from thumbtune.core.store.approvals import list_given
from thumbtune.core.store.backfills import claim_sweep, list_paired, list_roots
from thumbtune.core.store.desks import list_desks

logger = logging.getLogger(__name__)

LOOK_S = 15.0
OVERLAP = timedelta(minutes=10)
"""How far a sweep looks behind the beginning of the one before: what was on its way then."""
REACH = 4.0
"""How many times `backfill_days` ago a thread may have begun whose new replies are found: listing 200 is one call.

Also how far a sweep after a long gap looks back at most.
"""
SAVE_EVERY = 10
FAILURES_IN_A_ROW = 3
"""Threads that fail one after another: then it is not the threads."""
MAX_REACTION_PAGES = 20


class Backfill:
    """Sweeps the channels of all desks, a few calls a minute, one bot at a time."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._owner = f"{socket.gethostname()[:24]}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
        self._gap_ended_at = bot.store.now()
        self._stop = threading.Event()
        self._reacted: dict[str, Reacted | None] = {}
        """What each approver has reacted to, listed once for all channels; None where it could not be listed."""

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
            except Exception as exc:  # the loop must live; the lease ends and the sweep goes on where it stopped
                logger.error("backfill_failed", exc_info=hide_text(exc))
            if self._bot.signals.backfill.wait(LOOK_S):
                self._bot.signals.backfill.clear()
                self._gap_ended_at = self._bot.store.now()

    def sweep_due(self) -> None:
        """Sweep every channel whose last sweep began too long ago or before the last gap ended.

        Raises: SlackError, StoreUnavailable; Stopped.
        """
        store, team_id = self._bot.store, self._bot.identity.team_id
        self._reacted.clear()
        with store.read() as conn:
            desks = list_desks(conn)
        for desk in desks:
            for channel_id in desk.channels if desk.team_id == team_id else ():
                try:
                    if self._sweep_if_due(desk, channel_id):
                        self._sweep_if_due(desk, channel_id)
                except SweepLost:
                    logger.warning("sweep_lost", extra={"channel_id": channel_id})

    def _sweep_if_due(self, desk: Desk, channel_id: str) -> bool:
        """Sweep a channel if it is due; return whether it was a sweep taken up again, which another has to follow.

        What changed while it was stopped may be in threads that it had been at before.
        """
        store, team_id = self._bot.store, self._bot.identity.team_id
        now = store.now()
        due_before = max(now - timedelta(seconds=self._bot.settings.backfill_interval_s), self._gap_ended_at)
        key = {"team_id": team_id, "owner": self._owner}
        with store.write() as conn:
            sweep = claim_sweep(conn, channel_id=channel_id, due_before=due_before, now=now, lease_s=LEASE_S, **key)
        if sweep is None:
            return False
        held = HeldSweep(self._bot, sweep, owner=self._owner, stop=self._stop)
        try:
            if not self._sweep(desk, held):  # its lease ends by itself, and then it is looked at again
                return False
        except Stopped:
            held.save(lease_s=0)  # whoever starts next goes on at once
            raise
        held.finish()
        return sweep.began_at < now

    def _sweep(self, desk: Desk, held: HeldSweep) -> bool:
        """Compare a channel's threads; return whether it could be looked at."""
        channel_id = held.sweep.channel_id
        try:
            threads = self._list_threads(desk, held)
        except SlackLockedOut:
            raise
        except SlackRefused as exc:
            logger.warning("channel_not_swept", extra={"channel_id": channel_id, "error": exc.code})
            return False
        left = [ts for ts in threads if ts not in held.done]
        in_a_row = 0
        for number, ts in enumerate(left, start=1):
            is_compared = self._compare(desk, held, ts)
            held.done.add(ts)
            if is_compared:
                held.failed.discard(ts)
                in_a_row = 0
            else:
                held.failed.add(ts)
                in_a_row += 1
            if in_a_row == FAILURES_IN_A_ROW:
                held.save()
                logger.warning("channel_not_swept", extra={"channel_id": channel_id, "error": "threads_fail"})
                return False
            if number % SAVE_EVERY == 0:
                held.save()
                fields = {"channel_id": channel_id, "done": number, "threads": len(left)}
                logger.info("backfill_progress", extra=fields)
        logger.info("channel_swept", extra={"channel_id": channel_id, "threads": len(left)})
        return True

    def _compare(self, desk: Desk, held: HeldSweep, ts: str) -> bool:
        """Bring a thread up to date; return whether that worked."""
        channel_id = held.sweep.channel_id
        try:
            place = {"channel_id": channel_id, "ts": ts}
            return held.call_paced(partial(repair_thread, self._bot, desk=desk, may_be_gone=True, **place))
        except (Stopped, SweepLost, SlackLockedOut, StoreUnavailable):
            raise
        except Exception as exc:  # the others are compared all the same; this one is tried again by the next sweep
            fields = {"channel_id": channel_id, "ts": ts, "error": describe_error(exc)}
            logger.warning("thread_not_compared", extra=fields, exc_info=hide_text(exc))
            return False

    def _list_threads(self, desk: Desk, held: HeldSweep) -> Sequence[str]:
        """Return the threads to look at: those that changed, oldest first, some others, and those that failed before."""
        sweep, settings, place = held.sweep, self._bot.settings, held.place
        days = timedelta(days=settings.backfill_days)
        furthest = sweep.began_at - REACH * days
        swept_at = min(sweep.swept_at or sweep.began_at, sweep.began_at)
        window = max(swept_at - days, furthest)  # what was that old when the last sweep began may have changed since
        since = max(window, sweep.swept_at - OVERLAP) if sweep.swept_at is not None else window
        oldest = _make_ts(window)
        with self._bot.store.read() as conn:
            stored = list_roots(conn, from_ts=oldest, **place)
            paired = list_paired(conn, from_ts=oldest, **place)
        began = _make_ts(furthest)
        roots = held.fetch_pages("conversations.history", "messages", channel=sweep.channel_id, oldest=began)
        changed = list_changed(roots, stored, since=_make_ts(since))
        for user_id in sorted(self._bot.people.fetch_roles(desk).approvers):
            changed |= self._list_differences(desk, held, user_id, oldest=oldest)
        held.failed = {ts for ts in held.failed if ts >= began}
        changed -= held.failed
        unchanged = choose_unchanged(
            paired - changed - held.failed,
            swept_at=sweep.swept_at,
            began_at=sweep.began_at,
            newest=max(int(settings.backfill_calls_per_min), 1),
        )
        return [*sorted(changed), *unchanged, *sorted(held.failed)]

    def _list_differences(self, desk: Desk, held: HeldSweep, user_id: str, *, oldest: str) -> set[str]:
        """Return the threads where what someone has reacted to is not what we know of it."""
        if user_id not in self._reacted:
            self._reacted[user_id] = self._list_reacted(held, user_id)
        reacted, place = self._reacted[user_id], held.place
        if reacted is None:
            return set()
        emojis = list_emojis([*desk.emojis, *desk.vetoes])
        with self._bot.store.read() as conn:
            known = list_given(conn, user_id=user_id, from_ts=oldest, **place)
        return compare_reactions(reacted, known, channel_id=held.sweep.channel_id, emojis=emojis, oldest=oldest)

    def _list_reacted(self, held: HeldSweep, user_id: str) -> Reacted | None:
        items = held.fetch_pages("reactions.list", "items", user=user_id, full="true")
        try:
            listed = list(islice(items, MAX_REACTION_PAGES * PAGE + 1))
        except SlackLockedOut:
            raise
        except (SlackRefused, SlackUnknown) as exc:  # the next sweep looks as far back; what history shows is swept
            fields = {"channel_id": held.sweep.channel_id, "user_id": user_id}
            logger.warning("reactions_not_listed", extra={**fields, "error": describe_error(exc)})
            return None
        return Reacted(tuple(read_reacted(listed, user_id)), len(listed) <= MAX_REACTION_PAGES * PAGE)


def _make_ts(moment: datetime) -> str:
    return f"{moment.timestamp():.6f}"
