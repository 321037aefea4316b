"""A trial: the drafts that base, live adapter and candidate write before the candidate may go live, and the verdict.

It does not know models, rows or servers.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from thumbtune.core.triage import Triage
from thumbtune.core.triage_trial import find_triage_veto, read_triages, sum_up_triages
from thumbtune.core.tripwires import DraftCheck, Style, measure_distance

TrialState = Literal["running", "passed", "vetoed"]
TrialRole = Literal["base", "live", "candidate"]

MOST_BROKEN = 0.5
"""Share of broken drafts that stops a candidate even where what answers now breaks as many."""


@dataclass(frozen=True)
class Trial:
    """One adapter's trial as it stands."""

    adapter: str
    state: TrialState
    live: str | None
    """The live adapter that it is compared with, if there was one."""
    reason: str
    figures: dict[str, Any]  # Any: JSON, per role as `RoleFigures`
    began_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class TrialDraft:
    """What one model wrote for one case of a trial, with placeholders."""

    adapter: str
    """The candidate whose trial it is."""
    case_key: str
    """`pair:<id>` for a held-out pair, `golden:<id>` for a golden case, `triage:<id>` for a held-out triage."""
    role: TrialRole
    model: str
    """What wrote it: an adapter's name, or the base's fingerprint."""
    prompt_hash: str
    pair_id: int | None
    """The pair it answers, or that its golden case was made from; it goes with that pair's texts."""
    text: str
    is_cut: bool
    checks: DraftCheck
    written_at: datetime
    failures: tuple[str, ...] = ()
    """What a golden case expected and did not get."""
    error: str = ""
    """Why there is no draft: even the shortest prompt is too long, or the server keeps failing to write it."""

    @property
    def is_golden(self) -> bool:
        """Whether it answers a golden case."""
        return self.case_key.startswith("golden:")

    @property
    def is_triage(self) -> bool:
        """Whether it is a thread's triage and no reply."""
        return self.case_key.startswith("triage:")


@dataclass(frozen=True)
class RoleFigures:
    """What one model's drafts came to."""

    drafts: int
    broken: int
    empty: int
    looping: int
    cut: int
    leaks: int
    length_ratio: float | None
    """Median."""
    chrf: float | None
    """Mean."""
    facts_wanted: int
    facts_right: int
    facts_made_up: int
    style_distance: float | None
    golden: int
    golden_failed: int


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate's drafts and triages let it go live, and what each model's came to.

    The reason says why not, or which golden cases it fails all the same.
    """

    state: TrialState
    reason: str
    figures: dict[str, Any] = field(default_factory=dict)  # Any: JSON


def judge_trial(
    drafts: Sequence[TrialDraft],
    *,
    max_broken: float,
    style: Style | None = None,
    triages: Mapping[str, Triage] | None = None,
    categories: Sequence[str] = (),
) -> Verdict:
    """Return the verdict over all drafts of a trial; `triages` are what agents decided, by case.

    Drafts can stop a candidate and never recommend it: what is no veto is figures.
    """
    written = [draft for draft in drafts if not draft.error and not draft.is_triage]
    by_role = {role: [draft for draft in written if draft.role == role] for role in ("base", "live", "candidate")}
    figures = {role: asdict(_sum_up(found, style=style)) for role, found in by_role.items() if found}
    candidate, now = by_role["candidate"], by_role["live"] or by_role["base"]
    reasons = [
        *_find_golden_vetoes(candidate, [*by_role["live"], *by_role["base"]]),
        *_find_broken_veto(candidate, now, max_broken=max_broken),
        *_find_leak_veto(candidate),
    ]
    if triages:
        asked = [draft for draft in drafts if not draft.error and draft.case_key in triages]
        sorted_by = {
            role: read_triages({draft.case_key: draft.text for draft in asked if draft.role == role}, categories)
            for role in by_role
        }
        for role, found in sorted_by.items():
            if found:
                figures[role] = figures.get(role, {}) | asdict(sum_up_triages(found, triages))
        reasons += find_triage_veto(sorted_by["candidate"], sorted_by["live"] or sorted_by["base"], triages)
    if not reasons:
        return Verdict("passed", " ".join(_note_golden_failures(candidate)), figures)
    return Verdict("vetoed", " ".join(reasons), figures)


def _find_golden_vetoes(candidate: Sequence[TrialDraft], others: Sequence[TrialDraft]) -> Iterable[str]:
    passed = {draft.case_key for draft in others if draft.is_golden and not draft.failures}
    failed = [draft for draft in candidate if draft.failures and draft.case_key in passed]
    if failed:
        yield f"Its drafts fail {_name_cases(failed)}, which what answers now or the base passes."


def _note_golden_failures(candidate: Sequence[TrialDraft]) -> Iterable[str]:
    failed = [draft for draft in candidate if draft.failures]
    if failed:
        yield f"Its drafts still fail {_name_cases(failed)}; that stops nothing, as no other model passes."


def _name_cases(drafts: Sequence[TrialDraft]) -> str:
    names = ", ".join(draft.case_key.removeprefix("golden:") for draft in drafts)
    return f"{_count(len(drafts), 'golden case')} ({names})"


def _find_broken_veto(
    candidate: Sequence[TrialDraft], now: Sequence[TrialDraft], *, max_broken: float
) -> Iterable[str]:
    broken = [draft for draft in candidate if draft.checks.is_broken]
    before = sum(draft.checks.is_broken for draft in now)
    share = len(broken) / len(candidate) if candidate else 0.0
    if share > MOST_BROKEN or (share > max_broken and len(broken) > before):
        kinds = {
            "empty": sum(draft.checks.is_empty for draft in broken),
            "stuck in a loop": sum(draft.checks.is_looping for draft in broken),
            "cut at the limit": sum(draft.checks.is_cut for draft in broken),
        }
        found = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
        yield f"{len(broken)} of its {len(candidate)} drafts cannot be sent: {found}."


def _find_leak_veto(candidate: Sequence[TrialDraft]) -> Iterable[str]:
    leaking = [draft for draft in candidate if draft.checks.leaks]
    if leaking:
        kinds = ", ".join(sorted({kind.lower() for draft in leaking for kind in draft.checks.leaks}))
        yield (
            f"{_count(len(leaking), 'draft')} of it held personal data that stands neither in the question nor in the help "
            f"centre ({kinds})."
        )


def _sum_up(drafts: Sequence[TrialDraft], *, style: Style | None) -> RoleFigures:
    checks = [draft.checks for draft in drafts]
    ratios = [check.length_ratio for check in checks if check.length_ratio is not None]
    likeness = [check.chrf for check in checks if check.chrf is not None]
    golden = [draft for draft in drafts if draft.is_golden]
    replies = [draft.text for draft in drafts if not draft.is_golden]
    distance = measure_distance(style, replies) if style is not None else None
    return RoleFigures(
        drafts=len(drafts),
        broken=sum(check.is_broken for check in checks),
        empty=sum(check.is_empty for check in checks),
        looping=sum(check.is_looping for check in checks),
        cut=sum(check.is_cut for check in checks),
        leaks=sum(bool(check.leaks) for check in checks),
        length_ratio=round(statistics.median(ratios), 3) if ratios else None,
        chrf=round(statistics.fmean(likeness), 2) if likeness else None,
        facts_wanted=sum(check.facts_wanted for check in checks),
        facts_right=sum(check.facts_right for check in checks),
        facts_made_up=sum(check.facts_made_up for check in checks),
        style_distance=round(distance, 3) if distance is not None else None,
        golden=len(golden),
        golden_failed=sum(bool(draft.failures) for draft in golden),
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
