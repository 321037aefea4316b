"""Turns a golden thread into the events Slack sends of it."""

from collections.abc import Iterator

from tests.bot.golden.cast import CAST, find_channel
from tests.bot.golden.reading import GoldenThread, Happening
from thumbtune.demo.slack import seed
from thumbtune.demo.slack.message_log import MessageLog
from thumbtune.demo.slack.reactions import normalize_emoji
from thumbtune.demo.slack.wire import Json

_SUBTYPES = {"broadcast": "thread_broadcast", "file": "file_share", "me": "me_message", "topic": "channel_topic"}
DRAFTS = ("draft", "edited draft")


class Play:
    """One thread while it happens: what Slack shows, and what it sends."""

    def __init__(self, thread: GoldenThread, *, start_s: int) -> None:
        self._thread = thread
        self._micros = start_s * 1_000_000 + 100_000
        self.channel = find_channel(thread.desk)
        self.messages: dict[int, Json] = {}
        self.deleted: set[int] = set()
        self._reactions: dict[int, dict[str, list[str]]] = {}

    @property
    def root_ts(self) -> str:
        return str(self.messages[1]["ts"])

    def events(self) -> Iterator[tuple[Happening, Json | None]]:
        """Yield what happens with the event of it; None for what does not reach the bot, or not yet."""
        late: list[tuple[Happening, Json]] = []
        for happening in self._thread.happenings:
            self._micros += round(happening.pause_s * 1_000_000)
            if happening.verb in ("becomes", "compares"):
                yield happening, None
                continue
            made = getattr(self, f"_make_{happening.verb}")(happening, self._show_now())
            event = {"channel": self.channel, **made}
            if happening.option == "late":
                late.append((happening, event))
            is_unseen = happening.option in ("late", "missed") or made.get("bot_id") == seed.BOT_ID
            yield happening, None if is_unseen else event
        yield from late

    def fill_log(self, log: MessageLog) -> None:
        """Put the thread as it stands into a channel of the workspace."""
        for number, message in self.messages.items():
            given = self._reactions.get(number, {})
            listed = [{"name": name, "users": users, "count": len(users)} for name, users in given.items() if users]
            log.add({**message, "reactions": listed} if listed else dict(message))
        for number in sorted(self.deleted, reverse=True):
            log.remove(str(self.messages[number]["ts"]))

    def _show_now(self) -> str:
        return f"{self._micros // 1_000_000}.{self._micros % 1_000_000:06d}"

    def _make_says(self, happening: Happening, now: str) -> Json:
        message: Json = {"type": "message", "text": happening.text, "ts": now, **_make_author(happening.who)}
        if happening.option in DRAFTS:
            message |= _make_author("thumbtune")
        if subtype := _SUBTYPES.get(happening.option):
            message["subtype"] = subtype
        if happening.option == "file":
            message["files"] = [{"id": "F0000001", "name": "photo.jpg", "mimetype": "image/jpeg"}]
        if happening.number > 1 and happening.option not in ("alone", "topic"):
            first = self.messages[1]
            message["thread_ts"] = first["ts"]
            if "user" in first:
                message["parent_user_id"] = first["user"]
        self.messages[happening.number] = message
        return {**message, "event_ts": now}

    def _make_edits(self, happening: Happening, now: str) -> Json:
        whole = f"{now.partition('.')[0]}.000000"
        return self._change(happening, now, text=happening.text, edited={"user": CAST[happening.who], "ts": whole})

    def _make_unfurls(self, happening: Happening, now: str) -> Json:
        return self._change(happening, now, attachments=[{"title": "A page", "text": "What the link shows"}])

    def _change(self, happening: Happening, now: str, **changes: object) -> Json:
        before = self._show(happening.number)
        self.messages[happening.number] |= changes
        after = self._show(happening.number)
        return self._make_event(now, subtype="message_changed", hidden=True, message=after, previous_message=before)

    def _make_deletes(self, happening: Happening, now: str) -> Json:
        gone = self._show(happening.number)
        self.deleted.add(happening.number)
        if happening.number == 1 and "thread_ts" in gone:
            names = {"subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted.", "hidden": True}
            stone = {"type": "message", "ts": gone["ts"], "thread_ts": gone["ts"], **names}
            return self._make_event(now, subtype="message_changed", message=stone, previous_message=gone)
        return self._make_event(now, subtype="message_deleted", deleted_ts=gone["ts"], previous_message=gone)

    def _make_reacts(self, happening: Happening, now: str, kind: str = "reaction_added") -> Json:
        message, user_id = self.messages[happening.number], CAST[happening.who]
        users = self._reactions.setdefault(happening.number, {}).setdefault(normalize_emoji(happening.text), [])
        if kind == "reaction_added":
            users.append(user_id)
        else:
            users.remove(user_id)
        item = {"type": "message", "channel": self.channel, "ts": message["ts"]}
        event: Json = {"type": kind, "user": user_id, "reaction": happening.text, "item": item}
        return event | {"event_ts": now, "item_user": message.get("user", "")}

    def _make_unreacts(self, happening: Happening, now: str) -> Json:
        return self._make_reacts(happening, now, "reaction_removed")

    def _show(self, number: int) -> Json:
        """Return a message as Slack shows it: the first one of a thread knows that it is one."""
        message = self.messages[number]
        has_answers = any(
            other != number and other not in self.deleted and "thread_ts" in told
            for other, told in self.messages.items()
        )
        return {**message, "thread_ts": message["ts"]} if number == 1 and has_answers else dict(message)

    @staticmethod
    def _make_event(now: str, **fields: object) -> Json:
        return {"type": "message", "ts": now, "event_ts": now, **fields}


def _make_author(who: str) -> Json:
    if who == "workflow":
        return {"subtype": "bot_message", "bot_id": CAST[who], "username": "Request form"}
    if who == "helpy":
        return {"user": CAST[who], "bot_id": f"B{CAST[who][1:]}", "app_id": f"A{CAST[who][1:]}"}
    if who == "thumbtune":
        return {"user": seed.BOT_USER_ID, "bot_id": seed.BOT_ID, "app_id": seed.APP_ID}
    return {"user": CAST[who]}
