"""The Web API as Slack's own client uses it: who may do what, what is refused with which code, and what comes back."""

import io
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.demo.slack.conftest import control
from thumbtune.demo.slack.seed import (
    AGENTS_GROUP,
    APP_TOKEN,
    BILLING_CHANNEL,
    BOT_TOKEN,
    BOT_USER_ID,
    SUPPORT_CHANNEL,
    user_token,
)
from thumbtune.demo.slack.server import ServerThread


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    """One server for this module; each test starts from the seed."""
    with ServerThread() as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(server: ServerThread) -> None:
    assert control(server, "reset")["ok"]


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    """Returns the error code with which a call is refused."""
    with pytest.raises(SlackApiError) as refused:
        call(**arguments)
    return str(refused.value.response["error"])


def test_bot_learns_who_it_is_and_what_it_may_do(bot: WebClient) -> None:
    answer = bot.auth_test()
    assert (answer["user_id"], answer["bot_id"], answer["team_id"]) == (BOT_USER_ID, "B0THUMB01", "T0THUMB01")
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")


@pytest.mark.parametrize(
    ("token", "method", "code"),
    [
        (None, "auth.test", "not_authed"),
        ("xoxb-wrong", "auth.test", "invalid_auth"),
        ("xoxp-demo-U0NOBODY", "auth.test", "invalid_auth"),
        (user_token(BOT_USER_ID), "auth.test", "invalid_auth"),
        (BOT_TOKEN, "apps.connections.open", "not_allowed_token_type"),
        (APP_TOKEN, "chat.postMessage", "not_allowed_token_type"),
        (BOT_TOKEN, "no.such.method", "unknown_method"),
    ],
)
def test_wrong_tokens_are_refused(server: ServerThread, token: str | None, method: str, code: str) -> None:
    client = WebClient(token, base_url=server.api_url, retry_handlers=[])
    assert refusal(client.api_call, api_method=method) == code


def test_missing_scope_is_named(server: ServerThread, bot: WebClient) -> None:
    scopes = bot.auth_test().headers["x-oauth-scopes"].split(",")
    control(server, "scopes", scopes=["chat:write"])
    with pytest.raises(SlackApiError) as refused:
        bot.users_list()
    control(server, "scopes", scopes=scopes)
    answer = refused.value.response
    assert (answer["error"], answer["needed"], answer["provided"]) == ("missing_scope", "users:read", "chat:write")


def test_foreign_hosts_and_origins_stay_outside(server: ServerThread) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        request = urllib.request.Request(f"{server.base_url}/demo/bootstrap?user=U0MAYA001", headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        assert refused.value.code == 403
        refused.value.close()


def test_refusals_of_posts_carry_slacks_codes(server: ServerThread, bot: WebClient) -> None:
    post = bot.chat_postMessage
    long_button = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "x" * 76}}
    assert refusal(post, channel="C0NOWHERE", text="x") == "channel_not_found"
    assert refusal(post, channel=BILLING_CHANNEL, text="x") == "not_in_channel"
    with pytest.warns(UserWarning, match="top-level `text` argument is missing"):
        assert refusal(post, channel=SUPPORT_CHANNEL, text="") == "no_text"
    assert refusal(post, channel=SUPPORT_CHANNEL, text="x", thread_ts="1.000001") == "thread_not_found"
    assert refusal(post, channel=SUPPORT_CHANNEL, text="x", blocks=[{"type": "nonsense"}]) == "invalid_blocks"
    assert (
        refusal(post, channel=SUPPORT_CHANNEL, text="x", blocks=[{"type": "actions", "elements": [long_button]}])
        == "invalid_blocks"
    )
    assert refusal(post, channel=SUPPORT_CHANNEL, markdown_text="x" * 12_001) == "msg_too_long"
    wordy = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000}}] * 5
    assert refusal(post, channel=SUPPORT_CHANNEL, text="x", blocks=wordy) == "msg_blocks_too_long"
    control(server, "channels", id=SUPPORT_CHANNEL, is_archived=True)
    assert refusal(post, channel=SUPPORT_CHANNEL, text="x") == "is_archived"
    control(server, "channels", id="C0SECRET1", name="secret", is_private=True, members=["U0RUTH001"])
    assert refusal(post, channel="C0SECRET1", text="x") == "channel_not_found"


def test_long_text_is_cut_and_odd_text_survives(bot: WebClient) -> None:
    assert len(bot.chat_postMessage(channel=SUPPORT_CHANNEL, text="x" * 40_100)["message"]["text"]) == 40_000
    odd = "مرحبا 👩‍👩‍👧 \u202e e\u0301 `code` *bold*\nline"
    ts = bot.chat_postMessage(channel=SUPPORT_CHANNEL, text=odd)["ts"]
    messages = bot.conversations_history(channel=SUPPORT_CHANNEL, latest=ts, inclusive=True, limit=1)["messages"]
    assert messages[0]["text"] == odd


def test_text_is_escaped_and_linked_as_in_slack(bot: WebClient) -> None:
    sent = "a < b && <@U0MAYA001> see https://example.com/x?a=1&b=2. <https://a.example|here>"
    stored = "a &lt; b &amp;&amp; <@U0MAYA001> see <https://example.com/x?a=1&amp;b=2>. <https://a.example|here>"
    assert bot.chat_postMessage(channel=SUPPORT_CHANNEL, text=sent)["message"]["text"] == stored


def test_only_the_author_changes_a_message(bot: WebClient, act_as: Callable[[str], WebClient]) -> None:
    maya, tomas = act_as("U0MAYA001"), act_as("U0TOMAS01")
    ts = maya.chat_postMessage(channel=SUPPORT_CHANNEL, text="one")["ts"]
    assert refusal(tomas.chat_update, channel=SUPPORT_CHANNEL, ts=ts, text="x") == "cant_update_message"
    assert refusal(bot.chat_delete, channel=SUPPORT_CHANNEL, ts=ts) == "cant_delete_message"
    assert maya.chat_update(channel=SUPPORT_CHANNEL, ts=ts, text="two")["message"]["edited"]["user"] == "U0MAYA001"
    assert maya.chat_delete(channel=SUPPORT_CHANNEL, ts=ts)["ok"]
    assert refusal(maya.chat_delete, channel=SUPPORT_CHANNEL, ts=ts) == "message_not_found"


def test_ephemerals_reach_members_only(bot: WebClient) -> None:
    post = bot.chat_postEphemeral
    assert post(channel=SUPPORT_CHANNEL, user="U0PRIYA01", text="psst")["message_ts"]
    assert refusal(post, channel=SUPPORT_CHANNEL, user="U0NOBODY", text="psst") == "user_not_found"
    bot.conversations_join(channel=BILLING_CHANNEL)
    assert bot.conversations_history(channel=SUPPORT_CHANNEL)["messages"] == []


def test_thread_pages_and_counters(bot: WebClient, act_as: Callable[[str], WebClient]) -> None:
    maya = act_as("U0MAYA001")
    root = maya.chat_postMessage(channel=SUPPORT_CHANNEL, text="root")["ts"]
    replies = [bot.chat_postMessage(channel=SUPPORT_CHANNEL, text=str(n), thread_ts=root)["ts"] for n in range(5)]
    inner = maya.chat_postMessage(channel=SUPPORT_CHANNEL, text="inner", thread_ts=replies[0])["message"]
    assert (inner["thread_ts"], inner["parent_user_id"]) == (root, "U0MAYA001")
    seen: list[str] = []
    cursor, pages = "", 0
    while pages == 0 or cursor:
        page = bot.conversations_replies(channel=SUPPORT_CHANNEL, ts=root, limit=2, cursor=cursor)
        assert page["messages"][0]["ts"] == root
        seen += [message["ts"] for message in page["messages"][1:]]
        cursor, pages = (page.get("response_metadata") or {}).get("next_cursor", ""), pages + 1
    assert (seen, pages) == ([*replies, inner["ts"]], 3)
    top = bot.conversations_history(channel=SUPPORT_CHANNEL)["messages"]
    assert [(message["ts"], message["reply_count"], message["latest_reply"]) for message in top] == [
        (root, 6, inner["ts"])
    ]
    assert top[0]["reply_users"] == [BOT_USER_ID, "U0MAYA001"]
    alone = bot.conversations_replies(channel=SUPPORT_CHANNEL, ts=replies[2])["messages"]
    assert [(message["ts"], message["thread_ts"]) for message in alone] == [(replies[2], root)]
    assert refusal(bot.conversations_replies, channel=SUPPORT_CHANNEL, ts="1.000001") == "thread_not_found"


def test_history_pages_newest_first_between_bounds(bot: WebClient) -> None:
    sent = [bot.chat_postMessage(channel=SUPPORT_CHANNEL, text=str(n))["ts"] for n in range(7)]
    seen = [
        message["ts"]
        for page in bot.conversations_history(channel=SUPPORT_CHANNEL, limit=3)
        for message in page["messages"]
    ]
    assert seen == sent[::-1]
    span = bot.conversations_history(channel=SUPPORT_CHANNEL, oldest=sent[2], latest=sent[5])["messages"]
    assert [message["ts"] for message in span] == [sent[4], sent[3]]
    assert refusal(bot.conversations_history, channel=SUPPORT_CHANNEL, cursor="nonsense") == "invalid_cursor"


def test_metadata_is_kept_and_shown_on_request(bot: WebClient) -> None:
    metadata = {"event_type": "draft_posted", "event_payload": {"draft_id": "7"}}
    ts = bot.chat_postMessage(channel=SUPPORT_CHANNEL, text="x", metadata=metadata)["ts"]
    plain = bot.conversations_replies(channel=SUPPORT_CHANNEL, ts=ts)["messages"][0]
    full = bot.conversations_replies(channel=SUPPORT_CHANNEL, ts=ts, include_all_metadata=True)["messages"][0]
    assert ("metadata" in plain, full["metadata"]) == (False, metadata)


def test_reactions_are_counted_once_per_person(bot: WebClient, act_as: Callable[[str], WebClient]) -> None:
    ts = act_as("U0PRIYA01").chat_postMessage(channel=SUPPORT_CHANNEL, text="x")["ts"]
    place = {"channel": SUPPORT_CHANNEL, "timestamp": ts}
    jonas = act_as("U0JONAS01")
    jonas.reactions_add(**place, name="thumbsup")
    bot.reactions_add(**place, name="+1")
    assert refusal(jonas.reactions_add, **place, name="+1") == "already_reacted"
    assert refusal(jonas.reactions_add, **place, name="NO SUCH") == "invalid_name"
    assert refusal(bot.reactions_remove, **place, name="eyes") == "no_reaction"
    assert refusal(bot.reactions_add, channel=SUPPORT_CHANNEL, timestamp="1.000001", name="+1") == "message_not_found"
    message = bot.reactions_get(**place, full=True)["message"]
    assert message["reactions"] == [{"name": "+1", "users": ["U0JONAS01", BOT_USER_ID], "count": 2}]
    assert [item["message"]["ts"] for item in bot.reactions_list(user="U0JONAS01")["items"]] == [ts]
    jonas.reactions_remove(**place, name="+1")
    assert bot.reactions_list(user="U0JONAS01")["items"] == []
    history = bot.conversations_history(channel=SUPPORT_CHANNEL)["messages"]
    assert history[0]["reactions"][0]["users"] == [BOT_USER_ID]


def test_reactions_list_pages_newest_first(bot: WebClient) -> None:
    sent = [bot.chat_postMessage(channel=SUPPORT_CHANNEL, text=str(n))["ts"] for n in range(5)]
    for ts in sent:
        bot.reactions_add(channel=SUPPORT_CHANNEL, timestamp=ts, name="eyes")
    first = bot.reactions_list(user=BOT_USER_ID, limit=2)
    bot.reactions_remove(channel=SUPPORT_CHANNEL, timestamp=sent[3], name="eyes")
    second = bot.reactions_list(user=BOT_USER_ID, limit=2, cursor=first["response_metadata"]["next_cursor"])
    assert [item["message"]["ts"] for item in first["items"]] == [sent[4], sent[3]]
    assert [item["message"]["ts"] for item in second["items"]] == [sent[2], sent[1]]


def test_people_groups_and_guests_are_listed(server: ServerThread, bot: WebClient) -> None:
    control(server, "users", id="U0GUEST01", name="Gus Guest", is_restricted=True, channels=[SUPPORT_CHANNEL])
    control(server, "users", id="U0EXTERN1", name="Eva Extern", team_id="T0OTHER01")
    control(server, "users", id="U0LEFT001", name="Lee Left", deleted=True)
    users = {user["id"]: user for page in bot.users_list(limit=2) for user in page["members"]}
    assert users["U0GUEST01"]["is_restricted"] and not users["U0GUEST01"]["is_ultra_restricted"]
    assert users["U0EXTERN1"]["is_stranger"] and users["U0EXTERN1"]["team_id"] == "T0OTHER01"
    assert users["U0LEFT001"]["deleted"]
    assert users["U0MAYA001"]["profile"]["title"] == "Customer"
    assert "email" not in users["U0MAYA001"]["profile"]
    assert "U0RUTH001" in bot.usergroups_users_list(usergroup=AGENTS_GROUP)["users"]
    assert [group["handle"] for group in bot.usergroups_list()["usergroups"]] == ["support-agents", "support-leads"]
    assert refusal(bot.usergroups_users_list, usergroup="S0NOTHING") == "no_such_subteam"
    assert "U0GUEST01" in bot.conversations_members(channel=SUPPORT_CHANNEL, limit=500)["members"]


def test_deleted_root_leaves_a_tombstone_for_its_thread(bot: WebClient, act_as: Callable[[str], WebClient]) -> None:
    root = bot.chat_postMessage(channel=SUPPORT_CHANNEL, text="root")["ts"]
    reply = act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="reply", thread_ts=root)["ts"]
    bot.chat_delete(channel=SUPPORT_CHANNEL, ts=root)
    thread = bot.conversations_replies(channel=SUPPORT_CHANNEL, ts=root)["messages"]
    assert [(message["ts"], message.get("subtype")) for message in thread] == [(root, "tombstone"), (reply, None)]


def test_stream_grows_one_message(bot: WebClient, act_as: Callable[[str], WebClient]) -> None:
    root = act_as("U0MAYA001").chat_postMessage(channel=SUPPORT_CHANNEL, text="root")["ts"]
    stream = bot.chat_stream(
        channel=SUPPORT_CHANNEL,
        thread_ts=root,
        recipient_team_id="T0THUMB01",
        recipient_user_id="U0PRIYA01",
        buffer_size=4,
    )
    for piece in ("Your ", "parcel ", "left."):
        stream.append(markdown_text=piece)
    stream.stop()
    messages = bot.conversations_replies(channel=SUPPORT_CHANNEL, ts=root)["messages"]
    assert [message["text"] for message in messages] == ["root", "Your parcel left."]
    assert messages[1]["streaming_state"] == "completed"


def test_file_is_uploaded_in_three_steps(server: ServerThread, bot: WebClient) -> None:
    answer = bot.files_upload_v2(
        channel=SUPPORT_CHANNEL, filename="loss.png", file=io.BytesIO(b"not really a picture"), title="Loss"
    )
    file = bot.files_info(file=answer["files"][0]["id"])["file"]
    assert (file["title"], file["mimetype"], file["size"]) == ("Loss", "image/png", 20)
    message = bot.conversations_history(channel=SUPPORT_CHANNEL)["messages"][0]
    assert (message["subtype"], message["files"][0]["id"]) == ("file_share", file["id"])
    assert refusal(bot.files_info, file="F0NOTHING") == "file_not_found"


def test_direct_conversation_opens_once(bot: WebClient) -> None:
    first = bot.conversations_open(users=["U0MAYA001"])
    again = bot.conversations_open(users=["U0MAYA001"])
    assert first["channel"]["id"] == again["channel"]["id"]
    assert again["already_open"]
    assert bot.chat_postMessage(channel="U0MAYA001", text="hello")["channel"] == first["channel"]["id"]


def test_broken_bodies_are_refused(server: ServerThread) -> None:
    headers = {"Authorization": f"Bearer {BOT_TOKEN}", "Content-Type": "application/json"}
    for body, code in ((b"{", "invalid_json"), (b"[1]", "json_not_object"), (b"\xff", "invalid_json")):
        request = urllib.request.Request(f"{server.api_url}chat.postMessage", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=5) as response:
            assert json.loads(response.read())["error"] == code


def test_permalink_of_a_reply_names_its_thread(server: ServerThread, bot: WebClient) -> None:
    root = bot.chat_postMessage(channel=SUPPORT_CHANNEL, text="root")["ts"]
    reply = bot.chat_postMessage(channel=SUPPORT_CHANNEL, text="reply", thread_ts=root)["ts"]
    link = bot.chat_getPermalink(channel=SUPPORT_CHANNEL, message_ts=reply)["permalink"]
    expected = f"/archives/{SUPPORT_CHANNEL}/p{reply.replace('.', '')}?thread_ts={root}&cid={SUPPORT_CHANNEL}"
    assert link == server.base_url + expected
