"""The serving process: keeps one vLLM up, or attaches to one, and brings it what is published.

It does not know Slack or training. Run: `thumbtune serving`.
"""

import fcntl
import hashlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thumbtune.core.base_model import find_base
from thumbtune.core.errors import AdapterError, ConfigError, EngineUnavailable, InferenceError, ThumbtuneError
from thumbtune.core.inference import resolve_api_key
from thumbtune.core.logs import hide_text
from thumbtune.core.manifest import hash_base, load_manifest, load_template
from thumbtune.core.prompt import ChatMessage, hash_template
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, check_store, connect_store
from thumbtune.core.store.replicas import remove_replica
from thumbtune.serving.engine import Engine
from thumbtune.serving.plan import TEMPLATE_NAME, EnginePlan, place_socket, plan_engine, write_template
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.rollout import Rollout, ServerFacts
from thumbtune.serving.wanted import list_wanted

logger = logging.getLogger(__name__)

PROGRESS_EVERY_S = 30.0
"""Seconds between two looks whether the server still writes tokens."""
PROGRESS_TIMEOUT_S = 15.0
HUNG_AFTER = 3
"""Looks without a token in a row after which vLLM is started anew."""
LONGEST_PAUSE_S = 60.0
STEADY_AFTER_S = 300.0
"""Seconds of health after which the pause before a restart begins at its shortest again."""
TOLD_EVERY_S = 5.0


def run_serving(settings: Settings, *, stop: threading.Event | None = None) -> None:
    """Serve until SIGTERM, SIGINT or `stop`; vLLM ends with us.

    Raises: ConfigError when the settings, the store or the installation cannot work.
    """
    stop = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stop.set())
    store = connect_store(settings)
    check_store(store)
    settings.adapters_dir.mkdir(parents=True, exist_ok=True)
    run_dir = settings.data_dir.resolve() / "run"
    api_key = resolve_api_key(settings, store.sealer)
    with _only_one(run_dir):
        if settings.inference_url:
            _attach(settings, store, api_key=api_key, stop=stop)
        else:
            plan = plan_engine(
                settings,
                api_key=api_key,
                socket_path=place_socket(run_dir, "vllm"),
                ranks=_list_ranks(store, settings),
                template_path=write_template(find_base(settings.base_model), data_dir=settings.data_dir),
            )
            Keeper(settings, store, plan=plan, stop=stop).run()


class Keeper:
    """Keeps a vLLM of our own up, with pauses that grow while it does not stay up."""

    def __init__(self, settings: Settings, store: Store, *, plan: EnginePlan, stop: threading.Event) -> None:
        self._settings = settings
        self._store = store
        self._plan = plan
        self._stop = stop
        self._engine = Engine(plan)
        self._told_at = 0.0

    def run(self) -> None:
        """Start vLLM, keep it, start it anew, until told to stop."""
        facts = describe_server(
            self._plan.base_dir,
            data_dir=self._settings.data_dir,
            base_name=self._plan.base_name,
            max_rank=self._plan.max_lora_rank,
            max_loaded=self._plan.max_cpu_loras,
        )
        pause_s = 1.0
        try:
            with ReplicaServer(self._plan.url, self._plan.api_key, adapters_dir=self._settings.adapters_dir) as server:
                rollout = Rollout(self._store, server, facts=facts, settings=self._settings)
                while not self._stop.is_set():
                    report_quietly(rollout, healthy=False)
                    steady_s = self._serve_once(server, rollout)
                    self._engine.end()
                    pause_s = 1.0 if steady_s > STEADY_AFTER_S else min(pause_s * 2, LONGEST_PAUSE_S)
                    if not self._stop.is_set():
                        logger.error("engine_down", extra={"restart_in_s": pause_s})
                        report_quietly(rollout, healthy=False)
                        self._stop.wait(pause_s)
        finally:
            self._engine.end()
        with self._store.write() as conn:
            remove_replica(conn, facts.replica_id)

    def _serve_once(self, server: ReplicaServer, rollout: Rollout) -> float:
        """Start vLLM and serve until it is down or hung or we are told to stop; return the seconds it was up."""

        def use_the_wait(elapsed_s: float, typical_s: float) -> None:
            self._tell_progress(elapsed_s, typical_s)
            rollout.prepare()

        try:
            if not self._engine.start(stop=self._stop, on_progress=use_the_wait):
                return 0.0
        except EngineUnavailable as exc:
            logger.error("engine_not_started", extra={"error": str(exc)})
            return 0.0
        try:
            server.warm_up(model=self._plan.base_name)
        except InferenceError as exc:  # then the first who asks waits
            logger.warning("engine_not_warm", extra={"error": str(exc)})
        began = time.monotonic()
        watch = ProgressWatch(server, model=self._plan.base_name)
        while not self._stop.is_set() and self._engine.is_running():
            reconcile_once(rollout, watch)
            if watch.misses >= HUNG_AFTER:
                logger.error("engine_hung", extra={"misses": watch.misses})
                break
            pause_until_next(rollout, settings=self._settings, stop=self._stop)
        return time.monotonic() - began

    def _tell_progress(self, elapsed_s: float, typical_s: float) -> None:
        if elapsed_s < self._told_at or elapsed_s - self._told_at >= TOLD_EVERY_S:
            self._told_at = elapsed_s
            logger.info("engine_starting", extra={"elapsed_s": round(elapsed_s), "typically_s": round(typical_s)})


class ProgressWatch:
    """Looks now and then whether a server still writes tokens, since a hung one says it is well.

    A look whose own token does not come in time is no miss while the server's counts rise: it has a long queue.
    """

    def __init__(self, server: ReplicaServer, *, model: str) -> None:
        self._server = server
        self._model = model
        self._looked_at = 0.0
        self._tokens: float | None = None
        self.misses = 0

    def is_moving(self) -> bool:
        """Return whether the last look saw a token; looks again when it is time, at once after a miss."""
        if self.misses or time.monotonic() - self._looked_at >= PROGRESS_EVERY_S:
            moved = self._server.check_progress(model=self._model, timeout_s=PROGRESS_TIMEOUT_S)
            before, self._tokens = self._tokens, self._server.count_tokens()
            if not moved and before is not None and self._tokens is not None:
                moved = self._tokens > before
            self.misses = 0 if moved else self.misses + 1
            self._looked_at = time.monotonic()
        return self.misses == 0


def reconcile_once(rollout: Rollout, watch: ProgressWatch) -> None:
    """Bring the server to what is wanted once; what goes wrong is logged and tried again at the next call."""
    try:
        if watch.is_moving():
            rollout.reconcile()
        else:
            rollout.report(healthy=False)
    except ThumbtuneError as exc:
        logger.error("reconcile_failed", extra={"error": str(exc)})
    except Exception as exc:
        logger.error("reconcile_failed", exc_info=hide_text(exc))


def pause_until_next(rollout: Rollout, *, settings: Settings, stop: threading.Event) -> None:
    """Wait until it is time to look again, which is at once when a trial can go on."""
    if not rollout.goes_on:
        stop.wait(settings.reconcile_interval_s)


def report_quietly(rollout: Rollout, *, healthy: bool) -> None:
    """Report the server's health; a store that does not answer now will be told later."""
    try:
        rollout.report(healthy=healthy)
    except ThumbtuneError as exc:
        logger.error("report_failed", extra={"error": str(exc)})


def describe_server(
    base_dir: Path | None, *, data_dir: Path, base_name: str, max_rank: int | None, max_loaded: int
) -> ServerFacts:
    """Return what adapters must fit on this server, which is named after its host and its data folder."""
    return ServerFacts(
        replica_id=f"{socket.gethostname()[:48]}-{hashlib.sha256(bytes(data_dir.resolve())).hexdigest()[:6]}",
        base_name=base_name,
        base_hash=hash_base(base_dir) if base_dir is not None else None,
        template_hash=hash_template(load_template(base_dir)) if base_dir is not None else None,
        max_rank=max_rank,
        max_loaded=max_loaded,
    )


def _attach(settings: Settings, store: Store, *, api_key: str, stop: threading.Event) -> None:
    """Bring a vLLM that someone else runs what is published; wait for it when it is not there."""
    with ReplicaServer(settings.inference_url, api_key, adapters_dir=settings.adapters_dir) as server:
        base_name = _wait_for_base(server, stop)
        if base_name is None:
            return
        base_dir = find_base(settings.base_model) if settings.base_model else None
        template_path = write_template(base_dir, data_dir=settings.data_dir)
        _check_clock(server, base_name=base_name, template_path=template_path)
        facts = describe_server(
            base_dir,
            data_dir=settings.data_dir,
            base_name=base_name,
            max_rank=None,
            max_loaded=settings.max_cpu_loras,
        )
        rollout = Rollout(store, server, facts=facts, settings=settings)
        rollout.prepare()
        watch = ProgressWatch(server, model=base_name)
        while not stop.is_set():
            reconcile_once(rollout, watch)
            pause_until_next(rollout, settings=settings, stop=stop)
    with store.write() as conn:
        remove_replica(conn, facts.replica_id)


def _wait_for_base(server: ReplicaServer, stop: threading.Event) -> str | None:
    pause_s = 1.0
    while not stop.is_set():
        try:
            return server.fetch_base().name
        except ThumbtuneError as exc:
            logger.warning("replica_unhealthy", extra={"error": str(exc)})
        stop.wait(pause_s)
        pause_s = min(pause_s * 2, 10.0)
    return None


def _check_clock(server: ReplicaServer, *, base_name: str, template_path: Path | None) -> None:
    """Check that a server we attach to does not print today's date into prompts.

    Raises: ConfigError saying how to start it.
    """
    conversation: list[ChatMessage] = [{"role": "system", "content": "-"}, {"role": "user", "content": "-"}]
    if server.reads_clock(conversation, model=base_name):
        how = f"start it with --chat-template {template_path}, written just now"
        if template_path is None:
            how = (
                f"set THUMBTUNE_BASE_MODEL to its folder and start again, which writes {TEMPLATE_NAME} to start it with"
            )
        raise ConfigError(
            [f"the chat template of the model server at {server.url} prints today's date, so that no adapter would "
             f"answer tomorrow as it was trained; {how}"]
        )  # fmt: skip


def _list_ranks(store: Store, settings: Settings) -> list[int]:
    """Return the ranks of the adapters that will be loaded, which may come from an earlier `train_rank`."""
    with store.read() as conn:
        wanted = list_wanted(conn, max_loaded=settings.max_cpu_loras)
    ranks = []
    for adapter in wanted:
        try:
            ranks.append(load_manifest(settings.adapters_dir / adapter.name).rank)
        except AdapterError:
            continue
    return ranks


@contextmanager
def _only_one(run_dir: Path) -> Iterator[None]:
    """Hold this installation's serving lock, which the kernel frees however we end.

    Raises: ConfigError when another serving process holds it.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(run_dir / "serving.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise ConfigError(
            [f"another `thumbtune serving` runs with the data folder {run_dir.parent}; end it first"]
        ) from exc
    else:
        yield
    finally:
        os.close(descriptor)
