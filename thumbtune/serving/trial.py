"""Holds an adapter's trial before it may go live: base, live one and candidate write drafts, and they are looked at.

It does not load adapters or decide what is live. What is done lies in rows: a step asks for what is missing, so that it
goes on after a restart, and another server may finish it.
"""

import hashlib
import json
import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from thumbtune.core.errors import AdapterNotLoaded, EngineUnavailable, InferenceError, PromptTooLong, RedactionFailed
from thumbtune.core.golden import check_reply
from thumbtune.core.prompt import (
    ChatMessage,
    build_prompt,
    build_triage_prompt,
    list_budgets,
)
from thumbtune.core.records import Adapter, Desk
from thumbtune.core.redaction import Redactor
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store, trials
from thumbtune.core.store.adapters import find_live, load_adapter, lock_adapters, quarantine
from thumbtune.core.store.audits import record_act
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.documents import is_public
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.runs import add_to_message, overturn_run
from thumbtune.core.triage import MAX_TRIAGE_TOKENS, build_response_format
from thumbtune.core.trial import TrialDraft, TrialRole, Verdict, judge_trial
from thumbtune.core.tripwires import DraftCheck, check_draft, describe_style, find_leaks
from thumbtune.serving.replica import ReplicaServer
from thumbtune.serving.trial_cases import Case, list_trial_cases

logger = logging.getLogger(__name__)

ACTOR = "serving"
AT_ONCE = 12
"""Drafts asked for at the same time: the server writes them in one batch, which has room left for what agents ask."""
STEP_S = 5.0
"""Seconds after which a step ends, so that the server is looked after meanwhile."""
ATTEMPTS = 3
"""Times in a row that a draft may fail before it is left out, or the candidate is to blame for it."""
FEWER = 4
"""By how much fewer drafts are asked for at once after the server did not answer in time."""
NOTHING = DraftCheck(is_empty=True, is_looping=False, is_cut=False)
STYLE_REPLIES = 200
MAX_DRAFT_CHARS = 12_000


@dataclass(frozen=True, eq=False)
class _Asked:
    """One draft that is missing."""

    case: Case
    role: TrialRole
    model: str
    """The name that the server answers to."""
    mark: str
    """What tells this model from every other, of any time."""
    prompts: tuple[list[ChatMessage], ...]
    prompt_hash: str
    max_tokens: int
    response_format: Mapping[str, object] | None


class Trials:
    """Holds trials on one server."""

    def __init__(
        self,
        store: Store,
        server: ReplicaServer,
        *,
        settings: Settings,
        base_name: str,
        base_mark: str,
        on_written: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_written` is called whenever the server has written a draft, which shows that it is well."""
        self._store = store
        self._server = server
        self._settings = settings
        self._base = (base_name, f"base:{base_mark}")
        self._on_written = on_written
        self._monotonic = monotonic
        self._redactor: Redactor | None = None
        self._preparing = threading.Lock()
        self._at_once = AT_ONCE
        self._failures: defaultdict[tuple[str, TrialRole], Counter[str]] = defaultdict(Counter)

    def prepare(self) -> Redactor:
        """Return what finds personal data in drafts; importing it takes seconds, which are best spent before a trial."""
        with self._preparing:
            if self._redactor is None:
                self._redactor = Redactor(order_number_patterns=self._settings.order_number_patterns)
            return self._redactor

    def advance(self, adapter: Adapter, *, proven: Collection[str]) -> bool:
        """Go on with an adapter's trial for a few seconds, and close it when everything is written.

        `proven` are the adapters that this server holds and has proven. Returns whether it can go on at once.
        Raises: EngineUnavailable when the server is down.
        """
        began = self._monotonic()
        with self._store.write() as conn:
            live = find_live(conn, desk_id=adapter.desk_id)
            compared = live.name if live is not None and live.name in proven else None
            trial = trials.begin_trial(conn, adapter.name, live=compared, now=self._store.now())
            desk = load_desk(conn, adapter.desk_id)
        if trial.state != "running":
            return False
        with self._store.read() as conn:
            cases = list_trial_cases(conn, adapter, settings=self._settings)
            written = {(draft.case_key, draft.role) for draft in trials.list_trial_drafts(conn, adapter.name)}
        missing = [
            asked
            for asked in self._list_drafts(cases, desk, candidate=adapter.name, live=compared)
            if (asked.case.key, asked.role) not in written
        ]
        is_whole = True
        while missing:
            batch = [asked for asked in missing if asked.role == missing[0].role][: self._at_once]
            missing = missing[len(batch) :]
            failed = self._write_batch(adapter, desk, batch)
            is_whole = is_whole and not failed
            if failed and not self._take_failures(adapter, batch, failed):
                return False
            if missing and self._monotonic() - began > STEP_S:
                return is_whole
        if is_whole:
            self._close(adapter, cases)
        return False

    def _list_drafts(self, cases: Sequence[Case], desk: Desk, *, candidate: str, live: str | None) -> list[_Asked]:
        """Return every draft of a trial, the candidate's last."""
        models: list[tuple[TrialRole, str, str]] = [("base", *self._base)]
        models += [("live", live, live)] if live is not None else []
        models.append(("candidate", candidate, candidate))
        asked = []
        for role, model, mark in models:
            asked += [self._ask(case, desk, role=role, model=model, mark=mark) for case in cases]
        return asked

    def _ask(self, case: Case, desk: Desk, *, role: TrialRole, model: str, mark: str) -> _Asked:
        budgets, max_tokens = list_budgets(self._settings.max_prompt_chars), self._settings.max_reply_tokens
        if case.triage is not None:
            prompts = tuple(
                build_triage_prompt(case.turns, categories=desk.categories, max_chars=max_chars)
                for max_chars in budgets
            )
            form, max_tokens = build_response_format(desk.categories), MAX_TRIAGE_TOKENS
        else:
            prompts = tuple(
                build_prompt(case.turns, voice=desk.voice, max_chars=max_chars, passages=case.passages)
                for max_chars in budgets
            )
            form = None
        content = json.dumps([prompts[0], max_tokens, *([form] if form else [])], sort_keys=True)
        prompt_hash = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        return _Asked(case, role, model, mark, prompts, prompt_hash, max_tokens, form)

    def _write_batch(self, adapter: Adapter, desk: Desk, batch: Sequence[_Asked]) -> dict[_Asked, InferenceError]:
        """Write some drafts of one model and store each as it comes; return why the others could not be written."""
        failed: dict[_Asked, InferenceError] = {}
        with ThreadPoolExecutor(len(batch)) as pool:
            asked_for = {pool.submit(self._write, adapter, desk, asked): asked for asked in batch}
            for writing in as_completed(asked_for):
                try:
                    draft = writing.result()
                except InferenceError as exc:
                    failed[asked_for[writing]] = exc
                else:
                    self._keep(draft)
                    self._on_written()
        if len(failed) < len(batch):
            self._failures.pop((adapter.name, batch[0].role), None)
        if not failed:
            self._at_once = min(AT_ONCE, self._at_once * FEWER)
        return failed

    def _keep(self, draft: TrialDraft) -> None:
        with self._store.write() as conn:
            trials.put_trial_draft(conn, draft)

    def _take_failures(
        self, adapter: Adapter, batch: Sequence[_Asked], failed: Mapping[_Asked, InferenceError]
    ) -> bool:
        """Count what could not be written, and return whether the step may go on with the rest.

        A server that goes down says nothing about a draft, unless that was all that the trial asked of it.
        """
        if any(isinstance(exc, AdapterNotLoaded) for exc in failed.values()):
            return False  # the server was restarted: it is brought in again
        kinds = sorted({type(exc).__name__ for exc in failed.values()})
        fields = {"adapter": adapter.name, "role": batch[0].role, "drafts": len(failed), "error": ", ".join(kinds)}
        logger.warning("trial_draft_failed", extra=fields)
        away = next((exc for exc in failed.values() if isinstance(exc, EngineUnavailable)), None)
        if away is not None:
            self._at_once = max(1, self._at_once // FEWER)
        is_up = self._server.check_health()
        if is_up or len(batch) == 1:
            for asked, exc in failed.items():
                self._count_failure(adapter, asked, exc)
        if not is_up:
            raise EngineUnavailable(f"model server {self._server.url} went down during a trial") from away
        return away is None

    def _write(self, adapter: Adapter, desk: Desk, asked: _Asked) -> TrialDraft:
        with self._store.read() as conn:
            same = trials.find_same_draft(conn, model=asked.mark, prompt_hash=asked.prompt_hash)
        text, is_cut, error, prompt = "", False, "", asked.prompts[0]
        if same is not None:
            text, is_cut = same.text, same.is_cut
        else:
            for prompt in asked.prompts:
                try:
                    reply = self._server.write_reply(
                        prompt,
                        model=asked.model,
                        max_tokens=asked.max_tokens,
                        response_format=asked.response_format,
                    )
                except PromptTooLong as exc:
                    error = str(exc)
                    continue
                text, is_cut, error = reply.text.strip()[:MAX_DRAFT_CHARS], reply.finish_reason == "length", ""
                break
        checks = self._check(text, is_cut=is_cut, prompt=prompt, case=asked.case, desk=desk)
        return self._build_draft(adapter, asked, text=text, is_cut=is_cut, checks=checks, error=error)

    def _build_draft(
        self,
        adapter: Adapter,
        asked: _Asked,
        *,
        text: str = "",
        is_cut: bool = False,
        checks: DraftCheck = NOTHING,
        error: str = "",
    ) -> TrialDraft:
        golden = asked.case.golden
        return TrialDraft(
            adapter=adapter.name,
            case_key=asked.case.key,
            role=asked.role,
            model=asked.mark,
            prompt_hash=asked.prompt_hash,
            pair_id=asked.case.pair_id,
            text=text,
            is_cut=is_cut,
            checks=checks,
            written_at=self._store.now(),
            failures=tuple(check_reply(golden, text)) if golden is not None and not error else (),
            error=error,
        )

    def _check(self, text: str, *, is_cut: bool, prompt: Sequence[ChatMessage], case: Case, desk: Desk) -> DraftCheck:
        if case.triage is not None:
            return DraftCheck(is_empty=not text, is_looping=False, is_cut=is_cut)
        try:
            found = find_leaks(text, prompt=prompt, redactor=self.prepare())
        except RedactionFailed:
            leaks = ["unreadable"]
        else:
            with self._store.read() as conn:
                leaks = [kind for kind, value in found if not is_public(conn, value, desk_id=desk.desk_id)]
        return check_draft(
            text, is_cut=is_cut, prompt=prompt, passages=case.passages, approved=case.approved, leaks=leaks
        )

    def _count_failure(self, adapter: Adapter, asked: _Asked, error: InferenceError) -> None:
        """Leave out a draft that failed too often in a row, or blame the candidate where it alone fails."""
        counts = self._failures[adapter.name, asked.role]
        counts[asked.case.key] += 1
        if counts[asked.case.key] < ATTEMPTS:
            return
        with self._store.read() as conn:
            drafts = trials.list_trial_drafts(conn, adapter.name)
        fails_elsewhere = any(draft.error for draft in drafts if draft.case_key == asked.case.key)
        if asked.role == "candidate" and not fails_elsewhere:
            reason = f"The model server failed {ATTEMPTS} times in a row to write its drafts."
            self._settle(adapter, Verdict("vetoed", reason))
        else:
            why = f"The model server failed {ATTEMPTS} times to write it ({type(error).__name__})."
            self._keep(self._build_draft(adapter, asked, error=why))

    def _close(self, adapter: Adapter, cases: Sequence[Case]) -> None:
        asked = {case.key for case in cases}
        with self._store.read() as conn:
            drafts = [draft for draft in trials.list_trial_drafts(conn, adapter.name) if draft.case_key in asked]
            approved = list_pairs(conn, desk_id=adapter.desk_id, state="active", limit=STYLE_REPLIES, newest_first=True)
            categories = load_desk(conn, adapter.desk_id).categories
        verdict = judge_trial(
            drafts,
            max_broken=self._settings.trial_max_broken,
            style=describe_style([pair.reply for pair in approved]),
            triages={case.key: case.triage for case in cases if case.triage is not None},
            categories=categories,
        )
        self._settle(adapter, verdict)

    def _settle(self, adapter: Adapter, verdict: Verdict) -> None:
        """Store the verdict and tell its run what there is to say; a veto sets the adapter aside."""
        now = self._store.now()
        with self._store.write() as conn:
            lock_adapters(conn)
            if load_adapter(conn, adapter.name).state not in ("published", "proven"):
                return
            if not trials.finish_trial(conn, adapter.name, verdict, now=now):
                return
            if verdict.state == "passed" and verdict.reason:
                add_to_message(conn, adapter.run_id, verdict.reason)
            if verdict.state == "vetoed":
                quarantine(conn, adapter.name, reason=f"failed its trial: {verdict.reason}")
                overturn_run(conn, adapter.run_id, why=f"{adapter.name} failed its trial. {verdict.reason}")
                detail = {"reason": verdict.reason}
                record_act(
                    conn, actor=ACTOR, action="adapter_quarantined", subject=adapter.name, now=now, detail=detail
                )
        log = logger.error if verdict.state == "vetoed" else logger.info
        log("trial_closed", extra={"adapter": adapter.name, "state": verdict.state, "reason": verdict.reason})
