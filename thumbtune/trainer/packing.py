"""Lets several sequences share one row without padding: attention that keeps each sequence to itself.

On a GPU it is one kernel for all sequences of a row, on a CPU one call for each. It imports torch; only the trainer's
child programs may import it. Facts: torch.nn.attention.varlen and transformers' AttentionInterface.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

ATTENTION_NAME = "packed"
_NOT_DONE_HERE = ("softcap", "s_aux", "position_bias")
"""What some models ask of attention that these kernels do not do."""
_TRIED_LENGTHS = (37, 23)
_ROUNDING = {"cpu": 1e-3, "cuda": 0.1}
"""By how much of its size a token's logits may differ: in float32, and in bfloat16."""


class CannotPack(Exception):
    """A model asks something of its attention that cannot be done for packed sequences."""


def plan_packed(lengths: Sequence[int], *, device: torch.device) -> dict[str, Any]:  # Any: a model's keyword arguments
    """Return what a model needs to know of the sequences that lie one behind another in its only row."""
    positions = torch.cat([torch.arange(length) for length in lengths]).unsqueeze(0)  # (1, tokens) int64
    bounds = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32).to(device)  # (sequences + 1) int32
    longest = max(lengths)
    return {
        "position_ids": positions.to(device),
        "cu_seq_lens_q": bounds,
        "cu_seq_lens_k": bounds,
        "max_length_q": longest,
        "max_length_k": longest,
        "packed_lengths": tuple(lengths),
    }


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    packed_lengths: Sequence[int] = (),
    **options: Any,  # transformers' open signature
) -> tuple[torch.Tensor, None]:
    """Return attention within each sequence: query, key, value (1, heads, tokens, head size), result (1, tokens, heads,
    head size). A row that is not packed gets the ordinary attention.

    Raises: CannotPack.
    """
    if not packed_lengths:
        result, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return result, None
    if lacking := [name for name in _NOT_DONE_HERE if options.get(name) is not None]:
        raise CannotPack(", ".join(lacking))
    window = options.get("sliding_window")
    if query.device.type == "cpu":
        parts = [part.split(packed_lengths, dim=2) for part in (query, key, value)]
        return torch.cat([_attend_alone(module, *one, **options) for one in zip(*parts, strict=True)], dim=1), None
    bounds, longest = options["cu_seq_lens_q"].to(query.device), options["max_length_q"]
    flat = [part.squeeze(0).transpose(0, 1).contiguous() for part in (query, key, value)]  # (tokens, heads, head size)
    result = varlen_attn(
        *flat,
        bounds,
        bounds,
        longest,
        longest,
        scale=options.get("scaling"),
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return result.unsqueeze(0), None


def _attend_alone(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    sliding_window: int | None = None,
    **options: Any,
) -> torch.Tensor:
    """Return one sequence's attention; each token sees itself and those before it, `sliding_window` in all."""
    length, mask = query.shape[2], None
    if sliding_window is not None and length > sliding_window:
        mask = torch.ones((length, length), dtype=torch.bool).tril().triu(1 - sliding_window)[None, None]
    result, _ = sdpa_attention_forward(module, query, key, value, mask, **options)
    return result


def try_packing(model: Any, *, device: torch.device) -> bool:  # Any: a model of some base's class, or PEFT's around it
    """Give the model attention for packed sequences, if two of them get the same logits there as each alone.

    A model whose layers carry a state from token to token, or want more of attention than is done here, keeps its own.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    usual, was_training = base.config._attn_implementation, model.training
    vocabulary = base.get_input_embeddings().num_embeddings
    rows = [torch.arange(1, length + 1).unsqueeze(0) * 7919 % vocabulary for length in _TRIED_LENGTHS]
    model.eval()
    row, packed = torch.cat(rows, dim=1).to(device), plan_packed(_TRIED_LENGTHS, device=device)
    try:
        with torch.inference_mode():
            alone = torch.cat([_find_logits(base, row.to(device)) for row in rows])
            base.set_attn_implementation(ATTENTION_NAME)
            packs = _are_alike(alone, _find_logits(base, row, **packed))
    except (CannotPack, RuntimeError, TypeError, ValueError):
        packs = False
    finally:
        model.train(was_training)
    if not packs:
        base.set_attn_implementation(usual)
    return packs


def _find_logits(model: Any, ids: torch.Tensor, **options: Any) -> torch.Tensor:
    """Return the logits of a row: (tokens, vocabulary) float32."""
    with torch.autocast("cuda", torch.bfloat16, enabled=ids.is_cuda):
        logits: torch.Tensor = model(input_ids=ids, use_cache=False, **options).logits
    return logits[0].float()


def _are_alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether no token's logits differ by more than rounding does: (tokens, vocabulary) float32 each."""
    error = (one - other).norm(dim=1) / one.norm(dim=1)  # (tokens) float32
    return bool(error.max() <= (_ROUNDING["cuda"] if one.is_cuda else _ROUNDING["cpu"]))


AttentionInterface.register(ATTENTION_NAME, attend)
