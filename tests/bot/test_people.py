"""What Slack does not say is never taken for an answer: neither an empty group nor a channel without members."""

import pytest

from tests.bot.conftest import MAYA, PRIYA, SUPPORT, make_desk
from thumbtune.bot.people import People
from thumbtune.bot.slack import SlackApi
from thumbtune.core.errors import SlackRefused, SlackUnknown
from thumbtune.demo.slack import seed
from thumbtune.demo.slack.server import ServerThread


@pytest.fixture
def people(slack: ServerThread) -> People:
    api = SlackApi(seed.BOT_TOKEN, base_url=slack.api_url)
    return People(api, team_id=seed.TEAM_ID, remember=lambda _group_id, _members: {})


def test_refused_group_is_not_an_empty_one(slack: ServerThread, people: People) -> None:
    desk = make_desk()
    scopes = slack.slack.web_api.bot_scopes
    slack.slack.web_api.bot_scopes = scopes - {"usergroups:read"}
    with pytest.raises(SlackRefused):
        people.fetch_roles(desk)
    slack.slack.web_api.bot_scopes = scopes
    assert PRIYA in people.fetch_roles(desk).agents


def test_group_that_is_gone_has_no_members(people: People) -> None:
    assert people.fetch_roles(make_desk(agents=("S0NOTHING",))).agents == frozenset()


def test_names_of_a_channel_are_unknown_until_its_members_are_read(slack: ServerThread, people: People) -> None:
    slack.slack.faults.change({"server_errors": 1.0, "methods": ["conversations.members"]})
    for _ in range(2):
        with pytest.raises(SlackUnknown):
            people.fetch_names(SUPPORT)
    slack.slack.faults.clear()
    names = people.fetch_names(SUPPORT)
    assert people.get_person(MAYA) is not None
    assert [span.canonical for span in names.find("I asked Maya Lindqvist")] == [MAYA]
