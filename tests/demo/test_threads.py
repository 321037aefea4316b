import json
from pathlib import Path

import pytest

from thumbtune.core.errors import BadInput
from thumbtune.demo.threads import load_threads

GOOD = {"thread_id": "a", "messages": [{"role": "customer", "text": "Hi"}, {"role": "agent", "text": "Hello"}]}


def write(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "threads.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def turn(role: str, text: object) -> dict[str, object]:
    return {"role": role, "text": text}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"thread_id": "b", "messages": [', "not valid JSON"),
        ("[]", "not a JSON object"),
        ({"messages": GOOD["messages"]}, "thread_id is missing"),
        ({"thread_id": "b"}, "messages is missing"),
        (
            {"thread_id": "b", "messages": [turn("robot", "x"), turn("agent", "y")]},
            "message 1 has the unknown role 'robot'",
        ),
        ({"thread_id": "b", "messages": [turn("customer", "x"), turn("agent", " \n")]}, "message 2 is empty"),
        ({"thread_id": "b", "messages": [turn("customer", 5), turn("agent", "y")]}, "message 1 is empty"),
        ({"thread_id": "b", "messages": [turn("customer", "x")]}, "no agent reply"),
        ({"thread_id": "b", "messages": [turn("agent", "x")]}, "no customer message"),
        (GOOD, "thread_id 'a' is already on line 1"),
        (
            {"thread_id": "b", "messages": [turn("customer", "x\ud800"), turn("agent", "y")]},
            "message 1 holds half a character",
        ),
    ],
)
def test_wrong_line_is_refused_with_its_number_and_reason(tmp_path: Path, line: object, reason: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_threads(write(tmp_path, GOOD, "", line))
    assert f"line 3: {reason}" in str(caught.value)


def test_every_wrong_line_is_listed(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        load_threads(write(tmp_path, "{", GOOD, "]", "nonsense"))
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == ["line 1", "line 3", "line 4"]


def test_empty_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no conversation"):
        load_threads(write(tmp_path))
    with pytest.raises(BadInput, match="cannot be read"):
        load_threads(tmp_path / "none.jsonl")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="line 1: not UTF-8 text"):
        load_threads(tmp_path / "binary")


def test_emoji_right_to_left_text_and_long_messages_pass(tmp_path: Path) -> None:
    texts = ["🍵 where is it?", "مرحبا، أين طلبي؟", "x" * 40_000, "a\u2028b"]
    line = {"thread_id": "b", "messages": [*(turn("customer", text) for text in texts), turn("agent", "שלום")]}
    (thread,) = load_threads(write(tmp_path, json.dumps(line, ensure_ascii=False)))
    assert [item.text for item in thread.opening] == texts


def test_opening_is_what_the_customer_wrote_before_the_first_reply(tmp_path: Path) -> None:
    messages = [
        turn("agent", "Hello!"),
        turn("customer", "a"),
        turn("customer", "b"),
        turn("agent", "c"),
        turn("customer", "d"),
    ]
    (thread,) = load_threads(write(tmp_path, {"thread_id": "b", "messages": messages}))
    assert [item.text for item in thread.opening] == ["a", "b"]
