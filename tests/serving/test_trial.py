"""Trials as serving holds them, with a stand-in at the wire: whose drafts, what is stored, what a verdict does."""

from collections.abc import Callable, Iterator

import pytest

from tests.asked import ask_for_draft
from tests.bot.model_server import ModelServer
from tests.conftest import Clock
from tests.serving.bench import Timer
from thumbtune.core.errors import EngineUnavailable
from thumbtune.core.golden import CaseContent, Expectations
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.records import Adapter, Desk, Replica
from thumbtune.core.settings import Settings
from thumbtune.core.store import (
    Store,
    adapters,
    desks,
    documents,
    golden,
    pairs,
    replicas,
    runs,
    triages,
    trials,
)
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.schema_training import triages as triages_table
from thumbtune.core.triage import Triage, build_response_format, dump_triage
from thumbtune.core.trial import Trial, TrialDraft
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.trial import ATTEMPTS, STEP_S, Trials
from thumbtune.serving.wanted import list_ready, list_untried

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


@pytest.fixture
def room(store: Store, clock: Clock, tmp_path: object) -> Iterator[Room]:
    settings = Settings(_env_file=None, data_dir=tmp_path, max_reply_tokens=40)  # type: ignore[arg-type]
    with (
        ModelServer() as model,
        ReplicaServer(model.url, "key", adapters_dir=settings.adapters_dir, timeout_s=20) as server,
    ):
        yield Room(store, clock, model, server, settings)


def test_trial_writes_greedy_drafts_of_every_model_and_lets_a_sound_adapter_through(room: Room) -> None:
    live = room.publish()
    room.go_live(live)
    room.add_golden("3 days")
    candidate = room.publish()
    with room.store.read() as conn:
        assert list_untried(conn) == [candidate]
    trial = room.hold(candidate, live.name)
    assert (trial.state, trial.reason, trial.live) == ("passed", "", live.name)
    assert {name: found["drafts"] for name, found in trial.figures.items()} == {"base": 4, "live": 4, "candidate": 4}
    assert trial.figures["candidate"]["facts_right"] == 3
    assert trial.figures["candidate"]["style_distance"] == pytest.approx(0.0)
    assert {draft.text for draft in room.list_drafts(candidate)} == {APPROVED}
    assert {request["temperature"] for request in room.model.requests} == {0.0}
    assert {request["model"] for request in room.model.requests} == {"base", live.name, candidate.name}
    [asked] = {str(request["messages"][0]) for request in room.model.requests if "parcel 1" in str(request)}
    assert "Every parcel comes within 3 days." in asked
    with room.store.read() as conn:
        assert list_untried(conn) == []


def test_drafts_of_base_and_live_are_written_once_for_all_trials(room: Room) -> None:
    live = room.publish()
    room.go_live(live)
    room.hold(room.publish(), live.name)
    room.model.requests.clear()
    third = room.publish()
    assert room.hold(third, live.name).state == "passed"
    assert {request["model"] for request in room.model.requests} == {third.name}
    assert len(room.list_drafts(third)) == 9


def test_golden_case_that_only_the_candidate_fails_sets_it_aside_and_tells_its_run(room: Room) -> None:
    live = room.publish()
    room.go_live(live)
    case_id = room.add_golden("3 days")
    candidate = room.publish()
    room.answer(support_0002="Hello! It comes within 5 days.")
    trial = room.hold(candidate, live.name)
    assert trial.state == "vetoed"
    assert f"1 golden case ({case_id}), which what answers now or the base passes" in trial.reason
    assert room.load(candidate).state == "quarantined"
    assert trial.reason in room.load(candidate).reason
    assert room.load(live).state == "live"
    with room.store.read() as conn:
        run = runs.load_run(conn, candidate.run_id)
        [act] = list_acts(conn, limit=1)
    assert run.state == "rejected"
    assert run.message == f"support-0002 failed its trial. {trial.reason} What was live stays live."
    assert (act.actor, act.action, act.subject) == ("serving", "adapter_quarantined", candidate.name)
    room.trials.advance(candidate, proven={candidate.name})
    [golden_draft] = [draft for draft in room.list_drafts(candidate) if draft.role == "candidate" and draft.is_golden]
    assert golden_draft.failures == ("does not contain “3 days”",)


def test_golden_case_that_no_model_passes_stops_nothing_and_the_run_names_it(room: Room) -> None:
    case_id = room.add_golden("4 days")
    candidate = room.publish()
    trial = room.hold(candidate)
    assert trial.state == "passed"
    assert f"still fail 1 golden case ({case_id})" in trial.reason
    with room.store.read() as conn:
        run = runs.load_run(conn, candidate.run_id)
    assert (run.state, run.message) == ("passed", f"Better. {trial.reason}")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "3 of its 3 drafts cannot be sent: 3 empty."),
        ("On its way. " * 13, "3 of its 3 drafts cannot be sent: 3 stuck in a loop."),
        (" ".join(str(number) for number in range(60)), "3 of its 3 drafts cannot be sent: 3 cut at the limit."),
        ("I wrote to jane.doe@mail.example.", "3 drafts of it held personal data"),
    ],
)
def test_drafts_that_cannot_be_sent_and_leaks_are_vetoes(room: Room, said: str, reason: str) -> None:
    candidate = room.publish()
    room.answer(support_0001=said)
    trial = room.hold(candidate)
    assert trial.state == "vetoed"
    assert reason in trial.reason
    assert "jane" not in trial.reason
    assert room.load(candidate).state == "quarantined"


def test_address_of_the_help_centre_is_no_leak(room: Room) -> None:
    candidate = room.publish()
    room.answer(support_0001="Write to help@lamps.example please.")
    with room.store.write() as conn:
        sections = [Passage("Contact", "Write to help@lamps.example or come by.")]
        documents.add_document(
            conn, desk_id="support", source="c", title="Contact", sections=sections, now=room.clock()
        )
    assert room.hold(candidate).state == "passed"


def test_desk_without_cases_has_an_empty_trial(room: Room) -> None:
    trial = room.hold(room.publish(held_out=0))
    assert (trial.state, trial.figures) == ("passed", {})
    assert room.model.requests == []


def test_trial_goes_on_where_an_earlier_life_stopped(room: Room) -> None:
    candidate = room.publish()
    room.model.broken_models = {candidate.name}
    assert room.hold(candidate).state == "running"
    assert {draft.role for draft in room.list_drafts(candidate)} == {"base"}
    room.trials = room.make_trials()
    room.model.broken_models.clear()
    room.model.requests.clear()
    assert room.hold(candidate).state == "passed"
    assert {request["model"] for request in room.model.requests} == {candidate.name}


def test_step_ends_after_a_while_so_that_the_server_is_looked_after(room: Room) -> None:
    candidate = room.publish()

    def reply_slowly(_request: dict[str, object]) -> str:
        room.timer.seconds += STEP_S
        return APPROVED

    room.model.reply = reply_slowly
    assert room.trials.advance(candidate, proven={candidate.name}), "it need not wait to go on"
    assert room.load_trial(candidate).state == "running"
    assert not room.trials.advance(candidate, proven={candidate.name})
    assert room.load_trial(candidate).state == "passed"


def test_candidate_whose_drafts_the_server_cannot_write_is_set_aside(room: Room) -> None:
    candidate = room.publish()
    room.model.broken_models = {candidate.name}
    assert not room.trials.advance(candidate, proven={candidate.name}), "a server that fails is given a pause"
    assert [room.hold(candidate).state for _ in range(ATTEMPTS - 1)] == ["running"] * (ATTEMPTS - 2) + ["vetoed"]
    assert "failed 3 times in a row to write its drafts" in room.load(candidate).reason


def test_case_that_the_base_fails_is_left_out_and_the_other_drafts_are_kept(room: Room) -> None:
    candidate = room.publish()
    room.model.breaks = lambda request: request["model"] == "base" and "parcel 1" in str(request)
    assert room.hold(candidate).state == "running"
    assert len(room.list_drafts(candidate)) == 2, "what was written of a batch is kept"
    room.model.requests.clear()
    states = [room.hold(candidate).state for _ in range(ATTEMPTS)]
    assert states == ["running"] * (ATTEMPTS - 1) + ["passed"]
    asked = [request for request in room.model.requests if request["model"] == "base"]
    assert len(asked) == ATTEMPTS - 1, "nothing that was written is asked for again"
    [left_out] = [draft for draft in room.list_drafts(candidate) if draft.error]
    assert (left_out.role, left_out.pair_id) == ("base", 2)
    assert room.load_trial(candidate).figures["base"]["drafts"] == 2
    assert room.load_trial(candidate).figures["candidate"]["drafts"] == 3


def test_candidate_is_not_blamed_for_what_no_model_can_be_asked(room: Room) -> None:
    candidate = room.publish()
    room.teach_triages(candidate)
    room.model.takes_forms = False  # as a server does that cannot hold a reply to a pattern
    states = [room.hold(candidate).state for _ in range(ATTEMPTS + 1)]
    assert states == ["running"] * ATTEMPTS + ["passed"]
    assert room.load_trial(candidate).figures["candidate"]["drafts"] == 3
    assert "triages" not in room.load_trial(candidate).figures["candidate"]


def test_outages_between_drafts_are_no_veto(room: Room) -> None:
    candidate = room.publish(held_out=ATTEMPTS + 2)

    def go_down_after(number: int) -> Callable[[dict[str, object]], bool]:
        def breaks(request: dict[str, object]) -> bool:
            fails = request["model"] == candidate.name and f"parcel {number}?" not in str(request)
            room.model.is_well = room.model.is_well and not fails
            return fails

        return breaks

    for number in range(ATTEMPTS + 1):
        room.model.breaks = go_down_after(number)
        with pytest.raises(EngineUnavailable, match="went down"):
            room.hold(candidate)
        room.model.is_well = True
    assert room.load(candidate).state == "published"
    room.model.breaks = lambda request: False
    assert room.hold(candidate).state == "passed"


def test_slow_moments_between_drafts_are_no_veto_and_fewer_are_asked_for_after_one(room: Room) -> None:
    candidate = room.publish(held_out=ATTEMPTS + 3)

    def write_only(number: int) -> Callable[[dict[str, object]], bool]:
        return lambda request: request["model"] == candidate.name and f"parcel {number}?" not in str(request)

    asked = []
    for number in range(ATTEMPTS):
        room.model.breaks = write_only(number)
        room.model.requests.clear()
        assert room.hold(candidate).state == "running"
        asked.append(sum(request["model"] == candidate.name for request in room.model.requests))
    assert asked[:2] == [ATTEMPTS + 3, 4]
    room.model.breaks = lambda request: False
    assert room.hold(candidate).state == "passed"


def test_draft_under_which_the_server_goes_down_each_time_is_not_asked_for_for_ever(room: Room) -> None:
    candidate = room.publish()

    def dies(request: dict[str, object]) -> bool:
        room.model.is_well = request["model"] != candidate.name
        return not room.model.is_well

    room.model.breaks = dies
    for _ in range(2 + ATTEMPTS):
        assert room.load(candidate).state == "published"
        with pytest.raises(EngineUnavailable, match="went down"):
            room.hold(candidate)
        room.model.is_well = True
    assert room.load(candidate).state == "quarantined"


def test_server_that_is_down_is_told_from_one_that_fails_a_draft(room: Room) -> None:
    candidate = room.publish()
    with ReplicaServer("http://127.0.0.1:9", "key", adapters_dir=room.settings.adapters_dir) as nowhere:
        room.server = nowhere
        with pytest.raises(EngineUnavailable, match="went down"):
            room.make_trials().advance(candidate, proven={candidate.name})
    assert room.load(candidate).state == "published"


def test_question_too_long_for_the_model_counts_for_nothing(room: Room) -> None:
    candidate = room.publish()
    room.model.context = 2
    trial = room.hold(candidate)
    assert (trial.state, trial.figures) == ("passed", {})
    assert all("fewer turns" in draft.error for draft in room.list_drafts(candidate))


def test_untried_adapter_does_not_go_live_though_every_server_holds_it(room: Room, clock: Clock) -> None:
    candidate = room.publish()
    seen = Replica("gpu-1", "unix:/s", True, "base", (candidate.name,), clock())
    with room.store.write() as conn:
        replicas.report_replica(conn, seen)
        assert list_ready(conn, now=clock()) == []
        assert adapters.request_live(conn, candidate.name, now=clock()).state == "published"
    room.hold(candidate)
    with room.store.write() as conn:
        assert [adapter.name for adapter in list_ready(conn, now=clock())] == [candidate.name]
        assert adapters.request_live(conn, candidate.name, now=clock()).state == "live"


def test_verdict_on_an_adapter_that_was_set_aside_meanwhile_changes_nothing(room: Room) -> None:
    candidate = room.publish()

    def reply(_request: dict[str, object]) -> str:
        with room.store.write() as conn:
            adapters.quarantine(conn, candidate.name, reason="by hand")
        return ""

    room.model.reply = reply
    assert room.hold(candidate).state == "running"
    assert room.load(candidate).reason == "by hand"


def test_models_write_held_out_triages_held_to_the_pattern_and_one_that_sorts_worse_is_set_aside(room: Room) -> None:
    candidate = room.publish(held_out=1)
    room.teach_triages(candidate)
    wrong = dump_triage(Triage("Returns", "low", "Where is it?", "Ask."))

    def reply(request: dict[str, object]) -> str:
        if "response_format" not in request:
            return APPROVED
        assert request["response_format"] == build_response_format(("Delivery", "Returns"))
        return wrong if request["model"] == candidate.name else dump_triage(DECIDED)

    room.model.reply = reply
    trial = room.hold(candidate)
    assert trial.state == "vetoed"
    assert "It sorts 0 of 12 held-out threads as the team did, what answers now 12" in trial.reason
    assert {role: found["category_right"] for role, found in trial.figures.items()} == {"base": 12, "candidate": 0}
    assert {role: found["drafts"] for role, found in trial.figures.items()} == {"base": 1, "candidate": 1}
    with room.store.write() as conn:
        triages.erase_triages(conn, triages_table.c.desk_id == "support", reason="x")
    assert [draft.case_key for draft in room.list_drafts(candidate)] == ["pair:1", "pair:1"]


def test_adapter_that_learned_from_no_triage_is_not_tried_on_any(room: Room) -> None:
    candidate = room.publish()
    room.teach_triages(candidate)
    with room.store.write() as conn:
        triages.record_triages_used(conn, candidate.run_id, trained=[], held_out=[2, 3])
    assert "triages" not in room.hold(candidate).figures["candidate"]
