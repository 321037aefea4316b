"""Finds the adapters that a candidate is compared with: the live one and the desk's newest, by their files in data_dir.

It does not know how they are compared.
"""

import logging
from pathlib import Path

from thumbtune.core.errors import AdapterError, ManifestMismatch, WrongBase
from thumbtune.core.manifest import hash_base, verify_adapter
from thumbtune.core.records import Adapter
from thumbtune.core.store import adapters, runs
from thumbtune.core.store.engine import Store
from thumbtune.trainer.norms import measure_earlier

logger = logging.getLogger(__name__)

_EARLIER = 5
"""Adapters of the desk that a candidate's weights are compared with."""


def find_comparable_live(store: Store, *, desk_id: str, adapters_dir: Path, base: Path) -> Adapter | None:
    """Return the live adapter if it can be compared with: not if there is none, or it was made for another base.

    Raises: AdapterError when its files are not what was published: what replaces it has to be compared with it.
    """
    with store.read() as conn:
        live = adapters.find_live(conn, desk_id=desk_id)
    if live is None:
        return None
    base_hash = hash_base(base)
    try:
        verify_adapter(adapters_dir / live.name, base_hash=base_hash)
    except WrongBase as exc:
        logger.warning("live_not_comparable", extra={"adapter": live.name, "why": str(exc)})
        return None
    except (ManifestMismatch, OSError) as exc:
        why = str(exc) if isinstance(exc, ManifestMismatch) else f"{live.name} cannot be read: {exc.strerror}"
        raise AdapterError(
            f"{why}, and what cannot be compared with {live.name}, which is live, does not replace it; put the folder "
            f"{adapters_dir / live.name} back from a backup, or run `thumbtune adapters rollback`, and start the run again"
        ) from exc
    return live


def name_live(live: Adapter | None, *, adapters_dir: Path) -> list[str]:
    """Return the arguments that name the live adapter to a child program."""
    return ["--live", str(adapters_dir / live.name)] if live is not None else []


def measure_newest(store: Store, *, desk_id: str, adapters_dir: Path) -> list[dict[str, float]]:
    """Return how much the desk's newest adapters change each layer; those that were set aside tell nothing."""
    with store.read() as conn:
        found = [item for item in adapters.list_adapters(conn, desk_id=desk_id) if item.state != "quarantined"]
    return measure_earlier(adapters_dir / item.name for item in found[:_EARLIER])


def forgets(store: Store, live: Adapter) -> bool:
    """Return whether the live adapter learned from pairs that are no longer active."""
    with store.read() as conn:
        return runs.count_withdrawn_pairs(conn, live.run_id) > 0
