"""Builds the demo's base model from text this project wrote: tokenizer, training from scratch, files vLLM can load.

    python -m thumbtune.demo.base_model.build --out DIR [--steps N]

It does not know the demo's threads. Seeds are fixed; a run that was stopped goes on from its checkpoint in DIR.
"""

import argparse
import logging
from pathlib import Path

import torch
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from thumbtune.demo.base_model.corpus.samples import ConversationMaker
from thumbtune.demo.base_model.tokens import train_tokenizer
from thumbtune.demo.base_model.training import build_model, train

SEED = 20481
STEPS = 3200
TOKENIZER_CONVERSATIONS = 12_000


def main() -> None:
    """Run the build with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the model, its tokenizer and checkpoints")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps of 4,096 tokens")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("thumbtune").setLevel(logging.DEBUG)
    build(options.out, steps=options.steps)


def build(out: Path, *, steps: int) -> None:
    """Train the tokenizer and the model and write both to `out`/model."""
    torch.manual_seed(SEED)
    exported = out / "model"
    exported.mkdir(parents=True, exist_ok=True)
    tokenizer = _load_or_train_tokenizer(exported)
    model = build_model(tokenizer)
    train(
        model,
        tokenizer,
        draw=ConversationMaker(SEED + 1).make,
        steps=steps,
        folder=out,
        seed=SEED,
        on_checkpoint=lambda _: export(model, tokenizer, exported),
    )


def export(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write bf16 safetensors, configuration and tokenizer."""
    copy = LlamaForCausalLM(model.config).to(torch.bfloat16)
    copy.load_state_dict(model.state_dict())
    copy.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        max_new_tokens=200,
    )
    copy.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _load_or_train_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    if (folder / "tokenizer.json").exists():
        return PreTrainedTokenizerFast.from_pretrained(folder)
    maker = ConversationMaker(SEED)
    texts = (message["content"] for _ in range(TOKENIZER_CONVERSATIONS) for message in maker.make())
    tokenizer = train_tokenizer(texts)
    tokenizer.save_pretrained(folder)
    return tokenizer


if __name__ == "__main__":
    main()
