"""What the commands share: settings and the store, opened when a command needs them.

It does not know any command.
"""

from pathlib import Path

from thumbtune.core.errors import NotFound
from thumbtune.core.records import Desk
from thumbtune.core.settings import Settings, load_settings
from thumbtune.core.store import Store, check_store, connect_store, desks

SLACK_MANIFEST = Path(__file__).with_name("slack-manifest.json")
"""What a Slack app is made from, as the package brings it; deploy/slack-manifest.json is the same for those who read."""


def open_checked_store(settings: Settings | None = None) -> Store:
    """Return the store, having checked that its tables fit this version.

    Raises: ConfigError saying to run `thumbtune migrate`.
    """
    store = connect_store(settings or load_settings())
    check_store(store)
    return store


def pick_desk(store: Store, desk_id: str | None) -> Desk:
    """Return the desk named, or the only one there is.

    Raises: NotFound when it does not exist or the choice is not clear.
    """
    with store.read() as conn:
        if desk_id:
            return desks.load_desk(conn, desk_id)
        known = desks.list_desks(conn)
    if len(known) != 1:
        names = ", ".join(desk.desk_id for desk in known) or "none yet: make one with `thumbtune desks add`"
        raise NotFound(f"say which desk with --desk; there are: {names}")
    return known[0]
