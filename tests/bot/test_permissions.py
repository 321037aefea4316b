"""Who may do what: eight kinds of people, six kinds of action and channel, each through Bolt, the inbox and the handlers.

Guests, outsiders and apps are listed as agents, approvers and leads of the desk, as a careless set-up would have it.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from slack_bolt import App, BoltRequest

from tests.bot.conftest import AIKO, MAYA, PRIYA, RUTH, SUPPORT, Office, make_desk
from tests.bot.golden.cast import BEN, HELPY, NEWCOMERS, NOOR, OLGA
from tests.bot.model_server import ModelServer
from tests.conftest import SESSION_KEY, Clock
from thumbtune.bot.app import build_app, build_bot
from thumbtune.bot.blocks import draft_card, home, retraining
from thumbtune.bot.bot import Bot
from thumbtune.bot.intake import build_keeper
from thumbtune.bot.listeners.table import LISTENERS
from thumbtune.bot.workers import Workers
from thumbtune.core.records import Draft
from thumbtune.core.sealing import Sealer
from thumbtune.core.settings import Settings
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.drafts import list_drafts
from thumbtune.core.store.engine import open_store
from thumbtune.core.store.migrate import migrate_store
from thumbtune.core.store.pairs import list_pairs, set_pair_state
from thumbtune.core.store.runs import claim_run, finish_run, list_runs
from thumbtune.demo.slack import seed
from thumbtune.demo.slack.server import ServerOptions, ServerThread
from thumbtune.demo.slack.wire import Json

FOREIGN = "U0ELSEWHR"
PEOPLE = {
    "customer": MAYA,
    "agent": AIKO,
    "approver": OLGA,
    "lead": RUTH,
    "guest": NOOR,
    "external": BEN,
    "foreign": FOREIGN,
    "bot": HELPY,
}
"""An approver who is no agent; a guest of the workspace; an external of Slack Connect; someone this workspace cannot see."""

LISTED = (NOOR, BEN, FOREIGN, HELPY)
MAY: dict[str, set[str]] = {
    "approve": {"agent", "approver", "lead"},
    "ask for a draft": {"agent", "lead"},
    "start a run": {"lead"},
    "post on another's card": set(),
    "decide in the Home tab": {"lead"},
    "anything where no desk is": set(),
}


class Counter:
    """The workspace and a bot without threads: what somebody does is worked on before the next line."""

    def __init__(self, office: Office, bot: Bot, door: App) -> None:
        self.office = office
        self.store = bot.store
        self._door = door
        self._workers = Workers(bot, LISTENERS)
        self._numbers = itertools.count(1)

    def let_in(self, body: Json) -> None:
        """Let Slack deliver, and the bot work."""
        assert (
            self._door.dispatch(BoltRequest(body={"team_id": seed.TEAM_ID, **body}, mode="socket_mode")).status == 200
        )
        self.office.serve_model()
        assert self._workers.work_once() == 1

    def hear(self, event: Json) -> None:
        self.let_in({"type": "event_callback", "event_id": f"Ev{next(self._numbers)}", "event": event})

    def interact(self, user_id: str, kind: str, **fields: object) -> None:
        team = {"id": seed.TEAM_ID}
        trigger = f"{next(self._numbers)}.1"
        self.let_in({"type": kind, "trigger_id": trigger, "team": team, "user": {"id": user_id}, **fields})

    def press(self, user_id: str, action_id: str, value: str) -> None:
        self.interact(user_id, "block_actions", actions=[{"action_id": action_id, "value": value}])

    def answer(self, channel: str = SUPPORT) -> tuple[str, str]:
        """Let a customer ask and an agent answer; return both messages' ts."""
        number = next(self._numbers)
        asked, told = f"Where is parcel {number}?", f"Parcel {number} comes on Friday."
        question = self.office.say(MAYA, asked, channel=channel)
        reply = self.office.say(PRIYA, told, thread=question, channel=channel)
        base = {"type": "message", "channel": channel}
        self.hear({**base, "user": MAYA, "text": asked, "ts": question, "event_ts": question})
        thread = {"thread_ts": question, "parent_user_id": MAYA}
        self.hear({**base, **thread, "user": PRIYA, "text": told, "ts": reply, "event_ts": reply})
        return question, reply

    def approve(self, user_id: str, reply: str, *, channel: str = SUPPORT) -> None:
        item = {"type": "message", "channel": channel, "ts": reply}
        ts = f"{int(reply.partition('.')[0]) + 1}.000001"
        self.hear({"type": "reaction_added", "user": user_id, "reaction": "+1", "item": item, "event_ts": ts})

    def ask(self, user_id: str, question: str, *, channel: str = SUPPORT) -> None:
        place = {"channel": {"id": channel}, "message_ts": question, "message": {"ts": question, "thread_ts": question}}
        self.interact(user_id, "message_action", callback_id="draft_reply", **place)

    def retrain(self, user_id: str, *, channel: str = SUPPORT) -> None:
        trigger = f"{next(self._numbers)}.1"
        self.let_in(
            {"command": "/retrain", "trigger_id": trigger, "user_id": user_id, "channel_id": channel, "text": ""}
        )

    def find_state(self, reply: str) -> str:
        with self.store.read() as conn:
            return next((pair.state for pair in list_pairs(conn, limit=1000) if pair.reply_ts == reply), "")

    def find_drafts(self, question: str) -> list[Draft]:
        with self.store.read() as conn:
            return [draft for draft in list_drafts(conn) if draft.thread_ts == question]

    def end_runs(self) -> int:
        """Return how many runs were open, and end them."""
        ended = 0
        with self.store.write() as conn:
            while run := claim_run(conn, owner="t", now=self.store.now(), lease_s=60):
                finish_run(conn, run, state="cancelled", message="", now=self.store.now())
                ended += 1
        return ended


def may_approve(counter: Counter, user_id: str) -> bool:
    _, reply = counter.answer()
    counter.approve(user_id, reply)
    return counter.find_state(reply) == "active"


def may_ask(counter: Counter, user_id: str) -> bool:
    question, _ = counter.answer()
    counter.ask(user_id, question)
    return [draft.state for draft in counter.find_drafts(question)] == ["ready"]


def may_retrain(counter: Counter, user_id: str) -> bool:
    for _ in range(2):
        counter.approve(RUTH, counter.answer()[1])
    counter.retrain(user_id)
    counter.press(user_id, retraining.START, "support")
    return bool(counter.end_runs())


def may_post(counter: Counter, user_id: str) -> bool:
    question, _ = counter.answer()
    counter.ask(PRIYA, question)
    (draft,) = counter.find_drafts(question)
    for action_id in (draft_card.POST_ANYWAY, draft_card.EDIT, draft_card.RETRY, draft_card.DISMISS, draft_card.POST):
        counter.press(user_id, action_id, draft.draft_id)
    return counter.find_drafts(question) != [draft]


def may_decide(counter: Counter, user_id: str) -> bool:
    done = []
    for action_id, state in ((home.KEEP, "active"), (home.LEAVE_OUT, "withdrawn")):
        _, reply = counter.answer()
        counter.approve(RUTH, reply)
        with counter.store.write() as conn:
            (pair,) = [pair for pair in list_pairs(conn, limit=1000) if pair.reply_ts == reply]
            now = counter.store.now()
            set_pair_state(conn, pair.pair_id, state="quarantined", reason="look", now=now, decided_by="")
        counter.press(user_id, action_id, str(pair.pair_id))
        done.append(counter.find_state(reply) == state)
    assert len(set(done)) == 1, "keeping and leaving out go together"
    return done[0]


def may_anything(counter: Counter, user_id: str) -> bool:
    question, reply = counter.answer(seed.GENERAL_CHANNEL)
    counter.approve(user_id, reply, channel=seed.GENERAL_CHANNEL)
    counter.ask(user_id, question, channel=seed.GENERAL_CHANNEL)
    counter.retrain(user_id, channel=seed.GENERAL_CHANNEL)
    counter.press(user_id, retraining.START, "general")
    return bool(counter.find_state(reply) or counter.find_drafts(question) or counter.end_runs())


ACTIONS: dict[str, Callable[[Counter, str], bool]] = dict(
    zip(MAY, (may_approve, may_ask, may_retrain, may_post, may_decide, may_anything), strict=True)
)
CASES = [(action, kind) for action in ACTIONS for kind in PEOPLE]


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    folder, clock = tmp_path_factory.mktemp("permissions"), Clock()
    store = open_store(f"sqlite:///{folder / 'store.sqlite3'}", Sealer(SESSION_KEY), now=clock)
    migrate_store(store)
    everyone: dict[str, Any] = {  # Any: a desk's lists
        "agents": (seed.AGENTS_GROUP, *LISTED),
        "approvers": (AIKO, RUTH, OLGA, *LISTED),
        "leads": (seed.LEADS_GROUP, *LISTED),
    }
    with store.write() as conn:
        save_desk(conn, make_desk(**everyone))
    with ServerThread(ServerOptions(port=0)) as slack, ModelServer() as model:
        tokens = {"SLACK_BOT_TOKEN": seed.BOT_TOKEN, "SLACK_APP_TOKEN": seed.APP_TOKEN, "SLACK_API_URL": slack.api_url}
        settings = Settings(
            _env_file=None,
            data_dir=folder,
            secret_key=SESSION_KEY,
            min_pairs=2,
            held_out_share=1e-9,
            held_out_min=0,
            **tokens,
        )
        office = Office(slack, store, settings, model)
        for newcomer in NEWCOMERS:
            office.control("users", **newcomer)
        office.control("members", channel=seed.GENERAL_CHANNEL, user=seed.BOT_USER_ID)
        bot = build_bot(settings, store)
        keeper = build_keeper(settings, store, signals=bot.signals)
        keeper.start()
        yield Counter(office, bot, build_app(settings, store, bot=bot, keeper=keeper))
        keeper.stop(timeout_s=10)
        bot.models.close()
        office.close()
    store.engine.dispose()


@pytest.mark.parametrize(("action", "kind"), CASES, ids=[f"{kind}-{action}" for action, kind in CASES])
def test_exactly_who_may_can(counter: Counter, action: str, kind: str) -> None:
    assert ACTIONS[action](counter, PEOPLE[kind]) is (kind in MAY[action])


def test_there_are_forty_eight_cases() -> None:
    assert len(CASES) == 48


def test_who_asked_may_post_on_the_own_card(counter: Counter) -> None:
    question, _ = counter.answer()
    counter.ask(PRIYA, question)
    (draft,) = counter.find_drafts(question)
    counter.press(PRIYA, draft_card.POST_ANYWAY, draft.draft_id)
    assert [draft.state for draft in counter.find_drafts(question)] == ["sent"]
    with counter.store.read() as conn:
        assert not [run for run in list_runs(conn) if run.state == "queued"]
