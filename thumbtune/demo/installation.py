"""A Thumbtune installation for the demo: its environment, its store with one desk, its help centre.

It does not know how processes are run.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from thumbtune.core.prompt import Passage
from thumbtune.core.records import Desk
from thumbtune.core.settings import ENV_PREFIX, Settings
from thumbtune.core.store import Store, connect_store, desks, documents, migrate_store
from thumbtune.demo import shop
from thumbtune.demo.slack import seed

BASE_MODEL = Path(__file__).parent / "base_model" / "weights"
DESK_ID = "support"
PLAIN_VOICE = "You write replies for a customer support team. Be friendly, clear and brief."

TUNING = {
    "MAX_MODEL_LEN": "2048",
    "MAX_PROMPT_CHARS": "2400",
    "MAX_REPLY_TOKENS": "160",
    "TRAIN_BATCH_TOKENS": "2048",
    "TRAIN_TICK_S": "1",
    "RECONCILE_INTERVAL_S": "0.5",
    "LEASE_S": "15",
    "GATE_MIN_THREADS": "5",
    "MIN_PAIRS": "10",
    "HELD_OUT_MIN": "16",
    "BURST_APPROVALS": "0",
    "APPROVALS_PER_DAY": "0",
    "TRIAGE_UNTRAINED": "false",
}
"""What differs from the defaults: the demo's base model and its data are small, and its few people approve everything
as fast as the machine goes. A base that small triages by chance until it is taught."""

SHOP_RECIPE = {"TRAIN_LEARNING_RATE": "2e-3", "TRAIN_MIN_STEPS": "120", "TRAIN_MAX_EPOCHS": "12"}
OTHER_RECIPE = {"TRAIN_LEARNING_RATE": "4e-3", "TRAIN_MIN_STEPS": "600", "TRAIN_MAX_EPOCHS": "4"}
"""How to train on the shop's own conversations, and on others, of which the base model knows nothing."""


def build_environment(*, data_dir: Path, slack_url: str, with_shop: bool) -> dict[str, str]:
    """Return the environment of the demo's processes: this one's, without any Thumbtune or Slack settings of its own."""
    env = {key: value for key, value in os.environ.items() if not key.startswith((ENV_PREFIX, "SLACK_"))}
    return (
        env
        | {
            f"{ENV_PREFIX}{key}": value
            for key, value in (TUNING | (SHOP_RECIPE if with_shop else OTHER_RECIPE)).items()
        }
        | {
            f"{ENV_PREFIX}DATA_DIR": str(data_dir),
            f"{ENV_PREFIX}BASE_MODEL": str(BASE_MODEL),
            "SLACK_BOT_TOKEN": seed.BOT_TOKEN,
            "SLACK_APP_TOKEN": seed.APP_TOKEN,
            "SLACK_SIGNING_SECRET": seed.SIGNING_SECRET,
            "SLACK_API_URL": f"{slack_url}/api/",
            "PYTHONUNBUFFERED": "1",
        }
    )


def read_settings(env: Mapping[str, str]) -> Settings:
    """Return the settings these variables make, untouched by this process's own."""
    values = {key.removeprefix(ENV_PREFIX).lower(): value for key, value in env.items() if key.startswith(ENV_PREFIX)}
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]  # pydantic checks the values


def open_installation(settings: Settings, *, threshold: int, with_shop: bool) -> Store:
    """Make the store with the demo's desk; `with_shop` gives it the shop's voice and help centre."""
    store = connect_store(settings)
    migrate_store(store)
    desk = Desk(
        desk_id=DESK_ID,
        team_id=seed.TEAM_ID,
        name=shop.DESK_NAME if with_shop else "Support",
        voice=shop.VOICE if with_shop else PLAIN_VOICE,
        channels=(seed.SUPPORT_CHANNEL,),
        agents=(seed.AGENTS_GROUP,),
        leads=(seed.LEADS_GROUP,),
        threshold=threshold,
        categories=tuple(shop.CATEGORIES) if with_shop else (),
        training_channel=seed.SUPPORT_CHANNEL,
    )
    with store.write() as conn:
        desks.save_desk(conn, desk)
        for title, sections in shop.load_help_center() if with_shop else ():
            documents.add_document(
                conn,
                desk_id=DESK_ID,
                source=f"help centre: {title}",
                title=title,
                sections=_cut_page(title, sections),
                now=store.now(),
            )
    return store


def _cut_page(title: str, sections: Sequence[tuple[str, str]]) -> list[Passage]:
    return [Passage(f"{title}: {heading}", text) for heading, text in sections]
