"""Who plays in the golden threads, and the desks they play at."""

from tests.bot.conftest import AIKO, JONAS, MAYA, PRIYA, RUTH, SUPPORT, TOMAS, make_desk
from thumbtune.core.records import Desk
from thumbtune.demo.slack import seed
from thumbtune.demo.slack.wire import Json

NOOR, KIM, EMIL, HELPY, BEN, OLGA = "U0NOOR001", "U0KIM0001", "U0EMIL001", "U0HELPY01", "U0BEN0001", "U0OLGA001"

CAST = {
    "maya": MAYA,
    "tomas": TOMAS,
    "priya": PRIYA,
    "jonas": JONAS,
    "aiko": AIKO,
    "ruth": RUTH,
    "lena": "U0LENA001",
    "gus": "U0GUS0001",
    "olga": OLGA,
    "layla": "U0LAYLA01",
    "hana": "U0HANA001",
    "noor": NOOR,
    "kim": KIM,
    "emil": EMIL,
    "ben": BEN,
    "helpy": HELPY,
    "workflow": "B0WORKFLW",
    "thumbtune": seed.BOT_USER_ID,
}

NEWCOMERS: list[Json] = [
    {"id": "U0LENA001", "name": "Lena Vogt", "team_id": "T0OTHER01"},  # a customer in her own workspace
    {"id": "U0GUS0001", "name": "Gus Ferrari", "is_restricted": True},  # a customer as a guest
    {"id": OLGA, "name": "Olga Petrova"},  # a colleague who is not of the desk
    {"id": "U0LAYLA01", "name": "ليلى حداد"},
    {"id": "U0HANA001", "name": "佐藤 花子"},
    {"id": NOOR, "name": "Noor Haddad", "is_restricted": True},  # a guest listed as an agent
    {"id": KIM, "name": "Kim Solberg", "is_ultra_restricted": True},  # a guest of one channel, listed as an agent
    {"id": EMIL, "name": "Emil Strand", "deleted": True},  # left the team, still listed
    {"id": BEN, "name": "Ben Achebe", "team_id": "T0OTHER01"},  # of another workspace, listed as an agent
    {"id": HELPY, "name": "Helpy", "is_bot": True},
]

TEAM = (seed.AGENTS_GROUP, NOOR, KIM, EMIL, BEN, HELPY, seed.BOT_USER_ID)

DESKS: dict[str, Desk] = {
    "support": make_desk(agents=TEAM),
    "two": make_desk(desk_id="two", channels=("C0TWO0001",), agents=TEAM, approvals_needed=2),
    "own": make_desk(desk_id="own", channels=("C0OWN0001",), agents=TEAM, author_may_approve=True),
    "leads": make_desk(desk_id="leads", channels=("C0LEADS01",), agents=TEAM, approvers=(seed.LEADS_GROUP,)),
    "review": make_desk(desk_id="review", channels=("C0REVIEW1",), agents=TEAM, approvers=(OLGA, NOOR, BEN, HELPY)),
    "checks": make_desk(
        desk_id="checks", channels=("C0CHECKS1",), agents=TEAM, emojis=("white_check_mark",), vetoes=("no_entry",)
    ),
}


def find_channel(desk: str) -> str:
    """Return where a desk works."""
    return SUPPORT if desk == "support" else DESKS[desk].channels[0]
