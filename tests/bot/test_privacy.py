"""Nothing that identifies a customer lies in our files or logs."""

import logging

import pytest

from tests.bot.conftest import JONAS, MAYA, PRIYA, Office, wait_for

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
