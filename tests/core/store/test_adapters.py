import pytest

from tests.conftest import Clock
from thumbtune.core.errors import Conflict, NotFound
from thumbtune.core.records import Replica
from thumbtune.core.store import Store, adapters, replicas, runs

pytestmark = pytest.mark.usefixtures("desk")


def publish(store: Store, clock: Clock) -> str:
    clock.advance(seconds=60)
    with store.write() as conn:
        runs.open_run(conn, desk_id="support", reason="retrain", now=store.now())
        run = runs.claim_run(conn, owner="t", now=store.now(), lease_s=30)
        assert run is not None
        runs.finish_run(conn, run, state="passed", message="", now=store.now())
        name = f"support-{len(adapters.list_adapters(conn, desk_id='support')) + 1:04d}"
        adapters.add_adapter(
            conn,
            name=name,
            desk_id="support",
            run_id=run.run_id,
            path=f"/adapters/{name}",
            manifest_hash="0" * 64,
            base_model="base",
            now=store.now(),
        )
    return name


def go_live(store: Store, clock: Clock) -> str:
    name = publish(store, clock)
    with store.write() as conn:
        adapters.mark_proven(conn, name, now=store.now())
        adapters.promote(conn, name, now=store.now())
    return name


def live(store: Store) -> str | None:
    with store.read() as conn:
        found = adapters.find_live(conn, desk_id="support")
    return found.name if found else None


def test_adapter_that_was_not_proven_cannot_go_live(store: Store, clock: Clock) -> None:
    name = publish(store, clock)
    with store.write() as conn, pytest.raises(Conflict, match="is published and cannot go live"):
        adapters.promote(conn, name, now=store.now())
    assert live(store) is None


def test_rollback_steps_back_one_adapter_at_a_time_and_at_last_to_the_base(store: Store, clock: Clock) -> None:
    for _ in range(3):
        go_live(store, clock)
    seen = []
    for _ in range(3):
        with store.write() as conn:
            adapters.roll_back(conn, desk_id="support", now=store.now())
        seen.append(live(store))
    assert seen == ["support-0002", "support-0001", None]
    with store.write() as conn, pytest.raises(Conflict, match="no live adapter"):
        adapters.roll_back(conn, desk_id="support", now=store.now())


def test_rolled_back_adapter_can_be_promoted_again_by_hand(store: Store, clock: Clock) -> None:
    go_live(store, clock)
    second = go_live(store, clock)
    with store.write() as conn:
        adapters.roll_back(conn, desk_id="support", now=store.now())
        adapters.promote(conn, second, now=store.now())
        previous = adapters.find_previous(conn, desk_id="support")
    assert live(store) == second
    assert previous is not None
    assert previous.name == "support-0001"


def report(store: Store, *, proven: tuple[str, ...], replica_id: str = "gpu-1") -> None:
    with store.write() as conn:
        replicas.report_replica(conn, Replica(replica_id, "unix:/s", True, "base", proven, store.now()))


def test_adapter_goes_live_by_hand_only_where_every_server_holds_it(store: Store, clock: Clock) -> None:
    first, second = go_live(store, clock), go_live(store, clock)
    with store.write() as conn:
        asked = adapters.request_live(conn, first, now=store.now())
    assert (asked.state, asked.reason) == ("published", adapters.ASKED_FOR), "no server is there that could answer"
    assert live(store) == second
    report(store, proven=(first, second))
    report(store, proven=(second,), replica_id="gpu-2")
    with store.write() as conn:
        assert adapters.request_live(conn, first, now=store.now()).state == "published"
    assert live(store) == second
    report(store, proven=(first, second), replica_id="gpu-2")
    with store.write() as conn:
        assert adapters.request_live(conn, first, now=store.now()).state == "live"
    assert live(store) == first


def test_adapter_asked_for_by_hand_takes_the_place_of_the_one_asked_for_before(store: Store, clock: Clock) -> None:
    first, second, third = (go_live(store, clock) for _ in range(3))
    with store.write() as conn:
        adapters.request_live(conn, first, now=store.now())
        adapters.request_live(conn, second, now=store.now())
        states = {adapter.name: adapter.state for adapter in adapters.list_adapters(conn)}
    assert states == {first: "retired", second: "published", third: "live"}


def list_states(store: Store) -> dict[str, str]:
    with store.read() as conn:
        return {adapter.name: adapter.state for adapter in adapters.list_adapters(conn)}


def test_what_was_asked_for_is_taken_back_by_asking_for_the_live_one(store: Store, clock: Clock) -> None:
    first, second, third = go_live(store, clock), go_live(store, clock), publish(store, clock)
    with store.write() as conn:
        adapters.request_live(conn, third, now=store.now())
        assert adapters.request_live(conn, second, now=store.now()).state == "live"
    assert list_states(store) == {first: "retired", second: "live", third: "retired"}


def test_rollback_by_hand_takes_back_what_was_asked_for_and_one_by_itself_does_not(store: Store, clock: Clock) -> None:
    first, second, third, asked = (*(go_live(store, clock) for _ in range(3)), publish(store, clock))
    with store.write() as conn:
        adapters.request_live(conn, asked, now=store.now())
        adapters.roll_back(conn, desk_id="support", now=store.now(), by_hand=False)
    assert list_states(store) == {first: "retired", second: "live", third: "retired", asked: "published"}
    with store.write() as conn:
        adapters.roll_back(conn, desk_id="support", now=store.now())
    assert list_states(store) == {first: "live", second: "retired", third: "retired", asked: "retired"}


def test_rollback_never_goes_forward_to_what_was_asked_for_and_taken_back(store: Store, clock: Clock) -> None:
    first, second, third = (go_live(store, clock) for _ in range(3))
    with store.write() as conn:
        adapters.roll_back(conn, desk_id="support", now=store.now())
        for name in (third, second):
            adapters.request_live(conn, name, now=store.now())
        assert adapters.roll_back(conn, desk_id="support", now=store.now()) is not None
    assert live(store) == first


def test_quarantined_adapter_cannot_be_asked_for(store: Store, clock: Clock) -> None:
    name = publish(store, clock)
    with store.write() as conn:
        adapters.quarantine(conn, name, reason="test")
        with pytest.raises(Conflict, match="quarantined"):
            adapters.request_live(conn, name, now=store.now())


def test_adapter_that_a_newer_one_overtook_is_retired_and_no_rollback_goes_to_it(store: Store, clock: Clock) -> None:
    first = go_live(store, clock)
    overtaken = publish(store, clock)
    go_live(store, clock)
    newer = publish(store, clock)
    with store.write() as conn:
        assert adapters.load_adapter(conn, overtaken).state == "retired"
        assert adapters.load_adapter(conn, newer).state == "published"
        previous = adapters.roll_back(conn, desk_id="support", now=store.now())
    assert previous is not None
    assert previous.name == first


def test_unknown_adapter_is_named_in_the_error(store: Store) -> None:
    with store.read() as conn, pytest.raises(NotFound, match="support-0009"):
        adapters.load_adapter(conn, "support-0009")
