"""A desk with its store, one running vLLM, and the rollout between them."""

import itertools
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Clock
from tests.serving.models import publish_random
from thumbtune.core.manifest import MANIFEST_NAME, hash_base, hash_file, load_template
from thumbtune.core.prompt import hash_template
from thumbtune.core.records import Adapter, Desk, Replica
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, adapters, desks, replicas, runs
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.rollout import ATTEMPTS, RETRY_AFTER_S, Rollout, ServerFacts

desk_ids = (f"desk{number}" for number in itertools.count())


class Timer:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Bench:
    """A desk with its store, one running vLLM, and the rollout between them."""

    def __init__(self, store: Store, clock: Clock, server: ReplicaServer, *, base: Path, adapters_dir: Path) -> None:
        self.store, self.clock, self.server, self.base, self.adapters_dir = store, clock, server, base, adapters_dir
        self.desk_id = next(desk_ids)
        self.timer = Timer()
        with store.write() as conn:
            desks.save_desk(conn, Desk(self.desk_id, "T1", self.desk_id, "Be kind."))
        self.settings = Settings(_env_file=None, data_dir=adapters_dir.parent, max_reply_tokens=24)
        self.rollout = self.make_rollout()

    def make_rollout(self) -> Rollout:
        facts = ServerFacts(
            replica_id="here",
            base_name=self.base.name,
            base_hash=hash_base(self.base),
            template_hash=hash_template(load_template(self.base)),
            max_rank=16,
            max_loaded=8,
        )
        return Rollout(self.store, self.server, facts=facts, settings=self.settings, monotonic=self.timer)

    def publish(self, make: Callable[[str], object] | None = None, *, seed: int = 1) -> str:
        """Publish an adapter as the trainer does: files first, then its row."""
        self.clock.advance(seconds=60)
        with self.store.write() as conn:
            runs.open_run(conn, desk_id=self.desk_id, reason="retrain", now=self.clock())
            run = runs.claim_run(conn, owner="trainer", now=self.clock(), lease_s=30)
            assert run is not None
            runs.finish_run(conn, run, state="passed", message="", now=self.clock())
            name = f"{self.desk_id}-{len(adapters.list_adapters(conn, desk_id=self.desk_id)) + 1:04d}"
        if make is None:
            publish_random(self.adapters_dir, name, base=self.base, seed=seed)
        else:
            make(name)
        with self.store.write() as conn:
            adapters.add_adapter(
                conn,
                name=name,
                desk_id=self.desk_id,
                run_id=run.run_id,
                path=str(self.adapters_dir / name),
                manifest_hash=hash_file(self.adapters_dir / name / MANIFEST_NAME),
                base_model=self.base.name,
                now=self.clock(),
            )
        return name

    def reconcile(self) -> bool:
        self.clock.advance(seconds=6)
        self.timer.seconds += 6
        return self.rollout.reconcile()

    def reconcile_patiently(self) -> None:
        """Reconcile as often as an adapter may fail, with the pauses in between."""
        for _ in range(ATTEMPTS):
            self.reconcile()
            self.timer.seconds += RETRY_AFTER_S

    def load(self, name: str) -> Adapter:
        with self.store.read() as conn:
            return adapters.load_adapter(conn, name)

    def live(self) -> str | None:
        with self.store.read() as conn:
            found = adapters.find_live(conn, desk_id=self.desk_id)
        return found.name if found else None

    def report_other(self, *, healthy: bool, proven: tuple[str, ...] = ()) -> None:
        with self.store.write() as conn:
            other = Replica("there", "http://there:8000", healthy, self.base.name, proven, self.clock())
            replicas.report_replica(conn, other)
