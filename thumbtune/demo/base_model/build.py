"""Builds the demo's base model from text this project wrote: tokenizer, training from scratch, files vLLM can load.

    python -m thumbtune.demo.base_model.build --out DIR [--steps N]

It does not know the demo's threads. Seeds are fixed; a run that was stopped goes on from its checkpoint in DIR.
"""

import argparse
import json
import logging
from pathlib import Path

import torch
from torch import distributed, multiprocessing
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from thumbtune.demo.base_model.corpus.samples import ConversationMaker
from thumbtune.demo.base_model.tokens import train_tokenizer
from thumbtune.demo.base_model.training import build_model, train

SEED = 20481
STEPS = 4600
MADE_PER_STEP = 24
TOKENIZER_CONVERSATIONS = 12_000


def main() -> None:
    """Run the build with the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the model, its tokenizer and checkpoints")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps of 6,144 tokens")
    parser.add_argument("--processes", type=int, default=2, help="processes of one thread each that share the work")
    options = parser.parse_args()
    exported = options.out / "model"
    exported.mkdir(parents=True, exist_ok=True)
    make_tokenizer(exported)
    (options.out / "group").unlink(missing_ok=True)
    arguments = (options.out.resolve(), options.steps, options.processes)
    multiprocessing.spawn(_build_one, args=arguments, nprocs=options.processes)


def build(rank: int, out: Path, *, steps: int, processes: int) -> None:
    """Train the tokenizer and the model and write both to `out`/model; one of `processes` that share the work."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if processes > 1:
        torch.set_num_threads(1)
        distributed.init_process_group("gloo", init_method=f"file://{out}/group", rank=rank, world_size=processes)
    torch.manual_seed(SEED)
    exported = out / "model"
    tokenizer = PreTrainedTokenizerFast.from_pretrained(exported)
    model = build_model(tokenizer)
    train(
        model,
        tokenizer,
        open_source=lambda done: ConversationMaker(SEED + 1 + done + rank * 100_003, made=done * MADE_PER_STEP).make,
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
    _save_tokenizer(tokenizer, folder)


def make_tokenizer(folder: Path) -> None:
    """Train the tokenizer into the folder, if it is not there yet."""
    if (folder / "tokenizer.json").exists():
        return
    maker = ConversationMaker(SEED)
    texts = (message["content"] for _ in range(TOKENIZER_CONVERSATIONS) for message in maker.make())
    _save_tokenizer(train_tokenizer(texts), folder)


def _build_one(rank: int, out: Path, steps: int, processes: int) -> None:
    build(rank, out, steps=steps, processes=processes)


def _save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    for name in ("backend", "is_local", "local_files_only"):  # they describe this machine, not the tokenizer
        config.pop(name, None)
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # the name that older releases know too
    path.write_text(json.dumps(config, indent=2) + "\n")
    for file in folder.iterdir():
        file.chmod(0o644)


if __name__ == "__main__":
    main()
