"""Knows the people of the workspace: who they are, what they are called and which groups they are in.

It does not decide anything. Slack is asked once and then again after a while; what cannot be known is an error, so
that roles stay closed. Slack says who is in a group, not who was: `remember` keeps that.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from thumbtune.bot.roles import DeskRoles, Person
from thumbtune.bot.slack import Json, SlackApi
from thumbtune.core.errors import SlackError, SlackRefused
from thumbtune.core.records import Desk
from thumbtune.core.redaction import NameIndex
from thumbtune.core.store.members import Departure

logger = logging.getLogger(__name__)

PERSON_FRESH_S = 600.0
GROUP_FRESH_S = 300.0
MEMBERS_FRESH_S = 900.0
PREFETCH_PEOPLE = 2000
UNKNOWN_TEAM = ""
_NO_GROUP = "no_such_subteam"  # also the answer for one that is switched off
_GONE = ("user_not_found", "users_not_found", "user_not_visible")


_Group = tuple[frozenset[str], Mapping[str, Departure]]
"""Who is in a group, and who has left it."""
Remember = Callable[[str, frozenset[str]], Mapping[str, Departure]]
"""Keeps who is in a group now, and returns who has left it."""


class PeopleMissing(Exception):
    """A decision needs people who are not known yet; fetch them and decide again."""

    def __init__(self, user_ids: Collection[str]) -> None:
        self.user_ids = frozenset(user_ids)
        super().__init__(f"{len(self.user_ids)} people are not known yet")


class People:
    """A cache of users, user groups and channel members; safe to share between threads."""

    def __init__(
        self, slack: SlackApi, *, team_id: str, remember: Remember, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._slack = slack
        self._team_id = team_id
        self._remember = remember
        self._clock = clock
        self._lock = threading.Lock()
        self._people: dict[str, tuple[float, Person]] = {}
        self._groups: dict[str, tuple[float, _Group]] = {}
        self._names: dict[str, NameIndex] = {}
        self._members_at: dict[str, float] = {}

    def prefetch(self) -> int:
        """Load the workspace's people at start, as far as one list reaches; return how many."""
        count = 0
        try:
            for user in self._slack.pages("users.list", "members", limit=200):
                self._keep(read_person(user, home_team_id=self._team_id))
                count += 1
                if count >= PREFETCH_PEOPLE:
                    break
        except SlackError as exc:
            logger.warning("people_not_prefetched", extra={"error": type(exc).__name__})
        return count

    def get_person(self, user_id: str) -> Person | None:
        """Return someone known, however long ago."""
        entry = self._people.get(user_id)
        return entry[1] if entry else None

    def get_people(self, user_ids: Iterable[str]) -> dict[str, Person]:
        """Return all of these people without asking Slack.

        Raises: PeopleMissing naming those to fetch.
        """
        wanted = set(user_ids) - {""}
        found = {user_id: person for user_id in wanted if (person := self.get_person(user_id)) is not None}
        if len(found) < len(wanted):
            raise PeopleMissing(wanted - found.keys())
        return found

    def fetch_person(self, user_id: str, *, fresh_s: float = PERSON_FRESH_S) -> Person:
        """Return someone as Slack knew them within the last `fresh_s` seconds.

        Raises: SlackError when Slack gives no answer.
        """
        entry = self._people.get(user_id)
        if entry is not None and self._clock() - entry[0] < fresh_s:
            return entry[1]
        method, key = ("bots.info", "bot") if user_id.startswith("B") else ("users.info", "user")
        try:
            found: Json = self._slack.call(method, **{key: user_id})[key]
        except SlackRefused as exc:
            if exc.code not in (*_GONE, "bot_not_found"):
                raise
            found = {"id": user_id, "team_id": UNKNOWN_TEAM, "deleted": True, "is_bot": method == "bots.info"}
        if method == "bots.info":
            found = {"id": user_id, "team_id": self._team_id, "is_bot": True, "real_name": found.get("name", "")}
        return self._keep(read_person(found, home_team_id=self._team_id))

    def fetch_people(self, user_ids: Iterable[str]) -> dict[str, Person]:
        """Return all of these people, asking Slack for those not known.

        Raises: SlackError.
        """
        return {user_id: self.fetch_person(user_id) for user_id in dict.fromkeys(user_ids) if user_id}

    def fetch_roles(self, desk: Desk) -> DeskRoles:
        """Return who plays which part on a desk now.

        Raises: SlackError when a group cannot be resolved for now; one that is gone has no members; StoreUnavailable.
        """
        agents, leads = self._resolve(desk.agents), self._resolve(desk.leads)
        team = _join([agents, leads])
        approvers = self._resolve(desk.approvers) if desk.approvers else team
        return DeskRoles(
            team_id=desk.team_id,
            agents=agents[0],
            approvers=approvers[0],
            leads=leads[0],
            former_agents={user_id: left.missed for user_id, left in team[1].items()},
            former_approvers={
                # Who was in it is believed to be for as long as Slack is not asked again.
                user_id: min(left.last_seen + GROUP_FRESH_S, left.missed)
                for user_id, left in approvers[1].items()
            },
        )

    def fetch_names(self, channel_id: str) -> NameIndex:
        """Return the names of everyone known in a channel; it grows as people write.

        Raises: SlackError while the channel's members were never read.
        """
        index = self._names.setdefault(channel_id, NameIndex())
        asked_at = self._members_at.get(channel_id)
        if asked_at is None or self._clock() - asked_at > MEMBERS_FRESH_S:
            try:
                members = list(self._slack.pages("conversations.members", "members", limit=1000, channel=channel_id))
                for user_id in members:
                    self.add_name(index, self.get_person(user_id) or self.fetch_person(user_id))
                self._members_at[channel_id] = self._clock()
            except SlackError as exc:
                if asked_at is None:
                    raise
                logger.warning("members_not_read", extra={"channel_id": channel_id, "error": type(exc).__name__})
        return index

    @staticmethod
    def add_name(index: NameIndex, person: Person | None) -> None:
        """Make sure that someone's names are found from now on."""
        if person is not None and not person.is_bot:
            index.add(person.user_id, person.names)

    def _keep(self, person: Person) -> Person:
        with self._lock:
            self._people[person.user_id] = (self._clock(), person)
        return person

    def _resolve(self, ids: Iterable[str]) -> _Group:
        return _join(self._fetch_group(item) if item.startswith("S") else (frozenset({item}), {}) for item in ids)

    def _fetch_group(self, group_id: str) -> _Group:
        entry = self._groups.get(group_id)
        if entry is not None and self._clock() - entry[0] < GROUP_FRESH_S:
            return entry[1]
        try:
            users = frozenset(self._slack.call("usergroups.users.list", usergroup=group_id)["users"])
        except SlackRefused as exc:
            if exc.code != _NO_GROUP:
                raise
            logger.warning("group_not_resolved", extra={"group_id": group_id, "error": exc.code})
            users = frozenset()
        group = (users, self._remember(group_id, users))
        self._groups[group_id] = (self._clock(), group)
        return group


def _join(groups: Iterable[_Group]) -> _Group:
    found: set[str] = set()
    former: dict[str, Departure] = {}
    for members, gone in groups:
        found |= members
        for user_id, left in gone.items():
            before = former.get(user_id, left)
            former[user_id] = Departure(max(before.last_seen, left.last_seen), max(before.missed, left.missed))
    return frozenset(found), former


def read_person(user: Mapping[str, object], *, home_team_id: str) -> Person:
    """Return a person from Slack's user object."""
    raw_profile = user.get("profile")
    profile: Mapping[str, object] = raw_profile if isinstance(raw_profile, Mapping) else {}
    handle = str(user.get("name") or "")
    full = str(profile.get("real_name") or user.get("real_name") or handle)
    display = str(profile.get("display_name") or "")
    first = str(profile.get("first_name") or "") or full.split(" ")[0]
    forms = (full, display, first, str(profile.get("last_name") or ""), str(user.get("real_name") or ""))
    team_id = str(user.get("team_id") or UNKNOWN_TEAM)
    guest_marks = ("is_restricted", "is_ultra_restricted", "is_stranger")
    is_guest = any(bool(user.get(mark)) for mark in guest_marks) or team_id != home_team_id
    return Person(
        user_id=str(user.get("id", "")),
        team_id=team_id,
        name=full or display or "someone",
        first_name=first or full,
        names=tuple(dict.fromkeys(form for form in forms if form)),
        is_bot=bool(user.get("is_bot")) or user.get("id") == "USLACKBOT",
        is_guest=is_guest,
        is_deleted=bool(user.get("deleted")),
    )
