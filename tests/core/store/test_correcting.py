"""A correction is kept once, however often it is tried, and only in the place of the reply that was shown."""

import pytest

from tests.core.store.test_curating import REDACTOR, SETTINGS
from thumbtune.core.errors import Conflict
from thumbtune.core.prompt import Turn
from thumbtune.core.records import TrainingPair
from thumbtune.core.redaction import NameIndex
from thumbtune.core.store import Store, pairs
from thumbtune.core.store.correcting import correct_pair, digest_reply

pytestmark = pytest.mark.usefixtures("desk")


def correct(store: Store, pair: TrainingPair, text: str, *, shown: str, by: str = "URUTH") -> str:
    with store.write() as conn:
        kept = correct_pair(
            conn,
            store,
            pair.pair_id,
            text=text,
            corrected_by=by,
            names=NameIndex(),
            redactor=REDACTOR,
            settings=SETTINGS,
            shows_sign=False,
            shown=digest_reply(shown),
        )
    return kept.reply


def test_imported_pair_is_corrected_once_though_its_placeholders_count_on(store: Store) -> None:
    old = "Write to [EMAIL_1] for it."
    with store.write() as conn:
        pairs.put_pair(
            conn,
            desk_id="support",
            team_id="T1",
            channel_id="import:tickets",
            thread_ts="a",
            reply_ts="b",
            revision="",
            turns=[Turn("customer", "Whom do I ask for it?")],
            reply=old,
            passages=(),
            source="imported",
            approved_by="",
            now=store.now(),
        )
    with store.read() as conn:
        (pair,) = pairs.list_pairs(conn, desk_id="support", limit=2)
    text = "Write to help@example.com for it."
    new = correct(store, pair, text, shown=old)
    assert new == "Write to [EMAIL_2] for it."
    assert correct(store, pair, text, shown=old) == new
    for by, words in (("URUTH", "Ask us."), ("UAIKO", text)):
        with pytest.raises(Conflict):
            correct(store, pair, words, shown=old, by=by)
    assert correct(store, pair, "Ask us.", shown=new) == "Ask us."
