"""Draws made-up things with made-up properties: practice in finding the one asked about and copying its values.

It does not know prompts; it returns topics like those read from the topics files.
"""

from collections.abc import Callable

from thumbtune.demo.base_model.corpus.topics import Ask, Topic
from thumbtune.demo.base_model.corpus.values import GOODS, KINDS, MATERIALS, WEEKDAYS, ValueMaker

THINGS = [
    "lamp",
    "bag",
    "chair",
    "bike",
    "cup",
    "box",
    "book",
    "coat",
    "pot",
    "cake",
    "ticket",
    "room",
    "tour",
    "course",
]
THINGS += [
    "plan",
    "kit",
    "plant",
    "bottle",
    "clock",
    "table",
    "pass",
    "blend",
    "bowl",
    "spoon",
    "set",
    "class",
    "machine",
]
PAGES = ["Products", "Our range", "Prices", "Help", "Good to know", "Shop", "Details", "News", "Questions", "Events"]

_COMMON = [*THINGS, *PAGES, *GOODS, *KINDS, *MATERIALS, *WEEKDAYS, "the", "of", "and", "is", "for", "costs", "within"]
_COMMON += [
    "[NAME_1]",
    "[NAME_2]",
    "[ORDER_1]",
    "[EMAIL_1]",
    "[PHONE_1]",
    "your",
    "you can",
    "we",
    "until",
    "at",
    "days",
]

_Sentence = Callable[[ValueMaker, str], str]

_PROPERTIES: list[tuple[_Sentence, list[str]]] = [
    (
        lambda v, s: f"The {s} costs {v.draw(v.make_price)}.",
        ["How much is the {s}?", "What does the {s} cost?", "price of the {s}", "What do I pay for the {s}?"],
    ),
    (
        lambda v, s: f"The {s} weighs {v.make_number(300)} grams.",
        ["How heavy is the {s}?", "What does the {s} weigh?", "weight of the {s}"],
    ),
    (
        lambda v, s: f"The {s} is {v.make_number(50)} cm long.",
        ["How long is the {s}?", "What is the length of the {s}?"],
    ),
    (
        lambda v, s: f"The {s} comes in {v.rng.choice(KINDS[:13])} and {v.rng.choice(KINDS[:13])}.",
        ["What colours does the {s} come in?", "Which colours does the {s} have?"],
    ),
    (
        lambda v, s: f"The {s} is made of {v.rng.choice(MATERIALS)}.",
        ["What is the {s} made of?", "Is the {s} made of glass?"],
    ),
    (
        lambda v, s: f"The {s} is made by {v.draw(v.make_name)}.",
        ["Who makes the {s}?", "Who is the maker of the {s}?"],
    ),
    (
        lambda v, s: f"The {s} comes from {v.draw(v.make_name)}.",
        ["Where does the {s} come from?", "Where is the {s} from?"],
    ),
    (
        lambda v, s: f"The {s} is on {v.rng.choice(WEEKDAYS)} at {v.draw(v.make_time)}.",
        ["When is the {s}?", "What day is the {s}?", "what time is the {s}"],
    ),
    (
        lambda v, s: f"You find the {s} at {v.make_number(50)} {v.draw(v.make_street)}.",
        ["Where is the {s}?", "Where do I find the {s}?", "address of the {s}"],
    ),
    (
        lambda v, s: f"The {s} arrives within {v.make_number(7)} days.",
        ["When does the {s} arrive?", "How long until I get the {s}?"],
    ),
    (
        lambda v, s: f"The {s} lasts {v.make_number(40)} hours.",
        ["How long does the {s} last?", "how many hours does the {s} last"],
    ),
    (
        lambda v, s: f"The {s} goes with the {v.draw(v.make_name)}.",
        ["What goes with the {s}?", "What can I use the {s} with?"],
    ),
    (
        lambda v, s: f"The code of the {s} is {v.make_number(5000)}.",
        ["What is the code of the {s}?", "code for the {s} please"],
    ),
]


def draw_fact_topics(values: ValueMaker, count: int) -> list[Topic]:
    """Return `count` things, each with one or two properties, all different in name."""
    rng = values.rng
    names: dict[str, None] = {}
    alike = rng.choice(THINGS) if rng.random() < 0.5 else None
    while len(names) < count:
        names[_draw_subject(values, alike or rng.choice(THINGS))] = None
    page = rng.choice(PAGES)
    topics = []
    for name in names:
        chosen = rng.sample(_PROPERTIES, rng.choice([1, 1, 2]))
        sentences = [sentence(values, name) for sentence, _ in chosen]
        asks = [Ask([form.format(s=name) for form in forms], [i]) for i, (_, forms) in enumerate(chosen)]
        topics.append(Topic(page, name[0].upper() + name[1:], sentences, asks))
    return topics


def _draw_subject(values: ValueMaker, thing: str) -> str:
    rng = values.rng
    sort = rng.random()
    if sort < 0.55:
        return f"{values.draw(values.make_name)} {thing}"
    if sort < 0.75:
        return f"{rng.choice(KINDS)} {thing}"
    if sort < 0.9:
        return f"{rng.choice(MATERIALS)} {thing}"
    return f"{rng.choice(GOODS)} {thing}"


def draw_words(values: ValueMaker, count: int) -> str:
    """Return that many random words, names and numbers in no order, for copying drills."""
    rng = values.rng
    words = []
    for _ in range(count):
        sort = rng.random()
        if sort < 0.35:
            words.append(values.draw(values.make_name))
        elif sort < 0.5:
            words.append(values.draw(values.make_price))
        elif sort < 0.6:
            words.append(values.draw(values.make_time))
        elif sort < 0.7:
            words.append(values.make_number(rng.choice([5, 50, 500, 5000])))
        else:
            words.append(rng.choice(_COMMON))
    return " ".join(words)
