"""What is exported is what training sees."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.cli.conftest import Run
from tests.cli.test_commands import add_pair
from thumbtune.core.errors import BadInput
from thumbtune.core.prompt import build_prompt
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, desks, pairs


def test_exported_messages_are_the_prompt_of_the_desk_and_the_reply(with_desk: Store, run: Run, tmp_path: Path) -> None:
    add_pair(with_desk, 1)
    run("desks", "set", "support", "--voice", "Short and warm.")
    run("pairs", "export", "--out", str(tmp_path / "out.jsonl"))
    (line,) = map(json.loads, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    with with_desk.read() as conn:
        (pair,) = pairs.list_pairs(conn)
        voice = desks.load_desk(conn, "support").voice
    max_chars = Settings().max_prompt_chars
    prompt = build_prompt(pair.turns, voice=voice, max_chars=max_chars, passages=pair.passages)
    assert line["messages"] == [*prompt, {"role": "assistant", "content": pair.reply}]
    assert line["messages"][0]["content"] == "Short and warm."
    assert (line["thread_id"], line["reply_ts"], line["source"]) == ("T1:C1:1.000001", "1.000002", "human")


def test_only_pairs_of_the_state_and_the_desk_are_exported_and_the_export_is_audited(
    with_desk: Store, run: Run, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        add_pair(with_desk, number)
    run("pairs", "withdraw", "2")
    out = tmp_path / "deep" / "out.jsonl"
    assert "Wrote 2 pairs of 2 conversations" in run("pairs", "export", "--out", str(out))
    with pytest.raises(BadInput, match="exists already"):
        run("pairs", "export", "--out", str(out))
    withdrawn = tmp_path / "withdrawn.jsonl"
    assert "Wrote 1 pair of 1 conversation to" in run(
        "pairs", "export", "--out", str(withdrawn), "--state", "withdrawn"
    )
    assert json.loads(withdrawn.read_text())["pair_id"] == 2
    (act, _) = run("audit", "list", "--action", "pairs_exported", "--json")
    digest = hashlib.sha256(withdrawn.read_bytes()).hexdigest()
    assert (act["subject"], act["detail"]) == (
        "support",
        {"format": "jsonl", "state": "withdrawn", "pairs": 1, "sha256": digest},
    )
    assert [path.name for path in out.parent.iterdir()] == ["out.jsonl"]


def test_hugging_face_folder_has_the_documented_layout(with_desk: Store, run: Run, tmp_path: Path) -> None:
    """Source: huggingface.co/docs/hub/datasets-manual-configuration, seen 2026-11-21."""
    for number in (1, 2, 3):
        add_pair(with_desk, number)
    out = tmp_path / "set"
    run("pairs", "export", "--out", str(out), "--format", "hf")
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == [
        "README.md",
        "data/train.jsonl",
    ]
    _, front, body = (out / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train.jsonl\n" in front
    lines = [json.loads(line) for line in (out / "data/train.jsonl").read_text(encoding="utf-8").splitlines()]
    features = re.findall(r"^  - name: (\w+)\n(?:    (dtype|list):)", front, flags=re.MULTILINE)
    assert [name for name, _ in features] == list(lines[0])
    assert {name for name, kind in features if kind == "list"} == {
        name for name, value in lines[0].items() if isinstance(value, list)
    }
    assert hashlib.sha256((out / "data/train.jsonl").read_bytes()).hexdigest() in body
    assert "| pairs (active) | 3 |" in body and "| human | 3 |" in body and "## Redaction" in body
    assert MarkdownIt().enable("table").render(body).count("<table>") == 2
    with pytest.raises(BadInput, match="exists already"):
        run("pairs", "export", "--out", str(out), "--format", "hf")
    assert "3 were there already" in run("pairs", "import", str(out / "data/train.jsonl"))


def test_place_that_cannot_be_written_is_told_and_nothing_is_left(with_desk: Store, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for form in ("jsonl", "hf"):
        with pytest.raises(BadInput, match="cannot be written"):
            run("pairs", "export", "--out", str(tmp_path / "file" / "out"), "--format", form)
    assert run("audit", "list", "--action", "pairs_exported", "--json") == []


def test_empty_desk_exports_an_empty_set(with_desk: Store, run: Run, tmp_path: Path) -> None:
    assert "Wrote 0 pairs" in run("pairs", "export", "--out", str(tmp_path / "set"), "--format", "hf")
    assert (tmp_path / "set/data/train.jsonl").read_bytes() == b""
