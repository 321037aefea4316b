"""Delivers events, commands and interactions to the app: acknowledgement, time limits, retries and counts.

It does not know whether they travel over Socket Mode or signed HTTP.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from thumbtune.demo.slack.faults import Faults
from thumbtune.demo.slack.wire import Json


@dataclass(frozen=True)
class Delivery:
    """One attempt to hand something to the app."""

    kind: str  # events_api, slash_commands or interactive
    payload: Json
    accepts_response: bool = False
    retry_num: int = 0
    retry_reason: str = ""


@dataclass(frozen=True)
class Answer:
    """How an attempt ended: acknowledged with what the app sent back, or the reason why not."""

    is_ack: bool
    payload: Json | None = None
    reason: str = ""
    may_retry: bool = True


class Transport(Protocol):
    """A way to the app."""

    def is_connected(self) -> bool:
        """Return whether anything could be delivered now."""

    def send(self, delivery: Delivery, settle: Callable[[Answer], None]) -> None:
        """Start an attempt; `settle` is called with the answer when there is one."""


@dataclass
class Pace:
    """The times that Slack keeps, all multiplied by `time_scale`."""

    time_scale: float = 1.0
    ack_timeout_s: float = 3.0
    retry_delays_s: tuple[float, ...] = (0.0, 60.0, 300.0)
    trigger_lifetime_s: float = 3.0
    response_url_lifetime_s: float = 1800.0

    def scale(self, seconds: float) -> float:
        """Return a time as it is kept here."""
        return seconds * self.time_scale


@dataclass
class DeliveryCounts:
    """What became of everything that was meant for the app."""

    events: int = 0
    attempts: int = 0
    acknowledged: int = 0
    retries: int = 0
    duplicates: int = 0
    dropped: int = 0
    undelivered: int = 0
    interactions: int = 0
    interactions_failed: int = 0
    pending: int = 0


@dataclass
class _Event:
    payload: Json
    attempt: int = 0
    last_reason: str = ""
    is_settled: bool = False
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class Dispatcher:
    """Sends everything that goes to the app, through whichever transport is chosen."""

    def __init__(self, transport: Transport, *, pace: Pace, faults: Faults) -> None:
        self.transport = transport
        self.pace = pace
        self.faults = faults
        self.counts = DeliveryCounts()

    def send_event(self, payload: Json) -> None:
        """Deliver an event, again after Slack's delays while it is not acknowledged."""
        self.counts.events += 1
        if self.faults.draw(self.faults.drops):
            self.counts.dropped += 1
            return
        copies = 1
        if self.faults.draw(self.faults.duplicates):
            self.counts.duplicates += 1
            copies = 2
        for _ in range(copies):
            self.counts.pending += 1
            event = _Event(payload)
            hold_s = self.faults.choose_hold()
            if hold_s:
                asyncio.get_running_loop().call_later(hold_s, self._attempt, event)
            else:
                self._attempt(event)

    async def ask(self, kind: str, payload: Json) -> Answer:
        """Deliver a command or an interaction once and wait for its acknowledgement."""
        self.counts.interactions += 1
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def settle(answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer)

        if self.transport.is_connected():
            self.transport.send(Delivery(kind, payload, accepts_response=True), settle)
            try:
                answer = await asyncio.wait_for(answered, self.pace.scale(self.pace.ack_timeout_s))
            except TimeoutError:
                answer = Answer(False, reason="operation_timeout")
        else:
            answer = Answer(False, reason="dispatch_failed")
        self.counts.interactions_failed += not answer.is_ack
        return answer

    def _attempt(self, event: _Event) -> None:
        if event.is_settled:
            return
        self.counts.attempts += 1
        self.counts.retries += event.attempt > 0
        attempt = event.attempt
        if not self.transport.is_connected():
            self._fail(event, attempt, Answer(False, reason="connection_failed"))
            return
        delivery = Delivery("events_api", event.payload, retry_num=attempt, retry_reason=event.last_reason)
        loop = asyncio.get_running_loop()
        timeout_s = self.pace.scale(self.pace.ack_timeout_s)
        event.timer = loop.call_later(timeout_s, self._fail, event, attempt, Answer(False, reason="http_timeout"))
        self.transport.send(delivery, lambda answer: self._settle(event, attempt, answer))

    def _settle(self, event: _Event, attempt: int, answer: Answer) -> None:
        if not answer.is_ack:
            self._fail(event, attempt, answer)
        elif not event.is_settled:
            event.is_settled = True
            self.counts.acknowledged += 1
            self.counts.pending -= 1
            if event.timer is not None:
                event.timer.cancel()

    def _fail(self, event: _Event, attempt: int, answer: Answer) -> None:
        if event.is_settled or attempt != event.attempt:
            return
        if event.timer is not None:
            event.timer.cancel()
        if not answer.may_retry or event.attempt >= len(self.pace.retry_delays_s):
            event.is_settled = True
            self.counts.undelivered += 1
            self.counts.pending -= 1
            return
        delay_s = self.pace.scale(self.pace.retry_delays_s[event.attempt])
        event.attempt += 1
        event.last_reason = answer.reason
        event.timer = asyncio.get_running_loop().call_later(delay_s, self._attempt, event)
