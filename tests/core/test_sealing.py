import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from thumbtune.core.errors import ConfigError
from thumbtune.core.sealing import KEY_FILE, Sealer, load_sealer
from thumbtune.core.settings import Settings


def test_what_was_sealed_comes_back_and_cannot_be_read_before(sealer: Sealer) -> None:
    value = {"text": "مرحبا 🍵 \ud800", "n": [1, None]}
    sealed = sealer.seal(value)
    assert sealer.open(sealed) == value
    assert "🍵" not in sealed


def test_another_key_is_told_plainly(sealer: Sealer) -> None:
    sealed = sealer.seal("x")
    with pytest.raises(ConfigError, match="secret key differs"):
        Sealer(Fernet.generate_key().decode()).open(sealed)
    with pytest.raises(ConfigError, match="THUMBTUNE_SECRET_KEY"):
        Sealer("too short")


def test_digest_is_equal_for_equal_texts_under_one_key_only(sealer: Sealer) -> None:
    assert sealer.digest("maya") == sealer.digest("maya") != sealer.digest("tomas")
    assert sealer.digest("maya") != Sealer(Fernet.generate_key().decode()).digest("maya")


def test_processes_that_start_at_once_agree_on_one_private_key(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda _: load_sealer(settings).digest("x"), range(16)))
    assert len(digests) == 1
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
