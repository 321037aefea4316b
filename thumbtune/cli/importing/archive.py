"""Opens a zip of JSON files, reading members in memory and only those asked for: nothing is ever unpacked to disk.

It does not know what the files say.
"""

import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

from thumbtune.core.errors import BadInput

MAX_UNPACKED_BYTES = 4 * 1024**3
MAX_MEMBER_BYTES = 256 * 1024**2
_ENCRYPTED = 0x1
_UNPACKING_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # NotImplementedError for unknown methods is one
)
_STRANGE = re.compile(r"\\|^[A-Za-z]:|\x00")


class JsonArchive:
    """A zip whose members lie in the folder of one known file."""

    def __init__(self, path: Path, *, marker: str, max_unpacked_bytes: int = MAX_UNPACKED_BYTES) -> None:
        """Open the zip; `marker` is the file that tells which folder of it counts.

        Raises: BadInput when it is no zip, is too large unpacked, is encrypted or has paths that lead out of it.
        """
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as exc:
            raise BadInput(f"{path} cannot be opened as a zip: {exc}") from exc
        try:
            self._members = self._check_members(max_unpacked_bytes)
            roots = sorted((name for name in self._members if PurePosixPath(name).name == marker), key=len)
            if not roots:
                raise BadInput(f"{path} holds no {marker}: is it a Slack export?")
            self._root = roots[0].removesuffix(marker)
        except BadInput:
            self._zip.close()
            raise

    def __enter__(self) -> "JsonArchive":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def list_files(self, folder: str) -> list[str]:
        """Return the JSON files of a folder, in order of their names."""
        begin = f"{self._root}{folder}/"
        names = (name.removeprefix(self._root) for name in self._members if name.startswith(begin))
        return sorted(name for name in names if name.endswith(".json") and name.count("/") == 1)

    def holds(self, name: str) -> bool:
        """Return whether there is such a file."""
        return self._root + name in self._members

    def read_list(self, name: str) -> list[Any]:  # Any: whatever JSON can hold
        """Return the JSON list in a file.

        Raises: BadInput.
        """
        info = self._members.get(self._root + name)
        if info is None:
            raise BadInput(f"{self._path} holds no {name}: is it a Slack export?")
        if info.file_size > MAX_MEMBER_BYTES:
            raise BadInput(f"{self._path}: {name} is larger than {MAX_MEMBER_BYTES // 1024**2} MiB unpacked")
        try:
            data = self._zip.read(info)
        except _UNPACKING_ERRORS as exc:
            raise BadInput(
                f"{self._path}: {name} cannot be unpacked ({type(exc).__name__}); is the zip whole?"
            ) from exc
        try:
            found = json.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError) as exc:
            raise BadInput(f"{self._path}: {name} is not valid JSON in UTF-8 ({type(exc).__name__})") from exc
        if not isinstance(found, list):
            raise BadInput(f"{self._path}: {name} is not a list, as Slack exports have it")
        return found

    def _check_members(self, max_unpacked_bytes: int) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        total = 0
        for info in self._usable():
            if info.filename in members:
                raise BadInput(f"{self._path} holds {info.filename[:200]!r} twice: it cannot be trusted")
            if info.flag_bits & _ENCRYPTED:
                raise BadInput(f"{self._path} is encrypted: unpack it and zip it again without a password")
            total += info.file_size
            if total > max_unpacked_bytes:
                limit = f"{max_unpacked_bytes / 1024**3:.3g} GiB"
                raise BadInput(f"{self._path} is larger than {limit} unpacked: export fewer days or channels")
            members[info.filename] = info
        return members

    def _usable(self) -> Iterator[zipfile.ZipInfo]:
        for info in self._zip.infolist():
            path = PurePosixPath(info.filename)
            if path.is_absolute() or ".." in path.parts or _STRANGE.search(info.orig_filename):
                raise BadInput(f"{self._path} holds the path {info.filename[:200]!r}, which leads out of it")
            if not info.is_dir() and "__MACOSX" not in path.parts:
                yield info
