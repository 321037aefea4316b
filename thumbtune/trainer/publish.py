"""Publishes an adapter: writes it aside, makes it durable, and renames it into place, once and for ever.

It does not know runs or the database; the pipeline decides whether it still may publish and what comes after.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from thumbtune.core.errors import AdapterError, ManifestMismatch
from thumbtune.core.manifest import (
    ADAPTER_FILES,
    ADAPTER_NAME,
    CARD_NAME,
    MANIFEST_NAME,
    Manifest,
    ManifestFile,
    dump_manifest,
    hash_file,
    load_manifest,
    verify_adapter,
    verify_config,
)

_ASIDE = ".publishing-"


def name_adapter(desk_id: str, *, taken: Iterable[str]) -> str:
    """Return the desk's next adapter name, such as `support-0007`; a number once taken is never used again."""
    pattern = re.compile(re.escape(desk_id) + r"-(\d{4,})")
    numbers = [int(match[1]) for name in taken if (match := pattern.fullmatch(name))]
    name = f"{desk_id}-{max(numbers, default=0) + 1:04d}"
    if not ADAPTER_NAME.fullmatch(name):
        raise AdapterError(f"desk id {desk_id!r} cannot name an adapter; use lower-case letters, digits and dashes")
    return name


def list_published(adapters_dir: Path) -> list[str]:
    """Return the names of all adapters in place, sorted; what is still being written does not count."""
    if not adapters_dir.is_dir():
        return []
    return sorted(path.name for path in adapters_dir.iterdir() if path.is_dir() and ADAPTER_NAME.fullmatch(path.name))


def find_published(adapters_dir: Path, *, run_id: str) -> Manifest | None:
    """Return the manifest of the adapter that this run has already put in place, whole and verified."""
    for name in list_published(adapters_dir):
        try:
            if load_manifest(adapters_dir / name).run_id == run_id:
                return verify_adapter(adapters_dir / name)
        except ManifestMismatch:
            continue
    return None


def publish_adapter(candidate: Path, *, adapters_dir: Path, manifest: Manifest, card: str = "") -> Manifest:
    """Copy a trained candidate to `adapters_dir/<name>`, with its card, and return its manifest with the files' hashes.

    After a crash at any point either the whole directory is there or nothing that carries an adapter's name.
    Raises: AdapterError when the name is taken; ManifestMismatch when no server could load the candidate.
    """
    place = adapters_dir / manifest.adapter
    if not ADAPTER_NAME.fullmatch(manifest.adapter):
        raise AdapterError(f"{manifest.adapter!r} is no adapter name")
    verify_config(candidate, max_rank=manifest.rank)
    adapters_dir.mkdir(parents=True, exist_ok=True)
    sweep_unfinished(adapters_dir, run_id=manifest.run_id)
    aside = adapters_dir / f"{_ASIDE}{manifest.run_id}-{os.getpid()}"
    aside.mkdir()
    try:
        files = [_copy_file(candidate / name, aside) for name in ADAPTER_FILES]
        if card:
            write_durably(aside / CARD_NAME, card.encode())
            files.append(_describe_file(aside / CARD_NAME))
        manifest = replace(manifest, files=tuple(files))
        write_durably(aside / MANIFEST_NAME, dump_manifest(manifest))
        sync_directory(aside)
        if place.exists():
            raise AdapterError(f"adapter {manifest.adapter} is already published; adapters are never rewritten")
        aside.rename(place)
    except OSError as exc:
        raise AdapterError(f"adapter {manifest.adapter} could not be written: {exc.strerror}") from exc
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    sync_directory(adapters_dir)
    return verify_adapter(place)


def remove_unlisted(adapters_dir: Path, *, run_id: str, keep: str = "") -> None:
    """Remove what another attempt of a run put in place; only `keep` entered the database."""
    for name in list_published(adapters_dir):
        with contextlib.suppress(ManifestMismatch, OSError):
            if name != keep and load_manifest(adapters_dir / name).run_id == run_id:
                grave = adapters_dir / f"{_ASIDE}{run_id}-{name}"
                (adapters_dir / name).rename(grave)
                shutil.rmtree(grave, ignore_errors=True)


def sweep_unfinished(adapters_dir: Path, *, run_id: str) -> None:
    """Remove what an earlier attempt of this run left while it was writing."""
    for path in adapters_dir.glob(f"{_ASIDE}{run_id}-*"):
        shutil.rmtree(path, ignore_errors=True)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file and return when its bytes are on the disk."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy_file(source: Path, directory: Path) -> ManifestFile:
    target = directory / source.name
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())
    return _describe_file(target)


def _describe_file(path: Path) -> ManifestFile:
    return ManifestFile(name=path.name, sha256=hash_file(path), size_bytes=path.stat().st_size)
