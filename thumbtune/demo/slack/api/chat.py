"""Answers the methods that write, change and delete messages.

It does not know streams or who receives what is written.
"""

from thumbtune.demo.slack.block_kit import prepare_blocks
from thumbtune.demo.slack.calls import Call, Method
from thumbtune.demo.slack.channels import Channel
from thumbtune.demo.slack.text import normalize_sent_text
from thumbtune.demo.slack.wire import Json, Refused
from thumbtune.demo.slack.workspace import MAX_TEXT_CHARS

MAX_MARKDOWN_CHARS = 12_000


def read_content(call: Call, *, is_new: bool = True) -> tuple[str | None, Json]:
    """Return a message's text and its other fields as sent; the text is None when the call gives none.

    Raises: Refused `no_text`, `invalid_blocks`, `msg_too_long`, `metadata_too_large` or a related code.
    """
    args = call.args
    fields: Json = {}
    text: str | None = args.text("text") if "text" in args.values else None
    markdown = args.text("markdown_text")
    if markdown:
        if text or args.values.get("blocks"):
            raise Refused("markdown_text_conflict")
        if len(markdown) > MAX_MARKDOWN_CHARS:
            raise Refused("msg_too_long")
        text = markdown
    blocks = args.json("blocks", code="invalid_blocks_format")
    if blocks is not None:
        fields["blocks"] = prepare_blocks(blocks) or None
    if args.json("attachments", code="invalid_attachments") is not None:
        attachments = args.objects("attachments", code="invalid_attachments")
        if len(attachments) > 100:
            raise Refused("too_many_attachments")
        fields["attachments"] = attachments or None
    if is_new and not text and not fields.get("blocks") and not fields.get("attachments"):
        raise Refused("no_text")
    metadata = args.json("metadata", code="invalid_metadata_format")
    if metadata is not None:
        if not isinstance(metadata, dict) or not (metadata.get("event_type") or metadata.get("entities")):
            raise Refused("invalid_metadata_format")
        fields["metadata"] = metadata
    return (normalize_sent_text(text) if text is not None else None), fields


def find_writable(call: Call) -> Channel:
    """Return the channel to write to; a user id opens the direct conversation, a name finds the channel.

    Raises: Refused `channel_not_found`, `not_in_channel` or `is_archived`.
    """
    target = call.args.required("channel", code="channel_not_found")
    workspace = call.workspace
    if target in workspace.users:
        channel, _ = workspace.open_direct([target, call.user_id])
    else:
        named = [c.channel_id for c in workspace.channels.values() if c.name and c.name == target.lstrip("#")]
        channel = workspace.find_channel(
            target if target in workspace.channels or not named else named[0], viewer=call.user_id
        )
    if channel.is_archived:
        raise Refused("is_archived")
    if call.user_id not in channel.members:
        raise Refused("not_in_channel")
    return channel


def _post(call: Call) -> Json:
    channel = find_writable(call)
    text, fields = read_content(call)
    answer: Json = {}
    if len(text or "") > MAX_TEXT_CHARS:
        answer["response_metadata"] = {"warnings": ["message_truncated"]}
    if call.args.text("username") or call.args.text("icon_emoji") or call.args.text("icon_url"):
        call.require_scope("chat:write.customize")
        fields |= {"username": call.args.text("username") or None}
    message = call.workspace.post_message(
        channel,
        call.caller.author,
        text=text or "",
        thread_ts=call.args.text("thread_ts") or None,
        is_broadcast=call.args.flag("reply_broadcast"),
        fields=fields,
    )
    return {"channel": channel.channel_id, "ts": message["ts"], "message": message, **answer}


def _post_ephemeral(call: Call) -> Json:
    target = call.args.required("channel", code="channel_not_found")
    channel = call.workspace.find_channel(target, viewer=call.user_id)
    if channel.is_archived:
        raise Refused("is_archived")
    if call.user_id not in channel.members:
        raise Refused("channel_not_found")
    user_id = call.args.required("user", code="user_not_found")
    call.workspace.find_user(user_id)
    if user_id not in channel.members:
        raise Refused("user_not_in_channel")
    text, fields = read_content(call)
    if len(text or "") > MAX_TEXT_CHARS:
        raise Refused("msg_too_long")
    message = call.workspace.post_ephemeral(
        channel,
        call.caller.author,
        user_id=user_id,
        text=text or "",
        thread_ts=call.args.text("thread_ts") or None,
        fields=fields,
    )
    return {"message_ts": message["ts"]}


def _update(call: Call) -> Json:
    channel = call.find_channel()
    ts = call.args.required("ts", code="message_not_found")
    message = call.workspace.find_message(channel, ts)
    if message["user"] != call.user_id:
        raise Refused("cant_update_message")
    if channel.is_archived:
        raise Refused("is_archived")
    text, fields = read_content(call, is_new=False)
    if text is None and not fields:
        raise Refused("no_text")
    if len(text or "") > MAX_TEXT_CHARS:
        raise Refused("msg_too_long")
    if text is not None:
        fields["text"] = text
        fields.setdefault("blocks", None)
    is_bot = call.caller.author.bot_id is not None
    call.workspace.change_message(channel, ts, changes=fields, editor=call.user_id if text or not is_bot else None)
    return {"channel": channel.channel_id, "ts": ts, "text": message["text"], "message": message}


def _delete(call: Call) -> Json:
    channel = call.find_channel()
    ts = call.args.required("ts", code="message_not_found")
    if call.workspace.find_message(channel, ts)["user"] != call.user_id:
        raise Refused("cant_delete_message")
    call.workspace.delete_message(channel, ts)
    return {"channel": channel.channel_id, "ts": ts}


def _get_permalink(call: Call) -> Json:
    channel = call.find_channel()
    message = call.workspace.find_message(channel, call.args.required("message_ts", code="message_not_found"))
    permalink = call.server.build_permalink(channel.channel_id, message)
    return {"channel": channel.channel_id, "permalink": permalink}


METHODS = {
    "chat.postMessage": Method(_post, "chat:write"),
    "chat.postEphemeral": Method(_post_ephemeral, "chat:write"),
    "chat.update": Method(_update, "chat:write"),
    "chat.delete": Method(_delete, "chat:write"),
    "chat.getPermalink": Method(_get_permalink),
}
