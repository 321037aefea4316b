"""All settings of all processes, read from the environment or a `.env` file and checked at once.

It does not know desks: what differs from desk to desk (channels, voice, approvers) lives in the store.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from thumbtune.core.errors import ConfigError
from thumbtune.core.settings_places import PlaceSettings

ENV_PREFIX = "THUMBTUNE_"


class Settings(PlaceSettings):
    """Settings shared by the bot, the trainer, serving and the command line."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_file=".env", extra="ignore", frozen=True)

    # Model and serving
    base_model: str = Field(
        "",
        description="Path or hub name of the open base model that is served and fine-tuned. Must be the same for both.",
    )
    inference_url: str = Field(
        "",
        description="URL of a running vLLM to attach to, such as http://127.0.0.1:8000. Empty: `thumbtune serving` starts one.",
    )
    inference_api_key: SecretStr | None = Field(
        None, description="API key of vLLM. Empty: one derived from the secret key, when vLLM is started by us."
    )
    max_model_len: int = Field(
        8192, ge=256, description="Context of the served model in tokens. More needs more GPU memory."
    )
    max_prompt_chars: int = Field(
        16000,
        ge=400,
        description="Characters of thread and facts shown to the model. More gives more context and slower drafts.",
    )
    max_reply_tokens: int = Field(
        400,
        ge=16,
        le=4096,
        description="Longest reply in tokens, in drafts and in training, at most half of max_model_len. Longer approved replies "
        "are not learned.",
    )
    temperature: float = Field(
        0.0, ge=0.0, le=2.0, description="Sampling temperature of a first draft; 0 repeats exactly."
    )
    retry_temperature: float = Field(
        0.7,
        ge=0.0,
        le=2.0,
        description="Sampling temperature of “Try again”; higher differs more from the first draft.",
    )
    max_loras: int = Field(3, ge=2, description="Adapters that can answer in one batch. More needs more GPU memory.")
    max_cpu_loras: int = Field(
        8, ge=2, description="Adapters vLLM keeps in memory. More allows more desks and quicker rollback."
    )
    gpu_memory_share: float = Field(
        0.45, gt=0.0, le=0.95, description="Share of the GPU's memory that vLLM takes. The rest is for training."
    )
    engine_start_timeout_s: float = Field(
        900.0, gt=0, description="Seconds vLLM may take to become healthy before it is started again."
    )
    reconcile_interval_s: float = Field(
        2.0, gt=0, description="Seconds between two looks at what is published and what is loaded. Less reacts sooner."
    )

    # Training
    train_tick_s: float = Field(30.0, gt=0, description="Seconds between two looks whether a run is due.")
    gpu_price_per_hour: float = Field(
        0.0,
        ge=0,
        description="Price of an hour of training, in the currency of the desks' budgets; 0 when only GPU seconds are budgeted: "
        "no run starts by itself then for a desk with a budget of money. More lets fewer runs start by themselves for such a "
        "desk.",
    )
    train_report_to: list[Literal["tensorboard", "trackio", "wandb", "mlflow"]] = Field(
        [],
        description="Where loss and speed of a fine-tuning are shown too, by the library of that name, which has to be "
        "installed beside the trainer. TensorBoard's files lie in logs/reports; wandb and mlflow send to where their own "
        "environment variables say. Empty: nowhere. JSON list in the environment.",
    )
    train_rank: Annotated[Literal[1, 8, 16, 32, 64, 128, 256, 320, 512], BeforeValidator(int)] = Field(
        16, description="LoRA rank. More learns finer detail, with larger adapters and slower serving."
    )
    train_alpha: int = Field(32, ge=1, description="LoRA alpha; the update is scaled by alpha / rank.")
    train_rslora: bool = Field(
        False,
        description="Whether the update is scaled by alpha / √rank instead, which keeps ranks of 64 and more learning.",
    )
    train_dropout: float = Field(0.0, ge=0.0, le=0.5, description="LoRA dropout. More resists memorising small sets.")
    train_learning_rate: float = Field(
        2e-4, gt=0, description="Peak learning rate. Small bases want more (1e-3), large ones less."
    )
    train_min_steps: int = Field(
        100, ge=1, description="Optimizer steps a run takes at least, by repeating small sets up to train_max_epochs."
    )
    train_max_epochs: int = Field(3, ge=1, description="Times each pair is seen at most. More risks memorising.")
    train_batch_tokens: int = Field(
        8192, ge=256, description="Tokens in one optimizer step. More is smoother and needs more memory."
    )
    train_validation_share: float = Field(
        0.05,
        ge=0,
        le=0.3,
        description="Share of the training conversations (8 to 40 of them) that is not trained on but used to choose the best "
        "moment of a training, once there are 100. More chooses better and trains on less; 0 keeps the last moment.",
    )
    train_preferences: Literal["off", "dpo"] = Field(
        "off",
        description="Whether a run learns in a second stage from drafts that were edited, dismissed or replaced (DPO with an SFT "
        "term): to prefer the approved reply. Needs train_validation_share above 0 and 100 training conversations.",
    )
    train_preference_min: int = Field(
        300,
        ge=2,
        description="Preference pairs to train on below which a run has no second stage. Fewer begin sooner and teach chance.",
    )
    train_preference_beta: float = Field(
        0.1, gt=0, description="DPO's beta. More keeps the second stage closer to what the first one learned."
    )
    train_preference_learning_rate: float = Field(
        1e-5, gt=0, description="Peak learning rate of the second stage, far below the first one's. More moves further."
    )
    train_preference_sft_weight: float = Field(
        1.0,
        ge=0,
        description="Weight of the approved reply's own loss in the second stage. More keeps approved replies likely; 0 lets "
        "both become unlikely as long as the rejected one does more.",
    )
    train_threads: int = Field(
        0, ge=0, description="CPU threads of a training; 0 takes all cores. Fewer leave room for drafts beside it."
    )
    train_gpus: int = Field(
        1,
        ge=1,
        le=8,
        description="GPUs of this machine that train together. More is faster for large sets; small ones gain nothing.",
    )
    train_4bit: bool = Field(
        False,
        description="Whether the base model is held in 4 bits while it is fine-tuned (QLoRA), for bases that do not fit beside "
        "serving otherwise. Slower and a little worse; needs a GPU and bitsandbytes. Judging uses the base as it is served.",
    )
    train_seed: int = Field(7, description="Seed of a run. The same snapshot and seed give the same adapter on a CPU.")
    train_timeout_s: float = Field(
        6 * 3600.0, gt=0, description="Seconds a fine-tuning may take before it is ended as failed."
    )
    train_attempts: int = Field(3, ge=1, description="Times a run is started again after a crash before it is failed.")
    lease_s: float = Field(
        30.0, gt=0, description="Seconds after which work of a process that fell silent is given to another."
    )
    self_taught_share: float = Field(
        0.3,
        ge=0,
        lt=1,
        description="Largest share of what is trained on that may be the model's own drafts, sent and approved as they were. "
        "More learns faster from agreement and narrows the voice; the newest are kept.",
    )
    held_out_share: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="Share of threads never trained on, used to judge a candidate. More judges better, trains on less. "
        "A change is for new threads: those that a run saw stay on their side.",
    )
    held_out_min: int = Field(
        50,
        ge=0,
        description="Threads that are held out whatever the share, as long as that is at most a third of them and min_pairs "
        "are left to train on. More judges small sets better, trains on less.",
    )
    held_out_max: int = Field(300, ge=10, description="Pairs of the held-out set used in one evaluation at most.")
    gate_min_threads: int = Field(
        20,
        ge=3,
        description="Held-out threads needed before a candidate may go live by itself. More is safer and later.",
    )
    gate_margin: float = Field(
        0.01,
        ge=0.0,
        description="Nats per token by which a candidate may be worse than what is live and still replace it, when what is "
        "live learned from pairs that were withdrawn since. Else it must be surely better. More lets withdrawn pairs be "
        "forgotten with fewer held-out threads, and may cost quality.",
    )
    gate_mixed_up: bool = Field(
        True,
        description="Ask of up to 120 replies that a run learned from whether the base model finds them likelier after their own "
        "question than after another customer's, and reject the adapter when it does not: they were mixed up. Turn it off "
        "where replies do not depend on what was asked, or the base model knows no language.",
    )
    trial_drafts: int = Field(
        10,
        ge=0,
        le=100,
        description="Held-out pairs for which base, live adapter and candidate write drafts before the candidate may go live, "
        "beside the golden cases. More shows more and takes longer; 0 leaves the golden cases.",
    )
    trial_max_broken: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of a candidate's drafts that may be empty, stuck in a loop or cut at the limit before it is set "
        "aside, when what answers now breaks fewer. More is laxer; over half is never let through.",
    )
    triage_untrained: bool = Field(
        True,
        description="Whether a model that learned from none of the desk's triages suggests them too: the base model, or an "
        "adapter trained before there were enough. False suits a base too small to be right untaught; agents then begin.",
    )
    held_adapter_days: float = Field(
        30.0,
        gt=0,
        description="Days for which an adapter is kept that the gate could not tell apart, for a lead to put live anyway. More "
        "keeps more files.",
    )
    min_pairs: int = Field(20, ge=2, description="Training pairs below which no run starts.")

    # Curation
    min_reply_words: int = Field(
        1,
        ge=0,
        description="Words beyond courtesies (hello, thanks, sure …) that an approved reply needs to teach anything. More sets "
        "more short replies aside for a lead; 0 sets none aside.",
    )
    max_reply_chars: int = Field(
        2000,
        ge=1,
        description="Characters above which an approved reply is set aside for a lead. More lets longer ones in, of which "
        "those over max_reply_tokens are not trained on.",
    )
    check_language: bool = Field(
        True,
        description="Whether replies in another language than the customer's are set aside for a lead. Short ones never are.",
    )
    reply_languages: list[str] = Field(
        [],
        description="Languages (ISO 639-1, such as en) that replies are written in, whatever the customer writes in. Empty: "
        "the customer's. JSON list in the environment.",
    )
    hold_ungrounded: bool = Field(
        False,
        description="Whether replies with numbers, dates, codes or links found neither in the thread nor in a passage are set "
        "aside for a lead. Otherwise they are only noted.",
    )
    hold_contradictions: bool = Field(
        True,
        description="Whether a reply that contradicts an earlier one to the same question is set aside for a lead. Otherwise it "
        "is only noted, and both are learned from.",
    )
    burst_approvals: int = Field(
        30,
        ge=0,
        description="Approvals one person may give within burst_window_s before all of them are set aside for a lead. More "
        "trusts quicker reading; 0 sets none aside.",
    )
    burst_window_s: float = Field(
        60.0,
        gt=0,
        description="Seconds within which burst_approvals are counted, by Slack's own times. More is stricter.",
    )
    approvals_per_day: int = Field(
        500,
        ge=0,
        description="Approvals one person may give on a desk in a day (UTC); later ones are set aside for a lead. More lets one "
        "person shape the voice more; 0 sets none aside.",
    )

    # Drafts
    few_shot_examples: int = Field(
        3, ge=0, le=10, description="Approved pairs shown to the model while no adapter is live. 0 turns this off."
    )
    grounding_passages: int = Field(3, ge=0, le=10, description="Help-centre passages shown to the model at most.")
    draft_deadline_s: float = Field(
        600.0,
        gt=0,
        description="Seconds after which a draft that could not be written is given up instead of shown late.",
    )
    order_number_patterns: list[str] = Field(
        [r"\b[A-Z]{2,4}-\d{4,10}\b", r"#\d{4,12}\b"],
        description="Regular expressions of the team's order numbers, redacted as [ORDER_n]. JSON list in the environment.",
    )
    allowed_link_domains: list[str] = Field(
        [],
        description="Domains that drafts may link to. Links to others are shown as plain text. JSON list in the environment.",
    )

    @model_validator(mode="after")
    def _check_together(self) -> "Settings":
        if self.max_cpu_loras < self.max_loras:
            raise ValueError("max_cpu_loras must be at least max_loras")
        if self.max_reply_tokens > self.max_model_len // 2:
            raise ValueError(
                f"max_reply_tokens ({self.max_reply_tokens}) must be at most half of max_model_len ({self.max_model_len}): "
                "the rest is for the conversation and its facts"
            )
        if self.train_preferences != "off" and not self.train_validation_share:
            raise ValueError(
                "train_preferences needs train_validation_share above 0: by those conversations it is decided whether the second "
                "stage is kept"
            )
        return self

    @property
    def store_url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'thumbtune.sqlite3'}"

    @property
    def adapters_dir(self) -> Path:
        """Folder of published adapters; one immutable folder each."""
        return self.data_dir.resolve() / "adapters"

    @property
    def snapshots_dir(self) -> Path:
        """Folder of frozen data sets; one per run."""
        return self.data_dir.resolve() / "snapshots"

    @property
    def spool_dir(self) -> Path:
        """Folder of what Slack sent while the store was down."""
        return self.data_dir.resolve() / "spool"

    @property
    def logs_dir(self) -> Path:
        """Folder of the log files of child processes."""
        return self.data_dir.resolve() / "logs"


BOT_NEEDS = {"socket": ("slack_bot_token", "slack_app_token"), "http": ("slack_bot_token", "slack_signing_secret")}


def load_settings(*, role: Literal["bot", "trainer", "serving", "any"] = "any", **overrides: object) -> Settings:
    """Read and check the settings a process needs.

    Raises: ConfigError listing every problem at once, each with the variable to set.
    """
    problems: list[str] = []
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as exc:
        for error in exc.errors():
            name = str(error["loc"][0]) if error["loc"] else ""
            label = name if name.isupper() else f"{ENV_PREFIX}{name.upper()}" if name else "settings"
            problems.append(f"{label}: {error['msg']}")
        raise ConfigError(problems) from exc
    if role == "bot":
        problems += [
            f"{name.upper()} is missing" for name in BOT_NEEDS[settings.slack_transport] if not getattr(settings, name)
        ]
    if (
        role in ("trainer", "serving")
        and not settings.base_model
        and not (role == "serving" and settings.inference_url)
    ):
        problems.append(f"{ENV_PREFIX}BASE_MODEL is missing: set the path or hub name of the base model")
    if problems:
        raise ConfigError(problems)
    return settings
