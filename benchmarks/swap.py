"""Measures swaps under load: requests run without a pause while adapters are loaded, proved and made live.

It starts a real vLLM, publishes adapters of random weights, and lets the product's own rollout bring them in. It knows
no training.

Run: python -m benchmarks.swap [--swaps 20] [--writers 4] [--base DIR] [--json FILE]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.serving.models import publish_random
from thumbtune.core.inference import InferenceClient
from thumbtune.core.manifest import MANIFEST_NAME, hash_file
from thumbtune.core.prompt import ChatMessage
from thumbtune.core.records import Desk
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, adapters, connect_store, desks, migrate_store, runs
from thumbtune.serving.engine import Engine
from thumbtune.serving.plan import place_socket, plan_engine
from thumbtune.serving.process import describe_server
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.rollout import Rollout

DESK = "bench"
API_KEY = "a key of the benchmark"
DEMO_BASE = Path(__file__).parents[1] / "thumbtune" / "demo" / "base_model" / "weights"
IDLE_S = 8.0
FLIPS = 50
PROMPT: list[ChatMessage] = [
    {"role": "system", "content": "You answer for a shop."},
    {"role": "user", "content": "Where is my order?"},
]


@dataclass
class Load:
    """What the writers saw."""

    answers: list[tuple[str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    gaps_ms: list[float] = field(default_factory=list)
    """The longest wait between two tokens of each answer."""


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--base", type=Path, default=DEMO_BASE)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="swap-") as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder), base_model=str(options.base.resolve()))
        result = measure(settings, swaps=options.swaps, writers=options.writers, max_tokens=options.max_tokens)
    for name, value in result.items():
        print(f"{name:<30} {value}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def measure(settings: Settings, *, swaps: int, writers: int, max_tokens: int) -> dict[str, object]:
    """Return the figures of one run, by name."""
    store = connect_store(settings)
    migrate_store(store)
    with store.write() as conn:
        desks.save_desk(conn, Desk(DESK, "T1", DESK, "Be kind."))
    plan = plan_engine(settings, api_key=API_KEY, socket_path=place_socket(settings.data_dir / "run", "vllm"))
    names = [f"{DESK}-{number:04d}" for number in range(1, swaps + 2)]
    for seed, name in enumerate(names):
        publish_random(settings.adapters_dir, name, base=Path(settings.base_model), seed=seed, rank=16)
    engine = Engine(plan)
    try:
        began = time.monotonic()
        engine.start()
        start_s = time.monotonic() - began
        with (
            ReplicaServer(plan.url, API_KEY, adapters_dir=settings.adapters_dir) as server,
            InferenceClient(plan.url, API_KEY) as client,
        ):
            facts = describe_server(
                plan.base_dir,
                base_name=plan.base_name,
                max_rank=plan.max_lora_rank,
                max_loaded=plan.max_cpu_loras,
                data_dir=settings.data_dir,
            )
            rollout = Rollout(store, server, facts=facts, settings=settings)
            swap_once(store, rollout, settings=settings, name=names[0])
            load_ms = [time_load(server, settings.adapters_dir / name) for name in names[1:4]]
            load = partial(run_load, store=store, client=client, writers=writers, max_tokens=max_tokens)
            idle = load(lambda: time.sleep(IDLE_S))
            swap_ms: list[float] = []
            busy = load(
                lambda: swap_ms.extend(swap_once(store, rollout, settings=settings, name=name) for name in names[1:])
            )
            alone = {
                name: client.complete(PROMPT, model=name, max_tokens=max_tokens).text
                for name in dict.fromkeys(name for name, _ in busy.answers)
            }
        flip_ms = [time_flip(store, names[-1]) for _ in range(FLIPS)]
        size = (settings.adapters_dir / names[0] / "adapter_model.safetensors").stat().st_size
    finally:
        engine.end()
        store.engine.dispose()
    return {
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
        ).stdout.strip(),
        "device": "NVIDIA GPU" if plan.on_gpu else f"{platform.machine()} CPU, {len(os.sched_getaffinity(0))} cores",
        "vllm_start_s": round(start_s, 1),
        "adapter_size_bytes": size,
        "load_ms_median": round(statistics.median(load_ms), 1),
        "swaps": swaps,
        "swap_ms_median": round(statistics.median(swap_ms), 1),
        "swap_ms_max": round(max(swap_ms), 1),
        "flip_ms_median": round(statistics.median(flip_ms), 2),
        "writers": writers,
        "answers_while_swapping": len(busy.answers),
        "failed": len(busy.failures),
        "as_another_would": sum(text != alone[name] and text in alone.values() for name, text in busy.answers),
        "other_than_alone": sum(text not in alone.values() for _, text in busy.answers),
        "answer_s_median_idle": round(statistics.median(idle.seconds), 3),
        "answer_s_median_swapping": round(statistics.median(busy.seconds), 3),
        "longest_token_gap_ms_idle": round(max(idle.gaps_ms), 1),
        "longest_token_gap_ms_swapping": round(max(busy.gaps_ms), 1),
    }


def swap_once(store: Store, rollout: Rollout, *, settings: Settings, name: str) -> float:
    """Publish an adapter as the trainer does and return the ms until it is live: loaded, proved and flipped."""
    folder = settings.adapters_dir / name
    now = store.now()
    with store.write() as conn:
        runs.open_run(conn, desk_id=DESK, reason="retrain", now=now)
        run = runs.claim_run(conn, owner="benchmark", now=now, lease_s=30)
        assert run is not None
        runs.finish_run(conn, run, state="passed", message="", now=now)
        adapters.add_adapter(
            conn,
            name=name,
            desk_id=DESK,
            run_id=run.run_id,
            path=str(folder),
            manifest_hash=hash_file(folder / MANIFEST_NAME),
            base_model=Path(settings.base_model).name,
            now=now,
        )
    began = time.monotonic()
    rollout.reconcile()
    swap_ms = (time.monotonic() - began) * 1000
    if find_live(store) != name:
        raise RuntimeError(f"{name} did not go live")
    return swap_ms


def run_load(
    body: Callable[[], object], *, store: Store, client: InferenceClient, writers: int, max_tokens: int
) -> Load:
    """Let writers ask the live adapter again and again while `body` runs."""
    load = Load()
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            name = find_live(store)
            began = last = time.monotonic()
            pieces, gap = list[str](), 0.0
            try:
                for piece in client.stream_reply(PROMPT, model=name, max_tokens=max_tokens):
                    now = time.monotonic()
                    if pieces:
                        gap = max(gap, now - last)
                    last = now
                    pieces.append(piece)
            except Exception as exc:
                load.failures.append(f"{name}: {exc}")
                continue
            load.answers.append((name, "".join(pieces)))
            load.seconds.append(time.monotonic() - began)
            load.gaps_ms.append(gap * 1000)

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    try:
        body()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return load


def find_live(store: Store) -> str:
    """Return the adapter that answers for the desk now."""
    with store.read() as conn:
        live = adapters.find_live(conn, desk_id=DESK)
    return live.name if live else ""


def time_load(server: ReplicaServer, folder: Path) -> float:
    """Return the ms that vLLM takes to load an adapter it never saw, without load; it is forgotten again."""
    began = time.monotonic()
    server.load_adapter(folder.name, folder)
    elapsed_ms = (time.monotonic() - began) * 1000
    server.unload_adapter(folder.name)
    return elapsed_ms


def time_flip(store: Store, name: str) -> float:
    """Return the ms of a rollback: the rows that make the one before live, and back again for the next."""
    began = time.monotonic()
    with store.write() as conn:
        adapters.roll_back(conn, desk_id=DESK, now=store.now())
    elapsed_ms = (time.monotonic() - began) * 1000
    with store.write() as conn:
        adapters.promote(conn, name, now=store.now())
    return elapsed_ms


if __name__ == "__main__":
    main()
