"""Seals texts that must lie on disk for a while, and makes keyed digests of what must be recognised but not kept.

It does not know what it seals. A sealed value is opened only in memory and is erased when its work is done.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from thumbtune.core.errors import ConfigError
from thumbtune.core.settings import Settings

KEY_FILE = "secret.key"


class Sealer:
    """Holds one key: seals and opens JSON values, and makes digests."""

    def __init__(self, key: str) -> None:
        try:
            self._fernet = Fernet(key)
        except ValueError as exc:
            raise ConfigError(["THUMBTUNE_SECRET_KEY is not a Fernet key (32 bytes in URL-safe base64)"]) from exc
        self._digest_key = hashlib.sha256(b"digest:" + base64.urlsafe_b64decode(key)).digest()

    def seal(self, value: Any) -> str:  # Any: whatever JSON can hold
        """Return the value as sealed JSON text."""
        return self._fernet.encrypt(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")).decode()

    def open(self, sealed: str) -> Any:  # Any: whatever was sealed
        """Return what was sealed.

        Raises: ConfigError when it was sealed with another key.
        """
        try:
            return json.loads(self._fernet.decrypt(sealed.encode()).decode("utf-8", "surrogatepass"))
        except InvalidToken as exc:
            raise ConfigError(
                ["the secret key differs from the one this data was sealed with; restore the old one"]
            ) from exc

    def digest(self, text: str) -> str:
        """Return a keyed digest: equal for equal texts, useless without the key."""
        return hmac.new(self._digest_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def load_sealer(settings: Settings) -> Sealer:
    """Return the sealer of this installation; makes the key file on first use."""
    if settings.secret_key is not None:
        return Sealer(settings.secret_key.get_secret_value())
    path = settings.data_dir / KEY_FILE
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _write_key_once(path)
    return Sealer(path.read_text().strip())


def _write_key_once(path: Path) -> None:
    """Write a new key aside and link it into place, so that two processes starting at once agree on one."""
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # mode 0600
    aside = Path(name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink()
