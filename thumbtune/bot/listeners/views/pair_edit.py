"""A lead's correction of a training pair was submitted: it takes the place of the reply.

It does not know how it is redacted.
"""

from thumbtune.bot.blocks.pair_modal import read_pair_modal
from thumbtune.bot.blocks.parts import render_blocks, section
from thumbtune.bot.bot import Bot
from thumbtune.bot.homes import publish_home
from thumbtune.bot.markup import encode_text
from thumbtune.bot.roles import is_lead
from thumbtune.core.errors import BadInput, Conflict, NotFound
from thumbtune.core.records import InboxEvent
from thumbtune.core.redaction import NameIndex
from thumbtune.core.store.correcting import correct_pair
from thumbtune.core.store.desks import load_desk
from thumbtune.core.store.pairs import load_pair

EMPTY = ":warning: Your correction of #{} was not kept: it was empty. To leave a reply out, press *Leave out*."
CHANGED = (
    ":warning: Your correction of #{} was not kept: the reply was changed or deleted after you opened it. Look at it as it "
    "stands now, and correct it again if it still needs it. You wrote:"
)
MAX_WORDS_CHARS = 2000


def handle_pair_edit_submitted(event: InboxEvent, bot: Bot) -> None:
    """Keep the pair with the corrected reply, if who submitted is a lead of its desk, and draw the Home tab anew.

    Whose words could not be kept is told so there, with their words.
    """
    pair_id, shown, text = read_pair_modal(event.body.get("view") or {})
    user_id = str((event.body.get("user") or {}).get("id") or "")
    try:
        with bot.store.read() as conn:
            pair = load_pair(conn, pair_id or 0)
            desk = load_desk(conn, pair.desk_id)
    except NotFound:
        return
    is_ours = desk.team_id == bot.identity.team_id
    if not is_ours or not is_lead(bot.people.fetch_person(user_id), bot.people.fetch_roles(desk)):
        return
    names = bot.people.fetch_names(pair.channel_id) if pair.channel_id in desk.channels else NameIndex()
    notice = ""
    try:
        with bot.store.write() as conn:
            correct_pair(
                conn,
                bot.store,
                pair.pair_id,
                text=text,
                corrected_by=user_id,
                names=names,
                redactor=bot.redactor,
                settings=bot.settings,
                shows_sign=bot.shows_sign,
                shown=shown,
            )
    except BadInput:
        notice = EMPTY.format(pair.pair_id)
    except Conflict:
        words = encode_text(text if len(text) <= MAX_WORDS_CHARS else f"{text[:MAX_WORDS_CHARS]}…", link_domains=())
        notice = f"{CHANGED.format(pair.pair_id)}\n{words}"
    bot.signals.send.set()
    publish_home(bot, user_id, notice=render_blocks([section(notice)]) if notice else ())
