"""Chat JSONL in, and what is exported in again."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.test_commands import add_pair
from thumbtune.core.errors import BadInput
from thumbtune.core.store import Store

GOOD = (
    ("user", "Where is my order #48213? Write to maya@example.com"),
    ("assistant", "It comes on Friday, see maya@example.com."),
)


def line(*messages: tuple[str, object], **more: object) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in messages], **more})


OWN: dict[str, Any] = {  # Any: JSON
    "turns": [{"role": "customer", "text": "Mail [EMAIL_1] or late@example.com"}],
    "thread_id": "T1:C1:1.000001",
    "reply_ts": "1.000002",
    "revision": "",
    "passages": [],
    "approved_by": "U2",
}
NOT_IDS: tuple[tuple[str, object], ...] = (
    ("approved_by", "\ud800"),
    ("approved_by", "U\x00"),
    ("approved_by", 7),
    ("approved_by", "U" * 33),
    ("thread_id", "T1:C1:1\ud800"),
    ("thread_id", {}),
    ("thread_id", "T1:C1"),
    ("reply_ts", "\ud800"),
    ("reply_ts", None),
    ("revision", "\x00"),
    ("source", []),
)


def own_line(**changes: object) -> str:
    """A line as `thumbtune pairs export` writes it, apart from these changes."""
    return line(("assistant", "To [EMAIL_1]."), **{**OWN, **changes})


def write(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "chat.jsonl"
    path.write_bytes(b"\n".join(item.encode("utf-8", "surrogateescape") for item in lines))
    return str(path)


def pairs(run: Run) -> list[dict[str, Any]]:  # Any: JSON
    return list(reversed(run("pairs", "list", "--json")))


def test_last_assistant_message_becomes_the_reply_and_all_is_redacted(
    with_desk: Store, run: Run, tmp_path: Path
) -> None:
    path = write(tmp_path, line(("system", "Be nice."), ("assistant", "Hi!"), *GOOD, ("user", "Thanks!")))
    outcome = run("pairs", "import", path, "--json")
    assert (outcome["format"], outcome["imported"], outcome["problems"]) == ("jsonl", 1, [])
    (pair,) = pairs(run)
    assert [(turn["role"], turn["text"]) for turn in pair["turns"]] == [
        ("agent", "Hi!"),
        ("customer", "Where is my order [ORDER_1]? Write to [EMAIL_1]"),
    ]
    assert pair["reply"] == "It comes on Friday, see [EMAIL_1]."
    assert (pair["source"], pair["state"], pair["approved_by"], pair["passages"]) == ("imported", "active", "cli", [])


def test_second_import_finds_everything_there_and_a_withdrawn_pair_stays_withdrawn(
    with_desk: Store, run: Run, tmp_path: Path
) -> None:
    path = write(tmp_path, line(*GOOD), line(*GOOD), line(("user", "Open on Sunday?"), ("assistant", "No.")))
    first = run("pairs", "import", path, "--json")
    assert (first["imported"], first["refused"]) == (2, {"the same as another in the file": 1})
    run("pairs", "withdraw", str(pairs(run)[0]["pair_id"]))
    again = run("pairs", "import", path, "--json")
    assert (again["imported"], again["already_there"]) == (0, 2)
    assert [pair["state"] for pair in pairs(run)] == ["withdrawn", "active"]


def test_dry_run_says_the_same_and_stores_nothing(with_desk: Store, run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, line(*GOOD), line(*GOOD), "nonsense")
    dry = run("pairs", "import", path, "--dry-run", "--json")
    assert pairs(run) == []
    assert run("audit", "list", "--action", "pairs_imported", "--json") == []
    real = run("pairs", "import", path, "--json")
    changing = ("seconds", "dry_run")
    assert {key: dry[key] for key in dry if key not in changing} == {
        key: real[key] for key in real if key not in changing
    }


def test_bad_lines_are_told_with_their_reason_and_good_ones_kept(with_desk: Store, run: Run, tmp_path: Path) -> None:
    deep = '{"messages": ' + "[" * 100_000
    bad = {
        "nonsense": "not valid JSON",
        "[1, 2]": "no list of messages",
        '{"prompt": "x"}': "no list of messages",
        line(): "no list of messages",
        '{"messages": ["x"]}': "message 1 is not an object",
        line(("tool", "x")): "message 1 has the role 'tool'",
        line(("user", None)): "message 1 is not text but NoneType",
        line(("user", [{"type": "image_url"}])): "message 1 holds something other than text",
        line(("user", "x" * 50_000)): "message 1 has 50000 characters",
        line(("user", "x"), *[("user", "x")] * 1000): "1001 messages, more than 1000",
        line(("user", "x")): "no assistant message",
        line(("user", "x"), ("assistant", " ")): "the reply is empty",
        line(("assistant", "x")): "no user message before the reply",
        deep: "not valid JSON (nested too deep",
        line(*GOOD)[:-1] + ', "big": ' + "9" * 5000 + "}": "a number too long",
        line(*GOOD, turns=[], thread_id="a:b:c"): "not as `thumbtune pairs export` writes them",
        line(*GOOD, turns=[{"role": "x", "text": ""}], thread_id="a:b:c", reply_ts="", revision="", passages=[],
             approved_by=""): "not as `thumbtune pairs export` writes them",
        **{own_line(**{name: value}): "not as `thumbtune pairs export` writes them" for name, value in NOT_IDS},
        own_line(state="withdrawn"): "the pair is 'withdrawn': only active pairs are imported",
        own_line(state="quarantined"): "the pair is 'quarantined': only active pairs are imported",
        own_line(source="elsewhere"): "not as `thumbtune pairs export` writes them",
        "\udcff": "not UTF-8 text (byte 0)",
    }  # fmt: skip
    path = write(tmp_path, "\ufeff" + line(*GOOD), "", *bad, line(("user", "Open?"), ("assistant", "Yes.")))
    outcome = run("pairs", "import", path, "--json")
    assert outcome["imported"] == 2
    assert [item["where"] for item in outcome["problems"]] == [f"line {number}" for number in range(3, 3 + len(bad))]
    wrong = [
        (item, reason)
        for item, reason in zip(outcome["problems"], bad.values(), strict=True)
        if reason not in item["reason"]
    ]
    assert wrong == []
    told = run("pairs", "import", path)
    assert f"{len(bad)} rows could not be used" in told and "line 3: not valid JSON" in told


def test_file_of_nothing_but_bad_lines_is_an_error(with_desk: Store, run: Run, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no row could be used; the first: line 1"):
        run("pairs", "import", write(tmp_path, "{}"))
    with pytest.raises(BadInput, match="cannot be read"):
        run("pairs", "import", str(tmp_path / "none"))
    with pytest.raises(BadInput, match="is empty"):
        run("pairs", "import", write(tmp_path, ""))


def test_system_message_is_kept_as_a_passage_when_asked(with_desk: Store, run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, line(("system", "Returns: 30 days. Ask boss@example.com."), *GOOD))
    run("pairs", "import", path, "--keep-system")
    assert pairs(run)[0]["passages"] == [{"title": "Instructions", "text": "Returns: 30 days. Ask [EMAIL_1]."}]


def test_forged_placeholders_are_taken_for_words(with_desk: Store, run: Run, tmp_path: Path) -> None:
    run("pairs", "import", write(tmp_path, line(("user", "I am [NAME_1], a@b.example"), ("assistant", "Hi [NAME_1]"))))
    assert (pairs(run)[0]["turns"][0]["text"], pairs(run)[0]["reply"]) == ("I am (NAME 1), [EMAIL_1]", "Hi (NAME 1)")


def test_names_that_messages_carry_are_redacted(with_desk: Store, run: Run, tmp_path: Path) -> None:
    spoken = [
        {"role": "user", "name": "Maya Lindqvist", "content": "Hello Priya, Maya here."},
        {"role": "assistant", "name": "Priya", "content": "Hi Maya! Priya"},
    ]
    run("pairs", "import", write(tmp_path, json.dumps({"messages": spoken})))
    assert pairs(run)[0]["turns"][0]["text"] == "Hello [NAME_2], [NAME_1] here."
    assert pairs(run)[0]["reply"] == "Hi [NAME_1]! [NAME_2]"


SAME = ("turns", "reply", "passages", "approved_by", "state")


def fill(store: Store, run: Run, tmp_path: Path) -> None:
    """Pairs as they come live, in bursts, with passages, and imported ones."""
    run("documents", "add", str(write_page(tmp_path)))
    for number in range(1, 4):
        add_pair(store, number)
    more = [line(*GOOD), line(("user", "Delivery?\n\nToday?"), ("user", "Or [x]?"), ("assistant", "Three days. 🍵"))]
    run("pairs", "import", write(tmp_path, *more))


def write_page(tmp_path: Path) -> Path:
    page = tmp_path / "delivery.md"
    page.write_text("# Delivery\n\n## Times\n\nThree days. Call +49 30 901820.\n", encoding="utf-8")
    return page


def test_export_comes_back_as_the_same_pairs_in_an_empty_desk_and_doubles_none_in_its_own(
    with_desk: Store, run: Run, tmp_path: Path
) -> None:
    fill(with_desk, run, tmp_path)
    before = pairs(run)
    assert any(pair["passages"] for pair in before)
    out = str(tmp_path / "out.jsonl")
    run("pairs", "export", "--out", out)
    again = run("pairs", "import", out, "--json")
    assert (again["imported"], again["already_there"]) == (0, 5)
    run("desks", "add", "second", "--team", "T1", "--channel", "C2", "--agent", "U1")
    for imported in (5, 0):
        outcome = run("pairs", "import", out, "--desk", "second", "--json")
        assert (outcome["imported"], outcome["already_there"]) == (imported, 5 - imported)
    copied = list(reversed(run("pairs", "list", "--desk", "second", "--json")))
    assert [[pair[key] for key in SAME] for pair in copied] == [[pair[key] for key in SAME] for pair in before]
    threads = [len({pair["thread_ts"] for pair in found}) for found in (before, copied)]
    assert threads[0] == threads[1], "what was one conversation stays one"


def test_export_brings_pairs_back_to_their_place_in_a_new_installation(
    with_desk: Store, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(with_desk, run, tmp_path)
    before = pairs(run)
    out = str(tmp_path / "out.jsonl")
    run("pairs", "export", "--out", out)
    monkeypatch.setenv("THUMBTUNE_DATA_DIR", str(tmp_path / "new"))
    run("migrate")
    run("desks", "add", "support", "--team", "T1", "--channel", "C1", "--agent", "U1")
    run("documents", "add", str(write_page(tmp_path)))
    run("pairs", "import", out)
    place = ("team_id", "channel_id", "thread_ts", "reply_ts")
    from_slack = [pair for pair in pairs(run) if pair["channel_id"] == "C1"]
    assert [[pair[key] for key in (*SAME, *place)] for pair in from_slack] == [
        [pair[key] for key in (*SAME, *place)] for pair in before if pair["channel_id"] == "C1"
    ]
    assert [[pair[key] for key in SAME] for pair in pairs(run)] == [[pair[key] for key in SAME] for pair in before]


def test_what_is_new_beside_kept_placeholders_gets_numbers_of_its_own(
    with_desk: Store, run: Run, tmp_path: Path
) -> None:
    run("pairs", "import", write(tmp_path, own_line()))
    (pair,) = pairs(run)
    assert (pair["turns"][0]["text"], pair["reply"]) == ("Mail [EMAIL_1] or [EMAIL_2]", "To [EMAIL_1].")
    assert (pair["channel_id"], pair["reply_ts"]) == ("C1", "1.000002")


def test_what_a_model_drafted_stays_known_for_it(with_desk: Store, run: Run, tmp_path: Path) -> None:
    """Else it would count as the team's own words when the self-taught share is drawn."""
    for number in range(1, 5):
        add_pair(with_desk, number)
    with with_desk.write() as conn:
        for number, source in enumerate(("draft", "edited", "imported"), start=1):
            conn.exec_driver_sql(f"UPDATE pairs SET source = '{source}' WHERE pair_id = {number}")
    out = str(tmp_path / "out.jsonl")
    run("pairs", "export", "--out", out)
    run("desks", "add", "second", "--team", "T1", "--channel", "C2", "--agent", "U1")
    run("pairs", "import", out, "--desk", "second")
    copied = reversed(run("pairs", "list", "--desk", "second", "--json"))
    assert [pair["source"] for pair in copied] == ["draft", "edited", "imported", "imported"]


def test_pairs_that_are_not_in_use_are_not_brought_back(with_desk: Store, run: Run, tmp_path: Path) -> None:
    for number in (1, 2):
        add_pair(with_desk, number)
    run("pairs", "withdraw", "1")
    lines = []
    for state in ("active", "withdrawn"):
        run("pairs", "export", "--out", str(tmp_path / state), "--state", state)
        lines.append((tmp_path / state).read_text(encoding="utf-8").strip())
    run("desks", "add", "second", "--team", "T1", "--channel", "C2", "--agent", "U1")
    outcome = run("pairs", "import", write(tmp_path, *lines), "--desk", "second", "--json")
    assert outcome["imported"] == 1
    assert outcome["problems"] == [
        {"where": "line 2", "reason": "the pair is 'withdrawn': only active pairs are imported"}
    ]


def test_passages_are_redacted_but_those_of_the_help_centre(with_desk: Store, run: Run, tmp_path: Path) -> None:
    run("documents", "add", str(write_page(tmp_path)))
    public = {"title": "Delivery: Times", "text": "Three days. Call +49 30 901820."}
    noted = {
        "title": "Note of maya@example.com \ud800",
        "text": "[EMAIL_1] or [PHONE_3]: +49 30 901820\x00, maya@example.com",
    }
    run("pairs", "import", write(tmp_path, own_line(passages=[public, noted])))
    assert pairs(run)[0]["passages"] == [
        public,
        {"title": "Note of [EMAIL_2] ?", "text": "[EMAIL_1] or [PHONE_3]: [PHONE_4], [EMAIL_2]"},
    ]
