"""Which drafts make a preference pair with an approved reply, and that nothing which is gone leaves one."""

from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from tests.conftest import Clock
from thumbtune.core.preferences import Preference, read_preferences
from thumbtune.core.prompt import Passage, Turn
from thumbtune.core.records import Desk, DraftState, Message
from thumbtune.core.redaction import NameIndex, Redactor
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, desks, drafts, pairs
from thumbtune.core.store.correcting import correct_pair
from thumbtune.core.store.forgetting import forget_person
from thumbtune.core.store.messages import record_message
from thumbtune.core.store.preferences import holds_erased_draft
from thumbtune.core.store.retention import expire_texts
from thumbtune.core.store.schema import drafts as draft_rows
from thumbtune.core.store.tombstones import Tombstone, digest_person

MAYA, PRIYA, JONAS = "U0MAYA", "U0PRIYA", "U0JONAS"
PLACE = {"team_id": "T1", "channel_id": "C1"}
ASKED = "Where is my parcel?"
OWN = "Hi! It left us this morning and will be with you on Friday."
DRAFT = "Your parcel has been dispatched. Please await its delivery."
OTHER = "Dear customer, thank you for reaching out to us about this."
BEGAN = 1_772_000_000


class Talk:
    """One thread in which a customer asks, drafts are asked for and agents reply; every step is a second later."""

    def __init__(self, store: Store, *, thread: int = 0) -> None:
        self._store = store
        self._second = BEGAN + 10_000 * thread
        self.thread_ts = self._ts()
        self.last_ts = ""
        self.turns: list[Turn] = []

    def _ts(self) -> str:
        self._second += 1
        return f"{self._second}.000000"

    def _record(self, user_id: str, text: str, *, ts: str, event_ts: str = "", **changes: object) -> None:
        values = {"is_bot": False, "revision": "", "deleted": False, **changes}
        message = Message("T1", "C1", ts, self.thread_ts, user_id, text=text, **values)  # type: ignore[arg-type]
        with self._store.write() as conn:
            record_message(conn, message, event_ts=event_ts or ts)

    def ask(self, text: str = ASKED) -> str:
        self.last_ts = self._ts() if self.last_ts else self.thread_ts
        self._record(MAYA, text, ts=self.last_ts)
        self.turns.append(Turn("customer", text))
        return self.last_ts

    def edit(self, ts: str, text: str) -> None:
        revision = self._ts()
        self._record(MAYA, text, ts=ts, revision=revision, event_ts=revision)

    def delete(self, ts: str) -> None:
        self._record("", "", ts=ts, deleted=True, event_ts=self._ts())

    def draft(
        self, text: str = DRAFT, *, state: DraftState = "discarded", sent_ts: str = "", desk_id: str = "support"
    ) -> str:
        draft_id = f"draft-{self._ts()}"
        with self._store.write() as conn:
            now = self._store.now()
            place = {"desk_id": desk_id, "thread_ts": self.thread_ts, **PLACE}
            asked = {"asked_by": PRIYA, "last_seen_ts": self.last_ts}
            drafts.request_draft(conn, draft_id=draft_id, request_key=draft_id, now=now, **place, **asked)
            if text:
                drafts.fill_draft(conn, draft_id, mode="grounded", adapter=None, text=text, passages=(), latency_ms=1)
            if state != "ready":
                drafts.settle_draft(conn, draft_id, state=state, now=now)
            if sent_ts:
                drafts.set_sent_ts(conn, draft_id, sent_ts=sent_ts)
        return draft_id

    def next_ts(self) -> str:
        return f"{self._second + 2}.000000"

    def reply(self, text: str = OWN, *, is_approved: bool = True, passages: Sequence[Passage] = ()) -> int:
        """Let an agent reply; return the pair's id."""
        ts = self._ts()
        self._record(PRIYA, text, ts=ts)
        turns, self.last_ts = list(self.turns), ts
        self.turns.append(Turn("agent", text))
        if not is_approved:
            return 0
        with self._store.write() as conn:
            pairs.put_pair(
                conn,
                desk_id="support",
                thread_ts=self.thread_ts,
                reply_ts=ts,
                revision="",
                turns=turns,
                reply=text,
                passages=passages,
                source="human",
                approved_by=JONAS,
                now=self._store.now(),
                **PLACE,
            )
            return pairs.list_pairs(conn, newest_first=True, limit=1)[0].pair_id


@pytest.fixture
def talk(store: Store) -> Talk:
    with store.write() as conn:
        for desk_id, channel in (("support", "C1"), ("billing", "C2")):
            desks.save_desk(conn, Desk(desk_id, "T1", desk_id, "Be kind.", channels=(channel,)))
    begun = Talk(store)
    begun.ask()
    return begun


def find(store: Store) -> list[tuple[int, str]]:
    return [(found.pair.pair_id, found.rejected) for found in read_preferences(store, desk_id="support")]


def find_one(store: Store) -> Preference:
    (found,) = read_preferences(store, desk_id="support")
    return found


def test_draft_that_was_edited_before_it_was_sent_loses_against_what_was_sent(store: Store, talk: Talk) -> None:
    draft_id = talk.draft(state="edited", sent_ts=talk.next_ts())
    pair_id = talk.reply()
    found = find_one(store)
    assert (found.pair.pair_id, found.pair.reply, found.draft_id, found.rejected) == (pair_id, OWN, draft_id, DRAFT)
    assert (found.state, found.mode) == ("edited", "grounded")
    assert 0.5 < found.edit_share <= 1


@pytest.mark.parametrize("state", ["discarded", "stale"])
def test_draft_that_was_dismissed_or_came_too_late_loses_against_the_agents_own_reply(
    store: Store, talk: Talk, state: DraftState
) -> None:
    talk.draft(state=state)
    assert find(store) == []
    assert find(store) == [(talk.reply(), DRAFT)][1:]
    assert [rejected for _, rejected in find(store)] == [DRAFT]


def test_every_try_that_was_replaced_loses_and_the_same_words_count_once(store: Store, talk: Talk) -> None:
    talk.draft(DRAFT)
    talk.draft(OTHER)
    talk.draft(f"  {OTHER.upper()} ")
    talk.draft(OWN, state="sent", sent_ts=talk.next_ts())
    pair_id = talk.reply()
    assert find(store) == [(pair_id, DRAFT), (pair_id, OTHER)]


@pytest.mark.parametrize("state", ["ready", "failed", "sent"])
def test_draft_that_nobody_rejected_loses_against_nothing(store: Store, talk: Talk, state: DraftState) -> None:
    talk.draft(state=state)
    talk.reply()
    assert find(store) == []


def test_draft_for_an_earlier_question_does_not_lose_against_a_later_answer(store: Store, talk: Talk) -> None:
    talk.draft()
    talk.ask("And may I send it back?")
    talk.reply("Of course, within thirty days.")
    assert find(store) == []


def test_draft_loses_against_the_first_reply_only(store: Store, talk: Talk) -> None:
    talk.draft()
    talk.reply("One moment please, I look it up.", is_approved=False)
    talk.reply()
    assert find(store) == []


def test_other_drafts_word_does_not_lose_against_a_reply_beside_which_it_was_posted(store: Store, talk: Talk) -> None:
    talk.draft(state="edited", sent_ts=talk.next_ts())
    talk.reply("It comes on Friday.", is_approved=False)
    talk.reply()
    assert find(store) == []


@pytest.mark.parametrize("text", [OWN, f" {OWN.replace(' ', '  ')}", OWN.replace("!", "."), OWN.lower(), ""])
def test_reply_that_is_the_draft_but_for_a_slip_of_the_pen_tells_nothing(store: Store, talk: Talk, text: str) -> None:
    talk.draft(text)
    talk.reply()
    assert find(store) == []


def test_reply_that_only_states_facts_nobody_could_know_is_left_out(store: Store, talk: Talk) -> None:
    told = "You have 14 days to send it back, all in all, from the day on which it came."
    talk.draft(told)
    pair_id = talk.reply(told.replace("14", "60"))
    assert find(store) == []
    known = Talk(store, thread=1)
    known.ask()
    known.draft(told)
    pair_id = known.reply(told.replace("14", "60"), passages=[Passage("Returns", "We take things back for 60 days.")])
    assert find(store) == [(pair_id, told)]


def test_correction_by_a_lead_beats_the_draft_that_was_sent_as_it_was(store: Store, talk: Talk) -> None:
    talk.draft(OWN, state="sent", sent_ts=talk.next_ts())
    pair_id = talk.reply()
    assert find(store) == []
    with store.write() as conn:
        correct_pair(
            conn,
            store,
            pair_id,
            text="It comes on Friday, promised.",
            corrected_by="U9",
            names=NameIndex(),
            redactor=Redactor(order_number_patterns=[]),
            settings=Settings(_env_file=None),
            shows_sign=False,
        )
    assert find(store) == [(pair_id, OWN)]


def test_drafts_of_other_threads_and_desks_have_nothing_to_do_with_it(store: Store, talk: Talk) -> None:
    other = Talk(store, thread=1)
    other.ask()
    other.draft()
    talk.draft(desk_id="billing")
    talk.reply()
    assert find(store) == []


def test_question_that_was_edited_or_deleted_since_is_another_conversation(store: Store, talk: Talk) -> None:
    later = talk.ask("It is the blue one.")
    talk.draft()
    talk.reply()
    assert len(find(store)) == 1
    talk.edit(later, "It is the red one.")
    assert find(store) == []
    other = Talk(store, thread=1)
    other.ask()
    gone = other.ask("My door code is a secret.")
    other.draft("I tell the driver your door code.")
    other.reply()
    assert len(find(store)) == 1
    other.delete(gone)
    assert find(store) == []


@pytest.mark.parametrize("state", ["withdrawn", "quarantined", "merged"])
def test_pair_that_is_not_in_use_has_no_preferences(store: Store, talk: Talk, state: str) -> None:
    talk.draft()
    pair_id = talk.reply()
    assert len(find(store)) == 1
    with store.write() as conn:
        pairs.set_pair_state(conn, pair_id, state=state, reason="", now=store.now())  # type: ignore[arg-type]
    assert find(store) == []


def test_draft_that_is_gone_leaves_no_preference(store: Store, talk: Talk) -> None:
    draft_id = talk.draft()
    talk.reply()
    assert len(find(store)) == 1
    with store.write() as conn:
        assert not holds_erased_draft(conn, [draft_id, draft_id])
        conn.execute(sa.delete(draft_rows))
        assert holds_erased_draft(conn, [draft_id])
    assert find(store) == []


@pytest.mark.parametrize("person", [MAYA, PRIYA])
def test_forgetting_who_asked_or_who_wanted_the_draft_leaves_no_preference(
    store: Store, talk: Talk, person: str
) -> None:
    draft_id = talk.draft()
    talk.reply()
    assert len(find(store)) == 1
    tombstone = Tombstone(
        "forget-1", digest_person(store.sealer, person), ("support",), talk.next_ts(), "U9", store.now()
    )
    with store.write() as conn:
        forget_person(conn, store, tombstone, min_pairs=1, shows_sign=False)
        assert holds_erased_draft(conn, [draft_id])
    assert find(store) == []


def test_retention_takes_the_draft_before_the_pair(store: Store, talk: Talk, clock: Clock) -> None:
    talk.draft()
    pair_id = talk.reply()
    clock.advance(seconds=40 * 86_400)
    expire_texts(store, message_days=30, pair_days=0, shows_sign=False, actor="trainer")
    with store.read() as conn:
        assert pairs.load_pair(conn, pair_id).state == "active"
    assert find(store) == []
