"""What was set aside is listed, tried again and forgotten by hand, and never shown."""

import pytest

from tests.cli.conftest import Run
from thumbtune.core.errors import BadInput
from thumbtune.core.store import Store, inbox

SECRET = "Where is my parcel?"


@pytest.fixture
def dead(store: Store) -> list[int]:
    """Three events that were set aside."""
    with store.write() as conn:
        for number in range(3):
            place = {"team_id": "T1", "event_key": str(number), "kind": "event", "name": "message"}
            inbox.add_event(conn, store.sealer, **place, body={"text": SECRET}, now=store.now())
        events = inbox.claim_events(conn, store.sealer, owner="w", limit=9, now=store.now(), lease_s=30)
        for event in events:
            inbox.bury_event(conn, event.inbox_id, owner="w", error="KeyError", now=store.now())
    return [event.inbox_id for event in events]


def count(store: Store) -> dict[str, int]:
    with store.read() as conn:
        return inbox.count_events(conn)


def test_list_shows_what_failed_and_never_what_it_says(dead: list[int], run: Run) -> None:
    listed = run("inbox", "list", "--json")
    assert [(event["inbox_id"], event["name"], event["error"]) for event in listed] == [
        (inbox_id, "message", "KeyError") for inbox_id in dead
    ]
    assert "KeyError" in run("inbox", "list")
    assert SECRET not in run("inbox", "list") + str(listed)


def test_retry_gives_back_one_or_all(store: Store, dead: list[int], run: Run) -> None:
    assert "1 given back" in run("inbox", "retry", str(dead[0]))
    assert count(store) == {"received": 1, "dead": 2}
    assert "2 given back" in run("inbox", "retry", "--all")
    assert count(store) == {"received": 3}
    assert "Nothing was set aside" in run("inbox", "list")


def test_forget_deletes_one_or_all(store: Store, dead: list[int], run: Run) -> None:
    run("inbox", "forget", str(dead[1]))
    assert count(store) == {"dead": 2}
    assert "2 deleted" in run("inbox", "forget", "--all")
    assert count(store) == {}


def test_what_was_tried_again_or_deleted_by_hand_is_in_the_audit(dead: list[int], run: Run) -> None:
    first, second, third = dead
    run("inbox", "retry", str(first))
    run("inbox", "forget", str(second))
    run("inbox", "forget", "--all")
    acts = [(act["actor"], act["action"], act["subject"]) for act in reversed(run("audit", "list", "--json"))]
    forgotten = [("cli", "event_forgotten", f"event-{inbox_id}") for inbox_id in (second, third)]
    assert acts == [("cli", "event_retried", f"event-{first}"), *forgotten]


def test_retry_says_what_to_name(dead: list[int], run: Run) -> None:
    for arguments in ((), (str(dead[0]), "--all")):
        with pytest.raises(BadInput, match="or --all"):
            run("inbox", "retry", *arguments)
    with pytest.raises(BadInput, match="numbered 99"):
        run("inbox", "retry", "99")
