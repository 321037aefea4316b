"""From a 👍 in Slack to a training pair, and back."""

from tests.bot.conftest import JONAS, MAYA, PRIYA, SUPPORT, Office, wait_for
from thumbtune.core.store.audits import list_acts, verify_chain


def answer_question(office: Office) -> tuple[str, str]:
    """A customer asks, an agent answers."""
    question = office.say(MAYA, "Where is my parcel? It was due on Monday.")
    reply = office.say(PRIYA, "Hi Maya, it arrives on Friday.", thread=question)
    return question, reply


def test_thumbs_up_of_a_colleague_makes_one_pair(staffed: Office) -> None:
    _, reply = answer_question(staffed)
    staffed.react(JONAS, reply)
    pair = wait_for(staffed.pairs)[0]
    assert [turn.role for turn in pair.turns] == ["customer"]
    assert pair.turns[0].text == "Where is my parcel? It was due on Monday."
    assert pair.reply == "Hi [NAME_1], it arrives on Friday."
    assert (pair.approved_by, pair.source) == (JONAS, "human")
    assert [passage.title for passage in pair.passages] == ["Shipping times"]
    staffed.wait_quiet()
    assert len(staffed.pairs()) == 1
    signs = next(message.get("reactions") for message in staffed.thread(reply))
    assert "books" in [sign["name"] for sign in signs]


def test_taking_the_thumbs_up_back_withdraws_the_pair(staffed: Office) -> None:
    _, reply = answer_question(staffed)
    staffed.react(JONAS, reply)
    wait_for(staffed.pairs)
    staffed.react(JONAS, reply, on=False)
    pair = wait_for(lambda: staffed.pairs("withdrawn"))[0]
    assert pair.reason == "no longer approved"
    staffed.wait_quiet()
    with staffed.store.read() as conn:
        acts = [(act.actor, act.action, act.subject) for act in reversed(list_acts(conn, limit=5))]
        assert verify_chain(conn).finding == ""
    assert acts == [(JONAS, "pair_approved", f"{SUPPORT}:{reply}"), ("bot", "pair_withdrawn", f"{SUPPORT}:{reply}")]
    assert not staffed.thread(reply)[0].get("reactions")
