"""Answers the methods that write a message piece by piece, and the status line of a thread.

It does not know who watches it grow.
"""

from thumbtune.demo.slack.api.chat import MAX_MARKDOWN_CHARS, find_writable
from thumbtune.demo.slack.block_kit import prepare_blocks
from thumbtune.demo.slack.calls import Call, Method
from thumbtune.demo.slack.channels import Change, Channel
from thumbtune.demo.slack.text import normalize_sent_text
from thumbtune.demo.slack.wire import Json, Refused


def _start(call: Call) -> Json:
    channel = find_writable(call)
    thread_ts = call.args.required("thread_ts", code="invalid_arguments")
    if channel.kind != "im":
        if not call.args.text("recipient_team_id"):
            raise Refused("missing_recipient_team_id")
        if not call.args.text("recipient_user_id"):
            raise Refused("missing_recipient_user_id")
    message = call.workspace.post_message(
        channel,
        call.caller.author,
        text=_read_piece(call),
        thread_ts=thread_ts,
        fields={"streaming_state": "in_progress"},
    )
    return {"channel": channel.channel_id, "ts": message["ts"]}


def _append(call: Call) -> Json:
    channel, message = _find_stream(call)
    piece = _read_piece(call)
    if not piece and not call.args.objects("chunks"):
        raise Refused("no_text")
    call.workspace.change_message(channel, message["ts"], changes={"text": message["text"] + piece})
    return {"channel": channel.channel_id, "ts": message["ts"]}


def _stop(call: Call) -> Json:
    channel, message = _find_stream(call)
    changes: Json = {"text": message["text"] + _read_piece(call), "streaming_state": "completed"}
    blocks = call.args.json("blocks", code="invalid_blocks_format")
    if blocks:
        changes["blocks"] = prepare_blocks(blocks)
    metadata = call.args.object("metadata", code="invalid_metadata_format")
    if metadata:
        changes["metadata"] = metadata
    message = call.workspace.change_message(channel, message["ts"], changes=changes)
    return {"channel": channel.channel_id, "ts": message["ts"], "message": message}


def _set_status(call: Call) -> Json:
    channel = call.workspace.find_channel(
        call.args.required("channel_id", code="channel_not_found"), viewer=call.user_id
    )
    payload = {"thread_ts": call.args.required("thread_ts"), "status": call.args.text("status")}
    call.workspace.publish(Change("status", payload, channel=channel.channel_id))
    return {}


def _find_stream(call: Call) -> tuple[Channel, Json]:
    channel = call.find_channel()
    message = call.workspace.find_message(channel, call.args.required("ts", code="message_not_found"))
    if message["user"] != call.user_id:
        raise Refused("message_not_owned_by_app")
    if message.get("streaming_state") != "in_progress":
        raise Refused("message_not_in_streaming_state")
    return channel, message


def _read_piece(call: Call) -> str:
    piece = call.args.text("markdown_text")
    chunks = call.args.objects("chunks")
    if piece and chunks:
        raise Refused("markdown_text_conflict")
    piece += "".join(str(chunk.get("text", "")) for chunk in chunks if chunk.get("type") == "markdown_text")
    if len(piece) > MAX_MARKDOWN_CHARS:
        raise Refused("msg_too_long")
    return normalize_sent_text(piece)


METHODS = {
    "chat.startStream": Method(_start, "chat:write", kinds=("bot",)),
    "chat.appendStream": Method(_append, "chat:write", kinds=("bot",)),
    "chat.stopStream": Method(_stop, "chat:write", kinds=("bot",)),
    "assistant.threads.setStatus": Method(_set_status, "chat:write", kinds=("bot",)),
}
