"""A whole support office for each test: a real local Slack workspace, a real store, the real bot, a model server.

It does not know what is tested. People act as they do in Slack; tests wait for what becomes visible, never for time.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

from tests.bot.model_server import ModelServer
from tests.conftest import SESSION_KEY
from thumbtune.bot.app import build_bot
from thumbtune.bot.process import RunningBot
from thumbtune.core.errors import RedactionFailed
from thumbtune.core.prompt import Passage
from thumbtune.core.records import Desk, Draft, Replica, TrainingPair
from thumbtune.core.redaction import NameIndex, Redactor, Span
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, connect_store, migrate_store
from thumbtune.core.store.adapters import add_adapter, mark_proven, promote
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.documents import add_document
from thumbtune.core.store.drafts import list_drafts
from thumbtune.core.store.inbox import count_events
from thumbtune.core.store.outbox import count_posts
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.replicas import report_replica
from thumbtune.core.store.runs import open_run
from thumbtune.demo.slack import seed
from thumbtune.demo.slack.delivery import Pace
from thumbtune.demo.slack.server import ServerOptions, ServerThread
from thumbtune.demo.slack.wire import Json

MAYA, TOMAS = "U0MAYA001", "U0TOMAS01"
PRIYA, JONAS, AIKO, RUTH = "U0PRIYA01", "U0JONAS01", "U0AIKO001", "U0RUTH001"
SUPPORT = seed.SUPPORT_CHANNEL
PATIENCE_S = 10.0

T = TypeVar("T")


def wait_for(look: Callable[[], T | None], *, what: str = "it", timeout_s: float = PATIENCE_S) -> T:
    """Return what `look` finds as soon as it finds something; fail when it never does."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not come about within {timeout_s:g} s"
        time.sleep(0.01)


class BrittleRedactor(Redactor):
    """Breaks on one word."""

    def find_spans(self, text: str, *, names: NameIndex) -> list[Span]:
        if "broken" in text:
            raise RedactionFailed("the text could not be redacted: ValueError")
        return super().find_spans(text, names=names)


class Office:
    """The workspace, the store and the model server, and what its people do in Slack."""

    def __init__(self, slack: ServerThread, store: Store, settings: Settings, model: ModelServer) -> None:
        self.slack = slack
        self.store = store
        self.settings = settings
        self.model = model
        self.bots: list[RunningBot] = []
        self._http = httpx2.Client(base_url=slack.base_url, timeout=10)

    def start_bot(self, **changes: object) -> RunningBot:
        """Start a bot, as on one more host."""
        running = RunningBot(build_bot(self.settings.model_copy(update=changes), self.store))
        running.start()
        self.bots.append(running)
        return running

    def close(self) -> None:
        for running in self.bots:
            running.stop()
        self._http.close()

    def call(self, method: str, *, user: str, **arguments: object) -> Json:
        """Call the Web API as a person."""
        headers = {"Authorization": f"Bearer {seed.user_token(user)}"}
        answer: Json = self._http.post(f"/api/{method}", json=arguments, headers=headers).json()
        assert answer["ok"], answer
        return answer

    def page(self, step: str, *, user: str, **arguments: object) -> Json:
        """Do what a person does on the page."""
        answer: Json = self._http.post(f"/demo/{step}", json={"user": user, **arguments}).json()
        return answer

    def control(self, step: str, **arguments: object) -> Json:
        """Switch something of the workspace."""
        answer: Json = self._http.post(f"/control/{step}", json=arguments).json()
        return answer

    def count_errors(self) -> Json:
        """Return how often the Web API refused, by code."""
        errors: Json = self._http.get("/control/state").json()["statistics"]["errors"]
        return errors

    def count_calls(self) -> Json:
        """Return how often each method of the Web API was called."""
        calls: Json = self._http.get("/control/state").json()["statistics"]["calls"]
        return calls

    def say(self, user: str, text: str, *, thread: str | None = None, channel: str = SUPPORT) -> str:
        place = {"thread_ts": thread} if thread else {}
        return str(self.call("chat.postMessage", user=user, channel=channel, text=text, **place)["ts"])

    def react(self, user: str, ts: str, name: str = "+1", *, on: bool = True, channel: str = SUPPORT) -> None:
        method = "reactions.add" if on else "reactions.remove"
        self.call(method, user=user, channel=channel, timestamp=ts, name=name)

    def ask(self, user: str, ts: str, *, channel: str = SUPPORT) -> None:
        answer = self.page("shortcut", user=user, callback_id="draft_reply", channel=channel, ts=ts)
        assert answer["ok"], answer

    def command(self, user: str, text: str, *, channel: str = SUPPORT) -> Json:
        return self.page("post", user=user, channel=channel, text=text)

    def press(self, user: str, card: Json, action_id: str, *, channel: str = SUPPORT) -> Json:
        for block in card["blocks"]:
            for element in block.get("elements", []):
                if element.get("action_id") == action_id:
                    container = {"type": "message", "channel": channel, "message_ts": card["ts"]}
                    names = {"block_id": block["block_id"], "action_id": action_id, "value": element.get("value")}
                    return self.page("action", user=user, container=container, **names)
        raise AssertionError(f"the card has no {action_id}")

    def open_home(self, user: str, *, holding: str) -> Json:
        """Open someone's Home tab and return it once it holds this text."""
        self.page("home_open", user=user)

        def look() -> Json | None:
            home = self.slack.slack.views.find_home(user)
            return home if home is not None and holding in str(home) else None

        return wait_for(look, what=f"a Home tab with {holding!r}")

    def press_in_home(self, user: str, home: Json, action_id: str) -> Json:
        """Press the first button with this action id in someone's Home tab."""
        for block in home["blocks"]:
            for element in [*block.get("elements", []), block.get("accessory") or {}]:
                if element.get("action_id") == action_id:
                    names = {"block_id": block["block_id"], "action_id": action_id, "value": element.get("value")}
                    container = {"type": "view", "view_id": home["id"]}
                    return self.page("action", user=user, container=container, **names)
        raise AssertionError(f"the Home tab has no {action_id}")

    def private(self, user: str, *, thread: str | None = None, channel: str = SUPPORT) -> list[Json]:
        """Return the messages that only this person sees."""
        place = {"thread_ts": thread} if thread else {}
        answer = self._http.get("/demo/messages", params={"user": user, "channel": channel, **place}).json()
        return [message for message in answer["messages"] if message.get("is_ephemeral")]

    def wait_for_card(self, user: str, thread: str, *, holding: str = "draft_dismiss") -> Json:
        """Return the newest private message of a thread that holds this text or action id."""

        def look() -> Json | None:
            cards = [message for message in self.private(user, thread=thread) if holding in str(message)]
            return cards[-1] if cards else None

        return wait_for(look, what=f"a card with {holding}")

    def thread(self, ts: str, *, channel: str = SUPPORT) -> list[Json]:
        answer = self.call("conversations.replies", user=RUTH, channel=channel, ts=ts, include_all_metadata=True)
        return list(answer["messages"])

    def view(self, user: str) -> Json | None:
        """Return the modal a person sees."""
        return self.slack.slack.views.find_top(user)

    def pairs(self, state: Any = "active") -> list[TrainingPair]:
        with self.store.read() as conn:
            return list_pairs(conn, state=state, limit=1000)

    def drafts(self) -> list[Draft]:
        with self.store.read() as conn:
            return list_drafts(conn)

    def wait_quiet(self, *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until everything that arrived was worked on and everything to be sent was sent."""

        def look() -> bool:
            counts = self.slack.slack.dispatcher.counts
            with self.store.read() as conn:
                events, posts = count_events(conn), count_posts(conn)
            is_open = counts.pending or events.get("received") or events.get("working")
            return not (is_open or posts.get("pending") or posts.get("sending") or posts.get("unknown"))

        wait_for(look, what="quiet", timeout_s=timeout_s)

    def serve_model(self, *, proven: tuple[str, ...] = (), healthy: bool = True, store: Store | None = None) -> None:
        """Report the model server as serving does."""
        store = store or self.store
        with store.write() as conn:
            report_replica(conn, Replica("r1", self.model.url, healthy, "base", proven, store.now()))

    def make_live(self, name: str) -> None:
        """Make an adapter live as serving does, on no server yet."""
        now = self.store.now()
        with self.store.write() as conn:
            run, _ = open_run(conn, desk_id="support", reason="retrain", now=now)
            rest = {"path": "x", "manifest_hash": "h", "base_model": "base"}
            add_adapter(conn, name=name, desk_id="support", run_id=run.run_id, now=now, **rest)
            mark_proven(conn, name, now=now)
            promote(conn, name, now=now)


def make_desk(**changes: object) -> Desk:
    values: dict[str, Any] = {
        "desk_id": "support",
        "team_id": seed.TEAM_ID,
        "name": "Support",
        "voice": "You answer for the Support desk.",
        "channels": (SUPPORT,),
        "agents": (seed.AGENTS_GROUP,),
        "leads": (seed.LEADS_GROUP,),
    }
    return Desk(**{**values, **changes})


@pytest.fixture
def settings(tmp_path: Path, slack: ServerThread) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=tmp_path / "data",
        secret_key=SESSION_KEY,
        SLACK_BOT_TOKEN=seed.BOT_TOKEN,
        SLACK_APP_TOKEN=seed.APP_TOKEN,
        SLACK_SIGNING_SECRET=seed.SIGNING_SECRET,
        SLACK_API_URL=slack.api_url,
        bot_workers=2,
        min_pairs=2,
    )


@pytest.fixture
def slack() -> Iterator[ServerThread]:
    with ServerThread(ServerOptions(port=0, pace=Pace(time_scale=0.2, ack_timeout_s=10.0))) as running:
        yield running


@pytest.fixture
def office(slack: ServerThread, settings: Settings) -> Iterator[Office]:
    """The office without a bot: start it with `start_bot`."""
    store = connect_store(settings)
    migrate_store(store)
    with store.write() as conn:
        save_desk(conn, make_desk())
        sections = [Passage("Shipping times", "Parcels within the country take two working days.")]
        add_document(
            conn, desk_id="support", source="shipping.md", title="Shipping", sections=sections, now=store.now()
        )
    with ModelServer() as model:
        opened = Office(slack, store, settings, model)
        opened.serve_model()
        yield opened
        opened.close()
    store.engine.dispose()


@pytest.fixture
def staffed(office: Office) -> Office:
    """The office with one bot at work."""
    office.start_bot()
    return office
