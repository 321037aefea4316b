"""Serves the files of the web page so that a browser always asks whether they changed.

It does not know what they contain.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

FOLDER = Path(__file__).parent / "page"
_HEADERS = ((b"cache-control", b"no-cache"), (b"x-frame-options", b"DENY"), (b"x-content-type-options", b"nosniff"))


class PageFiles:
    """The page's folder."""

    def __init__(self) -> None:
        self._files = StaticFiles(directory=FOLDER, check_dir=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one file."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._files(scope, receive, send_with_headers)

    async def serve_index(self, _: Request) -> Response:
        """Serve the page itself."""
        return FileResponse(FOLDER / "index.html", headers={name.decode(): value.decode() for name, value in _HEADERS})
