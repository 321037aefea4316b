"""When the dispatcher tries again and when it stops, over a transport that answers by script."""

import asyncio
from collections.abc import Callable, Sequence

from thumbtune.demo.slack.delivery import Answer, Delivery, DeliveryCounts, Dispatcher, Pace
from thumbtune.demo.slack.faults import Faults

ACK = Answer(True)
SILENT = None
ERROR = Answer(False, reason="http_error")
NO_RETRY = Answer(False, reason="http_error", may_retry=False)


class ScriptedTransport:
    """Answers each attempt at once with the next answer of a script; silence afterwards."""

    def __init__(self, script: Sequence[Answer | None]) -> None:
        self.script = list(script)
        self.attempts: list[tuple[int, str]] = []
        self.settles: list[Callable[[Answer], None]] = []

    def is_connected(self) -> bool:
        return True

    def send(self, delivery: Delivery, settle: Callable[[Answer], None]) -> None:
        self.attempts.append((delivery.retry_num, delivery.retry_reason))
        self.settles.append(settle)
        answer = self.script.pop(0) if self.script else None
        if answer is not None:
            settle(answer)


def run(
    script: Sequence[Answer | None], *, then: Callable[[ScriptedTransport], None] = lambda _: None
) -> tuple[list[tuple[int, str]], DeliveryCounts]:
    """Delivers one event with tiny times and waits until every retry that could come has come."""

    async def deliver() -> tuple[list[tuple[int, str]], DeliveryCounts]:
        transport = ScriptedTransport(script)
        pace = Pace(time_scale=0.001, ack_timeout_s=5, retry_delays_s=(0, 5, 10))
        dispatcher = Dispatcher(transport, pace=pace, faults=Faults())
        dispatcher.send_event({"event_id": "Ev1"})
        then(transport)
        await asyncio.sleep(0.1)  # several times what all retries take together: a late one would be seen
        return transport.attempts, dispatcher.counts

    return asyncio.run(deliver())


def test_acknowledged_event_is_sent_once() -> None:
    attempts, counts = run([ACK])
    assert attempts == [(0, "")]
    assert (counts.acknowledged, counts.undelivered, counts.pending) == (1, 0, 0)


def test_silence_brings_three_retries_and_then_nothing() -> None:
    attempts, counts = run([SILENT] * 9)
    assert attempts == [(0, ""), (1, "http_timeout"), (2, "http_timeout"), (3, "http_timeout")]
    assert (counts.retries, counts.undelivered, counts.pending) == (3, 1, 0)


def test_retry_names_what_went_wrong_before_and_stops_when_acknowledged() -> None:
    attempts, counts = run([ERROR, SILENT, ACK])
    assert attempts == [(0, ""), (1, "http_error"), (2, "http_timeout")]
    assert (counts.acknowledged, counts.undelivered) == (1, 0)


def test_app_can_decline_retries() -> None:
    attempts, counts = run([NO_RETRY])
    assert attempts == [(0, "")]
    assert counts.undelivered == 1


def test_late_and_repeated_acknowledgements_count_once() -> None:
    def acknowledge_twice(transport: ScriptedTransport) -> None:
        transport.settles[0](ACK)
        transport.settles[0](ACK)

    attempts, counts = run([SILENT], then=acknowledge_twice)
    assert attempts == [(0, "")]
    assert (counts.acknowledged, counts.pending) == (1, 0)
