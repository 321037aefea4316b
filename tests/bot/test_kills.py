"""kill -9 of the bot at any moment of its intake and its work loses no approved reply and doubles none."""

import os
import random
import signal
from pathlib import Path

import pytest

from tests.bot.conftest import JONAS, MAYA, PRIYA, Office, wait_for
from tests.bot.forked import ended, list_paired, start_forked, wait_for_end, wait_until_worked_off
from tests.bot.outages import take_away

DENSE = range(1, 41, 4)
"""Every write of the first thread that is asked about, in steps: taking in, keeping, approving, pairing, posting."""

QUICK = {"lease_s": 0.5, "burst_approvals": 0, "approvals_per_day": 0}
"""Whoever is killed comes back soon, and one person may approve as fast as a machine."""


def approve(office: Office, number: int) -> str:
    """Let a customer ask, an agent answer and another approve; return the reply's ts."""
    question = office.say(MAYA, f"Where is parcel number {number} of mine?")
    reply = office.say(PRIYA, f"Parcel number {number} comes on Friday.", thread=question)
    office.react(JONAS, reply)
    return reply


def kill_again_and_again(office: Office, moments: list[int], *, log: Path) -> None:
    """Kill a bot at each moment of its life, then let one live, and look what became of every approved reply."""
    office.control("pace", time_scale=1, ack_timeout_s=3, retry_delays_s=[0.3] * 1000)
    approved: list[str] = []
    for moment in moments:
        bot = start_forked(office, log=log, kill_at=moment, **QUICK)
        with ended(bot):
            while bot.is_alive() and len(approved) < 5 * len(moments):
                approved.append(approve(office, len(approved)))
                bot.join(0.5)
            assert wait_for_end(office, bot) == -signal.SIGKILL
    last = start_forked(office, log=log, **QUICK)
    with ended(last):
        wait_until_worked_off(office, timeout_s=60 + len(moments))
        assert list_paired(office) == sorted(approved), office.slack.slack.dispatcher.counts
    assert "Traceback" not in log.read_text()


def test_kill_at_ten_moments_of_intake_and_work(office: Office, tmp_path: Path) -> None:
    kill_again_and_again(office, list(DENSE), log=tmp_path / "bot.log")


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_kill_at_two_hundred_moments_of_intake_and_work(office: Office, tmp_path: Path) -> None:
    chosen = random.Random(0)
    moments = [1 + number % 60 if number < 60 else chosen.randint(1, 400) for number in range(200)]
    kill_again_and_again(office, moments, log=tmp_path / "bot.log")


def spool_and_kill(office: Office, *, log: Path, rounds: int) -> None:
    office.control("pace", time_scale=1, ack_timeout_s=3, retry_delays_s=[0.3] * 1000)
    counts, approved = office.slack.slack.dispatcher.counts, []
    for _ in range(rounds):
        bot = start_forked(office, log=log, **QUICK)
        with ended(bot):
            with take_away(office.settings.store_url):
                approved.append(approve(office, len(approved)))
                wait_for(lambda: not counts.pending, what="every acknowledgement")
                spooled = b"".join(path.read_bytes() for path in office.settings.spool_dir.glob("*.spool"))
                assert b"event_key" in spooled
                assert b"parcel" not in spooled.lower()
                os.kill(bot.pid or 0, signal.SIGKILL)
                bot.join(10)
            wait_for_end(office, bot)
    last = start_forked(office, log=log, **QUICK)
    with ended(last):
        wait_until_worked_off(office, timeout_s=60)
        assert list_paired(office) == sorted(approved), office.slack.slack.dispatcher.counts
        assert not list(office.settings.spool_dir.glob("*.spool"))
    assert "Traceback" not in log.read_text()


def test_kill_during_an_outage_loses_nothing_that_was_acknowledged(office: Office, tmp_path: Path) -> None:
    spool_and_kill(office, log=tmp_path / "bot.log", rounds=1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_kill_during_a_hundred_outages_loses_nothing(office: Office, tmp_path: Path) -> None:
    spool_and_kill(office, log=tmp_path / "bot.log", rounds=100)
