"""The report's page and picture: everything is told, nothing in it is markup, and it stands by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from thumbtune.core.records import TrainingRun
from thumbtune.core.reporting import Course, RunReport, SideBySide, draw_report_png, draw_report_svg, render_page
from thumbtune.core.trial import Trial, TrialDraft, TrialRole
from thumbtune.core.tripwires import DraftCheck

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EVIL = "<script>alert(1)</script> & <img src=x onerror=y> 🌿 שלום"
VERSUS = {"low": -0.2, "high": -0.05, "detectable": 0.06, "wins": 46, "ties": 10, "losses": 28, "sign_p": 0.04}
GATE = {"decision": "passed", "reason": "Better.", "threads": 36, "pairs": 84}
RUN = TrainingRun(
    run_id="run-1",
    desk_id="support",
    state="passed",
    reason="threshold",
    requested_by="",
    examples=1240,
    held_out=84,
    snapshot_hash="0123456789abcdef",
    nll_base=2.0,
    nll_live=None,
    nll_candidate=1.0,
    gate={**GATE, "versus_base": {**VERSUS, "difference": -0.105360515657826}, "versus_live": None},
    adapter="support-0007",
    message="support-0007 is live.",
    phase="passed",
    progress=1.0,
    eta_s=None,
    attempts=1,
    fence=1,
    cancel_requested=False,
    announce_channel="C1",
    created_at=NOW,
    started_at=NOW,
    finished_at=NOW + timedelta(minutes=14),
    gpu_s=760.0,
)


def make_draft(role: TrialRole, text: str, check: DraftCheck | None = None) -> TrialDraft:
    checks = check or DraftCheck(is_empty=False, is_looping=False, is_cut=False)
    return TrialDraft("support-0007", "pair:1", role, role, "hash", 1, text, False, checks, NOW)


PREFERRED = {
    "base": {"pairs": 40, "share": 0.45, "margin": -0.1},
    "live": {"pairs": 40, "share": 0.625, "margin": 0.1},
    "candidate": {"pairs": 40, "share": 0.8, "margin": 0.4},
}


GROUNDING = {
    "base": {"replies": 31, "with_passages": 2.5, "without_passages": 3.25},
    "candidate": {"replies": 31, "with_passages": 0.7512, "without_passages": 1.5},
}


def make_report(run: TrainingRun = RUN, *, text: str = "Hello.", **changes: object) -> RunReport:
    found = DraftCheck(is_empty=False, is_looping=True, is_cut=False, facts_wanted=3, facts_right=2, leaks=("EMAIL",))
    drafts = {"base": make_draft("base", text), "candidate": make_draft("candidate", text, found)}
    figures = {
        "drafts": 1,
        "broken": 0,
        "chrf": 41.3,
        "facts_right": 2,
        "facts_wanted": 3,
        "golden": 4,
        "golden_failed": 1,
    }
    report = RunReport(
        run=run,
        desk_name=text,
        base_model="a-base",
        course=Course(
            losses=((1, 2.5), (2, 1.5), (3, 1.0)),
            looks=((2, 1.4), (3, 1.2)),
            best_step=3,
            dropped={"same as another": 31},
            facts={"rank": 16},
        ),
        trial=Trial("support-0007", "passed", None, "", {"base": figures, "candidate": figures}, NOW, NOW),
        side_by_side=(SideBySide("Pair 1", text, text, drafts),),
        price=3.17,
    )
    return replace(report, **changes)


class Reader(HTMLParser):
    """Collects a page's words and the tags that could load or run something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.active: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "img", "link", "object", "form") or any(
            name.startswith("on") for name, _ in attrs
        ):
            self.active.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return " ".join(word for word in self.words if word)


def test_page_tells_what_went_in_how_it_went_and_what_it_cost() -> None:
    text = Reader(render_page(make_report())).text
    for told in (
        "1,240",
        "84",
        "36 threads",
        "14 min",
        "13 min",
        "cost 3.17",
        "31 same as another",
        "+10 %",
        "+5 % to +18 %",
    ):
        assert told in text, told
    for told in ("46 · 10 · 28", "p = 0.040", "41.3", "2 of 3", "3 of 4", "stuck in a loop", "holds email", "rank 16"):
        assert told in text, told
    assert "support-0007 is live." in text


def test_page_tells_how_triages_went_where_there_were_any() -> None:
    figures = {"drafts": 1, "triages": 12, "triages_valid": 12, "priority_right": 9, "summary_chrf": 44.4}
    by_role = {"base": figures | {"category_right": 3}, "candidate": figures | {"category_right": 11}}
    trial = Trial("support-0007", "passed", None, "", by_role, NOW, NOW)
    text = Reader(render_page(make_report(trial=trial))).text
    for told in (
        "Sorted into the team's category 3 of 12 11 of 12",
        "can be read 12 of 12",
        "priority 9 of 12",
        "44.4",
    ):
        assert told in text, told
    assert "riage" not in Reader(render_page(make_report())).text


def test_nothing_in_a_page_is_markup_or_loaded() -> None:
    reader = Reader(render_page(make_report(text=EVIL)))
    assert reader.active == []
    assert EVIL in reader.text


@pytest.mark.parametrize("state", ["failed", "cancelled", "inconclusive", "rejected", "running"])
def test_page_of_a_run_that_came_to_nothing_stands(state: str) -> None:
    gate: dict[str, object] = {}
    bare = replace(RUN, state=state, gate=gate, started_at=None, finished_at=None, message="", adapter=None)
    page = render_page(make_report(bare, course=Course(), trial=None, side_by_side=()))
    assert "run-1" in Reader(page).text
    assert "Not judged" in page


def test_worse_than_what_is_live_shows_as_worse() -> None:
    worse = {**VERSUS, "difference": 0.1, "low": 0.05, "high": 0.2}
    run = replace(RUN, state="rejected", gate={**RUN.gate, "versus_live": worse})
    (_, live) = make_report(run).comparisons
    assert live.name == "what is live"
    assert live.low < live.percent < live.high < 0
    assert "−10 %" in Reader(render_page(make_report(run))).text


def test_same_report_gives_the_same_picture() -> None:
    first, second = draw_report_png(make_report()), draw_report_png(make_report())
    assert first == second
    assert first.startswith(b"\x89PNG")
    assert draw_report_svg(make_report()) == draw_report_svg(make_report())


def test_how_often_each_model_prefers_the_teams_reply_is_told_where_it_was_measured() -> None:
    report = make_report()
    assert "rejected draft" not in render_page(report)
    page = " ".join(render_page(replace(report, course=replace(report.course, preferred=PREFERRED))).split())
    assert "Base model 45 %, Live now 62 %, New adapter 80 %" in page
    assert "(of 40 held-out preference pairs)" in page


def test_what_the_help_centre_does_and_what_training_does_are_told_apart() -> None:
    report = make_report()
    assert "without them" not in Reader(render_page(report)).text
    text = Reader(render_page(replace(report, course=replace(report.course, grounding=GROUNDING)))).text
    assert "with the help centre's passages without them Base model 2.500 3.250 New adapter 0.751 1.500" in text
    assert "31 held-out replies whose prompts have passages; the gate does not judge by this" in text
