"""A tiny random base model that vLLM can serve and the trainer can train, with a real tokenizer and chat template.

Its chat template does what those of large models do and what must not differ between trainer and server: it prints
today's date, and it begins a reply with a thought unless it is told not to.
"""

from pathlib import Path

CHAT_TEMPLATE = (
    "{% if date is not defined %}{% set date = strftime_now('%d %b %Y') %}{% endif %}"
    "{% for message in messages %}<|start|>{{ message['role'] }}\n"
    "{% if loop.first %}{{ date }}\n{% endif %}{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n"
    "{% if enable_thinking is not defined or enable_thinking %}<|think|>{% endif %}{% endif %}"
)
AS_ASKED = {"date": "01 Jan 2026", "enable_thinking": False}
"""What the template is rendered with, in training and in serving alike."""

ROLES = "system user assistant customer agent"


def build_base(
    directory: Path,
    *,
    texts: tuple[str, ...],
    seed: int = 0,
    hidden_size: int = 64,
    chat_template: str = CHAT_TEMPLATE,
    context: int = 1024,
) -> Path:
    """Write a random two-layer Llama whose head size vLLM's CPU attention supports, and a tokenizer made of `texts`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|pad|>", "<|start|>", "<|end|>", "<|think|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, ROLES] * 4, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>", chat_template=chat_template
    )
    fast.save_pretrained(directory)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=hidden_size,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=context,
        initializer_range=0.1,
        tie_word_embeddings=False,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(directory)
    return directory
