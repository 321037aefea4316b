"""Keeps one channel's messages in order and finds them by timestamp or thread without scanning.

It does not know users, events or the Web API; timestamps are Slack's fixed-width strings, which sort as text.
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field

from thumbtune.demo.slack.wire import Json


@dataclass
class MessageLog:
    """The messages of one channel: all by timestamp, the channel's own timeline, and the replies of each thread."""

    by_ts: dict[str, Json] = field(default_factory=dict)
    timeline: list[str] = field(default_factory=list)
    replies: dict[str, list[str]] = field(default_factory=dict)
    authors: dict[str, dict[str, int]] = field(default_factory=dict)
    """How many replies each person has in a thread, in the order of their first."""

    def add(self, message: Json) -> None:
        """Take in a message and keep its thread's counters; a reply's root must be here already."""
        ts = message["ts"]
        self.by_ts[ts] = message
        root_ts = message.get("thread_ts")
        if root_ts is None or root_ts == ts or message.get("subtype") == "thread_broadcast":
            insort(self.timeline, ts)
        if root_ts is not None and root_ts != ts:
            insort(self.replies.setdefault(root_ts, []), ts)
            self._count_author(root_ts, message, by=1)
            self._count_replies(root_ts)

    def remove(self, ts: str) -> Json:
        """Take a message out; a root with replies leaves a tombstone until its last reply is gone, as in Slack."""
        message = self.by_ts[ts]
        root_ts = message.get("thread_ts")
        if root_ts is not None and root_ts != ts:
            del self.by_ts[ts]
            _discard(self.replies[root_ts], ts)
            _discard(self.timeline, ts)
            self._count_author(root_ts, message, by=-1)
            self._count_replies(root_ts)
            self._drop_empty_tombstone(root_ts)
        elif self.replies.get(ts):
            counters = {key: message[key] for key in COUNTERS if key in message}
            self.by_ts[ts] = {
                "type": "message",
                "subtype": "tombstone",
                "text": "This message was deleted.",
                "user": "USLACKBOT",
                "hidden": True,
                "ts": ts,
                "thread_ts": ts,
                **counters,
            }
        else:
            del self.by_ts[ts]
            _discard(self.timeline, ts)
        return message

    def page_timeline(self, limit: int, *, oldest: str, latest: str, inclusive: bool) -> tuple[list[Json], bool]:
        """Return the newest messages of a span, newest first, and whether older ones are left."""
        return self._page(self.timeline, limit, oldest=oldest, latest=latest, inclusive=inclusive)

    def page_thread(
        self, root_ts: str, *, limit: int, oldest: str, latest: str, inclusive: bool, after: str = ""
    ) -> tuple[list[Json], bool]:
        """Return the root and the oldest replies after `after`, oldest first, and whether newer ones are left."""
        replies = self.replies.get(root_ts, [])
        low, high = _span(replies, oldest, latest=latest, inclusive=inclusive)
        if after:
            low = max(low, bisect_right(replies, after))
        taken = replies[low : min(high, low + limit)]
        has_more = low + limit < high
        return [self.by_ts[ts] for ts in [root_ts, *taken] if ts in self.by_ts], has_more

    def _page(
        self, order: list[str], limit: int, *, oldest: str, latest: str, inclusive: bool
    ) -> tuple[list[Json], bool]:
        low, high = _span(order, oldest, latest=latest, inclusive=inclusive)
        start = max(low, high - limit)
        return [self.by_ts[ts] for ts in reversed(order[start:high])], start > low

    def _count_author(self, root_ts: str, message: Json, *, by: int) -> None:
        authors = self.authors.setdefault(root_ts, {})
        author = message.get("user", "")
        authors[author] = authors.get(author, 0) + by
        if authors[author] == 0:
            del authors[author]

    def _count_replies(self, root_ts: str) -> None:
        root, replies = self.by_ts.get(root_ts), self.replies.get(root_ts, [])
        if root is None:
            return
        if not replies:
            for key in COUNTERS:
                root.pop(key, None)
            return
        root["thread_ts"] = root_ts
        root["reply_count"] = len(replies)
        root["latest_reply"] = replies[-1]
        root["is_locked"] = False
        root["subscribed"] = False
        authors = self.authors[root_ts]
        root["reply_users_count"] = len(authors)
        root["reply_users"] = list(authors)[:5]

    def _drop_empty_tombstone(self, root_ts: str) -> None:
        root = self.by_ts.get(root_ts)
        if root is not None and root.get("subtype") == "tombstone" and not self.replies.get(root_ts):
            del self.by_ts[root_ts]
            _discard(self.timeline, root_ts)


COUNTERS = ("thread_ts", "reply_count", "latest_reply", "reply_users", "reply_users_count", "is_locked", "subscribed")


def _span(order: list[str], oldest: str, *, latest: str, inclusive: bool) -> tuple[int, int]:
    low = 0
    if oldest:
        low = bisect_left(order, oldest) if inclusive else bisect_right(order, oldest)
    high = len(order)
    if latest:
        high = bisect_right(order, latest) if inclusive else bisect_left(order, latest)
    return low, max(low, high)


def _discard(order: list[str], ts: str) -> None:
    index = bisect_left(order, ts)
    if index < len(order) and order[index] == ts:
        del order[index]
