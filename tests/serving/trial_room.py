"""A desk, its adapters and the trials that serving holds of them, with a stand-in for vLLM at the wire."""

from tests.asked import ask_for_draft
from tests.bot.model_server import ModelServer
from tests.conftest import Clock
from tests.serving.bench import Timer
from thumbtune.core.golden import CaseContent, Expectations
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.records import Adapter, Desk
from thumbtune.core.settings import Settings
from thumbtune.core.store import (
    Store,
    adapters,
    desks,
    golden,
    pairs,
    runs,
    triages,
    trials,
)
from thumbtune.core.triage import Triage
from thumbtune.core.trial import Trial, TrialDraft
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.trial import STEP_S, Trials

APPROVED = "Hello [NAME_1]! It comes within 3 days. Thank you for your order!"
DECIDED = Triage("Delivery", "high", "Where is it?", "Look it up.")
PASSAGE = Passage("Delivery", "Every parcel comes within 3 days.")


class Room:
    """A desk with a run's held-out pairs, its adapters, and a trial on a stand-in for vLLM."""

    def __init__(
        self, store: Store, clock: Clock, model: ModelServer, server: ReplicaServer, settings: Settings
    ) -> None:
        self.store, self.clock, self.model, self.settings = store, clock, model, settings
        self.timer = Timer()
        self.server = server
        with store.write() as conn:
            desks.save_desk(conn, Desk("support", "T1", "Support", "Be kind."))
        self.trials = self.make_trials()
        model.reply = lambda request: APPROVED

    def make_trials(self) -> Trials:
        return Trials(
            self.store,
            self.server,
            settings=self.settings,
            base_name="base",
            base_mark="b0",
            on_written=lambda: None,
            monotonic=self.timer,
        )

    def publish(self, *, held_out: int = 3) -> Adapter:
        self.clock.advance(seconds=60)
        with self.store.write() as conn:
            run, _ = runs.open_run(conn, desk_id="support", reason="retrain", now=self.clock())
            for number in range(held_out):
                pairs.put_pair(
                    conn,
                    desk_id="support",
                    team_id="T1",
                    channel_id="C1",
                    thread_ts=f"{1000 + number}.000000",
                    reply_ts=f"{1000 + number}.000001",
                    revision="",
                    turns=[Turn("customer", f"I am [NAME_1]. Where is parcel {number}?")],
                    reply=APPROVED,
                    passages=[PASSAGE],
                    source="human",
                    approved_by="U2",
                    now=self.clock(),
                )
            found = pairs.list_pairs(conn, desk_id="support")
            nll = {"base": 9.0, "candidate": 3.0}
            trials.record_scores(conn, run.run_id, [{"pair_id": p.pair_id, "tokens": 9, "nll": nll} for p in found])
            claimed = runs.claim_run(conn, owner="trainer", now=self.clock(), lease_s=30)
            assert claimed is not None
            runs.finish_run(conn, claimed, state="passed", message="Better.", now=self.clock())
            runs.mark_announced(conn, run.run_id, announced="closed")
            return adapters.add_adapter(
                conn,
                name=f"support-{len(adapters.list_adapters(conn)) + 1:04d}",
                desk_id="support",
                run_id=run.run_id,
                path="/adapters",
                manifest_hash="0" * 64,
                base_model="base",
                now=self.clock(),
            )

    def add_golden(self, *must_contain: str, grounded: bool = True) -> int:
        content = CaseContent(
            title="Parcels",
            turns=(Turn("customer", "When does my parcel come?"),),
            expectations=Expectations(contains_all=must_contain),
            grounded=grounded,
        )
        with self.store.write() as conn:
            return golden.add_case(conn, content, desk_id="support", added_by="U9", now=self.clock()).case_id

    def teach_triages(self, adapter: Adapter, *, held_out: int = 12) -> None:
        """Let the adapter's run have learned from a triage and held out others."""
        with self.store.write() as conn:
            desks.save_desk(conn, Desk("support", "T1", "Support", "Be kind.", categories=("Delivery", "Returns")))
            ids = []
            for number in range(held_out + 1):
                draft = ask_for_draft(conn, number, thread_ts=f"{2000 + number}.0", now=self.clock())
                turns = [Turn("customer", f"Where is parcel {number}?")]
                triages.decide_triage(conn, draft, DECIDED, turns=turns, heard=(), decided_by="U1", now=self.clock())
                found = triages.find_triage(conn, draft.draft_id)
                assert found is not None
                ids.append(found.triage_id)
            triages.record_triages_used(conn, adapter.run_id, trained=ids[:1], held_out=ids[1:])

    def go_live(self, adapter: Adapter) -> None:
        with self.store.write() as conn:
            adapters.mark_proven(conn, adapter.name, now=self.clock())
            adapters.promote(conn, adapter.name, now=self.clock())

    def hold(self, adapter: Adapter, *also_proven: str) -> Trial:
        self.trials.advance(adapter, proven={adapter.name, *also_proven})
        return self.load_trial(adapter)

    def load_trial(self, adapter: Adapter) -> Trial:
        with self.store.read() as conn:
            trial = trials.load_trial(conn, adapter.name)
        assert trial is not None
        return trial

    def list_drafts(self, adapter: Adapter) -> list[TrialDraft]:
        with self.store.read() as conn:
            return trials.list_trial_drafts(conn, adapter.name)

    def load(self, adapter: Adapter) -> Adapter:
        with self.store.read() as conn:
            return adapters.load_adapter(conn, adapter.name)

    def answer(self, **by_model: str) -> None:
        """Let some models answer with something else than the approved reply."""
        self.model.reply = lambda request: by_model.get(str(request["model"]).replace("-", "_"), APPROVED)

    def answer_slowly(self) -> None:
        """Let every draft take longer than a step."""

        def reply(_request: dict[str, object]) -> str:
            self.timer.seconds += STEP_S + 1
            return APPROVED

        self.model.reply = reply
