import pytest

from tests.conftest import Clock
from thumbtune.core.errors import Conflict, NotFound
from thumbtune.core.records import RunState
from thumbtune.core.store import Store, adapters, runs
from thumbtune.core.store.audits import list_acts
from thumbtune.core.store.overriding import find_override, override_gate

pytestmark = pytest.mark.usefixtures("desk")


def end_run(store: Store, state: RunState, *, is_held: bool = True) -> str:
    """End a run whose candidate is kept; return the run's id."""
    with store.write() as conn:
        runs.open_run(conn, desk_id="support", reason="retrain", now=store.now(), announce_channel="C1")
        run = runs.claim_run(conn, owner="t", now=store.now(), lease_s=30)
        assert run is not None
        name = f"support-{len(adapters.list_adapters(conn)) + 1:04d}"
        runs.finish_run(conn, run, state=state, message="Only 3 conversations.", now=store.now(), adapter=name)
        runs.mark_announced(conn, run.run_id, announced="closed")
        adapters.add_adapter(
            conn,
            name=name,
            desk_id="support",
            run_id=run.run_id,
            path=f"/adapters/{name}",
            manifest_hash="0" * 64,
            base_model="base",
            now=store.now(),
            is_held=is_held,
        )
    return run.run_id


def override(store: Store, run_id: str, *, by: str = "U9") -> str:
    with store.write() as conn:
        return override_gate(conn, run_id, by=by, now=store.now()).state


def test_held_adapter_goes_on_its_way_when_a_lead_asks_and_their_name_stays(store: Store, clock: Clock) -> None:
    run_id = end_run(store, "inconclusive")
    with store.read() as conn:
        assert adapters.load_adapter(conn, "support-0001").state == "held"
        assert find_override(conn, run_id) is None
    assert override(store, run_id) == "published"
    clock.advance(seconds=60)
    assert override(store, run_id, by="U8") == "published", "again, it changes nothing"
    with store.read() as conn:
        found = find_override(conn, run_id)
        acts = list_acts(conn, limit=9, action="gate_overridden")
        [(_, announced)] = runs.list_unannounced_runs(conn)
        assert adapters.load_adapter(conn, "support-0001").reason == adapters.ASKED_FOR
    assert found is not None
    assert found.overridden_by == "U9"
    assert [(act.actor, act.subject, act.detail) for act in acts] == [("U9", run_id, {"adapter": "support-0001"})]
    assert announced == "", "Slack is told anew"


def test_only_an_inconclusive_run_can_be_overridden(store: Store) -> None:
    rejected = end_run(store, "rejected")
    with pytest.raises(Conflict, match="is rejected: only the adapter of a run that ended inconclusive"):
        override(store, rejected)
    with pytest.raises(NotFound):
        override(store, "run-none")


def test_adapter_that_is_gone_cannot_be_put_live(store: Store) -> None:
    run_id = end_run(store, "inconclusive")
    with store.write() as conn:
        adapters.quarantine(conn, "support-0001", reason="its files were removed")
    with pytest.raises(Conflict, match="no longer held"):
        override(store, run_id)


def list_untold(store: Store) -> list[str]:
    with store.read() as conn:
        return [run.run_id for run, _ in runs.list_unannounced_runs(conn)]


def test_override_of_an_adapter_that_was_set_aside_or_taken_back_since_promises_nothing(store: Store) -> None:
    vetoed, taken_back = end_run(store, "inconclusive"), end_run(store, "inconclusive")
    override(store, vetoed)
    override(store, taken_back)
    for run_id in (vetoed, taken_back):
        with store.write() as conn:
            runs.mark_announced(conn, run_id, announced="closed")
    with pytest.raises(Conflict, match="it is retired, because: support-0002 was asked for instead"):
        override(store, vetoed)
    with store.write() as conn:
        adapters.quarantine(conn, "support-0002", reason="failed its trial: It leaks.")
    with pytest.raises(Conflict, match="it is quarantined, because: failed its trial: It leaks; run"):
        override(store, taken_back)
    assert list_untold(store) == [taken_back], "Slack is told what became of it"


def test_slack_is_told_anew_when_an_override_went_live_or_was_taken_back(store: Store) -> None:
    first, second = end_run(store, "inconclusive"), end_run(store, "inconclusive")
    override(store, first)
    for told in (first, second):
        with store.write() as conn:
            runs.mark_announced(conn, told, announced="closed")
    override(store, second)
    assert list_untold(store) == [first, second]
    with store.write() as conn:
        runs.mark_announced(conn, second, announced="closed")
        adapters.mark_proven(conn, "support-0002", now=store.now())
        adapters.promote(conn, "support-0002", now=store.now())
    assert list_untold(store) == [first, second]
    assert override(store, second) == "live"


def test_run_whose_adapter_was_set_aside_says_so(store: Store) -> None:
    passed, asked = end_run(store, "passed", is_held=False), end_run(store, "inconclusive")
    with store.write() as conn:
        for run_id in (passed, asked):
            runs.overturn_run(conn, run_id, why="It failed.")
        found = {run_id: runs.load_run(conn, run_id) for run_id in (passed, asked)}
        assert len(runs.list_unannounced_runs(conn)) == 2
    assert found[passed].state == "rejected"
    assert found[asked].state == "inconclusive"
    assert found[asked].message == "It failed. What was live stays live."
