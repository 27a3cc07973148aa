"""Train ``demo_clip``, the tiny CLIP that the package ships for its demo set.

The images and captions are drawn by the demo set's own generator, from seeds other
than the demo set's. The folder written is in open_clip's own local layout:
``open_clip.create_model_and_transforms("local-dir:FOLDER")`` loads it.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import open_clip
import torch
from demo_clip_samples import IMAGE_SIZE, draw
from demo_clip_tokenizer import CONTEXT_LENGTH, TRAIN_LENGTH, save_tokenizer
from demo_clip_training import PREPROCESS_CFG, fit, is_right
from open_clip.constants import HF_SAFE_WEIGHTS_NAME
from open_clip.model import CLIP, set_model_preprocess_cfg
from open_clip.push_to_hf_hub import save_for_hf
from open_clip.tokenizer import HFTokenizer

from microbench_tasks.catalog.questions import QUESTION_KINDS, SCORED_CAPTION_SET

log = logging.getLogger("train_demo_clip")

MODEL_CFG = {
    "embed_dim": 64,
    "vision_cfg": {
        "image_size": IMAGE_SIZE,
        "patch_size": 16,
        "width": 96,
        "layers": 4,
        "head_width": 32,
        "pos_embed_type": "sin_cos_2d",
    },
    "text_cfg": {"width": 64, "heads": 2, "layers": 2},
}

TRAIN_SEED = 100_000
NUM_TRAIN_SEEDS = 4
HELD_OUT_SEED = 900_001
HELD_OUT_ROWS = 25

CARD = (
    """# demo_clip

A tiny CLIP ({parameters:,} parameters) for Micro-Bench's demo set, in open_clip's own local layout:

    open_clip.create_model_and_transforms("local-dir:FOLDER")
    open_clip.get_tokenizer("local-dir:FOLDER")

It shows that the whole evaluation runs, on a CPU and offline. It has seen drawings only, so its answers on
real micrographs mean nothing.

## How it was made

    python scripts/train_demo_clip.py --out adapters/demo_clip --rows-per-dataset {rows} --epochs {epochs} --seed {seed}

Trained from random weights on images and captions from the demo set's generator, seeds {seeds}; the demo set's
own seed is left out. {minutes:.1f} minutes on {threads} CPU threads with {versions}. Weights: MIT licence, like the
code.

{sizes}

## Held-out accuracy (%)

Seed """
    + f"{HELD_OUT_SEED}, {HELD_OUT_ROWS}"
    + """ rows per dataset, caption set """
    + f"{SCORED_CAPTION_SET}"
    + """: the nearest of the row's own captions is the answer.

{table}
"""
)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model to")
    parser.add_argument(
        "--rows-per-dataset", type=int, default=240, help="training rows drawn for each dataset (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=24, help="passes over the training rows (default: %(default)s)")
    parser.add_argument(
        "--seed",
        type=int,
        default=TRAIN_SEED,
        help="seed of the weights and first seed of the generator (default: %(default)s)",
    )
    return parser.parse_args()


def model_config(vocab_size: int, context_length: int) -> dict:
    """open_clip's ``model_cfg``. The tokenizer's name only says that the folder holds one."""
    text_cfg = MODEL_CFG["text_cfg"] | {
        "context_length": context_length,
        "vocab_size": vocab_size,
        "hf_tokenizer_name": "demo_clip",
    }
    return MODEL_CFG | {"text_cfg": text_cfg}


def accuracy_table(right: Sequence[dict[str, bool]], datasets: Sequence[str]) -> str:
    """Format the accuracy in percent per dataset and kind as a Markdown table; the first row is over all rows."""
    lines = [
        "| dataset | rows | " + " | ".join(QUESTION_KINDS) + " |",
        "| --- " + "| ---: " * (len(QUESTION_KINDS) + 1) + "|",
    ]
    for name in (None, *sorted(set(datasets))):
        chosen = [row for row, dataset in zip(right, datasets, strict=True) if name in (None, dataset)]
        cells = []
        for kind in QUESTION_KINDS:
            answers = [row[kind] for row in chosen if kind in row]
            cells.append(f"{100 * np.mean(answers):.1f}" if answers else "-")
        lines.append(f"| {name or '**all**'} | {len(chosen)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def with_room(model: CLIP, config: dict) -> CLIP:
    """Return ``model`` with the longer context of ``config``; further positions keep their initial values."""
    longer = CLIP(**config)
    state = model.state_dict()
    positions = longer.positional_embedding.detach().clone()
    positions[: model.context_length] = state["positional_embedding"]
    longer.load_state_dict(state | {"positional_embedding": positions})
    return longer


def save(model: CLIP, tokenizer: HFTokenizer, config: dict, out: Path) -> None:
    """Write open_clip's local layout, readable by every user and by every release of transformers."""
    save_for_hf(model, tokenizer, config, out, safe_serialization=True)
    (out / HF_SAFE_WEIGHTS_NAME).chmod(0o644)
    # transformers 5 names the class in its own new way and adds how this copy was loaded.
    path = out / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    kept = {name: settings[name] for name in ("bos_token", "eos_token", "pad_token", "model_max_length")}
    path.write_text(json.dumps(kept | {"tokenizer_class": "PreTrainedTokenizerFast"}, indent=2) + "\n")


def write_card(model: CLIP, args: argparse.Namespace, seeds: range, seconds: float, table: str) -> None:
    """Write the folder's README: what the model is, how it was made and what it scores."""
    sizes = "\n".join(
        f"- `{path.name}`: {path.stat().st_size:,} bytes" for path in sorted(args.out.iterdir()) if path.suffix != ".md"
    )
    parameters = sum(value.numel() for value in model.parameters())
    text = CARD.format(
        rows=args.rows_per_dataset,
        epochs=args.epochs,
        seed=args.seed,
        seeds=f"{seeds[0]} to {seeds[-1]}",
        minutes=seconds / 60,
        threads=torch.get_num_threads(),
        versions=f"torch {torch.__version__}, open_clip {open_clip.__version__}",
        parameters=parameters,
        sizes=sizes,
        table=table,
    )
    (args.out / "README.md").write_text(text)


def main() -> None:
    """Draw, train, save, reload and print the held-out accuracy of the saved files."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    log.setLevel(logging.INFO)
    args = parse_args()
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    started = time.perf_counter()
    seeds = range(args.seed, args.seed + NUM_TRAIN_SEEDS)
    samples = draw(seeds, args.rows_per_dataset)
    log.info("%d training rows from seeds %s", len(samples.images), list(seeds))
    tokenizer = save_tokenizer(samples.choices, args.out)
    config = model_config(len(tokenizer.tokenizer), CONTEXT_LENGTH)
    model = CLIP(**model_config(len(tokenizer.tokenizer), TRAIN_LENGTH))
    log.info("model_cfg %s", config)
    fit(model, samples, tokenizer, args.epochs, torch.Generator().manual_seed(args.seed))
    model = with_room(model, config)
    set_model_preprocess_cfg(model, PREPROCESS_CFG)
    save(model, tokenizer, config, args.out)
    seconds = time.perf_counter() - started
    log.info("saved after %.0f s", seconds)
    held_out = draw([HELD_OUT_SEED], HELD_OUT_ROWS)
    saved, saved_tokenizer = (
        open_clip.create_model(f"local-dir:{args.out}"),
        open_clip.get_tokenizer(f"local-dir:{args.out}"),
    )
    table = accuracy_table(is_right(saved, held_out, saved_tokenizer), held_out.datasets)
    write_card(model, args, seeds, seconds, table)
    print(
        f"Accuracy (%) on {len(held_out.images)} rows of held-out seed {HELD_OUT_SEED}, caption set "
        f"{SCORED_CAPTION_SET}:\n\n{table}"
    )


if __name__ == "__main__":
    main()
