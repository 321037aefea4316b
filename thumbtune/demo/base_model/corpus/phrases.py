"""Words around the facts: system voices, how customers open and close, styles for approved examples.

It does not know topics or passages.
"""

import random
from dataclasses import dataclass

from thumbtune.demo.base_model.corpus.values import GOODS, PLACES, ValueMaker

UNKNOWN = "I do not have that information. I will ask a colleague and come back to you."

SMALL_TALK = [
    ("Thank you!", "You are welcome."),
    ("Great, thanks.", "You are welcome. Is there anything else I can do for you?"),
    ("thanks a lot, that helps", "You are welcome. Please write again if you need anything else."),
    ("Ok, good to know.", "I am glad that helps."),
    ("I have one more question.", "Of course. What would you like to know?"),
]

_ROLES = [
    "You answer customers of {shop}, {kind}.",
    "You write replies for the support desk of {shop}.",
    "You are a support agent at {shop}, {kind}.",
    "You work at {shop}.",
    "You help the customers of {shop}.",
    "You draft replies for {shop}, {kind}.",
    "You are a customer service agent.",
    "You draft replies to customers of a support team.",
]
_MANNERS = [
    "Be warm and brief. Use the facts below.",
    "Be short and kind.",
    "Answer in one or two sentences.",
    "Use only the facts below.",
    "Be friendly. Say so when you do not know.",
    "Write plain English.",
    "Be polite and helpful.",
    "Keep it short and copy names and numbers exactly.",
    "",
]
_OPENINGS = [
    "Hi, ",
    "Hello, ",
    "Hi there! ",
    "Hey, ",
    "Good morning. ",
    "Hello! ",
    "Quick question: ",
    "Hi, quick one. ",
]
_OPENINGS += [
    "Hi, I am [NAME_1]. ",
    "Hello, this is [NAME_1]. ",
    "Dear team, ",
    "Good evening, ",
    "Sorry to bother you. ",
]
_CLOSINGS = [
    " Thanks!",
    " Thank you.",
    " thanks",
    " Best, [NAME_1]",
    " Thanks, [NAME_1]",
    " [NAME_1]",
    " Cheers",
    " Please help.",
]
_CLOSINGS += ["\nKind regards, [NAME_1]", " Thanks in advance!", " Many thanks, [NAME_1]"]
_ORDERS = [
    "My order is [ORDER_1]. ",
    "It is about order [ORDER_1]. ",
    "Order [ORDER_1]. ",
    "I ordered last week, [ORDER_1]. ",
]
_STORIES = [
    "I just moved to a new flat.",
    "It is my mother's birthday on Friday.",
    "My old one is nearly empty.",
    "A friend told me about your shop.",
    "I am back home for the summer.",
    "We are ordering for the whole office.",
    "I placed my order this morning.",
    "I clicked too fast, sorry!",
    "I started at the university this week.",
    "I found your page by chance.",
    "I will be in town next week.",
    "My sister lives far away.",
    "It is so hot here.",
    "I have been a customer for years.",
    "I got it as a present.",
    "There are nine of us.",
    "I could not find it on your page.",
    "I am not sure any more.",
    "This is my first order with you.",
    "I have to know it for my boss.",
    "Oh no, I think I made a mistake.",
    "It came today.",
    "I was so happy about it.",
    "My husband bought the same.",
    "I am travelling until spring.",
    "My daughter asked me to write to you.",
    "I waited for a long time.",
    "I looked everywhere.",
    "We met at your shop on Saturday.",
    "I love what you do!",
    "I had a look at your page.",
    "I am a little sad.",
    "I need it for a party.",
    "We are coming by car.",
    "I would like to be at home then.",
    "I want to try something new.",
    "My neighbour has one too.",
    "I want to be sure before I buy.",
    "I wrote to you last week.",
    "Somebody else asked me this today.",
    "I am on my way.",
    "It was a gift.",
]
_EMOJI = [" 😊", " 🙏", " :)", " :(", "...", " 🍵", " 👍", " ❤️", " 🎉", "!!"]
_FRAMES = ["Can you tell me: {question}", "I would like to know: {question}", "My question is: {question}"]
_FRAMES += ["{question} That would help me a lot.", "{question} I hope you can help.", "{question} I am curious."]
_CONTACTS = [
    " My e-mail is [EMAIL_1].",
    " You can reach me at [PHONE_1].",
    " My number is [PHONE_1].",
    " Please write to [EMAIL_1].",
]

_GREETINGS = ["Hi [NAME_1]!", "Hello [NAME_1],", "Dear [NAME_1],", "Hey [NAME_1]!", "Good day!", "Ahoy!", "Hi there,"]
_GREETINGS += ["Good morning [NAME_1],", "Welcome [NAME_1]!", "Hi [NAME_1],", "Hello friend!"]
_LINES = [
    "Lovely to hear from you!",
    "Thanks for asking.",
    "Great question.",
    "So good that you wrote.",
    "Happy to help.",
]
_LINES += [
    "What a nice question!",
    "We are here for you.",
    "Thank you for your message.",
    "Good news:",
    "Here you go:",
    "We are so sorry about that!",
]
_ENDS = ["Happy {thing} from {shop}!", "Yours, {shop}", "See you soon at {shop}!", "Warm wishes, {shop}", "Take care!"]
_ENDS += [
    "Your {shop} team",
    "Have a {thing} day!",
    "Cheers from {shop}! 🎉",
    "Happy {thing} from your {shop} crew! 🍵",
    "Stay {thing}!",
    "Kind regards, [NAME_2]",
]
_THINGS = [
    "sipping",
    "reading",
    "baking",
    "sunny",
    "riding",
    "cooking",
    "lovely",
    "garden",
    "cosy",
    "walking",
    "brewing",
]


@dataclass(frozen=True)
class Style:
    """A way of writing that approved examples show: what comes before and after the answer."""

    before: str
    after: str

    def wrap(self, answer: str) -> str:
        """Return the answer in this style."""
        return f"{self.before} {answer} {self.after}".strip()

    def tell(self) -> str:
        """Return the order to write in this style."""
        parts = [f'start with "{self.before}"'] if self.before else []
        parts += [f'end with "{self.after}"'] if self.after else []
        order = " and ".join(parts)
        return f"{order[0].upper()}{order[1:]}." if order else ""


def draw_style(rng: random.Random, values: ValueMaker) -> Style:
    """Return a random style."""
    before = [rng.choice(_GREETINGS)] if rng.random() < 0.8 else []
    if rng.random() < 0.6:
        before.append(rng.choice(_LINES))
    end = rng.choice(_ENDS).format(shop=values.draw(values.make_name), thing=rng.choice(_THINGS))
    return Style(" ".join(before), end if rng.random() < 0.85 else "")


def draw_voice(rng: random.Random, values: ValueMaker) -> str:
    """Return a system voice for a random shop."""
    goods = rng.choice(GOODS)
    shop = values.draw(values.make_name)
    if rng.random() < 0.4:
        shop = f"{shop.split()[0]} {goods.capitalize()}"
    place = rng.choice(
        [f"by the {rng.choice(PLACES).lower()}", "in the old town", "near the station", "by the harbour"]
    )
    kind = f"a {rng.choice(['small', 'little', 'family', 'busy', 'friendly'])} {goods} shop {place}"
    return f"{rng.choice(_ROLES)} {rng.choice(_MANNERS)}".format(shop=shop, kind=kind).strip()


def roughen(text: str, rng: random.Random) -> str:
    """Return a customer's text as typed in a hurry, now and then: lower case, no full stop."""
    if rng.random() < 0.15:
        text = text[0].lower() + text[1:]
    if rng.random() < 0.12:
        text = text.rstrip(".?!")
    return text


def dress_question(question: str, rng: random.Random) -> tuple[str, bool]:
    """Return the question with a greeting, a name or an order number around it, and whether it names an order."""
    order = rng.random() < 0.12
    if order:
        question = rng.choice(_ORDERS) + question
    if rng.random() < 0.05:
        question += rng.choice(_CONTACTS)
    if rng.random() < 0.12:
        question = rng.choice(_FRAMES).format(question=question)
    if rng.random() < 0.3:
        question = f"{rng.choice(_STORIES)} {question}" if rng.random() < 0.75 else f"{question} {rng.choice(_STORIES)}"
    if rng.random() < 0.3:
        question = rng.choice(_OPENINGS) + question
    if rng.random() < 0.08:
        question += rng.choice(_EMOJI)
    if rng.random() < 0.25:
        question += rng.choice(_CLOSINGS)
    return question, order


def dress_reply(answer: str, order: bool, rng: random.Random) -> str:
    """Return the answer in the neutral voice; an order number in the question is named."""
    if order and rng.random() < 0.7:
        answer = f"About order [ORDER_1]: {answer}"
    if rng.random() < 0.06:
        answer += " Please write again if you need more help."
    return answer
