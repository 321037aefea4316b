"""The prompt a model is trained on is the prompt it is asked with, byte for byte."""

import json

from tests.bot.conftest import JONAS, MAYA, PRIYA, SUPPORT, Office, make_desk, wait_for
from thumbtune.core.prompt import build_prompt


def test_training_prompt_equals_serving_prompt(staffed: Office) -> None:
    staffed.make_live("support-0001")
    staffed.serve_model(proven=("support-0001",))
    question = staffed.say(MAYA, "Hi, this is Maya. Where is parcel RE-48213 &amp; what does it cost?")
    staffed.say(PRIYA, "Hi Maya, a moment please.", thread=question)
    staffed.say(MAYA, "Sure.\nWrite to <mailto:maya@example.com|maya@example.com>, <@U0PRIYA01>", thread=question)
    staffed.wait_quiet()
    staffed.ask(PRIYA, question)
    card = staffed.wait_for_card(PRIYA, question)
    assert "written by *support-0001*" in str(card)
    asked = staffed.model.requests[0]
    assert asked["model"] == "support-0001"
    reply = staffed.say(PRIYA, "It comes on Friday, Maya.", thread=question)
    staffed.react(JONAS, reply)
    pair = wait_for(staffed.pairs)[0]
    trained = build_prompt(
        pair.turns,
        voice=make_desk().voice,
        max_chars=staffed.settings.max_prompt_chars,
        passages=pair.passages,
    )
    assert json.dumps(asked["messages"]) == json.dumps(trained)
    assert [message["content"] for message in trained[1:]] == [
        "Hi, this is [NAME_1]. Where is parcel [ORDER_1] & what does it cost?",
        "Hi [NAME_1], a moment please.",
        "Sure.\nWrite to [EMAIL_1], @[NAME_2]",
    ]


def test_live_adapter_that_no_server_holds_is_missed_aloud(staffed: Office) -> None:
    staffed.make_live("support-0001")
    question = staffed.say(MAYA, "Can I return shoes?")
    staffed.ask(PRIYA, question)
    card = staffed.wait_for_card(PRIYA, question)
    assert "support-0001 is not loaded right now" in str(card)
    assert staffed.model.requests[0]["model"] == "base"
    assert staffed.thread(question, channel=SUPPORT)
