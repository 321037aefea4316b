"""Brings one vLLM from what it holds to what is wanted, proves what is new, and makes live what every server proved.

It does not start or end vLLM. Which adapter is live is a row in the store: going back to the one before loads nothing,
because that one stays loaded. Each serving process does this for its own server; they meet in the store only.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from thumbtune.core.errors import (
    AdapterError,
    EngineUnavailable,
    InferenceError,
    ManifestMismatch,
    NotProven,
    ThumbtuneError,
    WrongBase,
)
from thumbtune.core.manifest import MANIFEST_NAME, WEIGHTS_NAME, Manifest, hash_file, verify_adapter
from thumbtune.core.records import Adapter, Replica
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.adapters import (
    load_adapter,
    lock_adapters,
    mark_proven,
    note_waiting,
    promote,
    quarantine,
    roll_back,
)
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.replicas import list_replicas, report_replica
from thumbtune.core.store.runs import overturn_run
from thumbtune.serving.probe import prove_adapter
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.trial import Trials
from thumbtune.serving.wanted import list_on_trial, list_ready, list_wanted
from thumbtune.serving.weights import check_weights

logger = logging.getLogger(__name__)

ACTOR = "serving"
REPORT_EVERY_S = 5.0
RETRY_AFTER_S = 60.0
UNLOAD_AFTER_S = 120.0
"""How long an adapter stays loaded after nobody wants it: longer than any draft that may still name it."""
ATTEMPTS = 3
"""Times in a row that an adapter may fail before it, and not the moment, is to blame."""
LETHAL_RETRY_AFTER_S = 3600.0
"""How long an adapter that is live, and under which vLLM keeps dying, is left out: the others and the base must answer."""


@dataclass(frozen=True)
class ServerFacts:
    """What is known about the server that adapters must fit."""

    replica_id: str
    base_name: str
    base_hash: str | None
    """Fingerprint of the base model's files; None where they are not on this machine, and the probe alone decides."""
    template_hash: str | None
    max_rank: int | None
    max_loaded: int


class Rollout:
    """Keeps one server at what the store wants."""

    def __init__(
        self,
        store: Store,
        server: ReplicaServer,
        *,
        facts: ServerFacts,
        settings: Settings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._server = server
        self._facts = facts
        self._adapters_dir = settings.adapters_dir
        self._monotonic = monotonic
        self._proven: set[str] = set()
        self._retry_at: dict[str, float] = {}
        self._refusals: dict[str, int] = {}
        self._unwanted_since: dict[str, float] = {}
        self._reported: Replica | None = None
        mark = f"{facts.base_hash or facts.base_name}"[:32] + f":{facts.template_hash or ''}"[:17]
        self._trials = Trials(
            store,
            server,
            settings=settings,
            base_name=facts.base_name,
            base_mark=mark,
            on_written=lambda: self.report(healthy=True),
            monotonic=monotonic,
        )
        self.goes_on = False
        """Whether a trial waits for nothing but the next call of `reconcile`."""

    def prepare(self) -> None:
        """Do what takes seconds before a trial, the first time it is called."""
        self._trials.prepare()

    def reconcile(self) -> bool:
        """Do what is missing, report what was seen, and return whether the server is well.

        Safe to call at any time and again; what could not be done now is tried at a later call.
        """
        self.goes_on = False
        try:
            if not self._server.check_health():
                raise EngineUnavailable(f"model server {self._server.url} is not healthy")
            loaded = self._server.list_loaded()
            self._proven &= loaded.keys()
            with self._store.read() as conn:
                wanted = list_wanted(conn, max_loaded=self._facts.max_loaded)
            for adapter in wanted:
                if adapter.name not in self._proven and self._retry_at.get(adapter.name, 0.0) <= self._monotonic():
                    self._bring_in(adapter)
            self._unload_unwanted(loaded, wanted=wanted)
            self.report(healthy=True)  # a trial takes a while: what is proven answers meanwhile
            self._hold_trials()
        except EngineUnavailable as exc:
            logger.warning("replica_unhealthy", extra={"replica_id": self._facts.replica_id, "error": str(exc)})
            self.report(healthy=False)
            return False
        self.report(healthy=True)
        self._promote_ready()
        return True

    def report(self, *, healthy: bool) -> None:
        """Store what is known of the server, when it changed or was not told for a while."""
        if not healthy:
            self._proven.clear()
        now = self._store.now()
        seen = Replica(
            self._facts.replica_id, self._server.url, healthy, self._facts.base_name, tuple(sorted(self._proven)), now
        )
        last = self._reported
        if (
            last is not None
            and replace(last, seen_at=now) == seen
            and now - last.seen_at < timedelta(seconds=REPORT_EVERY_S)
        ):
            return
        with self._store.write() as conn:
            report_replica(conn, seen)
        if last is None or last.healthy != healthy:
            logger.info("replica_reported", extra={"replica_id": seen.replica_id, "healthy": healthy})
        self._reported = seen

    def _bring_in(self, adapter: Adapter) -> None:
        """Verify, load and prove one adapter; what fails is set aside or tried again later."""
        folder = self._adapters_dir / adapter.name
        began = self._monotonic()
        is_loaded = False
        try:
            manifest = self._verify(adapter, folder)
            self._server.load_adapter(adapter.name, folder)
            is_loaded = True
            load_ms = round((self._monotonic() - began) * 1000)
            report = prove_adapter(self._server, manifest, base_model=self._facts.base_name)
        except (WrongBase, NotProven) as exc:
            self._refuse(adapter, exc)
            return
        except AdapterError as exc:
            if isinstance(exc, ManifestMismatch):  # its folder may still be being copied to this host
                self._retry_at[adapter.name] = self._monotonic() + RETRY_AFTER_S
            self._count_refusal(adapter, exc)
            return
        except EngineUnavailable as exc:
            if not is_loaded or not self._server.check_health():  # else it is only slow to answer the probe
                self._count_refusal(adapter, exc)
            raise
        except (InferenceError, OSError) as exc:
            self._retry_at[adapter.name] = self._monotonic() + RETRY_AFTER_S
            logger.warning("adapter_not_loaded", extra={"adapter": adapter.name, "error": str(exc)})
            return
        self._proven.add(adapter.name)
        self._refusals.pop(adapter.name, None)
        logger.info(
            "adapter_loaded",
            extra={
                "adapter": adapter.name,
                "replica_id": self._facts.replica_id,
                "load_ms": load_ms,
                "change_nats": round(report.change, 4),
                "gap_nats": round(report.adapter_gap, 4),
            },
        )

    def _verify(self, adapter: Adapter, folder: Path) -> Manifest:
        if not folder.is_dir():  # a volume that is not mounted, or not caught up, says nothing about the adapter
            raise FileNotFoundError(f"{folder} is not there; is the adapters folder mounted?")
        manifest = verify_adapter(
            folder,
            base_hash=self._facts.base_hash,
            template_hash=self._facts.template_hash,
            max_rank=self._facts.max_rank,
        )
        if hash_file(folder / MANIFEST_NAME) != adapter.manifest_hash:
            raise ManifestMismatch(f"the manifest of {adapter.name} is not the one that was published")
        check_weights(folder / WEIGHTS_NAME)
        return manifest

    def _count_refusal(self, adapter: Adapter, error: ThumbtuneError) -> None:
        """Try an adapter that failed again, and refuse it when it failed too often in a row."""
        logger.warning("adapter_not_loaded", extra={"adapter": adapter.name, "error": str(error)})
        self._refusals[adapter.name] = self._refusals.get(adapter.name, 0) + 1
        if self._refusals[adapter.name] >= ATTEMPTS:
            self._refuse(adapter, error)

    def _refuse(self, adapter: Adapter, error: ThumbtuneError) -> None:
        """Set a new adapter aside for good and tell its run so; fall back from a live one that only we could hold.

        One of another base waits: the trainer may have been restarted with it before this server is. A live adapter of
        another base, or under which vLLM dies, is left alone: then the base is set wrongly, or something else is wrong with
        vLLM, and the one before fares no better. What the adapter is now decides: loading it may have taken minutes.
        """
        is_lethal = isinstance(error, EngineUnavailable)
        self._retry_at[adapter.name] = self._monotonic() + (LETHAL_RETRY_AFTER_S if is_lethal else RETRY_AFTER_S)
        if not is_lethal:
            self._server.unload_adapter(adapter.name)
        now = self._store.now()
        with self._store.write() as conn:
            lock_adapters(conn)
            adapter = load_adapter(conn, adapter.name)
            refused = {"adapter": adapter.name, "state": adapter.state, "error": str(error)}
            logger.error("adapter_refused", extra=refused)
            if adapter.state in ("live", "canary"):
                others = [seen for seen in list_replicas(conn, now=now) if seen.replica_id != self._facts.replica_id]
                if is_lethal or isinstance(error, WrongBase) or any(seen.healthy for seen in others):
                    return
                if adapter.state == "live":
                    previous = roll_back(conn, desk_id=adapter.desk_id, now=now, by_hand=False)
                    back_to, detail = previous.name if previous else "base", {"desk_id": adapter.desk_id}
                    record_act(conn, actor=ACTOR, action="adapter_rolled_back", subject=back_to, now=now, detail=detail)
            elif adapter.state in ("retired", "quarantined"):
                return
            elif isinstance(error, WrongBase):
                note_waiting(conn, adapter.name, reason=f"waits for servers with its base: {error}")
                return
            quarantine(conn, adapter.name, reason=str(error))
            if adapter.live_at is None:
                overturn_run(conn, adapter.run_id, why=f"{adapter.name} failed its proof: {error}.")
            record_act(
                conn,
                actor=ACTOR,
                action="adapter_quarantined",
                subject=adapter.name,
                now=now,
                detail={"reason": str(error)},
            )

    def _unload_unwanted(self, loaded: dict[str, Path], *, wanted: list[Adapter]) -> None:
        names = {adapter.name for adapter in wanted}
        ours = {name for name, path in loaded.items() if path.parent == self._adapters_dir}
        self._unwanted_since = {name: since for name, since in self._unwanted_since.items() if name in ours - names}
        for name in sorted(ours - names):
            if self._monotonic() - self._unwanted_since.setdefault(name, self._monotonic()) >= UNLOAD_AFTER_S:
                self._server.unload_adapter(name)
                self._proven.discard(name)
                logger.info("adapter_unloaded", extra={"adapter": name, "replica_id": self._facts.replica_id})

    def _hold_trials(self) -> None:
        with self._store.read() as conn:
            on_trial = list_on_trial(conn)
        for adapter in on_trial:
            if adapter.name in self._proven:
                self.goes_on = self._trials.advance(adapter, proven=self._proven) or self.goes_on
                self.report(healthy=True)

    def _promote_ready(self) -> None:
        """Make live, oldest first, what every healthy server has proven, retiring the one before in one transaction."""
        now = self._store.now()
        with self._store.read() as conn:
            if not list_ready(conn, now=now):
                return
        with self._store.write() as conn:
            lock_adapters(conn)
            for adapter in list_ready(conn, now=now):
                mark_proven(conn, adapter.name, now=now)
                promote(conn, adapter.name, now=now)
                record_act(conn, actor=ACTOR, action="adapter_promoted", subject=adapter.name, now=now)
                logger.info("adapter_live", extra={"adapter": adapter.name, "desk_id": adapter.desk_id})
