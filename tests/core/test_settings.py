from pathlib import Path

import pytest

from thumbtune.core.errors import ConfigError
from thumbtune.core.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run where no .env lies."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_problem_is_reported_at_once_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THUMBTUNE_HTTP_PORT", "99999")
    monkeypatch.setenv("THUMBTUNE_TRAIN_RANK", "12")
    monkeypatch.setenv("THUMBTUNE_LOG_FORMAT", "xml")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    named = [problem.split(":")[0] for problem in caught.value.problems]
    assert sorted(named) == ["THUMBTUNE_HTTP_PORT", "THUMBTUNE_LOG_FORMAT", "THUMBTUNE_TRAIN_RANK"]


def test_bot_names_each_missing_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"SLACK_BOT_TOKEN is missing; SLACK_APP_TOKEN is missing"):
        load_settings(role="bot")
    monkeypatch.setenv("THUMBTUNE_SLACK_TRANSPORT", "http")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    with pytest.raises(ConfigError, match=r"^settings: SLACK_SIGNING_SECRET is missing$"):
        load_settings(role="bot")


def test_trainer_needs_a_base_model_and_an_attached_server_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="THUMBTUNE_BASE_MODEL is missing"):
        load_settings(role="trainer")
    monkeypatch.setenv("THUMBTUNE_INFERENCE_URL", "http://127.0.0.1:8000")
    assert load_settings(role="serving").inference_url


def test_settings_are_read_from_a_file_and_the_environment_wins(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_folder / ".env").write_text("THUMBTUNE_HTTP_PORT=4000\nTHUMBTUNE_TEMPERATURE=0.5\n")
    monkeypatch.setenv("THUMBTUNE_HTTP_PORT", "4001")
    settings = load_settings()
    assert (settings.http_port, settings.temperature) == (4001, 0.5)


def test_tokens_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-very-secret")
    assert "very-secret" not in repr(load_settings())


def test_every_field_says_what_it_changes() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert len(field.description) > 30, name


@pytest.mark.parametrize(("context", "reply"), [("1024", "1024"), ("1024", "513"), ("512", None)])
def test_reply_that_leaves_no_room_for_a_prompt_is_refused(
    monkeypatch: pytest.MonkeyPatch, context: str, reply: str | None
) -> None:
    monkeypatch.setenv("THUMBTUNE_MAX_MODEL_LEN", context)
    if reply is not None:
        monkeypatch.setenv("THUMBTUNE_MAX_REPLY_TOKENS", reply)
    with pytest.raises(
        ConfigError, match=rf"max_reply_tokens \({reply or 400}\) must be at most half of .* \({context}\)"
    ):
        load_settings()


def test_reply_may_take_half_of_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THUMBTUNE_MAX_MODEL_LEN", "1024")
    monkeypatch.setenv("THUMBTUNE_MAX_REPLY_TOKENS", "512")
    assert load_settings().max_reply_tokens == 512


def test_rank_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THUMBTUNE_TRAIN_RANK", "8")
    assert load_settings().train_rank == 8
    monkeypatch.setenv("THUMBTUNE_TRAIN_RANK", "12")
    with pytest.raises(ConfigError, match="THUMBTUNE_TRAIN_RANK"):
        load_settings()
