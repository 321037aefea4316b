"""Asks a model server for replies over the OpenAI wire form, through TCP or a Unix socket.

It does not know vLLM, adapters or prompts: a model is a name, and messages go out as they come in. Text never enters
an error's message or a log line.
"""

import socket
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn, Self, cast

import httpx2
import openai
from openai.types.chat import ChatCompletionMessageParam

from thumbtune.core.errors import AdapterNotLoaded, ConfigError, EngineUnavailable, InferenceError, PromptTooLong
from thumbtune.core.prompt import TEMPLATE_OPTIONS, ChatMessage
from thumbtune.core.sealing import Sealer
from thumbtune.core.settings import Settings

UNIX_PREFIX = "unix:"
CONNECT_TIMEOUT_S = 5.0
HEALTH_TIMEOUT_S = 5.0

_TOO_LONG = ("context length", "context_length", "max_model_len", "maximum model length")


@dataclass(frozen=True)
class Completion:
    """One whole reply of a model."""

    text: str
    finish_reason: str
    """`stop` when the model ended by itself, `length` when it was cut at max_tokens."""
    prompt_tokens: int
    completion_tokens: int
    model: str


@dataclass(frozen=True)
class ServedModel:
    """One model name a server answers to: the base, or an adapter on it."""

    name: str
    parent: str | None
    """The base's name when this is an adapter, else None."""
    max_model_len: int | None


def resolve_api_key(settings: Settings, sealer: Sealer) -> str:
    """Return the key of the model server: the configured one, else one that all processes of an installation derive.

    A server we only attach to gets no derived key: that would tell it something about our secret.
    """
    if settings.inference_api_key is not None:
        return settings.inference_api_key.get_secret_value()
    return "none" if settings.inference_url else sealer.digest("inference api key")


def open_http_client(url: str, api_key: str, *, timeout_s: float) -> httpx2.Client:
    """Return an HTTP client for a server's URL: `http://host:port` or `unix:/path/of.sock`.

    It takes no proxy from the environment and follows no redirect: a prompt goes to this server or nowhere.
    Raises: ConfigError when the URL is of another form.
    """
    transport, base = None, url.rstrip("/").removesuffix("/v1")
    if url.startswith(UNIX_PREFIX):
        transport, base = httpx2.HTTPTransport(uds=url.removeprefix(UNIX_PREFIX)), "http://localhost"
    elif not url.startswith(("http://", "https://")):
        raise ConfigError([f"{url!r} is no address of a model server; use http://host:port or unix:/path"])
    return httpx2.Client(
        base_url=base,
        transport=transport,
        headers={"Authorization": f"Bearer {api_key}"},
        timeout=httpx2.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
        trust_env=False,
        follow_redirects=False,
    )


class InferenceClient:
    """A client of one model server; safe to share between threads, closed at the end."""

    def __init__(self, base_url: str, api_key: str, *, timeout_s: float = 120.0, retries: int = 1) -> None:
        """`timeout_s` bounds a whole call; `retries` repeats a call that has answered nothing yet."""
        self.base_url = base_url
        self._timeout_s = timeout_s
        self._http = open_http_client(base_url, api_key, timeout_s=timeout_s)
        self._openai = openai.OpenAI(
            api_key=api_key, base_url=self._http.base_url.join("/v1"), http_client=self._http, max_retries=retries
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str,
        max_tokens: int,
        temperature: float = 0.0,
        response_format: Mapping[str, object] | None = None,
    ) -> Completion:
        """Return the model's whole reply.

        Raises: PromptTooLong, AdapterNotLoaded, EngineUnavailable; InferenceError when the server refuses otherwise.
        """
        stream = self.stream_reply(
            messages,
            model=model,
            max_tokens=max_tokens,
            temperature=temperature,
            response_format=response_format,
        )
        while True:
            try:
                next(stream)
            except StopIteration as end:
                return cast(Completion, end.value)

    def stream_reply(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str,
        max_tokens: int,
        temperature: float = 0.0,
        response_format: Mapping[str, object] | None = None,
    ) -> Generator[str, None, Completion]:
        """Yield the reply piece by piece as it is written; the generator's return value is the whole Completion.

        Closing the generator ends the generation on the server. A stream that breaks off, or that ends early because
        the prompt left too little of the context, is an error, never a reply: what was yielded must be dropped.
        Raises: as `complete`.
        """
        options: dict[str, Any] = {}  # Any: the SDK's own union of response formats
        more: dict[str, object] = {"chat_template_kwargs": TEMPLATE_OPTIONS}
        if response_format is not None:
            options["response_format"] = dict(response_format)
            more["skip_special_tokens"] = False  # to a form one is the letters it is spelled with, and they count
        give_up_at = time.monotonic() + self._timeout_s
        pieces: list[str] = []
        finish_reason, prompt_tokens, completion_tokens, answered_by = "", 0, 0, model
        try:
            with self._openai.chat.completions.create(
                model=model,
                messages=[_encode_message(message) for message in messages],
                max_tokens=max_tokens,
                temperature=temperature,
                stream=True,
                stream_options={"include_usage": True},
                extra_body=more,
                **options,
            ) as stream:
                for chunk in stream:
                    answered_by = chunk.model or answered_by
                    if chunk.usage is not None:
                        prompt_tokens, completion_tokens = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
                    for choice in chunk.choices[:1]:
                        finish_reason = choice.finish_reason or finish_reason
                        if choice.delta.content:
                            pieces.append(choice.delta.content)
                            yield choice.delta.content
                    if time.monotonic() > give_up_at:
                        raise EngineUnavailable(f"model server {self.base_url} took longer than {self._timeout_s:g} s")
        except (openai.OpenAIError, httpx2.HTTPError, ValueError) as exc:
            _raise_ours(exc, url=self.base_url, model=model)
        if finish_reason == "length" and completion_tokens < max_tokens:
            raise PromptTooLong(
                f"the prompt leaves {completion_tokens} tokens for a reply of {model}; send fewer turns"
            )
        if not finish_reason:
            raise EngineUnavailable(f"model server {self.base_url} broke off its reply; ask again")
        return Completion("".join(pieces), finish_reason, prompt_tokens, completion_tokens, answered_by)

    def list_models(self) -> list[ServedModel]:
        """Return the names the server answers to, its base first.

        Raises: EngineUnavailable, InferenceError.
        """
        try:
            cards = self._openai.models.list(timeout=HEALTH_TIMEOUT_S).data
        except (openai.OpenAIError, httpx2.HTTPError, ValueError) as exc:
            _raise_ours(exc, url=self.base_url, model="")
        models = []
        for card in cards:
            extra = card.model_extra or {}
            models.append(ServedModel(card.id, extra.get("parent"), extra.get("max_model_len")))
        return sorted(models, key=lambda served: served.parent is not None)

    def check_health(self) -> bool:
        """Return whether the server says it is well; it says so as well while it makes no progress."""
        if self.base_url.startswith(UNIX_PREFIX) and not _accepts(self.base_url.removeprefix(UNIX_PREFIX)):
            return False
        try:
            return self._http.get("/health", timeout=HEALTH_TIMEOUT_S).status_code == httpx2.codes.OK
        except httpx2.HTTPError:
            return False


def _accepts(socket_path: str) -> bool:
    """Return whether something listens on a Unix socket; httpcore2 leaks the descriptor of each failed connection."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_TIMEOUT_S)
        try:
            probe.connect(socket_path)
        except OSError:
            return False
    return True


def _encode_message(message: ChatMessage) -> ChatCompletionMessageParam:
    content = message["content"].encode("utf-8", "replace").decode()  # half a surrogate pair cannot be sent
    return cast(ChatCompletionMessageParam, {"role": message["role"], "content": content})


def _raise_ours(exc: Exception, *, url: str, model: str) -> NoReturn:
    """Raise our error for a foreign one.

    A refusal's body may quote the prompt, so those are raised without their cause: a traceback must not show it.
    """
    if isinstance(exc, openai.APITimeoutError | httpx2.TimeoutException):
        raise EngineUnavailable(f"model server {url} did not answer in time") from exc
    if not isinstance(exc, openai.APIStatusError):
        raise EngineUnavailable(f"model server {url} cannot be reached: {type(exc).__name__}") from exc
    reason = str(exc.message).lower()
    if exc.status_code == httpx2.codes.NOT_FOUND and model:
        raise AdapterNotLoaded(f"model {model} is not loaded on {url}; run `adapters list`") from None
    if exc.status_code in (400, 413, 422) and any(word in reason for word in _TOO_LONG):
        raise PromptTooLong(f"the prompt is longer than the context of {model}; send fewer turns") from None
    if exc.status_code in (401, 403):
        raise EngineUnavailable(f"model server {url} refuses our key; set THUMBTUNE_INFERENCE_API_KEY") from None
    if exc.status_code in (408, 409, 429) or exc.status_code >= 500:
        raise EngineUnavailable(f"model server {url} answers with HTTP {exc.status_code}") from None
    raise InferenceError(f"model server {url} refuses the request with HTTP {exc.status_code}") from None
