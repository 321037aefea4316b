"""Finds the model server that should write a desk's next draft, and keeps one client for each server.

It does not know prompts or drafts.
"""

import threading
from dataclasses import dataclass

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

    def choose(self, desk_id: str) -> Choice | None:
        """Return who writes now: a server with the desk's live adapter, else any healthy one, else None."""
        with self._store.read() as conn:
            live = find_live(conn, desk_id=desk_id)
            replicas = [
                replica
                for replica in list_replicas(conn, now=self._store.now(), fresh_s=REPLICA_FRESH_S)
                if replica.healthy
            ]
        if live is not None:
            for replica in replicas:
                if live.name in replica.proven:
                    return Choice(replica.url, live.name, live.name, None)
        for replica in replicas:
            return Choice(replica.url, replica.base_model, None, live.name if live else None)
        return None

    def open_client(self, url: str) -> InferenceClient:
        """Return the client of a server; it is shared and closed with everything else."""
        with self._lock:
            if url not in self._clients:
                self._clients[url] = InferenceClient(url, self._api_key, timeout_s=WRITE_TIMEOUT_S)
            return self._clients[url]

    def close(self) -> None:
        """Close all clients."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
