"""The prompt a model is trained on is the prompt it is asked with, byte for byte."""

import json
from typing import Any

from tests.bot.conftest import JONAS, MAYA, PRIYA, SUPPORT, Office, make_desk, wait_for
from tests.bot.model_server import count_tokens
from thumbtune.core.prompt import build_prompt, list_budgets
from thumbtune.trainer.examples import Line, encode_lines


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


class WordTokenizer:
    """Counts as the tests' model server does."""

    eos_token_id = 0

    def apply_chat_template(self, conversation: Any, **options: Any) -> str:
        return " ".join(message["content"] for message in conversation)

    def __call__(self, text: list[str], *, add_special_tokens: bool) -> dict[str, list[list[int]]]:
        return {"input_ids": [[1] * len(one.split()) for one in text]}


def test_prompt_that_leaves_too_little_room_for_a_reply_is_shortened_as_in_training(office: Office) -> None:
    office.start_bot(max_prompt_chars=4000, grounding_passages=0)
    office.model.context = 1000
    reply_tokens = office.settings.max_reply_tokens
    question = office.say(MAYA, "It is here " * 60)
    for _ in range(5):
        office.say(PRIYA, "We look " * 70, thread=question)
        office.say(MAYA, "It is here " * 60, thread=question)
    office.wait_quiet()
    office.ask(PRIYA, question)
    office.wait_for_card(PRIYA, question)
    asked = [request["messages"] for request in office.model.requests]
    counts = [count_tokens(messages) for messages in asked]
    assert office.model.context - reply_tokens < counts[0] <= office.model.context
    office.react(JONAS, office.say(PRIYA, "It comes on Friday.", thread=question))
    pair = wait_for(office.pairs)[0]
    prompts = [build_prompt(pair.turns, voice=make_desk().voice, max_chars=chars) for chars in list_budgets(4000)]
    (example,), _ = encode_lines(
        [Line("1", "t", tuple(tuple(prompt) for prompt in prompts), pair.reply)],
        WordTokenizer(),
        end_of_turn=0,
        max_context_tokens=office.model.context,
        max_reply_tokens=reply_tokens,
    )
    assert counts[-1] == len(example.prompt_ids)
    assert asked[-1] == prompts[counts.index(counts[-1])]
