"""A small HTTP server that speaks the wire form of vLLM's chat completions; the outermost edge, and nothing of ours.

It does not know prompts: it answers with what a test says, and keeps what it was asked.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[dict[str, Any]], str]


class ModelServer:
    """Answers `/v1/chat/completions` as a stream, and `/v1/models`; a word is a token.

    As vLLM does, it refuses only prompts longer than its context.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.reply: Reply = lambda request: "It arrives on Friday."
        self.status = 200
        self.is_well = True
        self.broken_models: set[str] = set()
        self.breaks: Callable[[dict[str, Any]], bool] = lambda request: False
        self.takes_forms = True
        self.context = 8192
        self.gate = threading.Event()
        self.gate.set()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                card = {"id": "base", "object": "model", "created": 1, "owned_by": "x", "max_model_len": owner.context}
                cards = [
                    card,
                    *({**card, "id": name, "parent": "base", "root": root} for name, root in owner.list_loaded()),
                ]
                status = 200 if owner.is_well else 503
                self._send(status, "application/json", json.dumps({"object": "list", "data": cards}).encode())

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                request = json.loads(self.rfile.read(length))
                if not self.path.endswith("/chat/completions"):
                    status, answer = owner.administer(self.path, request)
                    self._send(status, "application/json", json.dumps(answer).encode())
                    return
                owner.requests.append(request)
                owner.gate.wait(10)
                tokens = count_tokens(request["messages"])
                status = owner.status if tokens <= owner.context else 400
                status = 400 if request.get("response_format") and not owner.takes_forms else status
                status = 503 if request["model"] in owner.broken_models or owner.breaks(request) else status
                if status != 200:
                    reason = "no" if tokens <= owner.context else "maximum context length"
                    body = json.dumps({"error": {"message": reason, "code": status}}).encode()
                    self._send(status, "application/json", body)
                    return
                said = owner.reply(request).split(" ")
                words = said[: request["max_tokens"]]
                ended = "stop" if words == said else "length"
                chunks = [word if index == 0 else f" {word}" for index, word in enumerate(words)]
                lines = [_line({"delta": {"content": chunk}, "finish_reason": None}, request) for chunk in chunks]
                lines.append(_line({"delta": {}, "finish_reason": ended}, request))
                lines.append(_usage(request, prompt_tokens=tokens, completion_tokens=len(words)))
                lines.append("data: [DONE]\n\n")
                self._send(200, "text/event-stream", "".join(lines).encode())

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def list_loaded(self) -> list[tuple[str, str]]:
        """Return the adapters it holds, each with its folder."""
        return []

    def administer(self, path: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer what is no chat: status and body."""
        return 404, {}

    def __enter__(self) -> "ModelServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()


def count_tokens(messages: list[dict[str, str]]) -> int:
    """Return the length of a prompt as this server counts."""
    return sum(len(message["content"].split()) for message in messages)


def _line(choice: dict[str, Any], request: dict[str, Any]) -> str:
    return _chunk(request, choices=[{"index": 0, **choice}])


def _usage(request: dict[str, Any], **counts: int) -> str:
    return _chunk(request, choices=[], usage={**counts, "total_tokens": sum(counts.values())})


def _chunk(request: dict[str, Any], **rest: object) -> str:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": request["model"], **rest}
    return f"data: {json.dumps(chunk)}\n\n"
