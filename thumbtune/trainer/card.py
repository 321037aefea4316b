"""Writes the model card of an adapter: what it was made from and how it was judged, for people and for the Hub.

It knows counts, hashes and figures only; no text of a conversation or of a desk's voice gets into it.
Source: the form of model cards, huggingface.co/docs/hub/model-cards, seen 2026-11-21.
"""

from collections.abc import Mapping
from typing import Any

from thumbtune.core.manifest import Manifest
from thumbtune.trainer.recipe import Recipe
from thumbtune.trainer.snapshot_files import SnapshotMeta


def build_card(
    manifest: Manifest, *, recipe: Recipe, meta: SnapshotMeta, revision: str, licence: str, skipped: Mapping[str, int]
) -> str:
    """Return the card as Markdown; `skipped` counts the pairs that were not trained on, by reason."""
    left_out = "; ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())) or "none"
    scale = "α/√r" if recipe.rslora else "α/r"
    rows = [
        ("Base model", f"`{manifest.base_model}`"),
        ("Base revision", f"`{revision}`"),
        ("Base fingerprint", f"`{manifest.base_hash}`"),
        ("Chat template (SHA-256)", f"`{manifest.template_hash}`"),
        ("Licence of the base", licence),
        ("Data (SHA-256 of the snapshot)", f"`{manifest.snapshot_hash}`"),
        ("Training pairs", str(len(meta.trained_pair_ids))),
        ("Triages learned from", str(len(meta.trained_triage_ids))),
        ("Left out while training", left_out),
        ("Held-out pairs", str(len(meta.held_out_pair_ids))),
        (
            "LoRA",
            f"rank {recipe.rank}, alpha {recipe.alpha} (scaled by {scale}), on {', '.join(manifest.target_modules)}",
        ),
        ("Learning rate, seed", f"{recipe.learning_rate:g}, {recipe.seed}"),
        *_describe_second_stage(recipe),
        ("Training run", f"`{manifest.run_id}`, {manifest.created_at:%Y-%m-%d %H:%M} UTC"),
    ]
    return "\n".join(
        [
            "---",
            f"base_model: {_quote(manifest.base_model)}",
            f"license: {_quote(licence)}",
            "library_name: peft",
            "pipeline_tag: text-generation",
            "tags: [lora, thumbtune]",
            "---",
            "",
            f"# {manifest.adapter}",
            "",
            f"A LoRA adapter for the desk `{manifest.desk_id}`, trained by Thumbtune on replies that its agents approved. Its "
            "prompts and replies hold placeholders in place of personal data. It drafts; a person sends.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in rows),
            "",
            "## How it was judged",
            "",
            *_describe_gate(manifest.gate),
            "",
        ]
    )


def _describe_second_stage(recipe: Recipe) -> list[tuple[str, str]]:
    how = recipe.preferences
    if how is None:
        return []
    return [
        ("Second stage (DPO)", f"beta {how.beta:g}, learning rate {how.learning_rate:g}, SFT term × {how.sft_weight:g}")
    ]


def _describe_gate(gate: Mapping[str, Any]) -> list[str]:  # Any: JSON
    figures = {name: gate.get(f"nll_{name}") for name in ("base", "live", "candidate")}
    known = {name: value for name, value in figures.items() if value is not None}
    lines = [f"Decision: **{gate['decision']}**, on {gate['pairs']} replies of {gate['threads']} conversations.", ""]
    if known:
        lines += ["| model | NLL, nats per token |", "|---|---|"]
        lines += [f"| {name} | {value:.4f} |" for name, value in known.items()]
    for other in ("base", "live"):
        if found := gate.get(f"versus_{other}"):
            lines += [
                "",
                f"Against {other}: {found['difference']:+.4f} nats per token, 95 % interval {found['low']:+.4f} to "
                f"{found['high']:+.4f}.",
            ]
    return lines


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
