"""Every error Thumbtune raises on purpose.

    ThumbtuneError
    ├── ConfigError            settings that cannot work; lists every problem at once
    ├── StoreError
    │   ├── StoreUnavailable   the database does not answer
    │   │   └── StoreBusy      two writers waited for each other, and this one was undone
    │   ├── SpoolUnavailable   nor can the local spool take what Slack sent
    │   ├── NotFound           a named row does not exist
    │   └── Conflict           the row is not in a state that allows this
    ├── BadInput               a file or an argument the user gave; names line and reason
    ├── SlackError
    │   ├── SlackRefused       Slack said no for good (its error code is the reason)
    │   └── SlackUnknown       no clear answer: the call may or may not have happened
    ├── RedactionFailed        the text could not be redacted and was dropped
    ├── TrainingError
    │   ├── SnapshotError      too little or unusable data
    │   ├── FinetuneFailed     the child program ended badly; carries its exit code and log
    │   └── LeaseLost          another trainer took the run over
    ├── AdapterError
    │   ├── ManifestMismatch   files differ from what was published
    │   ├── WrongBase          trained on another base model or chat template
    │   └── NotProven          it loads but does not change the output as it should
    └── InferenceError
        ├── EngineUnavailable  vLLM does not answer
        ├── PromptTooLong      the prompt exceeds the model's context
        └── AdapterNotLoaded   the server does not know this adapter

A message says what failed, with which value, and what to do. It holds no secret and no customer text.
"""


class ThumbtuneError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(ThumbtuneError):
    """Settings that cannot work."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("settings: " + "; ".join(problems))


class StoreError(ThumbtuneError):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """The database does not answer."""


class StoreBusy(StoreUnavailable):
    """Two writers waited for each other; the database undid what this one wrote, so that it may be done again."""


class SpoolUnavailable(StoreError):
    """The local spool cannot take what Slack sent while the store is down."""


class NotFound(StoreError):
    """A named row does not exist."""


class Conflict(StoreError):
    """The row is not in a state that allows this."""


class BadInput(ThumbtuneError):
    """Something the user gave cannot be used."""


class SlackError(ThumbtuneError):
    """A call to Slack did not work."""


class SlackRefused(SlackError):
    """Slack refused for good."""

    def __init__(self, method: str, code: str) -> None:
        self.method = method
        self.code = code
        super().__init__(f"Slack refused {method}: {code}")


class SlackUnknown(SlackError):
    """The call may or may not have happened."""


class RedactionFailed(ThumbtuneError):
    """The text could not be redacted and was dropped."""


class TrainingError(ThumbtuneError):
    """A training run cannot go on."""


class SnapshotError(TrainingError):
    """Too little or unusable data."""


class FinetuneFailed(TrainingError):
    """A child program of the trainer ended badly."""

    def __init__(self, step: str, *, exit_code: int, log_path: str) -> None:
        self.step = step
        self.exit_code = exit_code
        self.log_path = log_path
        super().__init__(f"{step} ended with exit code {exit_code}; see {log_path}")


class LeaseLost(TrainingError):
    """Another trainer took the run over."""


class AdapterError(ThumbtuneError):
    """An adapter cannot be used."""


class ManifestMismatch(AdapterError):
    """Files differ from what was published."""


class WrongBase(AdapterError):
    """Trained on another base model or chat template."""


class NotProven(AdapterError):
    """The adapter loads but does not change the output as it should."""


class InferenceError(ThumbtuneError):
    """The model server did not answer as it should."""


class EngineUnavailable(InferenceError):
    """The model server does not answer."""


class PromptTooLong(InferenceError):
    """The prompt exceeds the model's context."""


class AdapterNotLoaded(InferenceError):
    """The server does not know this adapter."""
