"""A vLLM that dies of an adapter, played by a small HTTP server, since a real one does not die to order."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.serving.bench import Bench
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.rollout import ATTEMPTS, LETHAL_RETRY_AFTER_S

pytestmark = pytest.mark.xdist_group("heavy")


class MortalServer:
    """Answers as vLLM does until it is told to load one adapter: then it dies, and is started again by the test."""

    def __init__(self, *, lethal: str) -> None:
        self.loads: list[str] = []
        self.is_dead = False
        mortal = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/health":
                    self.answer({}, status=503 if mortal.is_dead else 200)
                else:
                    self.answer({"data": []})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                mortal.loads.append(body["lora_name"])
                if body["lora_name"] == lethal:
                    mortal.is_dead = True
                    self.close_connection = True
                else:
                    self.answer({"error": {"message": "busy"}}, status=429)

            def answer(self, fields: dict[str, object], *, status: int = 200) -> None:
                data = json.dumps(fields).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def start_mortal(adapters_dir: Path) -> Iterator[Callable[[str], tuple[MortalServer, ReplicaServer]]]:
    with contextlib.ExitStack() as stack:

        def start(lethal: str) -> tuple[MortalServer, ReplicaServer]:
            mortal = MortalServer(lethal=lethal)
            thread = threading.Thread(target=mortal.http.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(mortal.http.server_close)
            stack.callback(mortal.http.shutdown)
            return mortal, stack.enter_context(ReplicaServer(mortal.url, "key", adapters_dir=adapters_dir))

        yield start


@pytest.mark.parametrize("was_live", [False, True])
def test_adapter_that_kills_vllm_is_not_loaded_for_ever(
    bench: Bench, start_mortal: Callable[[str], tuple[MortalServer, ReplicaServer]], was_live: bool
) -> None:
    name = bench.publish()
    if was_live:
        bench.reconcile()
    mortal, bench.server = start_mortal(name)
    bench.rollout = bench.make_rollout()
    for _ in range(ATTEMPTS):
        assert not bench.reconcile()
        assert not bench.reconcile(), "dead until it is started again"
        mortal.is_dead = False
    assert mortal.loads == [name] * ATTEMPTS
    assert bench.reconcile()
    assert bench.load(name).state == ("live" if was_live else "quarantined")
    assert mortal.loads == [name] * ATTEMPTS
    bench.timer.seconds += LETHAL_RETRY_AFTER_S
    assert bench.reconcile() is not was_live
