"""Finds the model servers that may write a desk's next draft, and keeps one client for each server.

It does not know prompts or drafts.
"""

import threading
from dataclasses import dataclass

from thumbtune.core.errors import InferenceError
from thumbtune.core.inference import InferenceClient
from thumbtune.core.store import Store
from thumbtune.core.store.adapters import find_live
from thumbtune.core.store.replicas import list_replicas

REPLICA_FRESH_S = 60.0
WRITE_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Choice:
    """Which server and which model."""

    url: str
    model: str
    adapter: str | None
    """The live adapter when it is proven on that server; None when the base writes."""
    missing_adapter: str | None
    """The live adapter when no healthy server has proven it."""


class Models:
    """The model servers of this installation."""

    def __init__(self, store: Store, *, api_key: str) -> None:
        self._store = store
        self._api_key = api_key
        self._lock = threading.Lock()
        self._clients: dict[str, InferenceClient] = {}
        self._contexts: dict[str, int] = {}

    def list_choices(self, desk_id: str) -> list[Choice]:
        """Return who may write now, the best first: servers with the desk's live adapter, then other healthy ones.

        A server is healthy as its keeper last saw it: one that died with its keeper stays so for REPLICA_FRESH_S.
        """
        with self._store.read() as conn:
            live = find_live(conn, desk_id=desk_id)
            replicas = [
                replica
                for replica in list_replicas(conn, now=self._store.now(), fresh_s=REPLICA_FRESH_S)
                if replica.healthy
            ]
        name = live.name if live is not None else None
        able = [replica for replica in replicas if name in replica.proven]
        adapted = [Choice(replica.url, name, name, None) for replica in able if name is not None]
        return adapted + [Choice(other.url, other.base_model, None, name) for other in replicas if other not in able]

    def open_client(self, url: str) -> InferenceClient:
        """Return the client of a server; it is shared and closed with everything else."""
        with self._lock:
            if url not in self._clients:
                self._clients[url] = InferenceClient(url, self._api_key, timeout_s=WRITE_TIMEOUT_S)
            return self._clients[url]

    def fetch_context(self, url: str) -> int | None:
        """Return the context of a server's models in tokens, asked for once; None while it does not say."""
        if url not in self._contexts:
            try:
                base = next(iter(self.open_client(url).list_models()), None)
            except InferenceError:
                return None
            if base is None or base.max_model_len is None:
                return None
            self._contexts[url] = base.max_model_len
        return self._contexts[url]

    def close(self) -> None:
        """Close all clients."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
