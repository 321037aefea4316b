"""Holds our LoRA for vLLM's CPU build against plain sums, in a process of its own, as vLLM's import takes the whole process.

Run: python -m tests.serving.slot_sums
"""

import random

import torch
from vllm.lora.layers import LoRAMapping

from thumbtune.serving.cpu_worker import SlotLora

ADAPTERS = [7, None, 3]
"""Which adapter each slot holds; the last one is that which a row without an adapter must not get."""
RANK, WIDTH, PARTS, VOCAB = 4, 16, (8, 24), 20


def main() -> None:
    """Try batches of every kind."""
    dice = random.Random(5)
    torch.manual_seed(5)
    for number in range(200):
        rows = [dice.choice([0, 0, 3, 7]) for _ in range(dice.randint(1, 12))]
        drawn = rows[:: dice.randint(1, 3)]
        dtype = torch.bfloat16 if number % 2 else torch.float32
        lora = SlotLora(64, 16, device="cpu")
        lora.update_metadata(LoRAMapping(tuple(rows), tuple(drawn), is_prefill=True), ADAPTERS, 3, VOCAB)
        check_linear(lora, rows, dtype=dtype)
        check_logits(lora, drawn, dtype=dtype)
        check_embedding(lora, rows, dtype=dtype)
        check_refusal(lora, rows)
    print("200 batches are right")


def check_linear(lora: SlotLora, rows: list[int], *, dtype: torch.dtype) -> None:
    """Compare a layer of two parts of unequal size."""
    x, y = torch.randn(len(rows), WIDTH, dtype=dtype), torch.randn(len(rows), sum(PARTS), dtype=dtype)
    a = tuple(torch.randn(3, 1, RANK, WIDTH, dtype=dtype) for _ in PARTS)
    b = tuple(torch.randn(3, 1, size, RANK, dtype=dtype) for size in PARTS)
    wanted = y.double()
    for number, slot in enumerate(map(find_slot, rows)):
        if slot is not None:
            sums = [b[part][slot, 0].double() @ (a[part][slot, 0].double() @ x[number].double()) for part in range(2)]
            wanted[number] += torch.cat(sums)
    lora.add_lora_linear(y, x, a, b, 1.0, PARTS)
    check_close(y, wanted)


def check_logits(lora: SlotLora, rows: list[int], *, dtype: torch.dtype) -> None:
    """Compare the scores of the next token, with columns that only fill up."""
    x, y = torch.randn(len(rows), WIDTH, dtype=dtype), torch.randn(len(rows), VOCAB + 4, dtype=dtype)
    a, b = torch.randn(3, 1, RANK, WIDTH, dtype=dtype), torch.randn(3, 1, VOCAB, RANK, dtype=dtype)
    wanted = y.double()
    for number, slot in enumerate(map(find_slot, rows)):
        if slot is not None:
            wanted[number, :VOCAB] += b[slot, 0].double() @ (a[slot, 0].double() @ x[number].double())
    lora.add_lora_logits(y, x, a, b, 1.0)
    check_close(y, wanted)


def check_embedding(lora: SlotLora, rows: list[int], *, dtype: torch.dtype) -> None:
    """Compare what is added to a looked-up row."""
    x, y = torch.randn(len(rows), RANK, dtype=dtype), torch.randn(len(rows), WIDTH, dtype=dtype)
    b = torch.randn(3, 1, WIDTH, RANK, dtype=dtype)
    wanted = y.double()
    for number, slot in enumerate(map(find_slot, rows)):
        if slot is not None:
            wanted[number] += b[slot, 0].double() @ x[number].double()
    lora.add_lora_embedding(y, x, b)
    check_close(y, wanted)


def check_refusal(lora: SlotLora, rows: list[int]) -> None:
    """Rows that are not the batch's are refused where one of the batch has an adapter."""
    if not any(rows):
        return
    x, y = torch.randn(len(rows) + 1, RANK), torch.randn(len(rows) + 1, WIDTH)
    try:
        lora.add_lora_embedding(y, x, torch.randn(3, 1, WIDTH, RANK))
    except ValueError:
        return
    raise AssertionError("a row too many was taken")


def find_slot(adapter: int) -> int | None:
    """Return an adapter's slot; 0 stands for none, as in vLLM."""
    return ADAPTERS.index(adapter) if adapter else None


def check_close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    """Raise unless both are the same but for rounding."""
    allowed = 0.2 if found.dtype == torch.bfloat16 else 1e-4
    gap = (found.double() - wanted).abs().max().item()
    assert gap < allowed, f"off by {gap}"


if __name__ == "__main__":
    main()
