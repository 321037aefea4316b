"""Which events the workspace sends to the app, and in which form."""

from pathlib import Path

import pytest

from thumbtune.demo.slack.channels import Author, Channel
from thumbtune.demo.slack.events import EventFeed
from thumbtune.demo.slack.population import open_seed_workspace
from thumbtune.demo.slack.profile import AppProfile, load_profile
from thumbtune.demo.slack.reactions import add_reaction
from thumbtune.demo.slack.seed import APP_ID, BILLING_CHANNEL, BOT_EVENTS, BOT_ID, BOT_USER_ID, SUPPORT_CHANNEL
from thumbtune.demo.slack.wire import Json
from thumbtune.demo.slack.workspace import Workspace

MAYA = Author("U0MAYA001")
BOT = Author(BOT_USER_ID, bot_id=BOT_ID, app_id=APP_ID)


class Seen:
    """A seed workspace and the envelopes that an app of it gets."""

    def __init__(self, subscriptions: tuple[str, ...] = BOT_EVENTS) -> None:
        self.workspace: Workspace = open_seed_workspace()
        self.envelopes: list[Json] = []
        self.workspace.subscribe(EventFeed(self.workspace, self.envelopes.append, subscriptions=subscriptions).take)

    @property
    def support(self) -> Channel:
        return self.workspace.channels[SUPPORT_CHANNEL]

    def take_events(self) -> list[Json]:
        events = [envelope["event"] for envelope in self.envelopes]
        self.envelopes.clear()
        return events


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_edit_shows_both_texts_and_keeps_the_message_ts(seen: Seen) -> None:
    ts = seen.workspace.post_message(seen.support, MAYA, text="one")["ts"]
    seen.workspace.change_message(seen.support, ts, changes={"text": "two"}, editor="U0MAYA001")
    _, edit = seen.take_events()
    assert (edit["subtype"], edit["message"]["text"], edit["previous_message"]["text"]) == (
        "message_changed",
        "two",
        "one",
    )
    assert edit["message"]["ts"] == ts < edit["ts"] == edit["event_ts"]


def test_event_keeps_what_was_said_at_its_time(seen: Seen) -> None:
    ts = seen.workspace.post_message(seen.support, MAYA, text="one")["ts"]
    seen.workspace.change_message(seen.support, ts, changes={"text": "two"})
    add_reaction(seen.workspace, seen.support, ts=ts, user_id="U0PRIYA01", name="+1")
    posted, edit, reaction = seen.take_events()
    assert (posted["text"], "reactions" in posted, "reactions" in edit["message"]) == ("one", False, False)
    assert (reaction["item_user"], "reactions" in reaction) == ("U0MAYA001", False)


def test_deleted_root_stays_as_a_tombstone_until_its_last_reply_goes(seen: Seen) -> None:
    root = seen.workspace.post_message(seen.support, MAYA, text="root")["ts"]
    reply = seen.workspace.post_message(seen.support, MAYA, text="reply", thread_ts=root)["ts"]
    seen.take_events()
    seen.workspace.delete_message(seen.support, root)
    seen.workspace.delete_message(seen.support, reply)
    first, second, third = seen.take_events()
    assert (first["subtype"], first["message"]["subtype"]) == ("message_changed", "tombstone")
    assert (second["subtype"], second["deleted_ts"]) == ("message_deleted", reply)
    assert (third["deleted_ts"], third["previous_message"]["subtype"]) == (root, "tombstone")


def test_mention_comes_as_message_and_as_mention(seen: Seen) -> None:
    seen.workspace.post_message(seen.support, MAYA, text=f"<@{BOT_USER_ID}> help")
    message, mention = seen.take_events()
    assert (message["type"], mention["type"]) == ("message", "app_mention")
    assert message["ts"] == mention["ts"]
    assert len({envelope["event_id"] for envelope in seen.envelopes}) == len(seen.envelopes)


def test_bots_own_messages_come_back_marked_as_its_own(seen: Seen) -> None:
    metadata = {"event_type": "draft", "event_payload": {}}
    seen.workspace.post_message(seen.support, BOT, text=f"<@{BOT_USER_ID}>", fields={"metadata": metadata})
    (event,) = seen.take_events()
    assert (event["bot_id"], event["app_id"], "metadata" in event) == (BOT_ID, APP_ID, False)


def test_channels_without_the_bot_are_silent_until_it_joins(seen: Seen) -> None:
    billing = seen.workspace.channels[BILLING_CHANNEL]
    seen.workspace.post_message(billing, MAYA, text="unheard")
    assert seen.take_events() == []
    seen.workspace.join(billing, BOT_USER_ID, inviter="U0RUTH001")
    seen.workspace.post_message(billing, MAYA, text="heard")
    joined, message = seen.take_events()
    assert (joined["type"], joined["user"], joined["inviter"]) == ("member_joined_channel", BOT_USER_ID, "U0RUTH001")
    assert message["text"] == "heard"


def test_private_and_shared_channels_are_named_as_such(seen: Seen) -> None:
    workspace = seen.workspace
    secret = Channel("C0SECRET1", "secret", "group", members=dict.fromkeys([BOT_USER_ID, "U0MAYA001"]))
    workspace.channels[secret.channel_id] = secret
    seen.support.is_ext_shared = True
    workspace.post_message(secret, MAYA, text="x")
    workspace.post_message(seen.support, MAYA, text="x")
    assert [envelope["event"]["channel_type"] for envelope in seen.envelopes] == ["group", "channel"]
    assert [envelope["is_ext_shared_channel"] for envelope in seen.envelopes] == [False, True]


def test_app_gets_only_what_it_subscribed_to() -> None:
    seen = Seen(("reaction_added",))
    ts = seen.workspace.post_message(seen.support, MAYA, text="x")["ts"]
    add_reaction(seen.workspace, seen.support, ts=ts, user_id="U0PRIYA01", name="+1")
    assert [event["type"] for event in seen.take_events()] == ["reaction_added"]


def test_event_ids_do_not_come_again_after_a_restart() -> None:
    seconds = 1_800_000_000.0
    first, second = Workspace(clock=lambda: seconds), Workspace(clock=lambda: seconds + 10)
    before = {first.next_id("Ev0") for _ in range(5_000)}
    assert before.isdisjoint(second.next_id("Ev0") for _ in range(5_000))


def test_profile_is_read_from_the_apps_manifest(tmp_path: Path) -> None:
    path = Path(__file__).parents[3] / "deploy" / "slack-manifest.json"
    profile = load_profile(path)
    assert {command.command for command in profile.commands} >= {"/draft", "/retrain"}
    assert "draft_reply" in {shortcut.callback_id for shortcut in profile.shortcuts}
    assert {"chat:write", "reactions:read"} <= profile.scopes
    assert "reaction_added" in profile.events
    assert load_profile(tmp_path / "missing.json") == AppProfile()
