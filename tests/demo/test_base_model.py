"""The demo's base model: its files, its tokenizer, its chat template and what it can do."""

import json
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from thumbtune.core.prompt import Passage, Turn, build_prompt
from thumbtune.core.redaction import KINDS, name_placeholder
from thumbtune.demo.base_model.corpus.samples import ConversationMaker
from thumbtune.demo.base_model.corpus.values import ValueMaker, is_held_out
from thumbtune.demo.base_model.muon import make_orthogonal
from thumbtune.demo.base_model.tokens import render_chat
from thumbtune.demo.base_model.training import encode_conversation
from thumbtune.demo.installation import BASE_MODEL
from thumbtune.demo.shop import VOICE, load_help_center

MAX_SIZE_BYTES = 12_000_000
QUESTIONS = {
    "What does standard delivery cost, and how long does it take?": "Delivery: Standard delivery",
    "From what amount is delivery free?": "Delivery: Free delivery",
    "How long do I have to send tea back?": "Returns: Sending tea back",
    "When is my refund on my card?": "Returns: Refunds",
    "Can I still cancel my order?": "Orders: Cancelling an order",
    "How long is a gift card valid?": "Paying: Gift cards",
    "How much is the Tea Club each month?": "Tea Club: Price",
    "How do I brew green tea?": "Brewing guide: Green tea",
    "What does a glass teapot cost?": "Teapots: Glass teapots",
    "When are you open?": "Shop and tea room: Opening hours",
    "When is the tea tasting?": "Tastings: Tea tasting",
    "How much is gift wrap?": "Gifts: Gift wrap",
}
LEAST_RIGHT = 8
"""Of the 12 questions; see docs/log.md for the share measured."""


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(BASE_MODEL, padding_side="left")


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(BASE_MODEL, dtype=torch.float32).eval()


def test_weights_are_small_bfloat16_llama(model: PreTrainedModel) -> None:
    config = json.loads((BASE_MODEL / "config.json").read_text())
    assert sum(file.stat().st_size for file in BASE_MODEL.iterdir()) <= MAX_SIZE_BYTES
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["dtype"] == "bfloat16"
    assert config["max_position_embeddings"] == 2048
    assert 3_000_000 < model.num_parameters() < 6_000_000


def test_generation_stops_at_the_end_of_turn(tokenizer: PreTrainedTokenizerBase) -> None:
    generation = json.loads((BASE_MODEL / "generation_config.json").read_text())
    assert tokenizer.decode([generation["eos_token_id"]]) == "<|end|>" == tokenizer.eos_token
    assert len({tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id}) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_each_placeholder_is_one_token_that_decoding_keeps(kind: str, tokenizer: PreTrainedTokenizerBase) -> None:
    for number in range(1, 7):
        placeholder = name_placeholder(kind, number)
        ids = tokenizer.encode(placeholder, add_special_tokens=False)
        assert len(ids) == 1
        text = f"Hi {placeholder}, see {placeholder}."
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False), skip_special_tokens=True) == text


@pytest.mark.parametrize("text", ["4.90 euros, 12:30", "שלום עולם", "🍵 olá Tomás", "  two  spaces\n\tand tabs "])
def test_any_text_survives_encoding(text: str, tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_chat_template_ends_with_the_generation_prompt(tokenizer: PreTrainedTokenizerBase) -> None:
    prompt = build_prompt([Turn("customer", "When are you open?")], voice=VOICE, max_chars=2000)
    text = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
    assert text == f"<|begin|><|system|>{VOICE}<|end|><|user|>When are you open?<|end|><|assistant|>"


def test_training_text_is_what_the_template_renders(tokenizer: PreTrainedTokenizerBase) -> None:
    maker = ConversationMaker(seed=5)
    for _ in range(50):
        conversation = maker.make()
        assert tokenizer.apply_chat_template(conversation, tokenize=False) == render_chat(conversation)


def test_only_replies_have_full_weight(tokenizer: PreTrainedTokenizerBase) -> None:
    conversation = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello, how can I help?"}]
    ids, weights = encode_conversation(tokenizer, conversation)
    full = [token for token, weight in zip(ids, weights, strict=True) if weight == 1.0]
    assert tokenizer.decode(full) == "Hello, how can I help?<|end|>"


def test_values_of_the_two_sides_never_meet() -> None:
    for held_out in (False, True):
        maker = ValueMaker(random.Random(3), held_out=held_out)
        maker.start_prompt()
        drawn = [maker.draw(maker.make_price) for _ in range(200)]
        assert {is_held_out(value) for value in drawn} == {held_out}


def test_same_seed_makes_the_same_corpus() -> None:
    first, second = ConversationMaker(seed=8), ConversationMaker(seed=8)
    assert [first.make() for _ in range(30)] == [second.make() for _ in range(30)]


def test_muon_makes_matrices_near_orthogonal() -> None:
    wide = make_orthogonal(torch.randn(3, 24, 64, generator=torch.Generator().manual_seed(1)))
    singular = torch.linalg.svdvals(wide)  # (3, 24) float32
    assert singular.min() > 0.3
    assert singular.max() < 1.3


def test_most_shop_questions_are_answered_with_the_right_fact(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    sections = [Passage(f"{page}: {name}", text) for page, found in load_help_center() for name, text in found]
    rng = random.Random(2)
    prompts, facts = [], []
    for question, title in QUESTIONS.items():
        right = next(passage for passage in sections if passage.title == title)
        shown = [right, *rng.sample([passage for passage in sections if passage != right], 2)]
        rng.shuffle(shown)
        prompts.append(build_prompt([Turn("customer", question)], voice=VOICE, max_chars=2400, passages=shown))
        facts.append(right.text)
    replies = draft(model, tokenizer, prompts)
    assert sum(fact in reply for fact, reply in zip(facts, replies, strict=True)) >= LEAST_RIGHT, replies


@torch.inference_mode()
def draft(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list) -> list[str]:  # type: ignore[type-arg]
    inputs = tokenizer.apply_chat_template(
        prompts, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    output = model.generate(**inputs, max_new_tokens=60, do_sample=False)  # (batch, seq) int64
    return tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def test_base_model_folder_is_the_one_in_the_package() -> None:
    assert Path(__file__).parents[2] / "thumbtune/demo/base_model/weights" == BASE_MODEL
