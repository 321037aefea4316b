"""Slack exports: which replies become pairs, and which exports are refused."""

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.importing.exports import make_message, make_user, write_export
from thumbtune.core.errors import BadInput
from thumbtune.core.pseudonyms import is_pseudonym
from thumbtune.core.records import Approval, DraftState, Message
from thumbtune.core.store import Store, approvals, desks, drafts, messages
from thumbtune.core.store.pairs import ERASED
from thumbtune.core.store.places import IMPORT_CHANNEL
from thumbtune.core.store.retention import expire_texts
from thumbtune.core.store.tombstones import Tombstone, add_tombstone, digest_person

PRIYA, JONAS, LEAD, MAYA, GUEST, BOT, GONE = "U1", "U2", "U9", "UMAYA", "UGUEST", "UBOT", "UGONE"
USERS = [
    make_user(PRIYA, "Priya Nair"),
    make_user(JONAS, "Jonas Weber"),
    make_user(LEAD, "Ruth Mensah"),
    make_user(MAYA, "Maya Lindqvist"),
    make_user(GUEST, "Gil Guest", is_restricted=True),
    make_user(BOT, "Thumbtune", is_bot=True, real_name="Thumbtune"),
    make_user(GONE, "Gina Gone", deleted=True),
]
CHANNEL = {"id": "C1", "name": "support", "members": [PRIYA, JONAS, LEAD, MAYA]}
GROUP = ("--group", "S1=U2")

Import = Callable[..., Any]


@pytest.fixture
def load(with_desk: Store, run: Run, tmp_path: Path) -> Import:
    """Import messages of the support channel into a desk of U1, the group S1 (U2) and the lead U9."""

    def load_messages(*items: object, arguments: tuple[str, ...] = GROUP, **more: Any) -> Any:  # Any: JSON
        export = {"users": USERS, "channels": [CHANNEL], "messages": {"support": items}, **more}
        path = write_export(tmp_path / "export.zip", **export)
        return run("pairs", "import", str(path), "--json", *arguments)

    return load_messages


def pairs(run: Run) -> list[tuple[list[str], str]]:
    return [([f"{turn['role']}: {turn['text']}" for turn in pair["turns"]], pair["reply"])
            for pair in reversed(run("pairs", "list", "--json"))]  # fmt: skip


def ask(second: int = 1) -> dict[str, Any]:  # Any: Slack's JSON
    return make_message(f"{second}.000000", MAYA, f"Where is RE-48213? Maya, m{second}@example.com")


def answer(second: int, *thumbs: str, thread: int = 1, user: str = PRIYA, **more: Any) -> dict[str, Any]:
    place = f"{thread}.000000"
    text = str(more.pop("text", f"Hi Maya, it is on its way, says Priya ({second})."))
    return make_message(f"{second}.000000", user, text, thread=place, thumbs=thumbs, **more)


def test_approved_reply_becomes_a_pair_of_its_own_place_and_nothing_twice(load: Import, run: Run) -> None:
    items = (ask(), answer(2), answer(90_000, JONAS, text="It comes on Friday, <@UMAYA>."))
    outcome = load(*items)
    assert (outcome["format"], outcome["imported"], outcome["refused"]) == ("slack", 1, {})
    turns = ["customer: Where is [ORDER_1]? [NAME_1], [EMAIL_1]"]
    turns.append("agent: Hi [NAME_1], it is on its way, says [NAME_2] (2).")
    assert pairs(run) == [(turns, "It comes on Friday, @[NAME_1].")]
    (pair,) = run("pairs", "list", "--json")
    assert (pair["channel_id"], pair["thread_ts"], pair["reply_ts"]) == ("C1", "1.000000", "90000.000000")
    assert (pair["approved_by"], pair["source"], pair["state"]) == (JONAS, "imported", "active")
    again = load(*items)
    assert (again["imported"], again["already_there"]) == (0, 1)
    assert len(run("pairs", "list", "--json")) == 1


def test_export_is_stored_before_or_after_what_else_happens_in_its_channels(
    load: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[tuple[str, str]] = []
    monkeypatch.setattr("thumbtune.cli.importing.outcome.lock_channels", lambda _conn, places: locked.extend(places))
    load(ask(), answer(2, JONAS))
    assert set(locked) == {("T1", "C1"), ("T1", IMPORT_CHANNEL)}


def test_only_what_the_desks_rules_approve_becomes_a_pair(load: Import, run: Run) -> None:
    veto = {"reactions": [{"name": "thumbsdown", "users": [LEAD], "count": 1}]}
    toned = {"reactions": [{"name": "+1::skin-tone-3", "users": [LEAD], "count": 1}]}
    outcome = load(
        ask(),
        answer(2, PRIYA),  # her own
        answer(3, GUEST),
        answer(4, GONE),
        answer(5, MAYA),
        answer(6, JONAS, **veto),
        answer(7, **toned),
        answer(8, JONAS, user=MAYA),
        answer(9, JONAS, text=""),
        make_message("10.000000", PRIYA, "Hello all!", thumbs=[JONAS]),
        answer(11, JONAS, subtype="channel_join"),
        answer(12, JONAS, user="", bot_id="B7", subtype="bot_message"),
        answer(13, JONAS, text="<@UBOT> please draft"),
        answer(14, JONAS, thread=99),
        {**ask(20), "reactions": [{"name": "eyes", "users": [JONAS], "count": 1}]},
    )
    assert [reply for _, reply in pairs(run)] == ["Hi [NAME_1], it is on its way, says [NAME_2] (7)."]
    assert outcome["refused"] == {
        "not approved by enough of those whose approval counts": 4,
        "an approver is against it": 1,
        "not written by an agent of the desk": 2,
        "it has no text": 1,
        "no customer's message before it, or one that could not be redacted": 1,
        "a word to the bot, not to the customer": 1,
        "the beginning of its thread is not in the export": 1,
    }


def test_reply_to_what_was_erased_here_says_so(load: Import, with_desk: Store) -> None:
    now = int(with_desk.now().timestamp())
    load(ask(), answer(now, PRIYA))
    expire_texts(with_desk, message_days=1, pair_days=0, shows_sign=False, actor="test")
    outcome = load(ask(), answer(now, JONAS))
    assert (outcome["imported"], outcome["refused"]) == (0, {ERASED: 1})


def test_edited_reply_waits_for_review_as_nobody_knows_what_was_approved(load: Import, run: Run) -> None:
    outcome = load(ask(), answer(2, JONAS, edited={"user": PRIYA, "ts": "5.000000"}))
    assert (outcome["imported"], sum(outcome["waiting"].values())) == (1, 1)
    (pair,) = run("pairs", "list", "--json")
    assert (pair["state"], pair["source"]) == ("quarantined", "imported")


def test_what_the_store_knows_of_a_reaction_it_knows_better(with_desk: Store, load: Import, run: Run) -> None:
    place = {"team_id": "T1", "channel_id": "C1"}
    with with_desk.write() as conn:
        taken_back = Approval(JONAS, "+1", False, "50.000000")
        approvals.record_approval(conn, taken_back, message_ts="2.000000", **place)
        gone = Message("T1", "C1", "4.000000", "1.000000", "", False, "", "", True)
        messages.record_message(conn, gone, event_ts="60.000000")
    outcome = load(ask(), answer(2, JONAS), answer(3, JONAS), answer(4, JONAS))
    assert outcome["imported"] == 1
    assert outcome["refused"] == {
        "not approved by enough of those whose approval counts": 1,
        "it was deleted since": 1,
    }


def test_thumbs_up_given_after_they_were_forgotten_is_not_counted_for_someone_else(
    with_desk: Store, load: Import
) -> None:
    place = {"team_id": "T1", "channel_id": "C1", "message_ts": "2.000000"}
    with with_desk.write() as conn:
        digest = digest_person(with_desk.sealer, JONAS)
        add_tombstone(conn, Tombstone("forget-1", digest, ("support",), "4.000000", LEAD, with_desk.now()))
        approvals.record_approval(conn, Approval(JONAS, "+1", True, "50.000000"), **place)
    load(ask(), answer(2, JONAS))
    with with_desk.read() as conn:
        assert [item.user_id for item in approvals.load_approvals(conn, **place)] == [JONAS]


def test_channel_without_a_desk_brings_nobody_back_whom_the_desk_forgot(
    with_desk: Store, load: Import, run: Run
) -> None:
    with with_desk.write() as conn:
        for number, user_id in enumerate((MAYA, JONAS)):
            digest = digest_person(with_desk.sealer, user_id)
            tombstone = Tombstone(f"forget-{number}", digest, ("support",), "4.000000", LEAD, with_desk.now())
            add_tombstone(conn, tombstone)
    old = {"id": "C7", "name": "old-support", "members": []}
    later = (ask(5), answer(6, LEAD, thread=5))
    there = {"support": [], "old-support": [ask(), answer(2, LEAD), answer(3, JONAS), *later]}
    arguments = (*GROUP, "--channel", "old-support")
    outcome = load(messages=there, channels=[CHANNEL, old], arguments=arguments)
    assert (outcome["imported"], outcome["refused"]) == (1, {"someone in it was forgotten": 2})
    assert [reply for _, reply in pairs(run)] == ["Hi [NAME_1], it is on its way, says [NAME_2] (6)."]
    place = {"team_id": "T1", "channel_id": "C7"}
    with with_desk.read() as conn:
        hers = messages.load_message(conn, ts="1.000000", **place)
        (given,) = approvals.load_approvals(conn, message_ts="3.000000", **place)
    assert hers is not None
    assert (hers.text, hers.user_id) == ("", "")
    assert is_pseudonym(given.user_id)


def test_draft_that_was_sent_is_known_for_one_in_an_export(with_desk: Store, load: Import, run: Run) -> None:
    place = {"team_id": "T1", "channel_id": "C1", "thread_ts": "1.000000"}
    with with_desk.write() as conn:
        asked = {"desk_id": "support", "asked_by": PRIYA, "last_seen_ts": "1.000000", "now": with_desk.now()}
        sent: list[tuple[DraftState, str]] = [("sent", "2.000000"), ("edited", "3.000000")]
        for state, sent_ts in sent:
            draft_id = f"draft-{state}"
            drafts.request_draft(conn, draft_id=draft_id, request_key=draft_id, **asked, **place)
            drafts.settle_draft(conn, draft_id, state=state, now=with_desk.now())
            drafts.set_sent_ts(conn, draft_id, sent_ts=sent_ts)
    load(ask(), answer(2, JONAS), answer(3, JONAS), answer(4, JONAS))
    sources = {pair["reply_ts"]: pair["source"] for pair in run("pairs", "list", "--json")}
    assert sources == {"2.000000": "draft", "3.000000": "edited", "4.000000": "imported"}


def test_stranger_of_another_workspace_is_a_customer_whose_name_is_redacted(load: Import, run: Run) -> None:
    profile = {"real_name": "Xenia Extern", "first_name": "Xenia", "display_name": "xen", "team": "T2"}
    question = make_message("1.000000", "UX", "Xenia here, open?", user_profile=profile, user_team="T2")
    load(question, answer(2, "UX", JONAS, text="Yes, Xenia Extern."))
    assert pairs(run) == [(["customer: [NAME_1] here, open?"], "Yes, [NAME_1].")]


def test_message_that_cannot_be_read_is_told_and_spoils_its_thread_alone(load: Import, run: Run) -> None:
    broken = [
        {**answer(3), "text": 5},
        {**answer(4), "ts": "4"},
        {**answer(5), "reactions": [{"name": "+1", "users": None}]},
        {**answer(6), "edited": "yes"},
        {**answer(7), "text": "x" * 50_000},
        "no object",
    ]
    outcome = load(ask(), *broken, answer(8, JONAS), ask(20), answer(21, JONAS, thread=20))
    assert [item["reason"] for item in outcome["problems"]] == [
        "its text is not text",
        "its ts is not a time as Slack writes it",
        "its reactions are not as Slack writes them",
        "its edit has no time",
        "its text has 50000 characters, more than 40000",
        "not an object",
    ]
    assert outcome["problems"][0]["where"] == "support/1970-01-01.json message 2"
    assert (outcome["imported"], outcome["refused"]) == (1, {"a message of its thread cannot be read": 1})


def test_dry_run_leaves_nothing_behind(with_desk: Store, load: Import, run: Run) -> None:
    outcome = load(ask(), answer(2, JONAS), arguments=(*GROUP, "--dry-run"))
    assert (outcome["imported"], pairs(run)) == (1, [])
    with with_desk.read() as conn:
        assert messages.load_thread(conn, team_id="T1", channel_id="C1", thread_ts="1.000000") == []


def test_channels_are_the_desks_or_those_that_are_named(with_desk: Store, load: Import, run: Run) -> None:
    old = {"id": "G7", "name": "old-support", "members": []}
    there = {"support": [], "old-support": [ask(), answer(2, JONAS)], "support/../x": []}
    more = {"messages": {key: there[key] for key in ("support", "old-support")}, "private": [old]}
    assert load(**more)["imported"] == 0
    assert load(**more, arguments=(*GROUP, "--channel", "#old-support"))["imported"] == 1
    with pytest.raises(BadInput, match="lacks nowhere; it holds old-support, support"):
        load(**more, arguments=(*GROUP, "--channel", "nowhere"))
    run("desks", "add", "second", "--team", "T1", "--channel", "G7", "--agent", "U1")
    with pytest.raises(BadInput, match="belongs to desk second"):
        load(**more, arguments=(*GROUP, "--channel", "old-support", "--desk", "support"))


def test_group_that_nobody_explains_and_another_workspace_are_refused(load: Import, run: Run) -> None:
    with pytest.raises(BadInput, match=r"set SLACK_BOT_TOKEN, or say who is in it with --group S1="):
        load(ask(), answer(2, JONAS), arguments=())
    with pytest.raises(BadInput, match="not understood"):
        load(ask(), arguments=("--group", "S1"))
    with pytest.raises(BadInput, match="of workspace T8; desk support is in T1"):
        load(ask(), users=[{**user, "team_id": "T8"} for user in USERS])
    with pytest.raises(BadInput, match="does not say of which workspace"):
        load(ask(), users=[{name: value for name, value in user.items() if name != "team_id"} for user in USERS])


def test_export_zipped_again_with_its_folder_is_read_all_the_same(load: Import) -> None:
    assert load(ask(), answer(2, JONAS), folder="Acme Slack export/")["imported"] == 1


def test_messages_of_many_threads_are_stored_in_batches_that_are_audited(load: Import, run: Run) -> None:
    items = [
        item for second in range(1000, 1500, 2) for item in (ask(second), answer(second + 1, JONAS, thread=second))
    ]
    assert load(*items)["imported"] == 250
    acts = run("audit", "list", "--action", "pairs_imported", "--json")
    assert [act["detail"]["pairs"] for act in acts] == [50, 100, 100]
    assert {(act["actor"], act["subject"]) for act in acts} == {("cli", "support")}
    run("audit", "verify")


def spoil(path: Path, *, members: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a.txt": "x"}, "holds no users.json"),
        ({"users.json": "[]", "../evil.json": "[]"}, "leads out of it"),
        ({"users.json": "[]", "/etc/evil.json": "[]"}, "leads out of it"),
        ({"users.json": "[]", "a\\..\\evil.json": "[]"}, "leads out of it"),
        ({"users.json": "[]", "C:evil.json": "[]"}, "leads out of it"),
        ({"users.json": "{}"}, r"users\.json is not a list"),
        ({"users.json": "["}, r"users\.json is not valid JSON"),
        ({"users.json": "[" * 100_000}, r"users\.json is not valid JSON"),
        ({"users.json": '["\udcff"]'.encode("utf-8", "surrogateescape")}, r"users\.json is not valid JSON in UTF-8"),
        ({"users.json": "[]", "channels.json": "[]"}, "lists no people"),
        ({"users.json": '[{"id": "U1"}]'}, "lists no channels"),
    ],
)
def test_zip_that_is_no_export_or_plays_tricks_is_refused(
    with_desk: Store, run: Run, tmp_path: Path, members: dict[str, str], words: str
) -> None:
    spoil(tmp_path / "x.zip", members=members)
    with pytest.raises(BadInput, match=words):
        run("pairs", "import", str(tmp_path / "x.zip"), "--format", "slack")


def test_zip_that_is_broken_encrypted_or_a_bomb_is_refused(with_desk: Store, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"

    def refuse(words: str, data: bytes) -> None:
        path.write_bytes(data)
        with pytest.raises(BadInput, match=words):
            run("pairs", "import", str(path), "--format", "slack")

    spoil(path, members={"users.json": "[]"})
    good = path.read_bytes()
    entry, size_at = good.index(b"PK\x01\x02"), good.index(b"PK\x01\x02") + 24
    refuse("cannot be opened as a zip", good[:-10])
    refuse("is encrypted", good[: entry + 8] + b"\x01\x00" + good[entry + 10 :])
    refuse("larger than 4 GiB|larger than 256 MiB", good[:size_at] + struct.pack("<L", 2**32 - 2) + good[size_at + 4 :])
    refuse("cannot be unpacked", good.replace(b"users.json[]", b"users.json[}"))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("users.json", "[]")
    refuse("twice", path.read_bytes())


def test_desk_is_left_as_it_was_when_the_export_is_refused(with_desk: Store, load: Import, run: Run) -> None:
    with with_desk.read() as conn:
        before = desks.load_desk(conn, "support")
    with pytest.raises(BadInput):
        load(ask(), answer(2, JONAS), arguments=(*GROUP, "--channel", "x"))
    with with_desk.read() as conn:
        assert desks.load_desk(conn, "support") == before
    assert pairs(run) == []
