"""What Slack sent and was set aside: whatever holds words of someone who is forgotten goes, wherever in it they are."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.core.store.test_forgetting import MAYA, PRIYA, forget
from thumbtune.core.pseudonyms import is_pseudonym
from thumbtune.core.records import Approval, Desk
from thumbtune.core.store import Store, desks
from thumbtune.core.store.approvals import load_approvals, record_approval
from thumbtune.core.store.inbox import add_event, count_events
from thumbtune.core.store.schema import inbox

pytestmark = pytest.mark.usefixtures("desk")

Json = dict[str, Any]  # Any: Slack's JSON
HERS: Json = {"type": "message", "user": MAYA, "ts": "100.000001", "text": "My secret"}


def press(*, channel: str = "C1", **more: object) -> Json:
    return {"type": "message_action", "user": {"id": PRIYA}, "channel": {"id": channel}, **more}


def send(*, channel: str = "C1", **more: object) -> Json:
    return {"event": {"type": "message", "channel": channel, "user": PRIYA, "ts": "150.0", "text": "Look", **more}}


def set_aside(store: Store, body: Json, *, team_id: str = "T1") -> None:
    values = {"team_id": team_id, "kind": "event", "name": "message", "now": store.now()}
    with store.write() as conn:
        add_event(conn, store.sealer, event_key=str(count_events(conn)), body=body, **values)  # type: ignore[arg-type]  # texts
        conn.execute(sa.update(inbox).values(state="dead", done_at=store.now()))


@pytest.mark.parametrize(
    "body",
    [
        press(message=HERS),
        send(subtype="thread_broadcast", root=HERS),
        send(subtype="message_changed", message={"user": PRIYA, "text": "Look", "root": HERS}),
        send(attachments=[{"author_id": MAYA, "text": "My secret", "is_msg_unfurl": True}]),
        send(files=[{"id": "F1", "user": MAYA, "title": "My secret"}]),
        {"command": "/draft", "user_id": MAYA, "channel_id": "C1", "text": "My secret"},
    ],
    ids=["shortcut", "broadcast", "edit", "quotation", "file", "command"],
)
def test_event_that_holds_a_message_of_theirs_is_erased(store: Store, body: Json) -> None:
    set_aside(store, body)
    assert forget(store, MAYA).counts["events"] == 1
    with store.read() as conn:
        assert count_events(conn) == {}


@pytest.mark.parametrize(
    "body",
    [
        press(message={**HERS, "user": PRIYA}),
        send(blocks=[{"type": "rich_text", "elements": [{"type": "user", "user_id": MAYA}]}]),
        press(message=HERS, channel="C2"),
        send(channel="C2", user=MAYA),
        {"event": {"type": "reaction_added", "user": MAYA, "item": {"channel": "C2", "ts": "150.0"}}},
        {"command": "/draft", "user_id": MAYA, "channel_id": "C2", "text": "150.0"},
    ],
    ids=["of another", "mention", "shortcut elsewhere", "message elsewhere", "reaction elsewhere", "command elsewhere"],
)
def test_event_of_others_or_in_another_desk_s_channel_stays(store: Store, body: Json) -> None:
    with store.write() as conn:
        desks.save_desk(conn, Desk("sales", "T1", "Sales", "Be brief.", channels=("C2",)))
    set_aside(store, body)
    assert forget(store, MAYA, "support").counts["events"] == 0
    with store.read() as conn:
        assert count_events(conn) == {"dead": 1}


def test_what_came_of_a_shared_channel_as_the_other_workspace_is_erased(store: Store) -> None:
    set_aside(store, send(user=MAYA), team_id="T0OTHER")
    set_aside(store, send(user=MAYA, channel="C7"), team_id="T0OTHER")
    place = {"team_id": "T0OTHER", "channel_id": "C1", "message_ts": "150.0"}
    with store.write() as conn:
        record_approval(conn, Approval(MAYA, "+1", True, "151.0"), **place)
    counts = forget(store, MAYA).counts
    assert (counts["events"], counts["approvals"]) == (1, 1)
    with store.read() as conn:
        [left] = conn.execute(sa.select(inbox.c.sealed_body)).scalars()
        [approval] = load_approvals(conn, **place)
    assert store.sealer.open(left)["event"]["channel"] == "C7"
    assert is_pseudonym(approval.user_id)


def test_shared_channel_that_is_another_desk_s_over_there_stays_theirs(store: Store) -> None:
    with store.write() as conn:
        desks.save_desk(conn, Desk("theirs", "T0OTHER", "Theirs", "Be brief.", channels=("C1",)))
    set_aside(store, send(user=MAYA), team_id="T0OTHER")
    assert forget(store, MAYA, "support").counts["events"] == 0
