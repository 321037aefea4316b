"""Puts the bot together: Bolt in front, the inbox behind it, and everything the handlers depend on.

It does not know how its threads run.
"""

import functools
import logging

from slack_bolt import App
from slack_sdk import WebClient

from thumbtune.bot.bot import Bot, Identity
from thumbtune.bot.intake import Intake
from thumbtune.bot.keeping import Keeper
from thumbtune.bot.models import Models
from thumbtune.bot.people import People
from thumbtune.bot.slack import CALL_TIMEOUT_S, SlackApi
from thumbtune.core.errors import ConfigError
from thumbtune.core.inference import resolve_api_key
from thumbtune.core.redaction import Redactor
from thumbtune.core.settings import Settings
from thumbtune.core.store import Store
from thumbtune.core.store.members import remember_members

logger = logging.getLogger(__name__)


def build_bot(settings: Settings, store: Store) -> Bot:
    """Return what the handlers depend on; asks Slack once who the bot is.

    Raises: ConfigError without a bot token; SlackError.
    """
    if settings.slack_bot_token is None:
        raise ConfigError(["SLACK_BOT_TOKEN is missing"])
    slack = SlackApi(settings.slack_bot_token.get_secret_value(), base_url=settings.slack_api_url)
    me = slack.call("auth.test")
    identity = Identity(str(me["team_id"]), str(me["user_id"]), str(me.get("bot_id") or ""), str(me.get("url") or ""))
    return Bot(
        settings=settings,
        store=store,
        slack=slack,
        people=People(slack, team_id=identity.team_id, remember=functools.partial(remember_members, store)),
        redactor=Redactor(order_number_patterns=settings.order_number_patterns),
        models=Models(store, api_key=resolve_api_key(settings, store.sealer)),
        identity=identity,
    )


def build_app(settings: Settings, store: Store, *, bot: Bot, keeper: Keeper) -> App:
    """Return the Bolt app: it verifies, keeps and acknowledges; nothing is handled before it is kept."""
    token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
    secret = settings.slack_signing_secret.get_secret_value() if settings.slack_signing_secret else ""
    client = WebClient(token, base_url=settings.slack_api_url, timeout=CALL_TIMEOUT_S, retry_handlers=[])
    return App(
        client=client,
        signing_secret=secret,
        request_verification_enabled=settings.slack_transport == "http",
        ignoring_self_events_enabled=False,  # deletions of our own posts by others matter; the intake drops the rest
        before_authorize=Intake(store, keeper, identity=bot.identity),
    )
