"""Answers the methods that upload files in three steps and describe them.

It does not know how the bytes arrive.
"""

from thumbtune.demo.slack.calls import Call, Method
from thumbtune.demo.slack.wire import Json, Refused


def _get_upload_url(call: Call) -> Json:
    filename = call.args.required("filename")
    length = call.args.text("length")
    if not length.isdigit() or int(length) == 0:
        raise Refused("invalid_arguments")
    file_id = call.server.files.announce(
        filename, user_id=call.user_id, size_bytes=int(length), alt_txt=call.args.text("alt_txt")
    )
    return {"upload_url": f"{call.server.base_url}/upload/{file_id}", "file_id": file_id}


def _complete_upload(call: Call) -> Json:
    entries = call.args.objects("files")
    if not entries:
        raise Refused("invalid_arguments")
    titles = {str(entry.get("id")): str(entry.get("title") or "") for entry in entries}
    files = [call.server.files.complete(file_id, title=title) for file_id, title in titles.items()]
    targets = [call.args.text("channel_id"), *call.args.ids("channels")]
    for target in dict.fromkeys(name for name in targets if name):
        channel = call.workspace.find_channel(target, viewer=call.user_id)
        if call.user_id not in channel.members:
            raise Refused("not_in_channel")
        message = call.workspace.post_message(
            channel,
            call.caller.author,
            text=call.args.text("initial_comment"),
            thread_ts=call.args.text("thread_ts") or None,
            fields={"files": files, "upload": True, "subtype": "file_share"},
        )
        for file in files:
            shares = file.setdefault("shares", {}).setdefault("public" if channel.kind == "channel" else "private", {})
            shares.setdefault(channel.channel_id, []).append({"ts": message["ts"]})
            file.setdefault("channels", []).append(channel.channel_id)
    return {"files": files}


def _show_file(call: Call) -> Json:
    file = call.server.files.find(call.args.required("file", code="file_not_found"))
    return {"file": file, "comments": [], "response_metadata": {"next_cursor": ""}}


METHODS = {
    "files.getUploadURLExternal": Method(_get_upload_url, "files:write"),
    "files.completeUploadExternal": Method(_complete_upload, "files:write"),
    "files.info": Method(_show_file, "files:read"),
}
