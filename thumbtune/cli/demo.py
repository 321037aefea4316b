"""The `demo` command: the whole loop on this machine, against a local Slack workspace.

thumbtune demo
thumbtune demo --headless --threads FILE --ask 20 --report r.json
"""

import contextlib
import fcntl
import json
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from thumbtune.cli.context import SLACK_MANIFEST
from thumbtune.cli.narration import open_narrator
from thumbtune.cli.output import console
from thumbtune.cli.processes import list_programs
from thumbtune.cli.supervision import count_ends, describe_logs, spawn_supervisor, stop_time_s
from thumbtune.core.errors import BadInput
from thumbtune.core.processes import end_child, spawn_child
from thumbtune.core.settings import load_settings
from thumbtune.demo.installation import build_environment, open_installation, read_settings
from thumbtune.demo.loop import DemoFailed, DemoLoop
from thumbtune.demo.playback import post_question
from thumbtune.demo.slack.seed import SUPPORT_CHANNEL
from thumbtune.demo.threads import OWN_THREADS, DemoThread, load_threads
from thumbtune.demo.workspace_client import WorkspaceClient

DEFAULT_PORT = 3030
OWN_QUESTIONS = 8
SLACK_START_TIMEOUT_S = 60.0
ENDS_TO_GIVE_UP = 3
"""A process that ends so often within two minutes will not come up."""


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("demo")(run_demo)


def run_demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Run the loop once without a page and exit 0 or not.")
    ] = False,
    threads: Annotated[
        Path | None, typer.Option(help="Conversations as JSON Lines; the demo's own when left out.")
    ] = None,
    ask: Annotated[int | None, typer.Option(min=0, help="Last threads to hold back and ask a draft for.")] = None,
    report: Annotated[Path | None, typer.Option(help="File to write the result to, as JSON.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the page.")] = None,
) -> None:
    """See the whole loop run on this machine: 👍 → pair → fine-tune → gate → vLLM → draft."""
    began = time.monotonic()
    found = load_threads(threads or OWN_THREADS)
    asked = OWN_QUESTIONS if ask is None else ask
    if asked >= len(found):
        raise BadInput(f"--ask {asked} leaves nothing to learn from: the file has {len(found)} threads")
    if report is not None and not report.resolve().parent.is_dir():
        raise BadInput(f"{report.resolve().parent} does not exist: choose another place for --report")
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell that starts it in the background has Ctrl-C ignored
        signal.signal(number, signal.default_int_handler)
    played, held_back = found[: len(found) - asked], found[len(found) - asked :]
    with own_folder(load_settings().data_dir.resolve() / "demo") as data_dir:
        demo = Demo(data_dir, port=port or (0 if headless else DEFAULT_PORT), threads=played, with_shop=threads is None)
        with demo.running():
            try:
                if headless:
                    demo.run_once(held_back)
                else:
                    demo.run_until_interrupted(held_back)
            finally:
                demo.loop.result.seconds["total"] = time.monotonic() - began
                if report is not None:
                    report.write_text(json.dumps(demo.loop.result.to_report(), ensure_ascii=False, indent=2) + "\n")
    if headless:
        _check_result(demo.loop, asked)


class Demo:
    """The processes of one demo and the loop against them."""

    def __init__(self, data_dir: Path, *, port: int, threads: Sequence[DemoThread], with_shop: bool) -> None:
        self._threads = threads
        self._slack_url = f"http://127.0.0.1:{_choose_port(port)}"
        self._data_dir = data_dir
        self._env = build_environment(data_dir=data_dir, slack_url=self._slack_url, with_shop=with_shop)
        expected = sum(turn.role == "agent" for thread in threads for turn in thread.turns)
        self._store = open_installation(read_settings(self._env), threshold=expected, with_shop=with_shop)
        self._narrator = open_narrator()
        self._client = WorkspaceClient(self._slack_url)
        self._logs_dir, self._run_dir = data_dir / "logs", data_dir / "run"
        self._programs = list_programs()
        self.loop = DemoLoop(
            self._store,
            self._client,
            self._narrator,
            check_alive=self._check_alive,
            describe_logs=self._describe_logs,
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Keep the local workspace and the three processes up for the length of the block."""
        logs_dir = self._logs_dir
        logs_dir.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        command = [sys.executable, "-m", "thumbtune.demo.slack.server", "--port", self._slack_url.rsplit(":", 1)[1]]
        command += ["--manifest", str(SLACK_MANIFEST)]
        with contextlib.ExitStack() as stack:
            self._slack = spawn_child(command, env=self._env, cwd=self._data_dir, log_path=logs_dir / "slack.log")
            stack.callback(end_child, self._slack)
            self._client.wait_ready(timeout_s=SLACK_START_TIMEOUT_S)
            self._supervisor = spawn_supervisor(self._programs, run_dir=self._run_dir, logs_dir=logs_dir, env=self._env)
            stack.callback(self._end_supervisor, stop_time_s(self._programs))
            stack.enter_context(self._narrator)
            self._began = began
            self.loop.wait_for_bot()
            yield

    def run_once(self, held_back: Sequence[DemoThread]) -> None:
        """Carry the loop out once."""
        self.loop.collect(self._threads)
        self._train()
        self.loop.ask(held_back)

    def run_until_interrupted(self, held_back: Sequence[DemoThread]) -> None:
        """Carry the loop out in front of the newcomer, leave open questions in the channel, and stay."""
        console.print(f"\n  Open [bold]{self._slack_url}/#/as/U0PRIYA01/{SUPPORT_CHANNEL}[/bold] in a browser.\n")
        try:
            self.loop.collect(self._threads)
            for position, thread in enumerate(held_back):
                post_question(self._client, thread, position)
            self._train()
            console.print(
                "\n  The adapter is live. In the page, open a customer's question, its … menu, “Draft a reply”."
            )
            program = Path(sys.executable).with_name("thumbtune")
            console.print("  Look behind it:")
            console.print(f"  THUMBTUNE_DATA_DIR={self._data_dir} {program} runs list", soft_wrap=True)
            console.print("  Ctrl-C ends everything.\n")
            while True:
                self._check_alive()
                time.sleep(1)
        except KeyboardInterrupt:
            console.print("\nEnding everything …")

    def _train(self) -> None:
        self.loop.wait_for_engine()
        self.loop.result.seconds["setup"] = time.monotonic() - self._began - self.loop.result.seconds["collect"]
        self.loop.wait_for_adapter(self.loop.train())

    def _check_alive(self) -> None:
        for name, child in (("the local workspace", self._slack), ("supervisor", self._supervisor)):
            if child.poll() is not None:
                raise DemoFailed(f"{name} ended with exit code {child.returncode}; see {self._logs_dir}")
        ends = count_ends(self._run_dir, within_s=120.0)
        failing = [program.name for program in self._programs if ends[program.name] >= ENDS_TO_GIVE_UP]
        if failing:
            raise DemoFailed(f"{' and '.join(failing)} ended again and again; {self._describe_logs()}")

    def _describe_logs(self) -> str:
        return describe_logs(self._programs, logs_dir=self._logs_dir)

    def _end_supervisor(self, timeout_s: float) -> None:
        end_child(self._supervisor, timeout_s=timeout_s)
        self._client.close()


@contextlib.contextmanager
def own_folder(data_dir: Path) -> Iterator[Path]:
    """Give the demo an empty folder that no second demo can use at the same time."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with data_dir.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise BadInput(f"another demo is running in {data_dir}; end it, or set THUMBTUNE_DATA_DIR") from exc
        shutil.rmtree(data_dir, ignore_errors=True)
        data_dir.mkdir()
        yield data_dir


def _choose_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise BadInput(f"port {port} is taken: choose another with --port") from exc
        return int(probe.getsockname()[1])


def _check_result(loop: DemoLoop, asked: int) -> None:
    result = loop.result
    written = [draft for draft in result.drafts if result.adapter and draft["adapter"] == result.adapter.name]
    if result.adapter is None or len(written) != asked:
        raise DemoFailed(f"only {len(written)} of {asked} drafts were written by the new adapter")
    run = result.run
    if run is not None and run.nll_base is not None and run.nll_candidate is not None:
        console.print(
            f"{result.adapter.name} is live: {result.pairs} pairs, held-out NLL {run.nll_base:.3f} → "
            f"{run.nll_candidate:.3f} nats per token, {asked} drafts by it, {result.seconds['total']:.0f} s in all.",
            highlight=False,
        )
