"""The settings of where things lie and how Slack is reached: the first part of all settings.

It does not know desks, models or training; `settings` puts all parts together.
"""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings


class PlaceSettings(BaseSettings):
    """Settings of the data folder, the store, the logs and Slack."""

    # Where things lie
    data_dir: Path = Field(
        Path(".thumbtune"),
        description="Folder for the SQLite file, snapshots, adapters, logs and the secret key. Must be a local disk.",
    )
    database_url: str = Field(
        "",
        description="SQLAlchemy URL. Empty means SQLite in the data folder; use postgresql+psycopg://… for several hosts.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Fernet key that seals texts at rest and keys the placeholders. "
        "Empty means the file secret.key in the data folder, made on first use with mode 0600.",
    )
    message_retention_days: float = Field(
        0.0,
        ge=0,
        description="Days after which the texts of messages and drafts are erased, 0 for never. Those of a thread with a pair in "
        "use stay until the pair goes. Fewer keep less and leave drafts in old threads without what was said before.",
    )
    pair_retention_days: float = Field(
        0.0,
        ge=0,
        description="Days after which training pairs are withdrawn and their texts erased, 0 for never. Fewer keep less and "
        "train on less; what a live adapter learned from them stays in it until the next run.",
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Form of log lines: text for people, json for machines."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe log line that is written. Message text is never logged at any level."
    )

    # Slack
    slack_bot_token: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("SLACK_BOT_TOKEN", "THUMBTUNE_SLACK_BOT_TOKEN"),
        description="Bot token (xoxb-…) of the Slack app made from deploy/slack-manifest.json. Only the bot needs it.",
    )
    slack_app_token: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("SLACK_APP_TOKEN", "THUMBTUNE_SLACK_APP_TOKEN"),
        description="App-level token (xapp-…) with connections:write, for Socket Mode.",
    )
    slack_signing_secret: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("SLACK_SIGNING_SECRET", "THUMBTUNE_SLACK_SIGNING_SECRET"),
        description="Signing secret of the Slack app, for signed HTTP.",
    )
    slack_api_url: str = Field(
        "https://slack.com/api/",
        validation_alias=AliasChoices("SLACK_API_URL", "THUMBTUNE_SLACK_API_URL"),
        description="Base URL of Slack's Web API. Changed only to run against a local workspace.",
    )
    slack_transport: Literal["socket", "http"] = Field(
        "socket",
        description="How Slack reaches the bot: socket needs no public address, http needs one and a signing secret.",
    )
    http_host: str = Field("127.0.0.1", description="Address the bot listens on when slack_transport is http.")
    http_port: int = Field(3000, ge=1, le=65535, description="Port the bot listens on when slack_transport is http.")
    bot_workers: int = Field(
        4,
        ge=1,
        le=64,
        description="Threads that work on what arrived from Slack. More means more drafts at once and more load.",
    )
    spool_max_mb: int = Field(
        512,
        ge=1,
        description="Megabytes of what Slack sent that may lie in the data folder while the store is down. "
        "Full: Slack is told to send again later. More outlasts longer outages.",
    )
    socket_deaf_s: float = Field(
        35.0,
        gt=0,
        description="Seconds without any sign of Slack on the Socket Mode connection after which the bot ends itself "
        "with exit code 75, for its supervisor to start it again. More tolerates worse networks and stays deaf longer.",
    )
    backfill_interval_s: float = Field(
        3600.0,
        gt=0,
        description="Seconds between two comparisons of a channel with Slack. Fewer find missed approvals sooner and call "
        "Slack more often. A comparison also follows each start and each lost connection.",
    )
    backfill_days: float = Field(
        7.0, gt=0, description="Days a comparison looks back. More find older approvals and call Slack more often."
    )
    backfill_calls_per_min: float = Field(
        40.0,
        gt=0,
        description="Calls a minute a comparison makes at most. Slack allows an internal app 50; an app that is sold "
        "outside its Marketplace 1.",
    )
    collected_reaction: str = Field(
        "books", description="Emoji the bot adds to a reply it learned from. Empty adds none."
    )
