"""Sequences that share a row: the losses and gradients of each alone, and models for which that cannot be had."""

import random
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Lfm2Config,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    Qwen2Config,
)

from thumbtune.trainer.examples import Span, TokenSequence
from thumbtune.trainer.finetune import add_adapter
from thumbtune.trainer.model import ReplyLoss
from thumbtune.trainer.recipe import Recipe

SMALL = {
    "vocab_size": 400,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
CPU = torch.device("cpu")
PACKED = [LlamaConfig(**SMALL), Qwen2Config(**SMALL), MistralConfig(**SMALL, sliding_window=11)]


def build(config: PretrainedConfig, *, device: torch.device = CPU) -> Any:
    """Return a model with random weights, large enough that every token's context matters, and a LoRA adapter."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32 if device == CPU else torch.bfloat16)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.normal_(std=0.2)
    model = add_adapter(model.requires_grad_(False).to(device), Recipe("random"))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    return model


def draw_rows(*, count: int = 7) -> list[TokenSequence]:
    dice = random.Random(5)
    rows = []
    for number in range(count):
        length = dice.randint(12, 60)
        ids = tuple(dice.randrange(400) for _ in range(length))
        spans = (Span(f"a{number}", 4, 7), Span(f"b{number}", length - 3, length))
        rows.append(TokenSequence(ids, spans, length))
    return rows


def compute_gradient(loss_of: ReplyLoss, model: Any, groups: list[list[TokenSequence]]) -> torch.Tensor:
    model.zero_grad()
    for group in groups:
        loss_of.compute(group).sum().backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


@pytest.mark.parametrize("config", PACKED, ids=lambda config: config.model_type)
def test_packed_rows_have_the_losses_and_gradients_of_each_alone(config: PretrainedConfig) -> None:
    model, rows = build(config), draw_rows()
    loss_of = ReplyLoss(model, device=CPU)
    assert loss_of.packs
    together = loss_of.compute(rows)
    alone = torch.cat([loss_of.compute([row]) for row in rows])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    gradient = compute_gradient(loss_of, model, [rows])
    torch.testing.assert_close(
        gradient, compute_gradient(loss_of, model, [[row] for row in rows]), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("config", PACKED, ids=lambda config: config.model_type)
def test_a_row_alone_has_the_losses_of_the_model_as_it_is_published(config: PretrainedConfig) -> None:
    model, rows = build(config), draw_rows()
    usual = torch.cat([find_losses(model, row) for row in rows])
    loss_of = ReplyLoss(model, device=CPU)
    torch.testing.assert_close(loss_of.compute(rows), usual, rtol=1e-4, atol=1e-4)


def find_losses(model: Any, row: TokenSequence) -> torch.Tensor:
    with torch.no_grad():
        ids = torch.tensor([row.token_ids])
        losses = torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:], reduction="none")
    return torch.cat([losses[span.start - 1 : span.stop - 1] for span in row.spans])


@pytest.mark.parametrize(
    "config",
    [
        Gemma2Config(**SMALL, attn_logit_softcapping=5.0, query_pre_attn_scalar=16),
        Lfm2Config(**SMALL, layer_types=["conv", "full_attention"]),
    ],
    ids=lambda config: config.model_type,
)
def test_a_model_that_cannot_be_packed_is_padded(config: PretrainedConfig) -> None:
    model, rows = build(config), draw_rows()
    loss_of = ReplyLoss(model, device=CPU)
    assert not loss_of.packs
    alone = torch.cat([loss_of.compute([row]) for row in rows])
    torch.testing.assert_close(loss_of.compute(rows), alone, rtol=1e-3, atol=1e-3)


def test_groups_hold_as_many_tokens_as_fit() -> None:
    model, rows = build(PACKED[0]), draw_rows(count=40)
    groups = ReplyLoss(model, device=CPU).split(rows, forward_tokens=200)
    sizes = [sum(len(row.token_ids) for row in group) for group in groups]
    assert max(sizes) <= 200
    assert len(groups) <= sum(sizes) // 150
    assert sorted(row.spans[0].pair_id for group in groups for row in group) == sorted(
        row.spans[0].pair_id for row in rows
    )


@pytest.mark.gpu
@pytest.mark.parametrize("config", PACKED, ids=lambda config: config.model_type)
def test_packed_rows_have_the_losses_of_each_alone_on_a_gpu(config: PretrainedConfig) -> None:
    gpu = torch.device("cuda")
    model, rows = build(config, device=gpu), draw_rows()
    loss_of = ReplyLoss(model, device=gpu)
    assert loss_of.packs
    together = loss_of.compute(rows)
    alone = torch.cat([loss_of.compute([row]) for row in rows])
    assert (together - alone).abs().mean() < 0.05
    gradient = compute_gradient(loss_of, model, [rows])
    other = compute_gradient(loss_of, model, [[row] for row in rows])
    assert (gradient - other).norm() / other.norm() < 0.05
