"""Several bots on one PostgreSQL share the work and double none of it, however Slack delivers."""

import random
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, Office
from tests.bot.forked import ended, list_paired, start_forked, wait_until_worked_off
from tests.conftest import SESSION_KEY
from thumbtune.core.settings import Settings
from thumbtune.core.store.schema import inbox
from thumbtune.demo.slack import seed
from thumbtune.demo.slack.server import ServerThread

LEASE_S = 5.0


@pytest.fixture
def settings(tmp_path: Path, slack: ServerThread, postgres_url: str) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=tmp_path / "data",
        database_url=postgres_url,
        secret_key=SESSION_KEY,
        SLACK_BOT_TOKEN=seed.BOT_TOKEN,
        SLACK_APP_TOKEN=seed.APP_TOKEN,
        SLACK_API_URL=slack.api_url,
        bot_workers=2,
        lease_s=LEASE_S,
        burst_approvals=0,  # two people approve everything as fast as it goes
        approvals_per_day=0,
    )


def share_work(office: Office, *, log: Path, bots: int, threads: int) -> None:
    chosen = random.Random(7)
    office.control("pace", time_scale=1, ack_timeout_s=3, retry_delays_s=[0.5] * 600)
    approved, taken_back = [], []
    with ExitStack() as stack:
        for _ in range(bots):
            stack.enter_context(ended(start_forked(office, log=log)))
        office.control("faults", duplicates=0.3, reorder_window_s=0.5, seed=7)
        for number in range(threads):
            question = office.say(MAYA, f"Where is parcel number {number} of mine?")
            reply = office.say(PRIYA, f"Parcel number {number} comes on Friday.", thread=question)
            givers = chosen.sample([JONAS, AIKO], k=chosen.choice([1, 1, 2]))
            for giver in givers:
                office.react(giver, reply)
            if chosen.random() < 0.2:
                for giver in givers:
                    office.react(giver, reply, on=False)
                taken_back.append(reply)
            else:
                approved.append(reply)
        wait_until_worked_off(office, timeout_s=60 + threads)
        assert list_paired(office) == sorted(approved)
    with office.store.read() as conn:
        workers = set(conn.scalars(sa.select(inbox.c.lease_owner).where(inbox.c.state == "done")))
    assert taken_back
    assert len(workers) == bots
    assert "Traceback" not in log.read_text()


def test_three_bots_make_one_pair_of_each_approved_reply(office: Office, tmp_path: Path) -> None:
    share_work(office, log=tmp_path / "bot.log", bots=3, threads=25)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_three_bots_through_ten_thousand_events(office: Office, tmp_path: Path) -> None:
    share_work(office, log=tmp_path / "bot.log", bots=3, threads=2_500)
