"""Says which language a text is in, where there is enough of it to tell.

It does not know which languages are wanted.
"""

import functools
import re

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from thumbtune.core.curation.facts import list_links
from thumbtune.core.redaction import PLACEHOLDER

MIN_LETTERS = 60
"""Below, two languages are too often confused: names and product words weigh too much."""
MIN_CERTAINTY = 0.99

_NO_LETTERS = re.compile(r"[^\w\s.,!?'’-]|[\d_]")


def detect_language(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language; None when it is too short or not clear."""
    plain = PLACEHOLDER.sub(" ", text)
    for link in list_links(plain):
        plain = plain.replace(link, " ")
    words = " ".join(_NO_LETTERS.sub(" ", plain).split())
    if sum(map(str.isalpha, words)) < MIN_LETTERS:
        return None
    language, certainty = _load_identifier().classify(words)
    return str(language) if certainty >= MIN_CERTAINTY else None


@functools.cache
def _load_identifier() -> LanguageIdentifier:
    """Return py3langid's model of 140 languages, which lies in the package; loading it takes half a second, once."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
