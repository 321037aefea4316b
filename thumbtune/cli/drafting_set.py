"""Has the models that serve write drafts for a file's questions, and looks at them as a trial does.

It does not know likelihoods. Nothing is stored.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from thumbtune.cli.evaluation_set import Question
from thumbtune.core.errors import EngineUnavailable, PromptTooLong
from thumbtune.core.inference import InferenceClient, resolve_api_key
from thumbtune.core.records import Adapter, Desk, Replica
from thumbtune.core.redaction import Redactor
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.documents import is_public
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.replicas import list_replicas
from thumbtune.core.trial import TrialDraft, TrialRole, judge_trial
from thumbtune.core.tripwires import check_draft, describe_style, find_leaks

AT_ONCE = 8
STYLE_REPLIES = 200


def write_set_drafts(
    questions: Sequence[Question],
    store: Store,
    *,
    desk: Desk,
    settings: Settings,
    adapters: Mapping[str, Adapter],
    replica: Replica,
    on_done: Callable[[], None],
) -> dict[str, Any]:  # Any: JSON
    """Return greedy drafts of base and adapters with what is found about them, and the figures of each model."""
    roles: dict[TrialRole, str] = {"base": replica.base_model}
    roles |= {"candidate" if role == "adapter" else "live": adapter.name for role, adapter in adapters.items()}
    redactor = Redactor(order_number_patterns=settings.order_number_patterns)
    with InferenceClient(replica.url, resolve_api_key(settings, store.sealer)) as client:

        def write(job: tuple[TrialRole, Question]) -> TrialDraft:
            draft = _write(client, *job, models=roles, store=store, desk=desk, settings=settings, redactor=redactor)
            on_done()
            return draft

        jobs = [(role, question) for role in roles for question in questions]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            drafts = list(pool.map(write, jobs))
    with store.read() as conn:
        approved = list_pairs(conn, desk_id=desk.desk_id, state="active", limit=STYLE_REPLIES, newest_first=True)
    style = describe_style([pair.reply for pair in approved] or [question.reply for question in questions])
    figures = judge_trial(drafts, max_broken=1.0, style=style).figures
    named = {"candidate": "adapter"}
    rows = [
        {
            "where": draft.case_key,
            "model": named.get(draft.role, draft.role),
            "text": draft.text,
            "error": draft.error,
            "checks": asdict(draft.checks),
        }
        for draft in drafts
    ]
    return {"figures": {named.get(role, role): found for role, found in figures.items()}, "drafts": rows}


def _write(
    client: InferenceClient,
    role: TrialRole,
    question: Question,
    *,
    models: Mapping[TrialRole, str],
    store: Store,
    desk: Desk,
    settings: Settings,
    redactor: Redactor,
) -> TrialDraft:
    text, is_cut, error, prompt = "", False, "", []
    for prompt in question.build_prompts(desk, settings):
        try:
            reply = client.complete(prompt, model=models[role], max_tokens=settings.max_reply_tokens)
        except PromptTooLong as exc:
            error = str(exc)
            continue
        text, is_cut, error = reply.text.strip(), reply.finish_reason == "length", ""
        break
    with store.read() as conn:
        found = find_leaks(text, prompt=prompt, redactor=redactor)
        leaks = [kind for kind, value in found if not is_public(conn, value, desk_id=desk.desk_id)]
    return TrialDraft(
        adapter=models[role],
        case_key=question.where,
        role=role,
        model=models[role],
        prompt_hash="",
        pair_id=None,
        text=text,
        is_cut=is_cut,
        checks=check_draft(
            text, is_cut=is_cut, prompt=prompt, passages=question.passages, approved=question.reply, leaks=leaks
        ),
        written_at=store.now(),
        error=error,
    )


def find_server(store: Store, names: Sequence[str]) -> Replica:
    """Return a model server that holds these adapters.

    Raises: EngineUnavailable when none does.
    """
    with store.read() as conn:
        healthy = [replica for replica in list_replicas(conn, now=store.now()) if replica.healthy]
    for replica in healthy:
        if set(names) <= set(replica.proven):
            return replica
    if not healthy:
        raise EngineUnavailable("no model server runs; start one with `thumbtune serving`, or leave --drafts out")
    missing = sorted({name for name in names if not any(name in replica.proven for replica in healthy)})
    raise EngineUnavailable(
        f"no model server holds {', '.join(missing) or 'all of these adapters'}: only what is live, was live before or is on "
        "its way is loaded; leave --drafts out"
    )
