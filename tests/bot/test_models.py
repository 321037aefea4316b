"""A draft is written by whichever server answers."""

from tests.bot.conftest import MAYA, PRIYA, Office
from thumbtune.core.records import Replica
from thumbtune.core.store.replicas import report_replica

DEAD_URL = "http://127.0.0.1:1"


def report_dead(office: Office, *, proven: tuple[str, ...] = ()) -> None:
    """Report a server that died with its keeper: it stays healthy in the store for a minute."""
    with office.store.write() as conn:
        report_replica(conn, Replica("r0", DEAD_URL, True, "base", proven, office.store.now()))


def test_another_server_writes_when_the_first_is_gone(staffed: Office) -> None:
    report_dead(staffed)
    question = staffed.say(MAYA, "Can I return shoes?")
    staffed.ask(PRIYA, question)
    staffed.wait_for_card(PRIYA, question)
    assert [draft.state for draft in staffed.drafts()] == ["ready"]


def test_another_server_with_the_live_adapter_comes_first(staffed: Office) -> None:
    staffed.make_live("support-0001")
    report_dead(staffed, proven=("support-0001",))
    staffed.serve_model(proven=("support-0001",))
    question = staffed.say(MAYA, "Can I return shoes?")
    staffed.ask(PRIYA, question)
    assert "written by *support-0001*" in str(staffed.wait_for_card(PRIYA, question))


def test_base_writes_when_every_server_with_the_live_adapter_is_gone(staffed: Office) -> None:
    staffed.make_live("support-0001")
    report_dead(staffed, proven=("support-0001",))
    question = staffed.say(MAYA, "Can I return shoes?")
    staffed.ask(PRIYA, question)
    assert "support-0001 is not loaded right now" in str(staffed.wait_for_card(PRIYA, question))
    assert staffed.model.requests[0]["model"] == "base"
