"""The client against a small real HTTP server that answers as a model server does, and misbehaves on demand."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from thumbtune.core.errors import (
    AdapterNotLoaded,
    ConfigError,
    EngineUnavailable,
    InferenceError,
    PromptTooLong,
    ThumbtuneError,
)
from thumbtune.core.inference import InferenceClient, ServedModel, resolve_api_key
from thumbtune.core.prompt import ChatMessage
from thumbtune.core.sealing import Sealer
from thumbtune.core.settings import Settings

SECRET_TEXT = "my card is 4111"
MESSAGES: list[ChatMessage] = [{"role": "user", "content": f"{SECRET_TEXT} 😀 \ud83d שלום"}]
PIECES = ("Hello", " there", "!")


def sse(*chunks: object) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def chunk(text: str | None = None, *, finish: str | None = None, usage: dict[str, int] | None = None) -> dict[str, Any]:
    choices = [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "tuned"}
    return {**head, "choices": [] if usage else choices, "usage": usage}


def reply(*, finish: str | None = "stop", completion_tokens: int = 3) -> bytes:
    usage = {"prompt_tokens": 7, "completion_tokens": completion_tokens, "total_tokens": 7 + completion_tokens}
    return sse(*map(chunk, PIECES), chunk(finish=finish), chunk(usage=usage))


class ModelServer:
    """Answers each POST with the next of `answers`, the last one for ever; keeps what was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = [(200, reply())]
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.cut_after: int | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/health":
                    self._answer(200, b"")
                    return
                cards = [
                    {"id": "tuned", "object": "model", "created": 1, "owned_by": "x", "parent": "base"},
                    {"id": "base", "object": "model", "created": 1, "owned_by": "x", "max_model_len": 512},
                ]
                self._answer(200, json.dumps({"object": "list", "data": cards}).encode())

            def do_POST(self) -> None:
                server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                server.keys.append(self.headers["Authorization"])
                status, body = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                self._answer(status, body)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                is_stream = body.startswith(b"data:")
                self.send_header("Content-Type", "text/event-stream" if is_stream else "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: server.cut_after])
                if server.cut_after is not None:
                    self.close_connection = True

            def address_string(self) -> str:
                return "client"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.handler = Handler

    @contextmanager
    def listen(self, http: ThreadingHTTPServer) -> Iterator[None]:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            http.shutdown()
            thread.join()
            http.server_close()


@pytest.fixture
def model_server() -> ModelServer:
    return ModelServer()


@pytest.fixture
def client(model_server: ModelServer) -> Iterator[InferenceClient]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), model_server.handler)
    url = f"http://127.0.0.1:{http.server_address[1]}"
    with model_server.listen(http), InferenceClient(url, "the key", timeout_s=10) as client:
        yield client


def refusal(message: str, *, kind: str = "BadRequestError") -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": 400}}).encode()


def test_reply_is_streamed_in_pieces_and_told_whole(client: InferenceClient, model_server: ModelServer) -> None:
    stream = client.stream_reply(MESSAGES, model="tuned", max_tokens=8, temperature=0.5)
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            completion = end.value
            break
    assert tuple(pieces) == PIECES
    assert (completion.text, completion.finish_reason, completion.model) == ("Hello there!", "stop", "tuned")
    assert (completion.prompt_tokens, completion.completion_tokens) == (7, 3)
    [asked] = model_server.asked
    assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("tuned", 8, 0.5)
    assert asked["messages"] == [{"role": "user", "content": f"{SECRET_TEXT} 😀 ? שלום"}]
    assert model_server.keys == ["Bearer the key"]


def test_response_format_is_passed_on(client: InferenceClient, model_server: ModelServer) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "triage", "schema": {"type": "object"}}}
    assert client.complete(MESSAGES, model="base", max_tokens=8, response_format=form).text == "Hello there!"
    assert model_server.asked[0]["response_format"] == form


def test_unix_socket_serves_as_well(model_server: ModelServer, tmp_path: Path) -> None:
    class UnixServer(ThreadingHTTPServer):
        address_family = socket.AF_UNIX

        def server_bind(self) -> None:
            self.socket.bind(self.server_address)
            self.server_name, self.server_port = "unix", 0

    path = tmp_path / "s.sock"
    with (
        model_server.listen(UnixServer(str(path), model_server.handler)),  # type: ignore[arg-type]
        InferenceClient(f"unix:{path}", "the key") as client,
    ):
        assert client.check_health()
        assert client.complete(MESSAGES, model="base", max_tokens=8).text == "Hello there!"
    with InferenceClient(f"unix:{path}", "the key") as client:
        assert not client.check_health()


def test_models_come_with_the_base_first(client: InferenceClient) -> None:
    assert client.list_models() == [ServedModel("base", None, 512), ServedModel("tuned", "base", None)]


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (400, f"This model's maximum context length is 512 tokens. {SECRET_TEXT}", PromptTooLong),
        (400, f"Input length (9) exceeds model's maximum context length (5). {SECRET_TEXT}", PromptTooLong),
        (400, f"no such field {SECRET_TEXT}", InferenceError),
        (404, f"The model `tuned` does not exist. {SECRET_TEXT}", AdapterNotLoaded),
        (401, SECRET_TEXT, EngineUnavailable),
        (429, SECRET_TEXT, EngineUnavailable),
        (500, SECRET_TEXT, EngineUnavailable),
        (503, SECRET_TEXT, EngineUnavailable),
    ],
)
def test_refusals_become_our_errors_without_their_text(
    client: InferenceClient, model_server: ModelServer, status: int, message: str, error: type[ThumbtuneError]
) -> None:
    model_server.answers = [(status, refusal(message))]
    with pytest.raises(ThumbtuneError) as caught:
        client.complete(MESSAGES, model="tuned", max_tokens=8)
    assert type(caught.value) is error
    assert SECRET_TEXT not in str(caught.value)
    assert caught.value.__suppress_context__
    assert len(model_server.asked) == (2 if status in (429, 500, 503) else 1), "repeated once, and only where it helps"


def test_server_that_was_busy_is_asked_again(client: InferenceClient, model_server: ModelServer) -> None:
    model_server.answers = [(503, refusal("busy")), (200, reply())]
    assert client.complete(MESSAGES, model="tuned", max_tokens=8).text == "Hello there!"


def test_error_inside_a_stream_is_an_error(client: InferenceClient, model_server: ModelServer) -> None:
    model_server.answers = [(200, sse(chunk("Hel"), {"error": {"message": SECRET_TEXT, "code": 500}}))]
    with pytest.raises(EngineUnavailable) as caught:
        client.complete(MESSAGES, model="tuned", max_tokens=8)
    assert SECRET_TEXT not in str(caught.value)


@pytest.mark.parametrize("cut_after", [0, 40, 250])
def test_stream_that_breaks_off_is_never_a_reply(
    client: InferenceClient, model_server: ModelServer, cut_after: int
) -> None:
    model_server.cut_after = cut_after
    with pytest.raises(EngineUnavailable):
        client.complete(MESSAGES, model="tuned", max_tokens=8)


def test_stream_without_an_end_is_never_a_reply(client: InferenceClient, model_server: ModelServer) -> None:
    model_server.answers = [(200, reply(finish=None))]
    with pytest.raises(EngineUnavailable, match="broke off"):
        client.complete(MESSAGES, model="tuned", max_tokens=8)


def test_reply_cut_by_the_context_is_a_prompt_that_is_too_long(
    client: InferenceClient, model_server: ModelServer
) -> None:
    model_server.answers = [(200, reply(finish="length", completion_tokens=3))]
    with pytest.raises(PromptTooLong, match="leaves 3 tokens"):
        client.complete(MESSAGES, model="tuned", max_tokens=8)
    assert client.complete(MESSAGES, model="tuned", max_tokens=3).finish_reason == "length"


def test_server_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with InferenceClient(url, "key", timeout_s=5) as client:
            assert not client.check_health()
            for ask in (client.list_models, lambda: client.complete(MESSAGES, model="tuned", max_tokens=8)):
                with pytest.raises(EngineUnavailable, match="cannot be reached"):
                    ask()


def test_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            InferenceClient(url, "key", timeout_s=0.2, retries=0) as client,
            pytest.raises(EngineUnavailable, match="in time"),
        ):
            client.complete(MESSAGES, model="tuned", max_tokens=8)


def test_prompts_never_go_through_a_proxy(
    client: InferenceClient, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with InferenceClient(client.base_url, "key") as direct:
        assert direct.complete(MESSAGES, model="tuned", max_tokens=8).text == "Hello there!"


def test_address_of_another_form_is_refused() -> None:
    with pytest.raises(ConfigError, match="no address"):
        InferenceClient("ftp://host", "key")


def test_key_is_derived_the_same_in_every_process_and_never_for_a_foreign_server(sealer: Sealer) -> None:
    ours = Settings(_env_file=None)
    assert resolve_api_key(ours, sealer) == resolve_api_key(ours, sealer) != "none"
    assert len(resolve_api_key(ours, sealer)) >= 32
    assert resolve_api_key(Settings(_env_file=None, inference_url="http://gpu:8000"), sealer) == "none"
    given = Settings(_env_file=None, inference_url="http://gpu:8000", inference_api_key=SecretStr("given"))
    assert resolve_api_key(given, sealer) == "given"
