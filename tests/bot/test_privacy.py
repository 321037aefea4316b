"""Nothing that identifies a customer lies in our files or logs."""

import html
import logging
from collections.abc import Iterator

import pytest

from tests.bot.conftest import JONAS, MAYA, PRIYA, SUPPORT, Office, make_desk, wait_for
from tests.core.redaction.corpus import Item, build_corpus
from tests.core.redaction.people import PEOPLE
from tests.tiny_base import build_base
from thumbtune.bot.app import build_bot
from thumbtune.bot.bot import Bot
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.core.records import InboxEvent
from thumbtune.core.store.messages import load_thread
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.runs import open_run
from thumbtune.demo.slack.seed import TEAM_ID
from thumbtune.trainer.recipe import plan_recipe
from thumbtune.trainer.snapshot import freeze_pairs

SEEDED = (
    "maya.lindqvist@example.com",
    "070-123 45 67",
    "4111 1111 1111 1111",
    "DE89370400440532013000",
    "RE-48213",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "Lindqvist",
    "Maya",
)


def test_seeded_identifiers_are_in_no_file_and_no_log(staffed: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    question = staffed.say(MAYA, "Hello, " + ", ".join(SEEDED) + " – where is it?")
    reply = staffed.say(PRIYA, "Hi Maya, RE-48213 comes on Friday; I called 070-123 45 67.", thread=question)
    staffed.react(JONAS, reply)
    wait_for(staffed.pairs)
    staffed.model.reply = lambda request: "Dear [NAME_1], [ORDER_1] comes on Friday; I write to [EMAIL_1]."
    staffed.ask(PRIYA, question)
    card = staffed.wait_for_card(PRIYA, question)
    assert "Dear Maya, RE-48213 comes on Friday; I write to maya.lindqvist@example.com." in str(card)
    staffed.press(PRIYA, card, "draft_post")
    staffed.wait_for_card(PRIYA, question, holding="Posted in the thread")
    staffed.wait_quiet()
    (pair,) = staffed.pairs()
    assert pair.reply == "Hi [NAME_1], [ORDER_1] comes on Friday; I called [PHONE_1]."
    ours = [
        record.getMessage() + str(vars(record)) for record in caplog.records if record.name.startswith("thumbtune.")
    ]
    files = [path.read_bytes() for path in staffed.settings.data_dir.rglob("*") if path.is_file()]
    assert ours and files
    for seeded in SEEDED:
        assert not [line for line in ours if seeded in line and "demo" not in line], seeded
        assert not any(seeded.encode() in content for content in files), seeded
    sent_to_model = str(staffed.model.requests)
    assert not any(seeded in sent_to_model for seeded in SEEDED)


@pytest.fixture
def bot_among_people(office: Office) -> Bot:
    """A bot whose channel has the people of the corpus in it; its events are given to it by the test."""
    for number, person in enumerate(PEOPLE):
        user_id, (real_name, display_name) = f"U0CORPUS{number:02}", person.names[:2]
        office.control("users", id=user_id, name=real_name, channels=[SUPPORT])
        office.slack.slack.workspace.users[user_id]["profile"]["display_name"] = display_name
    bot = build_bot(office.settings.model_copy(update={"collected_reaction": ""}), office.store)
    bot.people.prefetch()
    return bot


def make_events(items: list[Item]) -> Iterator[dict[str, object]]:
    """Each item in a customer's message and in the approved answer to it."""
    for number, item in enumerate(items):
        question, reply = (f"{1_600_000_000 + number * 40_000}.{part:06}" for part in (1, 2))
        text = html.escape(item.text, quote=False)
        message = {"type": "message", "channel": SUPPORT}
        yield {**message, "user": MAYA, "ts": question, "event_ts": question, "text": text}
        yield {
            **message,
            "user": PRIYA,
            "ts": reply,
            "event_ts": reply,
            "thread_ts": question,
            "text": f"We noted this under {number}: {text}",
        }
        place = {"type": "message", "channel": SUPPORT, "ts": reply}
        yield {"type": "reaction_added", "user": JONAS, "reaction": "+1", "item": place, "event_ts": reply + "1"}


def test_none_of_a_thousand_seeded_items_is_stored_logged_or_trained_on(
    office: Office, bot_among_people: Bot, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="thumbtune")
    items, bot, store = build_corpus(), bot_among_people, office.store
    writes = []
    for event in make_events(items):
        kind = str(event["type"])
        write = LISTENERS["event", kind](InboxEvent(1, TEAM_ID, "event", kind, {"event": event}, 1, store.now()), bot)
        assert write is not None
        writes.append(write)
    with store.write() as conn:
        for write in writes:
            write(conn)
    with store.read() as conn:
        texts = {}
        for number in range(len(items)):
            thread = load_thread(
                conn, team_id=TEAM_ID, channel_id=SUPPORT, thread_ts=f"{1_600_000_000 + number * 40_000}.000001"
            )
            texts[number] = " ".join(message.text for message in thread)
            assert len(thread) == 2
        pairs = list_pairs(conn, limit=len(items) + 1)
    assert len(pairs) == len(items)
    assert [item for number, item in enumerate(items) if any(secret in texts[number] for secret in item.secrets)] == []
    base = build_base(tmp_path_factory.mktemp("base") / "tiny", texts=("a text",))
    settings = office.settings.model_copy(update={"base_model": str(base)})
    with store.write() as conn:
        run, _ = open_run(conn, desk_id="support", reason="retrain", now=store.now())
    freeze_pairs(store, run, desk=make_desk(), recipe=plan_recipe(settings, base), settings=settings)
    logged = "\n".join(record.getMessage() + str(vars(record)) for record in caplog.records)
    files = b"\n".join(path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file())
    assert list(settings.snapshots_dir.rglob("train.jsonl"))
    telling = {secret for item in items for secret in item.secrets if len(secret) >= 8}  # shorter ones stand in words
    assert len(telling) > 700
    assert [secret for secret in telling if secret in logged or secret.encode() in files] == []
