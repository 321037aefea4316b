"""A restarted local workspace goes on where it was."""

from pathlib import Path

import pytest
from slack_sdk import WebClient

from tests.demo.slack.conftest import control, send_json
from thumbtune.core.errors import BadInput
from thumbtune.demo.slack.local_slack import ServerOptions
from thumbtune.demo.slack.seed import BOT_TOKEN, BOT_USER_ID, SUPPORT_CHANNEL, user_token
from thumbtune.demo.slack.server import ServerThread


def open_server(path: Path) -> ServerThread:
    return ServerThread(ServerOptions(port=0, journal=path))


def act_as(server: ServerThread, token: str) -> WebClient:
    return WebClient(token, base_url=server.api_url, retry_handlers=[])


def test_messages_threads_reactions_and_members_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "workspace.jsonl"
    with open_server(path) as server:
        maya, bot = act_as(server, user_token("U0MAYA001")), act_as(server, BOT_TOKEN)
        root = maya.chat_postMessage(channel=SUPPORT_CHANNEL, text="one")["ts"]
        reply = bot.chat_postMessage(channel=SUPPORT_CHANNEL, text="two", thread_ts=root)["ts"]
        gone = maya.chat_postMessage(channel=SUPPORT_CHANNEL, text="gone")["ts"]
        maya.chat_delete(channel=SUPPORT_CHANNEL, ts=gone)
        bot.chat_update(channel=SUPPORT_CHANNEL, ts=reply, text="three")
        maya.reactions_add(channel=SUPPORT_CHANNEL, timestamp=reply, name="+1")
        maya.reactions_add(channel=SUPPORT_CHANNEL, timestamp=root, name="eyes")
        maya.reactions_remove(channel=SUPPORT_CHANNEL, timestamp=root, name="eyes")
        bot.views_publish(user_id="U0MAYA001", view={"type": "home", "blocks": [{"type": "divider"}]})
        bot.chat_postMessage(channel="U0MAYA001", text="direct")
        control(server, "users", id="U0GUEST01", name="Gus Guest", is_restricted=True, channels=[SUPPORT_CHANNEL])
        before = bot.conversations_replies(channel=SUPPORT_CHANNEL, ts=root)["messages"]
    with path.open("a") as file:
        file.write('{"message": {"ts": "17')
    for _ in range(2):  # the second start reads the file that the first one rewrote
        with open_server(path) as server:
            bot = act_as(server, BOT_TOKEN)
            assert bot.conversations_replies(channel=SUPPORT_CHANNEL, ts=root)["messages"] == before
            assert [item["ts"] for item in bot.conversations_history(channel=SUPPORT_CHANNEL)["messages"]] == [root]
            assert [item["message"]["ts"] for item in bot.reactions_list(user="U0MAYA001")["items"]] == [reply]
            assert "U0GUEST01" in bot.conversations_members(channel=SUPPORT_CHANNEL)["members"]
            assert bot.users_info(user="U0GUEST01")["user"]["is_restricted"]
            home = send_json(f"{server.base_url}/demo/home?user=U0MAYA001")["view"]
            assert home["blocks"][0]["type"] == "divider"
            direct = bot.conversations_open(users=["U0MAYA001"])["channel"]["id"]
            assert len(bot.conversations_history(channel=direct)["messages"]) == 1
            assert BOT_USER_ID in bot.conversations_members(channel=direct)["members"]
    assert path.stat().st_mode & 0o077 == 0


def test_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "workspace.jsonl"
    path.write_text('{"strange": 1}\n')
    with pytest.raises(BadInput, match=r"workspace\.jsonl line 1 is no journal entry"):
        open_server(path)
