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


def test_quotation_mark_left_open_spoils_its_neighbours_and_no_more(with_desk: Store, run: Run, tmp_path: Path) -> None:
    ticket = "{0},customer,Q{0}?\n{0},agent,A{0}.\n"
    data = "ticket,role,text\n" + ticket.format(1) + ticket.format(2) + f'3,customer,"{"x" * 140_000}\n'
    data += ticket.format(4) + ticket.format(5)
    outcome = load(run, tmp_path, data)
    assert "is a quotation mark left open?" in outcome["problems"][0]["reason"]
    assert [reply for _, reply in pairs(run)] == ["A1.", "A5."]


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
    ],
)
def test_table_without_a_header_row_that_is_known_is_refused(
    with_desk: Store, run: Run, tmp_path: Path, data: bytes, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        load(run, tmp_path, data)
