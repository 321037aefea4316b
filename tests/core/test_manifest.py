"""What `verify_adapter` and `hash_base` accept and refuse, on real directories."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from thumbtune.core.errors import ManifestMismatch, WrongBase
from thumbtune.core.manifest import (
    ADAPTER_FILES,
    CONFIG_NAME,
    MANIFEST_NAME,
    WEIGHTS_NAME,
    Manifest,
    ManifestFile,
    Probe,
    dump_manifest,
    hash_base,
    hash_file,
    load_manifest,
    load_template,
    verify_adapter,
)

CONFIG = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"], "bias": "none"}


def write_adapter(directory: Path, *, config: dict[str, object] | None = None) -> Manifest:
    directory.mkdir(parents=True)
    (directory / CONFIG_NAME).write_text(json.dumps(config or CONFIG))
    (directory / WEIGHTS_NAME).write_bytes(bytes(range(256)) * 40)
    manifest = Manifest(
        adapter=directory.name,
        desk_id="support",
        run_id="run-1",
        snapshot_hash="snap",
        base_model="demo",
        base_hash="base",
        template_hash="template",
        rank=8,
        target_modules=("q_proj", "v_proj"),
        files=tuple(
            ManifestFile(name, hash_file(directory / name), (directory / name).stat().st_size) for name in ADAPTER_FILES
        ),
        probes=(Probe(({"role": "user", "content": "Hi"},), (1, 2), (3, 4), "Hello", (-0.5, -0.1), (-1.5, -2.0)),),
        gate={"decision": "passed", "means": {"candidate": 1.0}},
        created_at=datetime(2026, 11, 21, tzinfo=UTC),
    )
    (directory / MANIFEST_NAME).write_bytes(dump_manifest(manifest))
    return manifest


def test_manifest_survives_writing_and_reading(tmp_path: Path) -> None:
    written = write_adapter(tmp_path / "support-0001")
    assert load_manifest(tmp_path / "support-0001") == written
    assert verify_adapter(tmp_path / "support-0001", base_hash="base", template_hash="template", max_rank=8) == written


@pytest.mark.parametrize("place", [0, 5_000, 10_239])
def test_one_flipped_bit_is_refused(tmp_path: Path, place: int) -> None:
    write_adapter(tmp_path / "support-0001")
    weights = tmp_path / "support-0001" / WEIGHTS_NAME
    content = bytearray(weights.read_bytes())
    content[place] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ManifestMismatch, match="differs"):
        verify_adapter(tmp_path / "support-0001")


def test_truncated_missing_extra_and_linked_files_are_refused(tmp_path: Path) -> None:
    for number, damage in enumerate(("truncate", "missing", "extra", "link", "folder", "no manifest", "half manifest")):
        directory = tmp_path / f"support-{number:04d}"
        write_adapter(directory)
        weights = directory / WEIGHTS_NAME
        if damage == "truncate":
            weights.write_bytes(weights.read_bytes()[:-1])
        elif damage == "missing":
            weights.unlink()
        elif damage == "extra":
            (directory / "adapter_model.bin").write_bytes(b"pickle")
        elif damage == "link":
            weights.rename(tmp_path / "elsewhere")
            weights.symlink_to(tmp_path / "elsewhere")
        elif damage == "folder":
            (directory / "nested").mkdir()
        elif damage == "no manifest":
            (directory / MANIFEST_NAME).unlink()
        else:
            content = (directory / MANIFEST_NAME).read_bytes()
            (directory / MANIFEST_NAME).write_bytes(content[: len(content) // 2])
        with pytest.raises(ManifestMismatch):
            verify_adapter(directory)


def test_renamed_or_linked_directory_is_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path / "support-0001")
    (tmp_path / "support-0002").symlink_to(tmp_path / "support-0001")
    with pytest.raises(ManifestMismatch, match="link"):
        verify_adapter(tmp_path / "support-0002")
    (tmp_path / "support-0001").rename(tmp_path / "support-0003")
    with pytest.raises(ManifestMismatch, match="holds adapter support-0001"):
        verify_adapter(tmp_path / "support-0003")


def test_another_base_or_template_is_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path / "support-0001")
    with pytest.raises(WrongBase):
        verify_adapter(tmp_path / "support-0001", base_hash="other")
    with pytest.raises(WrongBase):
        verify_adapter(tmp_path / "support-0001", template_hash="other")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "biases"),
        ({"modules_to_save": ["lm_head"]}, "saved modules"),
        ({"r": 64}, "rank 64"),
        ({"target_modules": ["lm_head"]}, "output layer"),
        ({"target_modules": "all-linear"}, "output layer"),
        ({"peft_type": "IA3"}, "no LoRA"),
        ({"trainable_token_indices": [1]}, "trained tokens"),
    ],
)
def test_what_the_server_would_refuse_is_refused_before(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    write_adapter(tmp_path / "support-0001", config={**CONFIG, **change})
    with pytest.raises(ManifestMismatch, match=reason):
        verify_adapter(tmp_path / "support-0001", max_rank=16)


def test_manifest_may_not_list_other_files(tmp_path: Path) -> None:
    manifest = write_adapter(tmp_path / "support-0001")
    outside = replace(manifest, files=(*manifest.files, ManifestFile("../secret", "0", 0)))
    (tmp_path / "support-0001" / MANIFEST_NAME).write_bytes(dump_manifest(outside))
    with pytest.raises(ManifestMismatch, match="does not list exactly"):
        verify_adapter(tmp_path / "support-0001")


def test_base_fingerprint_follows_every_part(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    parts = {"config.json": b"{}", "tokenizer.json": b"[]", "model.safetensors": b"\x00" * 3_000_000}
    for name, content in parts.items():
        (base / name).write_bytes(content)
    seen = {hash_base(base)}
    for name, content in parts.items():
        (base / name).write_bytes(content[:-1] + b"!")
        seen.add(hash_base(base))
    assert len(seen) == 4
    (base / "tokenizer.json").unlink()
    with pytest.raises(WrongBase, match=r"tokenizer\.json"):
        hash_base(base)


def test_chat_template_is_found_in_either_place(tmp_path: Path) -> None:
    with pytest.raises(WrongBase, match="no chat template"):
        load_template(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "from config"}))
    assert load_template(tmp_path) == "from config"
    (tmp_path / "chat_template.jinja").write_text("from jinja")
    assert load_template(tmp_path) == "from jinja"


def rewrite(directory: Path, **changes: object) -> None:
    path = directory / MANIFEST_NAME
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))


def test_manifest_of_an_earlier_version_is_read_and_that_of_a_later_one_is_told_as_such(tmp_path: Path) -> None:
    written = write_adapter(tmp_path / "support-0001")
    (probe,) = written.probes
    earlier = {
        name: value for name, value in asdict(probe).items() if not name.endswith("logprobs") and name != "is_mean"
    }
    means = {"candidate_logprob": -0.3, "base_logprob": -1.75}
    rewrite(tmp_path / "support-0001", format=1, probes=[{**earlier, **means}])
    (read,) = load_manifest(tmp_path / "support-0001").probes
    assert read == replace(probe, candidate_logprobs=(-0.3, -0.3), base_logprobs=(-1.75, -1.75), is_mean=True)
    rewrite(tmp_path / "support-0001", format=3)
    with pytest.raises(ManifestMismatch, match="a later version of Thumbtune"):
        load_manifest(tmp_path / "support-0001")


@pytest.mark.parametrize("likelihoods", [[], [-0.5], [-0.5, -0.1, -0.2]])
def test_probe_without_a_likelihood_for_each_token_is_refused(tmp_path: Path, likelihoods: list[float]) -> None:
    probe = asdict(write_adapter(tmp_path / "support-0001").probes[0])
    for name in ("candidate_logprobs", "base_logprobs"):
        rewrite(tmp_path / "support-0001", probes=[{**probe, name: likelihoods}])
        with pytest.raises(ManifestMismatch, match="cannot be read"):
            load_manifest(tmp_path / "support-0001")
