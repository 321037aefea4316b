"""Measures base, live and candidate on a snapshot's held-out replies; a child program of the trainer.

Command: python -m thumbtune.trainer.evaluate --snapshot DIR --base DIR --recipe FILE --candidate DIR [--live DIR]
    [--mixed-up] --out FILE

It decides nothing and does not know the store. OUT holds per reply the negative log likelihood under each model, and the
same without the passages of its prompt; with --mixed-up, that of some replies that were learned from, under the base, after
their own and another thread's prompt; how often each model prefers approved replies to rejected drafts, where the snapshot
has such; and the candidate's probes for serving to compare with. Exit codes as `finetune`: 0, 2 bad input, 3 a likelihood
is not finite, 4 out of memory, 5 disk full, 143 cancelled.
"""

import argparse
import json
import math
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from thumbtune.core.prompt import TEMPLATE_OPTIONS, Turn, build_prompt
from thumbtune.trainer.child import NotFinite, ProgressReporter, emit, exit_on_sigterm, run_program
from thumbtune.trainer.examples import (
    Span,
    TokenSequence,
    encode_lines,
    find_end_of_turn,
    merge_prefixes,
    read_lines,
    sample_lines,
    swap_prompts,
)
from thumbtune.trainer.grounding import compare_grounding, encode_without_passages
from thumbtune.trainer.preferences import compare_choices, list_rows, read_choices
from thumbtune.trainer.recipe import Recipe, check_base_unchanged, load_recipe
from thumbtune.trainer.snapshot_files import HELD_OUT_NAME, HELD_OUT_PREFERENCES_NAME, TRAIN_NAME, load_meta

if TYPE_CHECKING:
    from thumbtune.trainer.model import Loaded

PROBE_QUESTIONS = (
    "Hello, where is my order?",
    "Hi! Can I send something back that I bought last week?",
    "Thank you, that was quick. One more thing: when are you open?",
)
_PROBE_TOKENS = 12
_ASKED_TWICE = 120
"""Replies that were learned from, of which it is asked whether they follow from their prompts."""
_FORWARD_TOKENS = {"cpu": 4096, "cuda": 32768}


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(description="Measure a candidate adapter on held-out replies.")
    for name in ("snapshot", "base", "recipe", "candidate", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--live", type=Path)
    parser.add_argument("--mixed-up", action="store_true")
    arguments = parser.parse_args(argv)
    return run_program(
        lambda: write_evaluation(
            arguments.out,
            snapshot=arguments.snapshot,
            base=arguments.base,
            recipe=load_recipe(arguments.recipe),
            candidate=arguments.candidate,
            live=arguments.live,
            mixed_up=arguments.mixed_up,
        )
    )


def write_evaluation(
    out: Path,
    *,
    snapshot: Path,
    base: Path,
    recipe: Recipe,
    candidate: Path,
    live: Path | None,
    mixed_up: bool,
    loaded: "Loaded | None" = None,
) -> None:
    """Evaluate and write the result, unless a likelihood is not a number; `loaded` is the base where it is in memory."""
    result = evaluate(
        snapshot, base=base, recipe=recipe, candidate=candidate, live=live, mixed_up=mixed_up, loaded=loaded
    )
    likelihoods = [value for score in result["scores"] for value in score["nll"].values()]
    likelihoods += [score[prompt] for score in result["prompts"] for prompt in ("own", "other")]
    if not all(math.isfinite(value) for value in likelihoods):
        raise NotFinite("a likelihood is not finite")
    out.write_text(json.dumps(result, indent=1) + "\n")
    emit("evaluated", scores=len(result["scores"]), seconds=result["seconds"])


def evaluate(
    snapshot: Path,
    *,
    base: Path,
    recipe: Recipe,
    candidate: Path,
    live: Path | None,
    mixed_up: bool = False,
    loaded: "Loaded | None" = None,
) -> dict:
    """Return per held-out reply its tokens and summed negative log likelihoods in nats, and the probes.

    Replies whose prompt has passages have the likelihoods `without_passages` too. With `mixed_up` also, of some replies
    that were learned from, what they are after their own prompt and another's.
    """
    lines = read_lines(snapshot / HELD_OUT_NAME)
    meta = load_meta(snapshot)
    from thumbtune.trainer import model as models

    began = time.monotonic()
    emit("phase", phase="load")
    if loaded is None:
        device = models.prepare_torch(seed=recipe.seed, threads=recipe.threads)
        tokenizer = models.load_tokenizer(base)
        loaded = models.Loaded(device, tokenizer, models.load_base(base, device=device, spread=recipe.four_bit))
    device, tokenizer = loaded.device, loaded.tokenizer
    end_of_turn = find_end_of_turn(tokenizer, stop_ids=models.find_stop_ids(base))
    limits = {
        "end_of_turn": end_of_turn,
        "max_context_tokens": recipe.max_context_tokens,
        "max_reply_tokens": recipe.max_reply_tokens,
    }
    examples, skipped = encode_lines(lines, tokenizer, **limits)
    plain = encode_without_passages(lines, examples, tokenizer, voice=meta.voice, **limits)
    has_choices = (snapshot / HELD_OUT_PREFERENCES_NAME).is_file()
    choices, _ = read_choices(snapshot / HELD_OUT_PREFERENCES_NAME, tokenizer, **limits) if has_choices else ([], 0)
    model = models.attach_adapter(loaded.base, candidate, name="candidate")
    check_base_unchanged(recipe, base)
    if live is not None:
        models.attach_adapter(model, live, name="live")
    loss_of = models.ReplyLoss(model, device=device)
    forward_tokens = recipe.forward_tokens or _FORWARD_TOKENS[device.type]
    rows, plain_rows = (
        loss_of.split(merge_prefixes(some), forward_tokens=forward_tokens) for some in (examples, plain)
    )
    learned = read_lines(snapshot / TRAIN_NAME) if mixed_up else []
    asked, _ = encode_lines(sample_lines(learned, most=_ASKED_TWICE, seed=recipe.seed), tokenizer, **limits)
    others = swap_prompts(asked, max_context_tokens=recipe.max_context_tokens)
    own_rows, other_rows = (
        loss_of.split(merge_prefixes(some), forward_tokens=forward_tokens) for some in (asked, others)
    )
    choice_rows = loss_of.split(list_rows(choices), forward_tokens=forward_tokens)
    names = ["base", *(["live"] if live is not None else []), "candidate"]
    kinds = (("nll", rows), ("without_passages", plain_rows), ("preferences", choice_rows))
    passes = [(name, kind, groups) for kind, groups in kinds for name in names]
    passes += [("base", "own", own_rows), ("base", "other", other_rows)]
    reporter = ProgressReporter("evaluate", steps=max(1, sum(len(groups) for _, _, groups in passes)))
    scores = {
        example.pair_id: {"pair_id": example.pair_id, "thread_id": example.thread_id, "tokens": len(example.reply_ids)}
        for example in examples
    }
    found: dict[tuple[str, str], dict[str, float]] = {(name, kind): {} for name, kind, _ in passes}
    done = 0
    for name, kind, groups in passes:
        with use_model(model, name):
            for group in groups:
                found[name, kind] |= models.score_rows(loss_of, group)
                done += 1
                reporter.report(done, tokens=sum(len(row.token_ids) for row in group))
    for name in names:
        for kind in ("nll", "without_passages"):
            for pair_id, nll in found[name, kind].items():
                scores[pair_id].setdefault(kind, {})[name] = nll
    return {
        "scores": [scores[example.pair_id] for example in examples],
        "skipped": dict(skipped),
        "grounding": compare_grounding(list(scores.values())),
        "preferences": {name: compare_choices(choices, found[name, "preferences"]) for name in names}
        if choices
        else {},
        "prompts": [
            {
                "thread_id": example.thread_id,
                "tokens": len(example.reply_ids),
                "own": found["base", "own"][example.pair_id],
                "other": found["base", "other"][example.pair_id],
            }
            for example in others
        ],
        "probes": [
            make_probe(question, model=model, loss_of=loss_of, tokenizer=tokenizer, voice=meta.voice)
            for question in PROBE_QUESTIONS
        ],
        "seconds": round(time.monotonic() - began, 1),
    }


def use_model(model, name: str):
    """Switch to an adapter, or to the base for as long as the block lasts."""
    if name == "base":
        return model.disable_adapter()
    model.set_adapter(name)
    return nullcontext()


def make_probe(question: str, *, model, loss_of, tokenizer, voice: str) -> dict:
    """Return what the candidate writes greedily to a fixed question, and how likely base and candidate find it."""
    import torch

    from thumbtune.trainer.model import score_rows

    messages = build_prompt([Turn("customer", question)], voice=voice, max_chars=4000)
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False, **TEMPLATE_OPTIONS)
    device = next(model.parameters()).device
    model.set_adapter("candidate")
    with torch.inference_mode():
        ids = torch.tensor([prompt], device=device)  # (1, prompt tokens) int64
        autocast = torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda")
        with autocast:
            written = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=_PROBE_TOKENS,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                use_cache=True,
                pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
            )
    reply = written[0, len(prompt) :].tolist()
    places = range(len(prompt), len(prompt) + len(reply))
    row = TokenSequence((*prompt, *reply), tuple(Span(str(place), place, place + 1) for place in places), 0)
    logprobs = {}
    for name in ("base", "candidate"):
        with use_model(model, name):
            nll = score_rows(loss_of, [row])
            logprobs[name] = [-nll[str(place)] for place in places]
    return {
        "messages": messages,
        "prompt_token_ids": prompt,
        "reply_token_ids": reply,
        "reply": tokenizer.decode(reply, skip_special_tokens=True),
        "candidate_logprobs": logprobs["candidate"],
        "base_logprobs": logprobs["base"],
    }


if __name__ == "__main__":
    sys.exit(main())
