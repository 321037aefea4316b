"""What an export of a workspace gives is what the bot learned while it happened."""

from pathlib import Path
from typing import Any

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, RUTH, SUPPORT, TOMAS, Office, make_desk, wait_for
from tests.cli.importing.exports import write_export
from thumbtune.cli.importing.outcome import Outcome
from thumbtune.cli.importing.running import ImportOptions, import_file
from thumbtune.cli.output import show_progress
from thumbtune.core.prompt import Passage
from thumbtune.core.records import TrainingPair
from thumbtune.core.store import Store, connect_store, migrate_store
from thumbtune.core.store.desks import save_desk
from thumbtune.core.store.documents import add_document
from thumbtune.core.store.pairs import list_pairs
from thumbtune.core.store.places import load_revisions
from thumbtune.demo.slack import seed

GROUPS = {group_id: frozenset(members) for group_id, _, _, members in seed.GROUPS}


def export_workspace(office: Office, path: Path) -> Path:
    """Write what the workspace shows as Slack would export it."""
    users = office.call("users.list", user=RUTH)["members"]
    roots = office.call("conversations.history", user=RUTH, channel=SUPPORT)["messages"]
    messages = [message for root in roots for message in office.thread(root["ts"])]
    members = office.call("conversations.members", user=RUTH, channel=SUPPORT)["members"]
    channel = {"id": SUPPORT, "name": "support", "members": members}
    return write_export(path, users=users, channels=[channel], messages={"support": messages})


def open_other_store(office: Office, folder: Path) -> Store:
    """A new installation with the same desk and help centre."""
    store = connect_store(office.settings.model_copy(update={"data_dir": folder}))
    migrate_store(store)
    with store.write() as conn:
        save_desk(conn, make_desk())
        sections = [Passage("Shipping times", "Parcels within the country take two working days.")]
        add_document(
            conn, desk_id="support", source="shipping.md", title="Shipping", sections=sections, now=store.now()
        )
    return store


def import_export(office: Office, store: Store, path: Path) -> Outcome:
    options = ImportOptions(groups=GROUPS)
    given: dict[str, Any] = {"settings": office.settings, "desk": make_desk(), "options": options}  # Any: several types
    return import_file(path, store, open_progress=show_progress, **given)[1]


def read_content(store: Store) -> list[dict[str, object]]:
    """Return all there is to a pair but when it came, which way, and its number."""
    with store.read() as conn:
        pairs: list[TrainingPair] = list_pairs(conn, limit=1000)
        revisions = load_revisions(conn, [pair.pair_id for pair in pairs])
    different = ("pair_id", "created_at", "changed_at", "source")
    found = [
        {key: value for key, value in vars(pair).items() if key not in different}
        | {"revision": revisions[pair.pair_id]}
        for pair in pairs
    ]
    return sorted(found, key=lambda item: str(item["reply_ts"]))


def play(office: Office) -> None:
    """A day at the desk: several customers and agents, mentions, names, addresses, vetoes, two approvals on one."""
    first = office.say(
        MAYA, "Hi, this is Maya. Where is parcel RE-48213? Mail maya@example.com &amp; call +49 30 901820"
    )
    asked = office.say(PRIYA, "Hello Maya, a moment please.", thread=first)
    office.say(TOMAS, "Mine is late too, <@U0PRIYA01>!", thread=first)
    office.say(MAYA, "Yes?", thread=first)
    told = office.say(JONAS, "Maya, Tomás: parcels come on Friday. <https://example.com|our page>", thread=first)
    office.say(PRIYA, "<@U0THUMBOT> draft", thread=first)
    later = office.say(PRIYA, "Anything else, Maya?", thread=first)
    second = office.say(TOMAS, "Can I return ```shoes```?")
    wrong = office.say(AIKO, "No.", thread=second)
    right = office.say(AIKO, "Yes, within 30 days, Tomás Oliveira.", thread=second)
    for person, ts in ((JONAS, asked), (PRIYA, told), (RUTH, told), (JONAS, later), (JONAS, wrong), (PRIYA, right)):
        office.react(person, ts)
    office.call("reactions.add", user=RUTH, channel=SUPPORT, timestamp=wrong, name="-1")
    wait_for(lambda: len(office.pairs()) == 4)
    office.wait_quiet()


def test_export_gives_the_pairs_that_the_bot_learned_live(staffed: Office, tmp_path: Path) -> None:
    play(staffed)
    export = export_workspace(staffed, tmp_path / "export.zip")
    other = open_other_store(staffed, tmp_path / "other")
    assert import_export(staffed, other, export).imported == 4
    live = [item for item in read_content(staffed.store) if item["state"] == "active"]
    assert read_content(other) == live
    other.engine.dispose()


def test_import_into_the_store_that_learned_live_adds_nothing(staffed: Office, tmp_path: Path) -> None:
    play(staffed)
    before = read_content(staffed.store)
    outcome = import_export(staffed, staffed.store, export_workspace(staffed, tmp_path / "export.zip"))
    assert (outcome.imported, outcome.already_there) == (0, len(before))
    assert read_content(staffed.store) == before


def test_live_event_after_an_import_withdraws_and_never_doubles_the_pair(office: Office, tmp_path: Path) -> None:
    with office.store.write() as conn:
        save_desk(conn, make_desk(channels=()))
    office.start_bot()
    question = office.say(MAYA, "Where is my parcel?")
    reply = office.say(PRIYA, "It comes on Friday.", thread=question)
    office.react(JONAS, reply)
    office.wait_quiet()
    office.bots.pop().stop()
    with office.store.write() as conn:
        save_desk(conn, make_desk())
    assert import_export(office, office.store, export_workspace(office, tmp_path / "export.zip")).imported == 1
    office.start_bot()
    office.react(AIKO, reply)
    office.wait_quiet()
    (pair,) = office.pairs()
    assert (pair.source, pair.approved_by) == ("imported", JONAS)
    office.react(AIKO, reply, on=False)
    office.wait_quiet()
    assert len(office.pairs()) == 1, "one approver is left"
    office.react(JONAS, reply, on=False)
    (withdrawn,) = wait_for(lambda: office.pairs("withdrawn"))
    assert withdrawn.pair_id == pair.pair_id
