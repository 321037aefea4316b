"""Loads base models and adapters and computes the loss of reply tokens; used by the trainer's child programs only.

It imports torch, transformers and peft, so nothing but `finetune` and `evaluate` may import it.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from peft import (
    LoraConfig,
    PeftModel,
    get_peft_model_state_dict,
    prepare_model_for_kbit_training,
    set_peft_model_state_dict,
)
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, GenerationConfig

from thumbtune.core.errors import BadInput, WrongBase
from thumbtune.core.manifest import CONFIG_NAME, WEIGHTS_NAME, load_template
from thumbtune.core.prompt import TEMPLATE_OPTIONS
from thumbtune.trainer.examples import TokenSequence, split_rows
from thumbtune.trainer.packing import plan_packed, try_packing


@dataclass(frozen=True)
class Loaded:
    """A base model in memory, without an adapter, and its tokenizer."""

    device: torch.device
    tokenizer: Any  # a transformers tokenizer; its class depends on the model
    base: Any  # as above


_EVERY_ROLE = [{"role": role, "content": "x"} for role in ("system", "user", "assistant", "user")]


def prepare_torch(*, seed: int, threads: int) -> torch.device:
    """Fix seeds and threads, turn on deterministic kernels where they exist, and choose the device."""
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.set_flush_denormal(True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_tokenizer(base: Path) -> Any:  # a transformers tokenizer; its class depends on the model
    """Load a base model's tokenizer from its directory, with the chat template that is served with."""
    try:
        json.loads((base / "tokenizer.json").read_bytes())  # the library says no more than "Exception" of a broken one
        tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
        tokenizer.chat_template = load_template(base)
    except (OSError, ValueError) as exc:
        raise BadInput(f"base model {base}: its tokenizer cannot be loaded") from exc
    except WrongBase as exc:
        raise BadInput(str(exc)) from exc
    try:
        tokenizer.apply_chat_template(_EVERY_ROLE, tokenize=False, add_generation_prompt=True, **TEMPLATE_OPTIONS)
    except TemplateError as exc:
        raise BadInput(
            f"the chat template of base model {base.name} refuses our prompts: {exc}; they begin with a system message, the "
            "desk's voice, so choose a base model whose template takes one"
        ) from exc
    return tokenizer


def load_base(base: Path, *, device: torch.device, four_bit: bool = False, spread: bool = False) -> Any:  # as above
    """Load a frozen base model: bfloat16 on a GPU, float32 on a CPU.

    `four_bit` holds it in 4 bits, made ready for training (QLoRA). `spread` puts on the CPU what the GPU has no room for.
    Raises: BadInput when its files are not all there and whole.
    """
    on_gpu = device.type == "cuda"
    options: dict[str, Any] = {}  # Any: transformers' own options
    if four_bit:
        if not on_gpu:
            raise BadInput("train_4bit needs a GPU; set THUMBTUNE_TRAIN_4BIT=false on this machine")
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        options = {"quantization_config": quantization, "device_map": {"": device}}
    elif spread and on_gpu:
        options = {"device_map": "auto"}
    try:
        model, loading = AutoModelForCausalLM.from_pretrained(
            base,
            dtype=torch.bfloat16 if on_gpu else torch.float32,
            attn_implementation="sdpa",
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as exc:
        raise BadInput(f"base model {base} cannot be loaded: {type(exc).__name__}; check its files") from exc
    if lacking := [*loading["missing_keys"], *loading["mismatched_keys"]]:
        raise BadInput(f"base model {base} lacks {len(lacking)} of its weights; check its files")
    model.config.use_cache = False
    if four_bit:
        return prepare_model_for_kbit_training(model, gradient_checkpointing_kwargs={"use_reentrant": False})
    model.requires_grad_(False)
    return model if options else model.to(device)


def find_stop_ids(base: Path) -> list[int]:
    """Return the tokens at which the model server stops, from the base's generation settings."""
    if not (base / "generation_config.json").is_file():
        return []
    stops = GenerationConfig.from_pretrained(base, local_files_only=True).eos_token_id
    if stops is None:
        return []
    return list(stops) if isinstance(stops, list) else [stops]


def attach_adapter(model: Any, directory: Path, *, name: str) -> PeftModel:
    """Add a saved adapter under `name` and switch to it; every weight must be there, finite, and fit.

    Raises: BadInput when keys are missing, unexpected or of another shape, when a weight is not finite, or when the
    adapter changes nothing because all its B matrices are zero.
    """
    config = LoraConfig(**_keep_known(json.loads((directory / CONFIG_NAME).read_bytes())))
    weights = load_file(directory / WEIGHTS_NAME)
    if isinstance(model, PeftModel):
        model.add_adapter(name, config)
    else:
        model = PeftModel(model, config, adapter_name=name)
    expected = {key: value.shape for key, value in get_peft_model_state_dict(model, adapter_name=name).items()}
    found = {key: value.shape for key, value in weights.items()}
    if expected != found:
        wrong = sorted(key for key in {*expected, *found} if expected.get(key) != found.get(key))
        raise BadInput(f"adapter {directory.name} does not fit this base model: {len(wrong)} weights, first {wrong[0]}")
    if not all(bool(torch.isfinite(weight).all()) for weight in weights.values()):
        raise BadInput(f"adapter {directory.name} holds weights that are not finite")
    if not any(bool(weight.any()) for key, weight in weights.items() if ".lora_B." in key):
        raise BadInput(f"adapter {directory.name} changes nothing: all its B matrices are zero")
    set_peft_model_state_dict(model, weights, adapter_name=name)
    model.set_adapter(name)
    model.requires_grad_(False)
    return model.eval()


class ReplyLoss:
    """Computes the losses of reply tokens with logits for those tokens only.

    The output layer sees the selected positions instead of the whole batch, whatever the architecture does to its
    logits afterwards; on models with a large vocabulary this is most of the saved time and memory. Where the model can be
    packed (`packs`), its rows lie one behind another without padding.
    """

    def __init__(self, model: Any, *, device: torch.device) -> None:
        self._model = model
        self._device = device
        self._keep: torch.Tensor | None = None
        self.packs = try_packing(model, device=device)
        model.get_output_embeddings().register_forward_pre_hook(self._select)

    def compute(self, rows: Sequence[TokenSequence]) -> torch.Tensor:
        """Return the negative log likelihood of each reply token, by row and span: (reply tokens) float32, nats."""
        lengths = [len(row.token_ids) for row in rows]
        shape = (1, sum(lengths)) if self.packs else (len(rows), max(lengths))
        ids = torch.zeros(shape, dtype=torch.long)  # (row, token) int64, padded on the right with 0 where not packed
        keep = torch.zeros(shape, dtype=torch.bool)  # (row, token): the next token is a reply's
        starts = accumulate(lengths[:-1], initial=0)
        places = [(0, start) for start in starts] if self.packs else [(line, 0) for line in range(len(rows))]
        for row, (line, start) in zip(rows, places, strict=True):
            ids[line, start : start + len(row.token_ids)] = torch.tensor(row.token_ids)
            for span in row.spans:
                keep[line, start + span.start - 1 : start + span.stop - 1] = True
        targets = ids.roll(-1, dims=1)[keep].to(self._device)  # (reply tokens) int64
        packed = plan_packed(lengths, device=self._device) if self.packs else {}
        with self._selecting(keep), torch.autocast("cuda", torch.bfloat16, enabled=self._device.type == "cuda"):
            logits = self._model(input_ids=ids.to(self._device), use_cache=False, **packed).logits
        return cross_entropy(logits[0].float(), targets.to(logits.device), reduction="none")

    def split(self, rows: Sequence[TokenSequence], *, forward_tokens: int) -> list[list[TokenSequence]]:
        """Return groups of rows of at most `forward_tokens` tokens, padding counted; a longer row stands alone."""
        return split_rows(rows, forward_tokens=forward_tokens, padded=not self.packs)

    @contextmanager
    def _selecting(self, keep: torch.Tensor) -> Iterator[None]:
        self._keep = keep.to(self._device)
        try:
            yield
        finally:
            self._keep = None

    def _select(self, _module: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        if self._keep is None:
            return None
        return (arguments[0][self._keep.to(arguments[0].device)].unsqueeze(0), *arguments[1:])


def score_rows(loss_of: ReplyLoss, rows: Sequence[TokenSequence]) -> dict[str, float]:
    """Return each reply's summed negative log likelihood in nats, by the name of its span."""
    with torch.inference_mode():
        losses = loss_of.compute(rows).double().cpu()  # (reply tokens) float64, by row and span
    totals, place = {}, 0
    for row in rows:
        for span in row.spans:
            size = span.stop - span.start
            totals[span.pair_id] = losses[place : place + size].sum().item()
            place += size
    return totals


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a failure means that the device's or the host's memory is full."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def _keep_known(config: dict[str, Any]) -> dict[str, Any]:
    return {
        key: config[key] for key in ("r", "lora_alpha", "target_modules", "task_type", "use_rslora") if key in config
    }
