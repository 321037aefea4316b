"""What the trainer's children are started with."""

import os
from pathlib import Path

import psutil

from thumbtune.trainer.backend import NICENESS, LocalBackend, build_env

SECRETS = ("SLACK_BOT_TOKEN", "THUMBTUNE_SECRET_KEY", "PGPASSWORD", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY")


def test_child_is_told_no_secret_and_stays_offline() -> None:
    env = build_env(dict.fromkeys(SECRETS, "secret") | {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0"})
    assert not set(SECRETS) & set(env)
    assert (env["PATH"], env["CUDA_VISIBLE_DEVICES"], env["HF_HUB_OFFLINE"]) == ("/bin", "0", "1")


def test_child_gives_way_to_drafts_that_need_the_same_cores(tmp_path: Path) -> None:
    job = LocalBackend().submit("finetune", arguments=(), log_path=tmp_path / "log")
    [child] = [child for child in psutil.Process().children() if "thumbtune.trainer.finetune" in child.cmdline()]
    try:
        assert child.nice() == min(19, os.nice(0) + NICENESS)
    finally:
        job.cancel()
