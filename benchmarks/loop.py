"""Measures what the loop adds to a bare fine-tuning: from the last 👍 that is needed to the first draft by the adapter.

It runs the demo with real vLLM and real training, from where vLLM is up and the last conversations come in, and then
fine-tunes once more on the same frozen pairs by the same recipe, with nothing else around. What the first takes longer
than the second is the loop's. Where other work slows the two unlike, the loop without its own fine-tuning says more.

Run: python -m benchmarks.loop [--threads FILE] [--json FILE]
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from thumbtune.cli.demo import Demo
from thumbtune.core.store import Store, connect_store
from thumbtune.core.store.schema import adapters, drafts, inbox, runs
from thumbtune.demo.installation import BASE_MODEL, read_settings
from thumbtune.demo.threads import OWN_THREADS, load_threads
from thumbtune.trainer.snapshot_files import RECIPE_NAME

BARE_RUNS = 2


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loop-") as folder:
        result = measure(Path(folder), threads=options.threads)
    for name, value in result.items():
        print(f"{name:<34} {value}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def measure(folder: Path, *, threads: Path | None) -> dict[str, object]:
    """Return the figures of one run, by name; times are in seconds."""
    found = load_threads(threads or OWN_THREADS)
    demo = Demo(folder, port=0, threads=found[:-1], with_shop=threads is None)
    with demo.running():
        demo.loop.wait_for_engine()
        demo.run_once(found[-1:])
    store = connect_store(read_settings({"THUMBTUNE_DATA_DIR": str(folder)}))
    marks = read_marks(store)
    store.engine.dispose()
    marks["trained"] = marks["published"] - timedelta(seconds=demo.loop.result.seconds["evaluate"])
    [snapshot] = (folder / "snapshots").glob("run-*")
    bare_s = statistics.median(time_bare(snapshot, folder / f"bare-{number}") for number in range(BARE_RUNS))
    whole_s = (marks["drafted"] - marks["approved"]).total_seconds()
    steps = ("approved", "started", "trained", "published", "proven", "live", "drafted")
    return {
        "last 👍 to first draft by adapter": round(whole_s, 1),
        "bare fine-tuning": round(bare_s, 1),
        "added by the loop": round(whole_s - bare_s, 1),
        "the loop without its fine-tuning": round(whole_s - (marks["trained"] - marks["started"]).total_seconds(), 1),
        **{
            f"  {one} → {other}": round((marks[other] - marks[one]).total_seconds(), 1)
            for one, other in itertools.pairwise(steps)
        },
    }


def read_marks(store: Store) -> dict[str, datetime]:
    """Return when each step of the one run of this store was reached."""
    with store.read() as conn:
        approved = conn.execute(sa.select(sa.func.max(inbox.c.received_at)).where(inbox.c.name == "reaction_added"))
        started = conn.execute(sa.select(runs.c.started_at)).scalar_one()
        adapter = conn.execute(sa.select(adapters.c.published_at, adapters.c.proven_at, adapters.c.live_at)).one()
        draft = conn.execute(sa.select(drafts.c.requested_at, drafts.c.latency_ms).where(drafts.c.adapter.is_not(None)))
        asked_at, latency_ms = draft.one()
        return {
            "approved": approved.scalar_one(),
            "started": started,
            "published": adapter.published_at,
            "proven": adapter.proven_at,
            "live": adapter.live_at,
            "drafted": asked_at + timedelta(milliseconds=latency_ms),
        }


def time_bare(snapshot: Path, out: Path) -> float:
    """Return the seconds that the fine-tuning program takes by itself on a run's frozen pairs."""
    command = [sys.executable, "-m", "thumbtune.trainer.finetune", "--snapshot", str(snapshot)]
    command += ["--base", str(BASE_MODEL), "--recipe", str(snapshot / RECIPE_NAME), "--out", str(out)]
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
