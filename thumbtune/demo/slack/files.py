"""Keeps uploaded files in memory and serves them.

It does not know which messages carry them.
"""

import mimetypes
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from thumbtune.demo.slack import seed
from thumbtune.demo.slack.wire import Json, Refused

if TYPE_CHECKING:
    from thumbtune.demo.slack.local_slack import LocalSlack

MAX_FILE_BYTES = 50_000_000


@dataclass
class _Upload:
    file: Json
    content: bytes | None = None
    is_complete: bool = False


class Files:
    """Every file of the workspace."""

    def __init__(self, server: "LocalSlack") -> None:
        self._server = server
        self._uploads: dict[str, _Upload] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._uploads.clear()

    def announce(self, name: str, *, user_id: str, size_bytes: int, alt_txt: str = "") -> str:
        """Make room for a file and return its id."""
        file_id = self._server.workspace.next_id("F0")
        suffix = PurePath(name).suffix.lstrip(".").lower()
        now = int(self._server.workspace.clock())
        url = f"{self._server.base_url}/files/{file_id}"
        file: Json = {
            "id": file_id,
            "created": now,
            "timestamp": now,
            "name": name,
            "title": name,
            "mimetype": mimetypes.guess_type(name)[0] or "application/octet-stream",
            "filetype": suffix or "binary",
            "pretty_type": suffix.upper() or "Binary",
            "user": user_id,
            "user_team": seed.TEAM_ID,
            "editable": False,
            "size": size_bytes,
            "mode": "hosted",
            "is_external": False,
            "is_public": True,
            "url_private": url,
            "url_private_download": url,
            "permalink": url,
        }
        if alt_txt:
            file["alt_txt"] = alt_txt
        self._uploads[file_id] = _Upload(file)
        return file_id

    def complete(self, file_id: str, *, title: str) -> Json:
        """Finish an upload and return its file object.

        Raises: Refused `file_not_found` when the bytes are missing.
        """
        upload = self._uploads.get(file_id)
        if upload is None or upload.content is None:
            raise Refused("file_not_found")
        upload.is_complete = True
        if title:
            upload.file["title"] = title
        return upload.file

    def find(self, file_id: str) -> Json:
        """Return a file object.

        Raises: Refused `file_not_found`.
        """
        upload = self._uploads.get(file_id)
        if upload is None or not upload.is_complete:
            raise Refused("file_not_found")
        return upload.file

    async def take(self, request: Request) -> Response:
        """Take in the bytes of an announced file."""
        upload = self._uploads.get(request.path_params["file_id"])
        if upload is None or upload.is_complete:
            return Response("not found", status_code=404)
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form(max_part_size=MAX_FILE_BYTES) as form:
                parts = list(form.values())
                part = next((part for part in parts if not isinstance(part, str)), None)
                content = await part.read() if part is not None and not isinstance(part, str) else b""
        else:
            content = await request.body()
        if len(content) > MAX_FILE_BYTES:
            return Response("too large", status_code=413)
        upload.content = content
        upload.file["size"] = len(content)
        return Response(f"OK - {len(content)}")

    async def serve(self, request: Request) -> Response:
        """Serve a finished file to this machine."""
        upload = self._uploads.get(request.path_params["file_id"])
        if upload is None or upload.content is None or not upload.is_complete:
            return JSONResponse({"ok": False, "error": "file_not_found"}, status_code=404)
        kind = str(upload.file["mimetype"])
        safe = kind if kind.startswith("image/") and kind != "image/svg+xml" else "application/octet-stream"
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return Response(upload.content, media_type=safe, headers=headers)
