"""Trials as serving holds them, with a stand-in at the wire: whose drafts, what is stored, what a verdict does."""

import pytest

from tests.conftest import Clock
from tests.serving.trial_room import APPROVED, DECIDED, Room
from thumbtune.core.prompt import Passage
from thumbtune.core.records import Replica
from thumbtune.core.store import (
    adapters,
    documents,
    replicas,
    runs,
    triages,
)
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.schema_training import triages as triages_table
from thumbtune.core.triage import Triage, build_response_format, dump_triage
from thumbtune.serving.wanted import list_on_trial, list_ready


def test_trial_writes_greedy_drafts_of_every_model_and_lets_a_sound_adapter_through(room: Room) -> None:
    live = room.publish()
    room.go_live(live)
    room.add_golden("3 days")
    candidate = room.publish()
    with room.store.read() as conn:
        assert list_on_trial(conn) == [candidate]
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
        assert list_on_trial(conn) == []


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
    room.answer_slowly()
    assert room.trials.advance(candidate, proven={candidate.name}), "it need not wait to go on"
    assert room.load_trial(candidate).state == "running"
    assert not room.trials.advance(candidate, proven={candidate.name})
    assert room.load_trial(candidate).state == "passed"


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
