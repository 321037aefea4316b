"""What the command line withdraws is no longer marked as learned in Slack."""

from typer.testing import CliRunner

from tests.bot.conftest import JONAS, Office, wait_for
from tests.bot.test_collecting import answer_question
from tests.conftest import SESSION_KEY
from thumbtune.cli.main import app


def test_pair_withdrawn_by_command_loses_its_sign(staffed: Office) -> None:
    _, reply = answer_question(staffed)
    staffed.react(JONAS, reply)
    pair = wait_for(staffed.pairs)[0]
    wait_for(lambda: "books" in str(staffed.thread(reply)[0].get("reactions")), what="the sign")
    here = {"THUMBTUNE_DATA_DIR": str(staffed.settings.data_dir), "THUMBTUNE_SECRET_KEY": SESSION_KEY}
    command = ["pairs", "withdraw", str(pair.pair_id)]
    assert CliRunner().invoke(app, command, env=here, catch_exceptions=False).exit_code == 0
    staffed.wait_quiet()
    assert "books" not in str(staffed.thread(reply)[0].get("reactions"))
    assert "+1" in str(staffed.thread(reply)[0].get("reactions"))
