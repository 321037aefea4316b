"""The golden set on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from thumbtune.cli.main import app
from thumbtune.core.errors import BadInput, Conflict, NotFound
from thumbtune.core.prompt import Turn
from thumbtune.core.store import Store, pairs
from thumbtune.core.store.audits import list_acts

LINE = {
    "title": "Returns",
    "question": "How long may I return a lamp? Write to maya@example.com.",
    "expectations": {"contains_all": ["30 days"], "contains_none": ["guarantee", "maya@example.com"], "max_chars": 600},
}


def write(path: Path, *lines: Any) -> str:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return str(path)


def add_pair(store: Store) -> int:
    with store.write() as conn:
        pairs.put_pair(
            conn,
            desk_id="support",
            team_id="T1",
            channel_id="C1",
            thread_ts="1.0",
            reply_ts="1.5",
            revision="",
            turns=[Turn("customer", "Where is [ORDER_1]?"), Turn("agent", "Let me see."), Turn("customer", "Well?")],
            reply="On its way.",
            passages=(),
            source="human",
            approved_by="U1",
            now=store.now(),
        )
        return pairs.list_pairs(conn)[0].pair_id


def list_actions(store: Store) -> list[str]:
    with store.read() as conn:
        return [act.action for act in list_acts(conn, limit=20) if act.action.startswith("golden")]


def test_case_is_added_redacted_edited_shown_and_removed(with_desk: Store, run: Run) -> None:
    ask = ("--question", "I am at maya@example.com. May I return it?", "--contains", "maya@example.com")
    run("golden", "add", "--title", "Returns", *ask, "--contains-any", "refund", "--max-chars", "500")
    (case,) = run("golden", "list", "--json")
    assert case["turns"] == [{"role": "customer", "text": "I am at [EMAIL_1]. May I return it?"}]
    assert case["expectations"]["contains_all"] == ["[EMAIL_1]"]
    assert "“refund”" in run("golden", "list")
    number = str(case["case_id"])
    run("golden", "edit", number, "--contains", "", "--contains-none", "sorry", "--max-chars", "0", "--no-passages")
    shown = run("golden", "show", number, "--json")
    expected = {"contains_all": [], "contains_any": ["refund"], "contains_none": ["sorry"], "max_chars": None}
    assert (shown["expectations"], shown["grounded"], shown["turns"]) == (expected, False, case["turns"])
    run("golden", "edit", number, "--title", "Refunds", "--question", "A refund, please?")
    assert run("golden", "show", number, "--json")["turns"] == [{"role": "customer", "text": "A refund, please?"}]
    run("golden", "remove", number)
    assert "No golden cases yet" in run("golden", "list")
    actions = ["golden_case_removed", "golden_case_edited", "golden_case_edited", "golden_case_added"]
    assert list_actions(with_desk) == actions


def test_case_is_made_of_a_pair_with_its_placeholders(with_desk: Store, run: Run) -> None:
    pair_id = add_pair(with_desk)
    run("golden", "add", "--title", "Order", "--pair", str(pair_id), "--contains", "[ORDER_1]")
    (case,) = run("golden", "list", "--json")
    assert [turn["text"] for turn in case["turns"]] == ["Where is [ORDER_1]?", "Let me see.", "Well?"]
    assert (case["pair_id"], case["expectations"]["contains_all"]) == (pair_id, ["[ORDER_1]"])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--title", "x", "--contains", "y"), "either --question TEXT or --pair ID"),
        (("--title", "x", "--question", "y?"), "something to expect"),
        (("--title", " ", "--question", "y?", "--contains", "z"), "needs a title"),
        (("--title", "x", "--question", "y?", "--max-chars", "-3"), "must be a number"),
    ],
)
def test_case_that_cannot_be_asked_is_refused(with_desk: Store, run: Run, arguments: tuple[str, ...], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        run("golden", "add", *arguments)
    for command in (("show", "7"), ("remove", "7"), ("edit", "7", "--title", "x")):
        with pytest.raises(NotFound, match="no golden case 7"):
            run("golden", *command)


def test_file_is_imported_once_and_exported_as_it_was(with_desk: Store, run: Run, tmp_path: Path) -> None:
    talk = [
        {"role": "customer", "text": "Hi"},
        {"role": "agent", "text": "Hello"},
        {"role": "customer", "text": "And?"},
    ]
    other = {"title": "Talk", "turns": talk, "expectations": {"contains_any": ["a", "b"]}, "grounded": False}
    file = write(tmp_path / "golden.jsonl", LINE, "", other)
    assert run("golden", "import", file, "--json")["added"] == 2
    assert run("golden", "import", file, "--json") | {"file": ""} == {
        "file": "",
        "desk_id": "support",
        "added": 0,
        "there": 2,
    }
    found = run("golden", "list", "--json")
    assert found[0]["turns"][0]["text"] == "How long may I return a lamp? Write to [EMAIL_1]."
    assert found[0]["expectations"]["contains_none"] == ["guarantee", "[EMAIL_1]"]
    assert (found[1]["turns"], found[1]["grounded"]) == (talk, False)
    out = tmp_path / "out.jsonl"
    run("golden", "export", "--out", str(out))
    for case in found:
        run("golden", "remove", str(case["case_id"]))
    assert "2 of 2 golden cases added" in run("golden", "import", str(out))
    again = run("golden", "list", "--json")
    names = ("title", "turns", "expectations", "grounded")
    assert [[case[name] for name in names] for case in again] == [[case[name] for name in names] for case in found]
    assert "golden_set_exported" in list_actions(with_desk)


def test_bad_lines_are_told_with_their_numbers_and_nothing_is_imported(
    with_desk: Store, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {
        "not valid JSON": "{",
        "not a JSON object": [1],
        "'tags' is not known": LINE | {"tags": 1},
        "the title is not text": LINE | {"title": None},
        "needs a title": LINE | {"title": " "},
        "either turns or a question": LINE | {"turns": []},
        "turn 1 has no role": {**LINE, "question": 1} | {"turns": [{"role": "bot", "text": ""}]},
        "expectations is not an object": LINE | {"expectations": ["x"]},
        "'contains' is not known": LINE | {"expectations": {"contains": ["x"]}},
        "contains_all is not a list of texts": LINE | {"expectations": {"contains_all": "x"}},
        "max_chars is not a whole number": LINE | {"expectations": {"max_chars": "x"}},
        "grounded is neither": LINE | {"grounded": "yes"},
        "something to expect": LINE | {"expectations": {}},
        "made_from is not as": LINE | {"made_from": {"team_id": "T1"}},
    }
    bad["turn 1 has no role"].pop("question")  # type: ignore[attr-defined]
    file = write(tmp_path / "golden.jsonl", LINE, *bad.values())
    with pytest.raises(BadInput, match=f"nothing was imported.*{len(bad)}"):
        run("golden", "import", file)
    assert run("golden", "list", "--json") == []
    with pytest.raises(BadInput, match="cannot be read"):
        run("golden", "import", str(tmp_path / "none.jsonl"))


def test_file_that_does_not_fit_leaves_nothing_behind(with_desk: Store, run: Run, tmp_path: Path) -> None:
    lines = [LINE | {"title": f"Case {number}"} for number in range(201)]
    with pytest.raises(BadInput, match="nothing was imported"):
        run("golden", "import", write(tmp_path / "golden.jsonl", *lines))
    assert run("golden", "list", "--json") == []


def test_case_whose_pair_was_erased_is_not_imported_again(with_desk: Store, run: Run, tmp_path: Path) -> None:
    pair_id = add_pair(with_desk)
    run("golden", "add", "--title", "Order", "--pair", str(pair_id), "--max-chars", "500")
    out = tmp_path / "out.jsonl"
    run("golden", "export", "--out", str(out))
    run("golden", "remove", run("golden", "list", "--json")[0]["case_id"].__str__())
    run("golden", "import", str(out))
    assert run("golden", "list", "--json")[0]["pair_id"] == pair_id
    with with_desk.write() as conn:
        pairs.erase_pairs(conn, [pair_id], reason=pairs.FORGOTTEN, now=with_desk.now())
    for case in run("golden", "list", "--json"):
        run("golden", "remove", str(case["case_id"]))
    with pytest.raises(BadInput, match="nothing was imported"):
        run("golden", "import", str(out))


def test_pair_without_texts_makes_no_case(with_desk: Store, run: Run) -> None:
    pair_id = add_pair(with_desk)
    with with_desk.write() as conn:
        pairs.erase_pairs(conn, [pair_id], reason=pairs.FORGOTTEN, now=with_desk.now())
    with pytest.raises(Conflict, match="no texts any more"):
        run("golden", "add", "--title", "Order", "--pair", str(pair_id), "--max-chars", "500")


def test_commands_are_known() -> None:
    assert "golden" in [group.name for group in app.registered_groups]
