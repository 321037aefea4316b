"""A small real installation: settings, a migrated SQLite store, a desk with approved pairs, and trainer processes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from tests.trainer.samples import QUESTIONS, VOICE
from thumbtune.core.prompt import Turn
from thumbtune.core.records import Adapter, Desk, TrainingRun
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, adapters, connect_store, desks, drafts, migrate_store, pairs, runs
from thumbtune.demo.installation import BASE_MODEL

PATIENCE_S = 200.0
DESK = Desk("support", "T1", "Support", VOICE, channels=("C1",), threshold=1000)
PROGRAM = (
    "import sys; from thumbtune.core.logs import configure_logs; from thumbtune.core.settings import load_settings\n"
    "from thumbtune.trainer.process import run_trainer; configure_logs(process='trainer')\n"
    "run_trainer(load_settings(role='trainer'))"
)


@dataclass(frozen=True)
class Installation:
    """What a test of the trainer works with."""

    settings: Settings
    store: Store

    def add_pairs(self, threads: range, *, turns: int = 1) -> None:
        """Approve the same kind of reply in many threads."""
        with self.store.write() as conn:
            for thread in threads:
                talk: list[Turn] = []
                for number in range(turns):
                    talk.append(Turn("customer", f"{QUESTIONS[(thread + number) % 4]} ({thread})"))
                    reply = f"Hello! Lamp {thread % 7} is fine. Bye {number}."
                    self._put_pair(conn, thread, number, talk, reply)
                    talk = [*talk, Turn("agent", reply)]

    def add_pair(self, thread: int, *, question: str, reply: str) -> None:
        """Approve one reply."""
        with self.store.write() as conn:
            self._put_pair(conn, thread, 0, [Turn("customer", question)], reply)

    def add_drafts(self, threads: range, *, text: str = "Dear customer, we received your request {}.") -> None:
        """Dismiss a draft for the first question of each thread."""
        with self.store.write() as conn:
            for thread in threads:
                draft_id, now = f"draft-{thread}", self.store.now()
                place = {"team_id": "T1", "channel_id": "C1", "thread_ts": f"{thread}.0", "last_seen_ts": f"{thread}.0"}
                asked = {"desk_id": "support", "asked_by": "U1", "request_key": draft_id, "now": now}
                drafts.request_draft(conn, draft_id=draft_id, **place, **asked)
                written = {"mode": "grounded", "adapter": None, "passages": (), "latency_ms": 1}
                drafts.fill_draft(conn, draft_id, text=text.format(thread), **written)
                drafts.settle_draft(conn, draft_id, state="discarded", now=now)

    def _put_pair(self, conn: sa.Connection, thread: int, number: int, talk: list[Turn], reply: str) -> None:
        pairs.put_pair(
            conn,
            desk_id="support",
            team_id="T1",
            channel_id="C1",
            thread_ts=f"{thread}.0",
            reply_ts=f"{thread}.{number + 1}",
            revision="",
            turns=talk,
            reply=reply,
            passages=(),
            source="human",
            approved_by="U1",
            now=self.store.now(),
        )

    def queue_run(self) -> TrainingRun:
        """Ask for a run as `/retrain` does."""
        with self.store.write() as conn:
            return runs.open_run(conn, desk_id="support", reason="retrain", now=self.store.now())[0]

    def claim_run(self) -> TrainingRun:
        """Claim the open run as a trainer does."""
        with self.store.write() as conn:
            run = runs.claim_run(conn, owner="test", now=self.store.now(), lease_s=self.settings.lease_s)
        assert run is not None
        return run

    def make_live(self, run: TrainingRun, *, trained: Sequence[int], held_out: Sequence[int]) -> None:
        """Let an adapter be live that this run trained on these pairs."""
        now, name = self.store.now(), "support-0001"
        with self.store.write() as conn:
            runs.record_snapshot(conn, run, trained=trained, held_out=held_out)
            row = {"path": "/adapters/support-0001", "manifest_hash": "0", "base_model": "base"}
            adapters.add_adapter(conn, name=name, desk_id="support", run_id=run.run_id, now=now, **row)
            adapters.mark_proven(conn, name, now=now)
            adapters.promote(conn, name, now=now)

    def load_run(self, run_id: str) -> TrainingRun:
        """Return the run as it is now."""
        with self.store.read() as conn:
            return runs.load_run(conn, run_id)

    def list_adapters(self) -> list[Adapter]:
        """Return all adapters' rows."""
        with self.store.read() as conn:
            return adapters.list_adapters(conn)

    def await_run(
        self, run_id: str, condition: Callable[[TrainingRun], bool], *, timeout_s: float = PATIENCE_S
    ) -> TrainingRun:
        """Return the run as soon as it is as wanted."""
        return wait_for(lambda: run if condition(run := self.load_run(run_id)) else None, timeout_s=timeout_s)

    @contextmanager
    def start_trainer(self) -> Iterator[psutil.Process]:
        """Run a real trainer process for as long as the block lasts."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("THUMBTUNE_")}
        for name in self.settings.model_fields_set:
            value = getattr(self.settings, name)
            env[f"THUMBTUNE_{name.upper()}"] = str(value)
        log_path = self.settings.data_dir / f"trainer-{len(list(self.settings.data_dir.glob('trainer-*.log')))}.log"
        log = log_path.open("ab")
        child = subprocess.Popen([sys.executable, "-c", PROGRAM], env=env, stdout=log, stderr=log)
        process = psutil.Process(child.pid)
        try:
            wait_for(lambda: log_path.stat().st_size > 0 or child.poll() is not None)
            assert child.poll() is None, log_path.read_text()
            yield process
        finally:
            if child.poll() is None:
                process.resume()
                child.terminate()
            try:
                child.wait(30)
            finally:
                child.kill()
                child.wait()
                log.close()


def make_installation(tmp_path: Path, base: Path, *, pairs: int = 60, **changes: Any) -> Installation:
    """Return a new installation with approved pairs in as many threads."""
    values: dict[str, Any] = {
        "data_dir": tmp_path / "data",
        "base_model": str(base),
        "max_reply_tokens": 100,
        "train_learning_rate": 2e-2,
        "train_rank": 8,
        "train_alpha": 16,
        "train_batch_tokens": 600,
        "train_min_steps": 60,
        "train_max_epochs": 20,
        "train_threads": 1,
        "train_tick_s": 1.0,
        "held_out_share": 0.25,
        "gate_min_threads": 5,
        "gate_mixed_up": base == BASE_MODEL,  # the tiny ones know no language
        "lease_s": 4.0,
    }
    settings = Settings(**{**values, **changes}, _env_file=None)
    store = connect_store(settings)
    migrate_store(store)
    with store.write() as conn:
        desks.save_desk(conn, DESK)
    made = Installation(settings, store)
    made.add_pairs(range(pairs))
    return made


def wait_for(look: Callable[[], Any], *, timeout_s: float = PATIENCE_S) -> Any:
    """Return what `look` finds, looking again until it does."""
    ends_at = time.monotonic() + timeout_s
    while time.monotonic() < ends_at:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come in time")


def find_child(trainer: psutil.Process, program: str) -> psutil.Process | None:
    """Return the trainer's running child program, if there is one."""
    try:
        for child in trainer.children():
            if f"thumbtune.trainer.{program}" in child.cmdline():
                return child
    except psutil.NoSuchProcess:
        return None
    return None
