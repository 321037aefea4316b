"""Plays conversations in the local workspace: customers ask, agents answer, another agent approves every answer.

It does not know what becomes of the approvals.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from thumbtune.demo.slack.seed import PEOPLE, SUPPORT_CHANNEL
from thumbtune.demo.threads import DemoThread
from thumbtune.demo.workspace_client import WorkspaceClient

APPROVING_EMOJI = "+1"

_BY_NAME = {person.name: person.user_id for person in PEOPLE}
_CUSTOMERS = [person.user_id for person in PEOPLE if person.role == "customer"]
AGENTS = [person.user_id for person in PEOPLE if person.role == "agent"]
LEADS = [person.user_id for person in PEOPLE if person.role == "lead"]


@dataclass(frozen=True)
class PostedQuestion:
    """A customer's question that no agent answered."""

    thread_id: str
    thread_ts: str
    last_ts: str


def count_calls(threads: Sequence[DemoThread]) -> int:
    """Return how many messages and reactions playing these conversations takes."""
    return sum(len(thread.turns) + sum(turn.role == "agent" for turn in thread.turns) for thread in threads)


def play_threads(
    client: WorkspaceClient,
    threads: Sequence[DemoThread],
    *,
    on_call: Callable[[int], None],
    pace: Callable[[int], None],
) -> None:
    """Post every conversation with its approvals.

    `on_call` gets the number of calls made so far; `pace` gets it too and waits while the bot is far behind.
    """
    calls = 0
    for position, thread in enumerate(threads):
        customer, agent, approver = _choose_people(thread, position)
        thread_ts: str | None = None
        for turn in thread.turns:
            author = customer if turn.role == "customer" else agent
            ts = client.post(author, turn.text, channel=SUPPORT_CHANNEL, thread_ts=thread_ts)
            thread_ts = thread_ts or ts
            calls += 1
            if turn.role == "agent":
                client.react(approver, APPROVING_EMOJI, channel=SUPPORT_CHANNEL, ts=ts)
                calls += 1
            on_call(calls)
            pace(calls)


def post_question(client: WorkspaceClient, thread: DemoThread, position: int) -> PostedQuestion:
    """Post a conversation's opening only, as its customer."""
    customer, _, _ = _choose_people(thread, position)
    thread_ts: str | None = None
    ts = ""
    for turn in thread.opening:
        ts = client.post(customer, turn.text, channel=SUPPORT_CHANNEL, thread_ts=thread_ts)
        thread_ts = thread_ts or ts
    return PostedQuestion(thread.thread_id, thread_ts or ts, ts)


def _choose_people(thread: DemoThread, position: int) -> tuple[str, str, str]:
    customer = _BY_NAME.get(thread.customer, _CUSTOMERS[position % len(_CUSTOMERS)])
    agent = _BY_NAME.get(thread.agent, AGENTS[position % len(AGENTS)])
    approver = next(user_id for user_id in AGENTS[position % len(AGENTS) :] + AGENTS if user_id != agent)
    return customer, agent, approver
