"""What the trainer's children are started with."""

from thumbtune.trainer.backend import build_env

SECRETS = ("SLACK_BOT_TOKEN", "THUMBTUNE_SECRET_KEY", "PGPASSWORD", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY")


def test_child_is_told_no_secret_and_stays_offline() -> None:
    env = build_env(dict.fromkeys(SECRETS, "secret") | {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0"})
    assert not set(SECRETS) & set(env)
    assert (env["PATH"], env["CUDA_VISIBLE_DEVICES"], env["HF_HUB_OFFLINE"]) == ("/bin", "0", "1")
