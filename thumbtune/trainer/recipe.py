"""The numbers of one fine-tuning, frozen beside its snapshot so that a retried run repeats exactly.

It does not know torch; `settings` are turned into a recipe by the pipeline, and the child program reads it back.
"""

import importlib.util
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from thumbtune.core.base_model import fit_context, name_base
from thumbtune.core.errors import BadInput, ConfigError, ThumbtuneError
from thumbtune.core.manifest import SERVABLE_RANKS, hash_base, load_template
from thumbtune.core.prompt import hash_template
from thumbtune.core.settings import Settings
from thumbtune.trainer.reporting import describe_missing


@dataclass(frozen=True)
class PreferenceRecipe:
    """How a second stage learns from preference pairs (DPO); `max_nll_rise` is the share by which the replies set aside may
    become less likely before the first stage's weights are kept instead.
    """

    beta: float = 0.1
    learning_rate: float = 1e-5
    sft_weight: float = 1.0
    epochs: int = 1
    max_nll_rise: float = 0.02

    def __post_init__(self) -> None:
        wrong = [name for name in ("beta", "learning_rate", "epochs") if getattr(self, name) <= 0]
        wrong += [name for name in ("sft_weight", "max_nll_rise") if getattr(self, name) < 0]
        if wrong:
            raise BadInput(f"recipe: of the second stage, {' and '.join(wrong)} are too small")


@dataclass(frozen=True)
class Recipe:
    """How an adapter is trained.

    `batch_tokens` counts every example of an optimizer step as if it stood alone. `forward_tokens` bounds one forward
    pass and changes memory and speed only; 0 lets the device decide. `threads` 0 means all cores. An empty hash is not
    compared. Without `preferences` there is no second stage, and the file says nothing of one.
    """

    base_model: str
    base_hash: str = ""
    template_hash: str = ""
    rank: int = 16
    alpha: int = 32
    rslora: bool = False
    dropout: float = 0.0
    learning_rate: float = 2e-4
    warmup_share: float = 0.05
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    batch_tokens: int = 8192
    forward_tokens: int = 0
    min_steps: int = 100
    max_epochs: int = 3
    validation_share: float = 0.0
    max_context_tokens: int = 8192
    max_reply_tokens: int = 400
    seed: int = 7
    threads: int = 0
    gpus: int = 1
    four_bit: bool = False
    preferences: PreferenceRecipe | None = None

    def __post_init__(self) -> None:
        positive = (
            "rank",
            "alpha",
            "learning_rate",
            "batch_tokens",
            "min_steps",
            "max_epochs",
            "max_reply_tokens",
            "gpus",
        )
        wrong = [f"{name} must be more than 0" for name in positive if getattr(self, name) <= 0]
        if self.rank not in SERVABLE_RANKS:
            wrong.append(f"rank {self.rank} cannot be served; take one of {', '.join(map(str, SERVABLE_RANKS))}")
        if not 0 <= self.validation_share < 1:
            wrong.append("validation_share must be at least 0 and less than 1")
        if not 0 <= self.dropout < 1:
            wrong.append("dropout must be at least 0 and less than 1")
        if self.max_context_tokens <= self.max_reply_tokens:
            wrong.append("max_context_tokens must be more than max_reply_tokens, or no prompt fits")
        if wrong:
            raise BadInput("recipe: " + "; ".join(wrong))


def count_cores() -> int:
    """Return how many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_libraries(settings: Settings) -> None:
    """Find the libraries that these settings need, without importing them.

    Raises: ConfigError when one is missing.
    """
    problems: list[str] = []
    if settings.train_4bit and importlib.util.find_spec("bitsandbytes") is None:
        problems.append(
            "THUMBTUNE_TRAIN_4BIT needs the library bitsandbytes, which is not installed here: install thumbtune[quantized], "
            "or set it to false to train on the base model as it is served"
        )
    missing = describe_missing(settings.train_report_to)
    if missing is not None:
        problems.append(missing)
    if problems:
        raise ConfigError(problems)


def plan_recipe(settings: Settings, base: Path) -> Recipe:
    """Return the recipe these settings ask for.

    Raises: BadInput when the base model cannot be read; ConfigError when a library that they need is missing.
    """
    check_libraries(settings)
    return Recipe(
        base_model=name_base(settings.base_model),
        base_hash=hash_base(base),
        template_hash=hash_template(load_template(base)),
        rank=settings.train_rank,
        alpha=settings.train_alpha,
        rslora=settings.train_rslora,
        dropout=settings.train_dropout,
        learning_rate=settings.train_learning_rate,
        batch_tokens=settings.train_batch_tokens,
        min_steps=settings.train_min_steps,
        max_epochs=settings.train_max_epochs,
        validation_share=settings.train_validation_share,
        max_context_tokens=fit_context(base, wanted=settings.max_model_len),
        max_reply_tokens=settings.max_reply_tokens,
        seed=settings.train_seed,
        threads=settings.train_threads or count_cores(),
        gpus=settings.train_gpus,
        four_bit=settings.train_4bit,
        preferences=PreferenceRecipe(
            beta=settings.train_preference_beta,
            learning_rate=settings.train_preference_learning_rate,
            sft_weight=settings.train_preference_sft_weight,
        )
        if settings.train_preferences == "dpo"
        else None,
    )


def check_base_unchanged(recipe: Recipe, base: Path) -> None:
    """Compare the base model with the one that the run's data was frozen for.

    Raises: BadInput when its files or its chat template differ.
    """
    try:
        found = (hash_base(base), hash_template(load_template(base)))
    except (OSError, ThumbtuneError) as exc:
        raise BadInput(f"base model {base} can no longer be read: {exc}") from exc
    for wanted, actual in zip((recipe.base_hash, recipe.template_hash), found, strict=True):
        if wanted and wanted != actual:
            raise BadInput(
                f"base model {base} changed since the run's data was frozen; start a new run for the new one"
            )


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from its JSON file.

    Raises: BadInput when it is unreadable or holds a field that is missing, unknown or out of range.
    """
    try:
        fields = json.loads(path.read_bytes())
        if fields.get("preferences"):
            fields["preferences"] = PreferenceRecipe(**fields["preferences"])
        return Recipe(**fields)
    except (OSError, ValueError, TypeError) as exc:
        raise BadInput(f"recipe {path}: {exc}") from exc


def dump_recipe(recipe: Recipe) -> bytes:
    """Return the recipe as the bytes of its file."""
    fields = {name: value for name, value in asdict(recipe).items() if (name, value) != ("preferences", None)}
    return (json.dumps(fields, indent=1) + "\n").encode()
