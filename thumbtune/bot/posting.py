"""Makes the calls of the outbox: each happens once, and one with an unclear outcome is looked up before it is repeated.

It does not know why a call was asked for, but for drafts: what was sent becomes the team's message.
"""

import logging
import os
import threading
import uuid
from datetime import timedelta

import sqlalchemy as sa

from thumbtune.bot.blocks.draft_card import build_failed_card, build_posted_card
from thumbtune.bot.bot import Bot
from thumbtune.bot.collecting import settle_reply, settle_thread
from thumbtune.bot.people import PeopleMissing
from thumbtune.bot.run_reports import UPLOAD_REPORT, upload_report
from thumbtune.bot.sending import DRAFT_EVENT
from thumbtune.bot.slack import Json, SlackBusy, describe_error
from thumbtune.core.errors import SlackError, SlackRefused, SlackUnknown
from thumbtune.core.logs import hide_text
from thumbtune.core.records import Draft, Message, Post
from thumbtune.core.store.drafts import fail_sent_draft, load_draft, set_sent_ts
from thumbtune.core.store.messages import lock_channel, record_message
from thumbtune.core.store.outbox import claim_posts, mark_failed, mark_sent, mark_unknown, postpone_post
from thumbtune.core.store.pairs import is_learned
from thumbtune.core.store.signs import SYNC_REACTION

logger = logging.getLogger(__name__)

LOOK_S = 1.0
LEASE_S = 120.0
LOOKUP_PAUSE_S = 2.0
MAX_ATTEMPTS = 60
GAVE_UP = "gave_up"
_DONE_ALREADY = ("already_reacted", "no_reaction")


def find_posted(bot: Bot, call: Json) -> str | None:
    """Return the `ts` under which a call's message is already in the channel, found by the key in its metadata.

    Raises: SlackError.
    """
    key = (call.get("metadata") or {}).get("event_payload", {}).get("key")
    place = {"channel": call["channel"], "include_all_metadata": True}
    if call.get("thread_ts"):
        pages = bot.slack.pages("conversations.replies", "messages", limit=200, ts=call["thread_ts"], **place)
    else:
        pages = bot.slack.call("conversations.history", limit=200, **place).get("messages", [])
    for raw in pages:
        payload = (raw.get("metadata") or {}).get("event_payload") or {}
        if key and payload.get("key") == key:
            return str(raw["ts"])
    return None


def read_draft_id(post: Post) -> str | None:
    """Return which draft a post sends, if it sends one."""
    metadata = (post.payload.get("call") or {}).get("metadata") or {}
    return str(metadata["event_payload"]["draft_id"]) if metadata.get("event_type") == DRAFT_EVENT else None


class Sender:
    """The loop that empties the outbox."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._owner = f"{os.getpid()}:{uuid.uuid4().hex[:12]}"

    def run(self, stop: threading.Event) -> None:
        """Send what is due until told to stop."""
        while not stop.is_set():
            try:
                if not self.send_due():
                    self._bot.signals.send.wait(LOOK_S)
                    self._bot.signals.send.clear()
            except Exception as exc:  # the loop must live; what it had in hand comes back when its lease ends
                logger.error("sender_failed", exc_info=hide_text(exc))
                stop.wait(LOOK_S)

    def send_due(self) -> int:
        """Make the next call that is due, replies to customers first; return how many there were: 1 or 0.

        One at a time, so that no lease runs out while another call is slow.
        """
        store = self._bot.store
        with store.write() as conn:
            posts = claim_posts(conn, store.sealer, owner=self._owner, limit=1, now=store.now(), lease_s=LEASE_S)
        for post in posts:
            self._send(post)
        return len(posts)

    def _send(self, post: Post) -> None:
        try:
            slack_ts = self._carry_out(post)
        except SlackBusy as exc:
            self._postpone(post, exc.retry_after_s, error="ratelimited")
        except SlackRefused as exc:
            self._fail(post, code=exc.code)
        except SlackUnknown as exc:
            if post.attempts >= MAX_ATTEMPTS:
                self._fail(post, code=GAVE_UP)
            else:
                self._look_later(post, error=describe_error(exc))
        else:
            self._finish(post, slack_ts)

    def _carry_out(self, post: Post) -> str | None:
        if post.method == SYNC_REACTION:
            return self._sync_reaction(post)
        if post.method == UPLOAD_REPORT:
            return upload_report(self._bot, post)
        return self._post_once(post)

    def _post_once(self, post: Post) -> str | None:
        call: Json = post.payload["call"]
        if post.state == "unknown":
            found = find_posted(self._bot, call)
            if found is not None:
                logger.info("post_found", extra={"post_id": post.post_id})
                return found
        answer = self._bot.slack.call(post.method, **call)
        return str(answer["ts"]) if answer.get("ts") else None

    def _sync_reaction(self, post: Post) -> str | None:
        """Bring the small reaction in line with what is true now, whatever was true when it was asked for."""
        bot, place, shown = self._bot, post.payload, None
        while (learned := self._is_learned(place)) != shown:  # another bot may bring it in line with what is true later
            try:
                bot.slack.call(
                    "reactions.add" if learned else "reactions.remove", name=bot.settings.collected_reaction, **place
                )
            except SlackRefused as exc:
                if exc.code not in _DONE_ALREADY:
                    raise
            shown = learned
        return None

    def _is_learned(self, place: Json) -> bool:
        with self._bot.store.read() as conn:
            at = {"channel_id": place["channel"], "reply_ts": place["timestamp"]}
            return is_learned(conn, team_id=self._bot.identity.team_id, **at)

    def _finish(self, post: Post, slack_ts: str | None) -> None:
        """Keep what was sent before anything else is asked of Slack."""
        bot = self._bot
        draft_id = read_draft_id(post)
        with bot.store.write() as conn:
            mark_sent(conn, post.post_id, owner=self._owner, slack_ts=slack_ts)
            if draft_id is None or slack_ts is None:
                return
            draft = self._record_sent_draft(conn, draft_id, slack_ts)
        try:
            self._settle_sent_draft(draft, slack_ts)
        except (SlackError, PeopleMissing) as exc:  # the next reaction settles it
            logger.warning("sent_draft_not_settled", extra={"draft_id": draft_id, "error": describe_error(exc)})
        if post.payload.get("response_url"):
            card = build_posted_card(edit_share=draft.edit_share)
            bot.slack.respond(
                post.payload["response_url"],
                replace_original=True,
                response_type="ephemeral",
                thread_ts=draft.thread_ts,
                text="Posted",
                blocks=card,
            )

    @staticmethod
    def _record_sent_draft(conn: sa.Connection, draft_id: str, slack_ts: str) -> Draft:
        """Keep a sent draft as the message of the agent who sent it."""
        draft = load_draft(conn, draft_id)
        set_sent_ts(conn, draft_id, sent_ts=slack_ts)
        message = Message(
            team_id=draft.team_id,
            channel_id=draft.channel_id,
            ts=slack_ts,
            thread_ts=draft.thread_ts,
            user_id=draft.asked_by,
            is_bot=False,
            text=draft.sent_text,
            revision="",
            deleted=False,
        )
        record_message(conn, message, event_ts=slack_ts)
        return draft

    def _settle_sent_draft(self, draft: Draft, slack_ts: str) -> None:
        """Settle a sent draft's message: a 👍 may have come before it was kept."""
        bot = self._bot
        desk = bot.find_desk(draft.channel_id)
        if desk is None:
            return
        roles, channel_id = bot.people.fetch_roles(desk), draft.channel_id

        def settle() -> None:
            with bot.store.write() as conn:
                lock_channel(conn, team_id=bot.identity.team_id, channel_id=channel_id)
                at = {"channel_id": channel_id}
                settle_reply(conn, bot, desk=desk, roles=roles, reply_ts=slack_ts, may_wait=False, **at)
                settle_thread(conn, bot, desk=desk, roles=roles, thread_ts=draft.thread_ts, after_ts=slack_ts, **at)

        try:
            settle()
        except PeopleMissing as missing:
            bot.people.fetch_people(missing.user_ids)
            settle()

    def _fail(self, post: Post, *, code: str) -> None:
        """Set a call aside; a draft that was not taken is open to another try."""
        draft_id = read_draft_id(post)
        with self._bot.store.write() as conn:
            if not mark_failed(conn, post.post_id, owner=self._owner, error=code):
                return
            if draft_id is not None:
                fail_sent_draft(conn, draft_id, now=self._bot.store.now())
        level = logging.INFO if post.method == SYNC_REACTION else logging.ERROR
        logger.log(level, "post_refused", extra={"post_id": post.post_id, "method": post.method, "error": code})
        if draft_id is not None and post.payload.get("response_url"):
            reason = f"Slack did not take the reply (`{code}`). It was not posted."
            if post.state == "unknown" or code == GAVE_UP:
                reason = f"It is unknown whether the reply was posted (`{code}`). Please look into the thread first."
            self._bot.slack.respond(
                post.payload["response_url"],
                replace_original=True,
                response_type="ephemeral",
                text=reason,
                blocks=build_failed_card(draft_id, reason=reason),
            )

    def _postpone(self, post: Post, pause_s: float, *, error: str) -> None:
        store = self._bot.store
        retry_at = store.now() + timedelta(seconds=pause_s)
        with store.write() as conn:
            if post.state == "unknown":  # only the lookup was put off
                mark_unknown(conn, post.post_id, owner=self._owner, retry_at=retry_at, error=error)
            else:
                postpone_post(conn, post.post_id, owner=self._owner, retry_at=retry_at, error=error)

    def _look_later(self, post: Post, *, error: str) -> None:
        store = self._bot.store
        pause_s = min(LOOKUP_PAUSE_S * 2 ** min(post.attempts - 1, 6), 120.0)
        with store.write() as conn:
            retry_at = store.now() + timedelta(seconds=pause_s)
            mark_unknown(conn, post.post_id, owner=self._owner, retry_at=retry_at, error=error)
        logger.warning("post_unclear", extra={"post_id": post.post_id, "method": post.method, "error": error})
