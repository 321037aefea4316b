"""The `runs report` command."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from thumbtune.core.errors import BadInput, NotFound
from thumbtune.core.store import Store, runs


def add_run(store: Store) -> str:
    with store.write() as conn:
        run, _ = runs.open_run(conn, desk_id="support", reason="retrain", now=store.now())
        claimed = runs.claim_run(conn, owner="t", now=store.now(), lease_s=30)
        assert claimed is not None
        runs.finish_run(conn, claimed, state="inconclusive", message="Too few.", now=store.now(), gate={"threads": 3})
    return run.run_id


def test_report_is_written_as_page_and_as_picture(with_desk: Store, run: Run, tmp_path: Path) -> None:
    run_id = add_run(with_desk)
    page, picture = tmp_path / "r.html", tmp_path / "r.png"
    assert str(page) in run("runs", "report", run_id, "--out", str(page))
    assert "Too few." in page.read_text()
    run("runs", "report", "--out", str(picture))  # of the newest
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("run-x",), NotFound, "no run 'run-x'"),
        (("--out", "r.pdf"), BadInput, "ends neither in .html nor in .png"),
        (("--out", "/nowhere/r.html"), BadInput, "give another place with --out"),
    ],
)
def test_report_that_cannot_be_written_says_why(
    with_desk: Store, run: Run, arguments: tuple[str, ...], error: type[Exception], message: str
) -> None:
    add_run(with_desk)
    with pytest.raises(error, match=message):
        run("runs", "report", *arguments)


def test_report_before_the_first_run_says_so(with_desk: Store, run: Run) -> None:
    with pytest.raises(NotFound, match="no runs yet"):
        run("runs", "report")
