"""The demo's loop: from 👍s to drafts written by an adapter that was trained on them, watched through the store.

It does not know how the processes are run or how progress is shown.
"""

import html
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from thumbtune.core.errors import ThumbtuneError
from thumbtune.core.records import Adapter, Draft, TrainingRun
from thumbtune.core.store import Store, adapters, drafts, inbox, messages, pairs, replicas, runs
from thumbtune.demo.installation import DESK_ID
from thumbtune.demo.playback import AGENTS, LEADS, PostedQuestion, count_calls, play_threads, post_question
from thumbtune.demo.slack.seed import SUPPORT_CHANNEL, TEAM_ID
from thumbtune.demo.threads import DemoThread
from thumbtune.demo.workspace_client import WorkspaceClient

POLL_S = 0.1
TRAINING_POLL_S = 0.5
"""Seconds between two looks at a training, whose threads wait for each other while one makes room for a look."""
EVENTS_IN_FLIGHT = 150
"""Calls the playing may be ahead of what the bot has taken in; more would only make Slack send events again."""
TYPICAL_ENGINE_START_S = 40.0
ENGINE_TIMEOUT_S = 600.0
BOT_TIMEOUT_S = 120.0
QUIET_S = 3.0
START_TRAINING = "retrain_start"
"""Name of the bot's button, as a person in Slack would find it by its words."""
DRAFT_TIMEOUT_S = 120.0
ADAPTER_TIMEOUT_S = 120.0
PHASES = {
    "snapshot": "freezing the data set",
    "finetune": "fine-tuning",
    "evaluate": "comparing with the base model on replies neither has seen",
    "publish": "publishing the adapter",
}


class DemoFailed(ThumbtuneError):
    """The loop did not come to its end."""


class Narrator(Protocol):
    """Shows what is being done; `share` is 0 to 1."""

    def begin(self, phase: str, text: str) -> None:
        """A phase begins."""

    def update(self, share: float, text: str) -> None:
        """The phase that runs has come this far."""

    def finish(self, text: str) -> None:
        """The phase that runs is over."""


@dataclass
class LoopResult:
    """What the loop came to, in the shape of the report."""

    pairs: int = 0
    run: TrainingRun | None = None
    adapter: Adapter | None = None
    drafts: list[dict[str, Any]] = field(default_factory=list)  # Any: the report's JSON
    seconds: dict[str, float] = field(default_factory=dict)

    def to_report(self) -> dict[str, Any]:  # Any: JSON
        """Return the report's JSON."""
        run = self.run
        steps = ("setup", "collect", "train", "evaluate", "swap", "total")
        return {
            "pairs": self.pairs,
            "run": run
            and {
                "id": run.run_id,
                "state": run.state,
                "examples": run.examples,
                "held_out": run.held_out,
                "nll": {"base": run.nll_base, "candidate": run.nll_candidate},
                "seconds": round(self.seconds.get("train", 0.0) + self.seconds.get("evaluate", 0.0), 2),
            },
            "adapter": self.adapter.name if self.adapter else None,
            "drafts": self.drafts,
            "seconds": {step: round(self.seconds.get(step, 0.0), 2) for step in steps},
        }


class DemoLoop:
    """Carries the loop out against running processes."""

    def __init__(
        self,
        store: Store,
        client: WorkspaceClient,
        narrator: Narrator,
        *,
        check_alive: Callable[[], None],
        describe_logs: Callable[[], str],
    ) -> None:
        self._store = store
        self._client = client
        self._narrator = narrator
        self._check_alive = check_alive
        self._describe_logs = describe_logs
        self.result = LoopResult()

    def wait_for_bot(self) -> None:
        """Wait until the bot listens to the workspace."""
        self._narrator.begin("setup", "Starting the bot, the trainer and vLLM")
        self._client.quicken_redelivery()
        for _ in self._poll(BOT_TIMEOUT_S, "the bot did not connect to the workspace"):
            if self._client.is_app_connected():
                break
        self._narrator.finish("the bot is connected")

    def wait_for_engine(self) -> None:
        """Wait until vLLM is healthy."""
        self._narrator.begin("setup", "Starting vLLM with the demo's base model")
        began = time.monotonic()
        for _ in self._poll(ENGINE_TIMEOUT_S, "vLLM did not become healthy"):
            waited = time.monotonic() - began
            self._narrator.update(
                min(0.95, waited / TYPICAL_ENGINE_START_S), f"{waited:.0f} s, often {TYPICAL_ENGINE_START_S:.0f}"
            )
            with self._store.read() as conn:
                if any(replica.healthy for replica in replicas.list_replicas(conn, now=self._store.now())):
                    break
        self._narrator.finish("vLLM is ready")

    def collect(self, threads: Sequence[DemoThread]) -> None:
        """Play the conversations and wait until every approval has become a pair or was refused."""
        began = time.monotonic()
        total = count_calls(threads)
        expected = sum(turn.role == "agent" for thread in threads for turn in thread.turns)
        self._narrator.begin("collect", f"Playing {len(threads)} conversations, each reply approved by a second agent")

        def show(calls: int) -> None:
            self._narrator.update(calls / total, f"{calls} of {total} messages and 👍s")

        play_threads(self._client, threads, on_call=show, pace=self._wait_for_intake)
        self._narrator.finish(f"{total} messages and 👍s posted")
        self._narrator.begin("collect", "Learning: 👍 → redacted training pair")
        last_change, seen = time.monotonic(), -1
        while True:
            count, is_idle = self._count_pairs()
            if count != seen:
                last_change, seen = time.monotonic(), count
            self._narrator.update(min(1.0, count / expected), f"{count} of {expected} pairs")
            if count >= expected or (is_idle and time.monotonic() - last_change > QUIET_S):
                break
            self._check_alive()
            time.sleep(POLL_S)
        self.result.pairs = count
        self.result.seconds["collect"] = time.monotonic() - began
        self._narrator.finish(f"{count} training pairs from {expected} approvals")

    def train(self) -> TrainingRun:
        """Wait for the run that the threshold starts, or let the lead ask for one; follow it to its end."""
        self._narrator.begin("train", "Fine-tuning a LoRA adapter on the pairs")
        run = self._find_run() or self._ask_for_run()
        marks = {run.state: time.monotonic()}
        while run.finished_at is None:
            self._check_alive()
            time.sleep(TRAINING_POLL_S)
            with self._store.read() as conn:
                run = runs.load_run(conn, run.run_id)
            if run.state not in marks:
                marks[run.state] = time.monotonic()
            eta = f", about {run.eta_s:.0f} s left" if run.eta_s else ""
            self._narrator.update(run.progress, f"{PHASES.get(run.phase, run.phase)}{eta}")
        ended = time.monotonic()
        evaluating = marks.get("evaluating", ended)
        self.result.run = run
        self.result.seconds["train"] = evaluating - min(marks.values())
        self.result.seconds["evaluate"] = ended - evaluating
        self._narrator.finish(run.message or run.state)
        return run

    def wait_for_adapter(self, run: TrainingRun) -> Adapter:
        """Wait until the run's adapter is live."""
        if run.state != "passed":
            raise DemoFailed(f"the run ended as {run.state}: {run.message}")
        began = time.monotonic()
        self._narrator.begin("swap", "vLLM loads the adapter, we prove it, it goes live")
        for _ in self._poll(ADAPTER_TIMEOUT_S, "the adapter did not go live"):
            with self._store.read() as conn:
                adapter = adapters.load_adapter(conn, run.adapter or "")
            if adapter.state == "quarantined":
                raise DemoFailed(f"{adapter.name} was quarantined: {adapter.reason}")
            if adapter.state == "live":
                break
        self.result.adapter = adapter
        self.result.seconds["swap"] = time.monotonic() - began
        self._narrator.finish(f"{adapter.name} is live")
        return adapter

    def ask(self, threads: Sequence[DemoThread]) -> None:
        """Post each held-back question and have an agent ask for a draft of its reply."""
        self._narrator.begin("draft", f"Asking for {len(threads)} drafts")
        for position, thread in enumerate(threads):
            question = post_question(self._client, thread, position)
            agent = AGENTS[position % len(AGENTS)]
            self._wait_until_known(question)
            began = time.monotonic()
            self._client.run_shortcut(agent, "draft_reply", channel=SUPPORT_CHANNEL, ts=question.last_ts)
            draft = self._wait_for_draft(question)
            self.result.drafts.append(
                {
                    "thread_id": question.thread_id,
                    "mode": draft.mode,
                    "adapter": draft.adapter,
                    "text": self._read_card(agent, question),
                    "seconds": round(time.monotonic() - began, 2),
                }
            )
            self._narrator.update((position + 1) / len(threads), f"{position + 1} of {len(threads)}")
        self._narrator.finish(f"{len(threads)} drafts written")

    def _wait_for_intake(self, calls: int) -> None:
        while True:
            with self._store.read() as conn:
                taken_in = inbox.count_received(conn)
            if calls - taken_in < EVENTS_IN_FLIGHT:
                return
            self._check_alive()
            time.sleep(POLL_S / 5)

    def _count_pairs(self) -> tuple[int, bool]:
        with self._store.read() as conn:
            counts = pairs.count_pairs(conn, desk_id=DESK_ID)
            events = inbox.count_events(conn)
        is_idle = not events.get("received") and not events.get("working") and not self._client.count_pending()
        return counts.get("active", 0), is_idle

    def _find_run(self) -> TrainingRun | None:
        deadline = time.monotonic() + QUIET_S
        while time.monotonic() < deadline:
            with self._store.read() as conn:
                found = runs.list_runs(conn, desk_id=DESK_ID, limit=1)
            if found:
                return found[0]
            time.sleep(POLL_S)
        return None

    def _ask_for_run(self) -> TrainingRun:
        self._client.run_command(LEADS[0], "/retrain", channel=SUPPORT_CHANNEL)
        is_pressed = False
        for _ in self._poll(DRAFT_TIMEOUT_S, "no run started after /retrain"):
            with self._store.read() as conn:
                found = runs.list_runs(conn, desk_id=DESK_ID, limit=1)
            if found:
                break
            is_pressed = is_pressed or self._press_start()
        return found[0]

    def _press_start(self) -> bool:
        """Press the button under what the run would use, if it is there by now."""
        for message in self._client.read_private(LEADS[0], channel=SUPPORT_CHANNEL):
            if START_TRAINING in str(message):
                self._client.press(LEADS[0], message, START_TRAINING, channel=SUPPORT_CHANNEL)
                return True
        return False

    def _wait_until_known(self, question: PostedQuestion) -> None:
        for _ in self._poll(DRAFT_TIMEOUT_S, "the bot did not take in a customer's question"):
            with self._store.read() as conn:
                if messages.load_message(conn, team_id=TEAM_ID, channel_id=SUPPORT_CHANNEL, ts=question.last_ts):
                    break

    def _wait_for_draft(self, question: PostedQuestion) -> Draft:
        for _ in self._poll(DRAFT_TIMEOUT_S, f"no draft came for {question.thread_id}"):
            with self._store.read() as conn:
                found = drafts.list_thread_drafts(conn, channel_id=SUPPORT_CHANNEL, thread_ts=question.thread_ts)
            if found and found[0].state == "failed":
                raise DemoFailed(f"the draft for {question.thread_id} failed; see the bot's log")
            if found and found[0].state == "ready":
                break
        return found[0]

    def _read_card(self, agent: str, question: PostedQuestion) -> str:
        """Return the draft as the agent sees it on the private card, with the names filled back."""
        for _ in self._poll(DRAFT_TIMEOUT_S, f"no card came for {question.thread_id}"):
            for message in self._client.read_private(agent, channel=SUPPORT_CHANNEL, thread_ts=question.thread_ts):
                blocks = [block for block in message.get("blocks", []) if _is_draft_text(block)]
                if blocks:
                    return html.unescape("\n".join(block["text"]["text"] for block in blocks))
        return ""

    def _poll(self, timeout_s: float, what: str) -> Iterator[None]:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            yield
            self._check_alive()
            time.sleep(POLL_S)
        raise DemoFailed(f"{what} within {timeout_s:.0f} s; {self._describe_logs()}")


def _is_draft_text(block: dict[str, Any]) -> bool:  # Any: Slack's JSON
    return str(block.get("block_id", "")).startswith("draft_text")
