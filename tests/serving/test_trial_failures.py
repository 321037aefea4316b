"""Trials in which a model cannot write a draft: what is kept, who is to blame, and that they end."""

from collections.abc import Callable

import pytest

from tests.serving.trial_room import Room
from thumbtune.core.errors import EngineUnavailable
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.trial import AT_ONCE, ATTEMPTS, FEWER


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
    assert asked[:2] == [ATTEMPTS + 3, AT_ONCE // FEWER]
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
