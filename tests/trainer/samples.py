"""A tiny random base model with a real tokenizer and chat template, and lines to train it on."""

from pathlib import Path

CHAT_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
QUESTIONS = ("Where is my order?", "Can I return the lamp?", "Is the blue one in stock?", "When do you open?")
VOICE = "You answer for the lamp shop."


def build_base(directory: Path, *, seed: int = 0, hidden_size: int = 64) -> Path:
    """Write a random two-layer Llama and a byte-level tokenizer trained on a few lines."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|pad|>", "<|start|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*QUESTIONS, VOICE, "system user assistant customer agent"] * 4, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>", chat_template=CHAT_TEMPLATE
    )
    fast.save_pretrained(directory)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=hidden_size,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.1,
        tie_word_embeddings=True,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(directory)
    return directory


def make_line(thread: int, turn: int = 0, **changes: object) -> dict[str, object]:
    """One snapshot line; the prompt of a thread's later turn continues the one before."""
    messages = [{"role": "system", "content": VOICE}]
    for number in range(turn + 1):
        messages.append({"role": "user", "content": f"{QUESTIONS[(thread + number) % 4]} ({thread})"})
        messages.append({"role": "assistant", "content": f"Hello! Lamp {thread % 7} is fine. Bye {number}."})
    reply = str(messages.pop()["content"])
    line: dict[str, object] = {"pair_id": f"p{thread:03d}-{turn}", "thread_id": f"t{thread:03d}", "messages": messages}
    return {**line, "reply": reply, **changes}
