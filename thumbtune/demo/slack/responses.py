"""Carries out what an app sends to a response_url or puts into its acknowledgement.

It does not know how long such an address lives.
"""

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.block_kit import prepare_blocks
from thumbtune.demo.slack.channels import Author
from thumbtune.demo.slack.text import normalize_sent_text
from thumbtune.demo.slack.triggers import ResponseTarget
from thumbtune.demo.slack.wire import Json, Refused
from thumbtune.demo.slack.workspace import Workspace


def apply_response(workspace: Workspace, target: ResponseTarget, body: Json) -> None:
    """Post, replace or delete what the body says, as the app's bot.

    Raises: Refused `no_text`, `invalid_blocks` or `message_not_found`.
    """
    channel = workspace.find_channel(target.channel_id)
    if body.get("delete_original"):
        if target.message_ts is None:
            raise Refused("message_not_found")
        if target.is_ephemeral:
            workspace.change_ephemeral(target.channel_id, target.message_ts, user_id=target.user_id, changes=None)
        else:
            workspace.delete_message(channel, target.message_ts)
        return
    text = normalize_sent_text(str(body.get("text") or ""))
    fields: Json = {}
    if body.get("blocks"):
        fields["blocks"] = prepare_blocks(body["blocks"])
    if isinstance(body.get("attachments"), list):
        fields["attachments"] = body["attachments"]
    if isinstance(body.get("metadata"), dict):
        fields["metadata"] = body["metadata"]
    if not text and not fields:
        raise Refused("no_text")
    if body.get("replace_original") and target.message_ts is not None:
        changes: Json = {"text": text, "blocks": fields.get("blocks"), "attachments": fields.get("attachments")}
        if target.is_ephemeral:
            workspace.change_ephemeral(target.channel_id, target.message_ts, user_id=target.user_id, changes=changes)
        else:
            workspace.change_message(channel, target.message_ts, changes=changes, editor=seed.BOT_USER_ID)
        return
    bot = Author(seed.BOT_USER_ID, bot_id=seed.BOT_ID, app_id=seed.APP_ID)
    thread_ts = body.get("thread_ts") or None
    if body.get("response_type") == "in_channel":
        workspace.post_message(channel, bot, text=text, thread_ts=thread_ts, fields=fields)
    else:
        workspace.post_ephemeral(channel, bot, user_id=target.user_id, text=text, thread_ts=thread_ts, fields=fields)
