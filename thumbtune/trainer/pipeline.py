"""Carries one training run from its claim to its result: snapshot, fine-tuning, evaluation, gate, publishing.

It does not decide when a run starts, and knows no torch: the child programs compute. Every write to the run goes
through its fence, so a trainer that was taken for dead can spoil nothing when it wakes up.
"""

import json
import logging
import math
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from thumbtune.core.base_model import find_licence, find_revision, locate_base, name_base
from thumbtune.core.errors import LeaseLost, SnapshotError, StoreUnavailable, ThumbtuneError
from thumbtune.core.logs import hide_text
from thumbtune.core.manifest import (
    MANIFEST_NAME,
    Manifest,
    Probe,
    hash_file,
    verify_config,
)
from thumbtune.core.records import RunState, TrainingRun
from thumbtune.core.settings import Settings
from thumbtune.core.store import adapters, desks, runs
from thumbtune.core.store.courses import record_course
from thumbtune.core.store.engine import Store
from thumbtune.core.store.triages import record_triages_used
from thumbtune.core.store.trials import record_scores
from thumbtune.trainer.backend import Job, TrainerBackend
from thumbtune.trainer.card import build_card
from thumbtune.trainer.child import EXIT_OK, EXIT_OUT_OF_MEMORY, REASONS
from thumbtune.trainer.gate import GateResult, PromptScore, ReplyScore, decide
from thumbtune.trainer.lease import Cancelled, RunLease, Stopped
from thumbtune.trainer.live import find_comparable_live, forgets, measure_newest, name_live
from thumbtune.trainer.norms import find_outlier, measure_norms
from thumbtune.trainer.preferences import describe_second_stage
from thumbtune.trainer.publish import find_published, list_published, name_adapter, publish_adapter, remove_unlisted
from thumbtune.trainer.recipe import Recipe, load_recipe, plan_recipe
from thumbtune.trainer.snapshot import drop_older_snapshots, freeze_pairs
from thumbtune.trainer.snapshot_files import RECIPE_NAME, SnapshotMeta

logger = logging.getLogger(__name__)

End = Literal["closed", "given back"]

FIGURES = ("step", "steps", "loss", "tokens_per_s")
"""What a child program tells as it goes, beside the time that is left."""
_POLL_S = 0.3
"""Seconds between two looks at a child, whose threads wait for each other while one makes room for a look."""
_SHARES = {"snapshot": (0.0, 0.03), "finetune": (0.03, 0.85), "evaluate": (0.85, 0.98), "publish": (0.98, 1.0)}
_IN_TWO_STAGES = {**_SHARES, "finetune": (0.03, 0.65), "preferences": (0.65, 0.85)}


class _Failed(Exception):
    """The run cannot succeed; starting it again would not help."""


class _Crashed(Exception):
    """A child program ended without saying why; starting it again may help."""


class Pipeline:
    """Carries runs out, one at a time; call it from the main thread, to which its children are tied."""

    def __init__(self, store: Store, settings: Settings, *, backend: TrainerBackend, stop: threading.Event) -> None:
        self._store = store
        self._settings = settings
        self._backend = backend
        self._stop = stop

    def carry_out(self, run: TrainingRun) -> End:
        """Carry a claimed run to its end, or give it back when this trainer is asked to stop or a child crashed.

        Raises: LeaseLost when another trainer took it over; StoreUnavailable.
        """
        started = {"run_id": run.run_id, "desk_id": run.desk_id, "attempt": run.attempts}
        logger.info("run_started", extra=started)
        work = self._settings.snapshots_dir / f".work-{run.run_id}-{run.fence}"
        lease = RunLease(self._store, run, settings=self._settings, stop=self._stop)
        try:
            if run.attempts > self._settings.train_attempts + 1:
                raise _Failed(
                    f"The training ended unexpectedly {run.attempts - 1} times; see {self._settings.logs_dir}."
                )
            with lease.held():
                self._go_through(lease, work)
        except Stopped:
            lease.give_back(crashed=False)
            return "given back"
        except _Crashed as exc:
            logger.warning("run_crashed", extra={**started, "why": str(exc)})
            lease.give_back(crashed=True)
            return "given back"
        except Cancelled:
            self._give_up(lease, "cancelled", "Cancelled. What was live stays live.")
        except _Failed as exc:
            self._give_up(lease, "failed", str(exc))
        except (LeaseLost, StoreUnavailable):
            raise
        except SnapshotError as exc:
            self._give_up(lease, "failed", f"{exc}.")
        except ThumbtuneError as exc:
            self._give_up(lease, "failed", f"The run could not be carried out: {exc}.")
        except OSError as exc:
            logger.error("run_failed", extra=started, exc_info=hide_text(exc))
            self._give_up(lease, "failed", f"The run could not be carried out: {exc.strerror or type(exc).__name__}.")
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return "closed"

    def _give_up(self, lease: RunLease, state: RunState, message: str) -> None:
        """Close the run without a result; what an attempt put in place and did not enter goes."""
        lease.finish(state, message)
        remove_unlisted(self._settings.adapters_dir, run_id=lease.run.run_id)

    def _go_through(self, lease: RunLease, work: Path) -> None:
        run = lease.run
        published = find_published(self._settings.adapters_dir, run_id=run.run_id)
        if published is not None:  # an earlier attempt was cut off between the files and the row
            with self._store.read() as conn:
                is_stale = runs.saw_erased(conn, run.run_id)
            if not is_stale:
                self._enter_adapter(lease, published)
                return
            remove_unlisted(self._settings.adapters_dir, run_id=run.run_id)
        lease.beat("snapshot", progress=0.0, force=True)
        base = locate_base(self._settings.base_model)
        meta = self._freeze(lease, base)
        snapshot = self._settings.snapshots_dir / run.run_id
        for leftover in self._settings.snapshots_dir.glob(f".work-{run.run_id}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        work.mkdir(parents=True, mode=0o700)
        candidate = work / "candidate"
        inputs = ["--snapshot", str(snapshot), "--base", str(base), "--recipe", str(snapshot / RECIPE_NAME)]
        recipe = load_recipe(snapshot / RECIPE_NAME)
        report_to = [f"--report-to={name}" for name in self._settings.train_report_to]
        outputs = ["--out", str(candidate), *report_to, "--report-dir", str(self._settings.logs_dir / "reports")]
        shares = _IN_TWO_STAGES if recipe.preferences else _SHARES
        course = {"dropped": meta.dropped, "base_model": name_base(self._settings.base_model), "rank": recipe.rank}

        def record_training(trained: dict[str, Any]) -> None:  # Any: JSON
            with self._store.write() as conn:
                record_course(conn, run.run_id, **course, **trained)
            lease.update(state="evaluating")

        mixed_up = ["--mixed-up"] if self._settings.gate_mixed_up else []
        adapters_dir = self._settings.adapters_dir
        of_desk: dict[str, Any] = {"desk_id": run.desk_id, "adapters_dir": adapters_dir}  # Any: a name and a folder
        compared_with = name_live(find_comparable_live(self._store, base=base, **of_desk), adapters_dir=adapters_dir)
        found = work / "evaluation.json"
        trained = self._run_child(
            lease,
            "finetune",
            [*inputs, *outputs, "--evaluation", str(found), *compared_with, *mixed_up],
            processes=recipe.gpus,
            shares=shares,
            on_result=lambda told: lease.insist(lambda: record_training(told)),
        )
        live = lease.insist(lambda: find_comparable_live(self._store, base=base, **of_desk))
        live_now = name_live(live, adapters_dir=adapters_dir)
        if live_now != compared_with or not found.is_file():
            compared = ["--candidate", str(candidate), "--out", str(found), *live_now]
            self._run_child(lease, "evaluate", [*inputs, *compared, *mixed_up])
        evaluation = json.loads(found.read_bytes())
        lease.insist(lambda: self._record_evaluation(run, evaluation))
        replaces, earlier = lease.insist(
            lambda: (
                live is not None and (live.replace_since is not None or forgets(self._store, live)),
                measure_newest(self._store, **of_desk),
            )
        )
        result = decide(
            [_read_score(score) for score in evaluation["scores"]],
            min_threads=self._settings.gate_min_threads,
            margin=self._settings.gate_margin if live is None or live.replace_since is None else math.inf,
            forgets=replaces,
            seed=self._settings.train_seed,
            outlier=find_outlier(measure_norms(candidate), earlier),
            prompts=[PromptScore(**score) for score in evaluation["prompts"]],
        )
        told = _tell("Not learned from", trained["skipped"]) + _tell("Not judged by", evaluation["skipped"])
        told += f" {describe_second_stage(trained['preferences'])}" if "preferences" in trained else ""
        result = replace(result, reason=result.reason + told)
        logger.info("run_judged", extra={"run_id": run.run_id, "decision": result.decision})
        figures = {
            "nll_base": result.nll_base,
            "nll_live": result.nll_live,
            "nll_candidate": result.nll_candidate,
            "gate": result.to_json(),
        }
        if result.decision != "passed" and not result.may_be_overridden:
            lease.insist(lambda: lease.finish(result.decision, result.reason, **figures))
        else:
            lease.insist(lambda: lease.update(**figures))
            lease.beat("publish", progress=_SHARES["publish"][0], force=True)
            manifest = self._publish(
                lease,
                candidate,
                base=base,
                meta=meta,
                recipe=recipe,
                evaluation=evaluation,
                gate=result,
                trained=trained,
            )
            lease.insist(lambda: self._enter_adapter(lease, manifest))
        drop_older_snapshots(self._settings.snapshots_dir, keep=meta)

    def _freeze(self, lease: RunLease, base: Path) -> SnapshotMeta:
        run = lease.run
        with self._store.read() as conn:
            desk = desks.load_desk(conn, run.desk_id)
        meta = freeze_pairs(
            self._store,
            run,
            desk=desk,
            recipe=plan_recipe(self._settings, base),
            settings=self._settings,
            on_page=lambda: lease.beat("snapshot", progress=0.01),
        )
        with self._store.write() as conn:
            runs.record_snapshot(
                conn,
                run,
                trained=meta.trained_pair_ids,
                held_out=meta.held_out_pair_ids,
                left_out=meta.left_out_pair_ids,
            )
            record_triages_used(conn, run.run_id, trained=meta.trained_triage_ids, held_out=meta.held_out_triage_ids)
            runs.update_run(
                conn,
                run,
                state="running",
                examples=len(meta.trained_pair_ids),
                held_out=len(meta.held_out_pair_ids),
                newest_pair_id=meta.newest_pair_id,
                snapshot_hash=meta.snapshot_hash,
            )
        return meta

    def _run_child(
        self,
        lease: RunLease,
        program: str,
        arguments: list[str],
        *,
        processes: int = 1,
        shares: Mapping[str, tuple[float, float]] = _SHARES,
        on_result: Callable[[dict[str, Any]], None] = lambda _: None,  # Any: JSON
    ) -> dict[str, Any]:  # Any: JSON
        """Follow a child to its end and return its result, which is there when the training is over.

        A child that had no memory left to go on and judge has its result all the same.
        """
        log_path = self._settings.logs_dir / f"{lease.run.run_id}-{program}.log"
        phase, (first, last) = program, shares[program]
        ends_at = time.monotonic() + self._settings.train_timeout_s
        figures: dict[str, Any] = {"step": 0, "steps": 0, "loss": None, "tokens_per_s": None}  # Any: JSON
        lease.beat(program, progress=first, force=True, **figures)
        job: Job = self._backend.submit(program, arguments=arguments, log_path=log_path, processes=processes)
        lease.start_counting(devices=processes)
        done, eta_s, reason, result = 0.0, None, "", {}
        try:
            while True:
                status = job.poll()
                for event in status.events:
                    if event["event"] == "progress":
                        done, eta_s = event["step"] / event["steps"], event["eta_s"]
                        phase, (first, last) = event["phase"], shares[event["phase"]]
                        figures = {name: event[name] for name in FIGURES}
                    elif event["event"] == "failed":
                        reason = event["reason"]
                    elif event["event"] == "result":
                        result = event
                        on_result(event)
                        program = phase = "evaluate"
                        (first, last), done, eta_s = shares[phase], 0.0, None
                        ends_at = time.monotonic() + self._settings.train_timeout_s
                if status.exit_code is not None:
                    break
                lease.beat(phase, progress=first + (last - first) * done, eta_s=eta_s, **figures)
                if time.monotonic() > ends_at:
                    raise _Failed(
                        f"The {program} took longer than {self._settings.train_timeout_s:.0f} s and was ended."
                    )
                self._stop.wait(_POLL_S)
        finally:
            job.cancel()
            lease.stop_counting()
        if result and status.exit_code == EXIT_OUT_OF_MEMORY:
            return result
        if status.exit_code in REASONS:
            raise _Failed(f"The {program} failed: {REASONS[status.exit_code]}{f' ({reason})' if reason else ''}.")
        if status.exit_code != EXIT_OK:
            raise _Crashed(f"{program} ended with exit code {status.exit_code}; see {log_path}")
        return result

    def _publish(
        self,
        lease: RunLease,
        candidate: Path,
        *,
        base: Path,
        meta: SnapshotMeta,
        recipe: Recipe,
        evaluation: dict[str, Any],  # Any: JSON
        gate: GateResult,
        trained: dict[str, Any],  # Any: JSON
    ) -> Manifest:
        run, config = lease.run, verify_config(candidate, max_rank=self._settings.train_rank)
        taken = lease.insist(lambda: self._list_names(run.desk_id))
        manifest = Manifest(
            adapter=name_adapter(run.desk_id, taken=[*taken, *list_published(self._settings.adapters_dir)]),
            desk_id=run.desk_id,
            run_id=run.run_id,
            snapshot_hash=meta.snapshot_hash,
            base_model=name_base(self._settings.base_model),
            base_hash=recipe.base_hash,
            template_hash=recipe.template_hash,
            rank=int(config["r"]),
            target_modules=tuple(config["target_modules"]),
            files=(),
            probes=tuple(_read_probe(item) for item in evaluation["probes"]),
            gate=gate.to_json(),
            created_at=self._store.now(),
        )
        has_second_stage = trained.get("preferences", {}).get("kept", False)
        card = build_card(
            manifest,
            recipe=recipe if has_second_stage else replace(recipe, preferences=None),
            meta=meta,
            revision=find_revision(base),
            licence=find_licence(base),
            skipped=trained["skipped"],
        )
        return publish_adapter(candidate, adapters_dir=self._settings.adapters_dir, manifest=manifest, card=card)

    def _list_names(self, desk_id: str) -> list[str]:
        with self._store.read() as conn:
            return [adapter.name for adapter in adapters.list_adapters(conn, desk_id=desk_id)]

    def _record_evaluation(self, run: TrainingRun, evaluation: dict[str, Any]) -> None:  # Any: JSON
        with self._store.write() as conn:
            record_scores(conn, run.run_id, evaluation["scores"])
            record_course(conn, run.run_id, preferred=evaluation["preferences"], grounding=evaluation["grounding"])

    def _enter_adapter(self, lease: RunLease, manifest: Manifest) -> None:
        """Write the adapter's row and close the run in one transaction; what did not pass is held until a lead asks."""
        decision: RunState = "passed" if manifest.gate["decision"] == "passed" else "inconclusive"
        place = self._settings.adapters_dir / manifest.adapter
        with self._store.write() as conn:
            lease.refuse_cancelled(conn)
            lease.finish_in(conn, decision, str(manifest.gate["reason"]), adapter=manifest.adapter)
            adapters.add_adapter(
                conn,
                name=manifest.adapter,
                desk_id=manifest.desk_id,
                run_id=manifest.run_id,
                path=str(place),
                manifest_hash=hash_file(place / MANIFEST_NAME),
                base_model=manifest.base_model,
                now=self._store.now(),
                is_held=decision != "passed",
            )
        remove_unlisted(self._settings.adapters_dir, run_id=manifest.run_id, keep=manifest.adapter)
        logger.info("adapter_published", extra={"adapter": manifest.adapter, "run_id": manifest.run_id})


def _tell(what: str, skipped: Mapping[str, int]) -> str:
    told = ", ".join(f"{count} × {reason}" for reason, count in sorted(skipped.items()))
    return f" {what}: {told}." if told else ""


def _read_score(score: dict[str, Any]) -> ReplyScore:  # Any: JSON
    nll = score["nll"]
    return ReplyScore(score["thread_id"], score["tokens"], nll["base"], nll["candidate"], nll.get("live"))


def _read_probe(item: dict[str, Any]) -> Probe:  # Any: JSON
    return replace(
        Probe(**item),
        messages=tuple(item["messages"]),
        prompt_token_ids=tuple(item["prompt_token_ids"]),
        reply_token_ids=tuple(item["reply_token_ids"]),
    )
