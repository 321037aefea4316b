"""Builds training conversations in the serving form from topics, dialogues and random values.

It does not know tokenizers or training. Every conversation goes through `thumbtune.core.prompt.build_prompt`.
"""

import random
from importlib import resources

from thumbtune.core.prompt import ChatMessage, Example, Passage, Turn, build_prompt
from thumbtune.demo.base_model.corpus import phrases
from thumbtune.demo.base_model.corpus.facts import draw_fact_topics, draw_words
from thumbtune.demo.base_model.corpus.topics import Ask, Topic, load_topics
from thumbtune.demo.base_model.corpus.values import ValueMaker

MAX_CHARS = 6000
DRILLED = 17_000
"""Conversations at the start of a training run of which half are copying drills; a tenth after that."""


class ConversationMaker:
    """Draws conversations from a seeded source; `held_out` chooses the side of the value split.

    `made` counts the conversations a run has seen before this source.
    """

    def __init__(self, seed: int, *, held_out: bool = False, made: int = DRILLED) -> None:
        self._made = made
        self.rng = random.Random(seed)
        self.values = ValueMaker(self.rng, held_out=held_out)
        self._pages = load_topics()
        self._topics = [topic for page in self._pages for topic in page]
        text = resources.files(__package__).joinpath("dialogues.txt").read_text(encoding="utf-8")
        self._dialogues = [block.strip().split("\n") for block in text.split("---\n")]

    def make(self) -> list[ChatMessage]:
        """Return one conversation of a random sort, ending with an assistant message."""
        self.values.start_prompt()
        self._made += 1
        if self.rng.random() < (0.5 if self._made < DRILLED else 0.1):
            return self.make_drill()
        sort = self.rng.random()
        if sort < 0.14:
            return self.make_dialogue()
        if sort < 0.20:
            return self.make_unknown()
        if sort < 0.40:
            return self.make_grounded(style=phrases.draw_style(self.rng, self.values))
        if sort < 0.65:
            return self.make_grounded(style=phrases.draw_style(self.rng, self.values), is_told=True)
        return self.make_grounded()

    def make_grounded(
        self, *, style: phrases.Style | None = None, is_told: bool = False, exchanges: int | None = None
    ) -> list[ChatMessage]:
        """Return a conversation whose replies copy sentences of its passages.

        A style is shown by examples, or told in the system voice.
        """
        rng = self.rng
        exchanges = exchanges or rng.choice([1, 2, 3, 4])
        entries = self._draw_entries(rng.choice([1, 2, 3, 3, 4]) if rng.random() < 0.97 else 12)
        passages = [Passage(f"{topic.page}: {topic.heading}", " ".join(topic.sentences)) for topic in entries]
        examples = []
        if style and not is_told:
            examples = [self._make_example(style) for _ in range(rng.choice([1, 2, 2, 3]))]
        turns: list[Turn] = []
        likely = entries[0] if rng.random() < 0.4 else None
        for _ in range(exchanges):
            if turns and rng.random() < 0.06:
                question, reply = rng.choice(phrases.SMALL_TALK)
            else:
                question, reply = self._ask_about(likely or rng.choice(entries), style)
                likely = None
            turns += [Turn("customer", question), Turn("agent", reply)]
        voice = phrases.draw_voice(rng, self.values)
        if style and is_told:
            voice = f"{voice} {style.tell()}"
        return _finish(
            build_prompt(turns[:-1], voice=voice, max_chars=MAX_CHARS, passages=passages, examples=examples), turns
        )

    def make_drill(self) -> list[ChatMessage]:
        """Return a short conversation that does nothing but look up titles and copy random words."""
        rng = self.rng
        passages = [Passage(draw_words(self.values, rng.choice([1, 2])), "") for _ in range(rng.choice([1, 2, 3, 4]))]
        passages = [Passage(item.title, draw_words(self.values, rng.randint(4, 12))) for item in passages]
        turns: list[Turn] = []
        for passage in rng.sample(passages, rng.randint(1, len(passages))):
            turns += [Turn("customer", passage.title), Turn("agent", passage.text)]
        return _finish(build_prompt(turns[:-1], voice="", max_chars=MAX_CHARS, passages=passages), turns)

    def make_unknown(self) -> list[ChatMessage]:
        """Return a conversation whose question no passage answers."""
        page, other = self.rng.sample(self._pages, 2)
        asked, *shown = self._vary([self.rng.choice(page), *self.rng.sample(other, min(2, len(other)))])
        question, _ = self._ask_about(asked, None)
        turns = [Turn("customer", question), Turn("agent", phrases.UNKNOWN)]
        passages = [Passage(f"{topic.page}: {topic.heading}", " ".join(topic.sentences)) for topic in shown]
        voice = phrases.draw_voice(self.rng, self.values)
        return _finish(build_prompt(turns[:-1], voice=voice, max_chars=MAX_CHARS, passages=passages), turns)

    def make_dialogue(self) -> list[ChatMessage]:
        """Return a conversation without passages, cut after a random reply."""
        lines = self.values.vary(self.rng.choice(self._dialogues))
        cut = self.rng.choice([number for number, line in enumerate(lines, 1) if line.startswith("A: ")])
        lines = lines[: max(cut, min(4, len(lines)))]
        turns = []
        for line in lines:
            role = "customer" if line.startswith("C: ") else "agent"
            text = phrases.roughen(line[3:], self.rng) if role == "customer" else line[3:]
            turns.append(Turn(role, text))
        voice = phrases.draw_voice(self.rng, self.values)
        return _finish(build_prompt(turns[:-1], voice=voice, max_chars=MAX_CHARS), turns)

    def _draw_entries(self, count: int) -> list[Topic]:
        rng = self.rng
        if rng.random() < 0.35:
            return draw_fact_topics(self.values, count)
        page = rng.choice(self._pages)
        near = rng.sample(page, min(len(page), max(1, count - rng.choice([0, 0, 1, 2]))))
        far = [topic for topic in rng.sample(self._topics, count + len(near)) if topic not in near]
        entries = (near + far)[:count]
        rng.shuffle(entries)
        return self._vary(entries)

    def _vary(self, entries: list[Topic]) -> list[Topic]:
        varied = []
        for topic in entries:
            questions = [question for ask in topic.asks for question in ask.questions]
            texts = self.values.vary([topic.page, topic.heading, *topic.sentences, *questions])
            page, heading, rest = texts[0], texts[1], texts[2:]
            sentences, rest = rest[: len(topic.sentences)], rest[len(topic.sentences) :]
            asks = []
            for ask in topic.asks:
                asks.append(Ask(rest[: len(ask.questions)], ask.sentences))
                rest = rest[len(ask.questions) :]
            varied.append(Topic(page, heading, sentences, asks))
        return varied

    def _ask_about(self, topic: Topic, style: phrases.Style | None) -> tuple[str, str]:
        ask = self.rng.choice(topic.asks)
        answer = " ".join(topic.sentences[number] for number in ask.sentences)
        question = phrases.roughen(self.rng.choice(ask.questions), self.rng)
        question, order = phrases.dress_question(question, self.rng)
        if style:
            return question, style.wrap(answer)
        return question, phrases.dress_reply(answer, order, self.rng)

    def _make_example(self, style: phrases.Style) -> Example:
        question, reply = self._ask_about(self._vary([self.rng.choice(self._topics)])[0], style)
        return Example(question, reply)


def _finish(prompt: list[ChatMessage], turns: list[Turn]) -> list[ChatMessage]:
    return [*prompt, {"role": "assistant", "content": turns[-1].text}]
