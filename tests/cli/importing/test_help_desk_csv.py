"""Help-desk tables: what becomes a pair, and what is told about rows that do not."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from thumbtune.core.errors import BadInput
from thumbtune.core.store import Store


def load(run: Run, tmp_path: Path, data: str | bytes, *more: str) -> Any:  # Any: JSON
    path = tmp_path / "tickets.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return run("pairs", "import", str(path), "--json", *more)


def pairs(run: Run) -> list[tuple[list[str], str]]:
    return [([f"{turn['role']}: {turn['text']}" for turn in pair["turns"]], pair["reply"])
            for pair in reversed(run("pairs", "list", "--json"))]  # fmt: skip


TICKETS = """Ticket ID;Created At;Author role;Author name;Body;Tags
7;2026-03-02T09:05:00Z;agent;Priya Nair;Hi Maya, which one?;x
7;2026-03-02T09:00:00Z;customer;Maya Lindqvist;"Hello,
where is ""it""?";x
8;2026-03-02T11:00:00+02:00;Customer;Tom;Open on Sunday?;y
7;2026-03-02 09:10;customer;Maya Lindqvist;#48213, ask maya@example.com;
7;1772443500;agent;Priya Nair;It comes on Friday, Maya.;
7;1772443560;agent;Priya Nair;Anything else?;
8;2026-03-02T09:30:00Z;agent;Support;No, Tom. Support is open on Monday.;
8;2026-03-02T09:31:00Z;customer;Tom;;
"""


def test_each_reply_to_something_new_becomes_a_pair_in_order_of_time(
    with_desk: Store, run: Run, tmp_path: Path
) -> None:
    outcome = load(run, tmp_path, TICKETS)
    assert (outcome["format"], outcome["imported"], outcome["problems"]) == ("csv", 3, [])
    assert outcome["refused"] == {"nothing new from the customer right before it": 1}
    asked = 'customer: Hello,\nwhere is "it"?'
    assert pairs(run) == [
        ([asked], "Hi [NAME_1], which one?"),
        (
            [asked, "agent: Hi [NAME_1], which one?", "customer: [ORDER_1], ask [EMAIL_1]"],
            "It comes on Friday, [NAME_1].",
        ),
        (["customer: Open on Sunday?"], "No, [NAME_1]. Support is open on Monday."),
    ]


def test_ticket_that_has_grown_adds_only_what_is_new(with_desk: Store, run: Run, tmp_path: Path) -> None:
    load(run, tmp_path, "\n".join(TICKETS.split("\n")[:4]) + "\n")
    outcome = load(run, tmp_path, TICKETS)
    assert (outcome["imported"], outcome["already_there"]) == (2, 1)
    found = run("pairs", "list", "--json")
    assert len({pair["thread_ts"] for pair in found}) == 2


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_questions_with_replies_are_read_with_any_delimiter(
    with_desk: Store, run: Run, tmp_path: Path, mark: str, bom: bytes
) -> None:
    table = io.StringIO()
    rows = [("Reply", "Question"), ("Yes, we do.", "Do you ship to Norway?"), ("No; never, a|b", "To the moon?")]
    csv.writer(table, delimiter=mark).writerows(rows)
    assert load(run, tmp_path, bom + table.getvalue().encode())["imported"] == 2
    assert pairs(run) == [
        (["customer: Do you ship to Norway?"], "Yes, we do."),
        (["customer: To the moon?"], "No; never, a|b"),
    ]


def test_bad_rows_are_told_by_line_and_spoil_only_their_own_ticket(with_desk: Store, run: Run, tmp_path: Path) -> None:
    rows = [
        b"conversation,time,role,text",
        b"1,,customer,Open?",
        b"1,,agent,Yes.",
        b"2,,customer,Ship?",
        b"2,,bot,Ticket opened",
        b"2,,agent,Sure.",
        b"3,,customer,Caf\xe9?",
        b"3,,agent,Sure.",
        b'4,,customer,"two',
        b'lines"',
        b"4,,agent,too,many",
        b"5,tomorrow,customer,x",
        b",,customer,x",
        b"6,1,customer,x",
        b"6,,agent,x",
        b"7,,customer," + b"x" * 50_000,
        b"8,,customer,A?",
        b"8,,agent,B.",
    ]
    outcome = load(run, tmp_path, b"\n".join(rows))
    assert outcome["imported"] == 2
    assert [f"{item['where']}: {item['reason']}" for item in outcome["problems"]] == [
        "line 5: the role 'bot' is not known; use customer or agent",
        "line 7: not UTF-8 text (line 7, byte 15); save the file as UTF-8",
        "line 11: 5 columns, the header row has 4",
        "line 12: the time 'tomorrow' is not understood; write 2026-03-02T09:30:00Z or seconds since 1970",
        "line 13: the conversation's id is empty",
        "line 16: the text has 50000 characters, more than 40000",
        "line 14: some messages of conversation '6' have a time and some have none",
    ]
    assert outcome["refused"] == {"a row of its conversation could not be used": 2}
    assert [reply for _, reply in pairs(run)] == ["Yes.", "B."]


LONG = "x" * 140_000
"""Longer than csv takes a field."""


def test_conversations_from_a_row_on_that_csv_cannot_read_are_left_out(
    with_desk: Store, run: Run, tmp_path: Path
) -> None:
    """Its other lines are read as rows, and rows after it may stand inside a field: none of them is to be trusted."""
    ticket = "{0},customer,Q{0}?\n{0},agent,A{0}.\n"
    data = "ticket,role,text\n" + "".join(ticket.format(number) for number in (1, 2, 3))
    data += f'4,customer,"{LONG}\n9,customer,Inside?\n9,agent,Inside.\n"\n'
    data += "1,agent,More.\n" + ticket.format(5)
    outcome = load(run, tmp_path, data)
    (problem,) = outcome["problems"]
    assert problem["where"] == "line 8"
    assert (
        "is a quotation mark left open?); conversations with this row or one after it are left out" in problem["reason"]
    )
    assert [reply for _, reply in pairs(run)] == ["A2."], "3 stands right before it, 1 goes on after it"
    assert outcome["refused"] == {"a row of its conversation could not be used": 2}


def test_questions_from_a_row_on_that_csv_cannot_read_are_left_out(with_desk: Store, run: Run, tmp_path: Path) -> None:
    data = f'question,reply\nOpen?,Yes.\n"{LONG}\nInside?,Inside.\n",No.\nWhen?,At nine.\n'
    outcome = load(run, tmp_path, data)
    (problem,) = outcome["problems"]
    assert problem["where"] == "line 3"
    assert "left open?); this row and all after it are left out" in problem["reason"]
    assert [reply for _, reply in pairs(run)] == ["Yes."]


@pytest.mark.parametrize("time", ["nan", "-inf", "1e400"])
def test_time_that_is_no_moment_is_told(with_desk: Store, run: Run, tmp_path: Path, time: str) -> None:
    rows = [f"7,{time},customer,Q?", "7,1,agent,A.", "8,1,customer,Q?", "8,2,agent,B."]
    outcome = load(run, tmp_path, "\n".join(["ticket,time,role,text", *rows]))
    assert [item["where"] for item in outcome["problems"]] == ["line 2"]
    assert f"the time '{time}' is not understood" in outcome["problems"][0]["reason"]
    assert [reply for _, reply in pairs(run)] == ["B."]


def test_empty_questions_and_replies_are_told(with_desk: Store, run: Run, tmp_path: Path) -> None:
    outcome = load(run, tmp_path, "question,reply\nOpen?,Yes.\n,Yes.\nOpen?, \n\nWhen?,At nine.\n")
    assert outcome["imported"] == 2
    assert [f"{item['where']}: {item['reason']}" for item in outcome["problems"]] == [
        "line 3: the question is empty",
        "line 4: the reply is empty",
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a,b\n1,2\n", "needs a header row"),
        ("question,reply\nx,y\n".encode("utf-16"), "UTF-16"),
        (b"\n\n", "needs a header row"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no text: give a Slack export"),
        (b"PK\x03\x04" + b"cut off", "a zip that cannot be opened"),
        (b"question,reply\n", "holds no conversation"),
    ],
)
def test_table_without_a_header_row_that_is_known_is_refused(
    with_desk: Store, run: Run, tmp_path: Path, data: bytes, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        load(run, tmp_path, data)
