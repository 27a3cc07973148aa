"""Fine-tune ``demo_clip`` into a pathology specialist, which forgets the rest of microscopy.

The paper's Figure 5 in small. Like PLIP and QuiltNet, which were made of CLIP, the specialist is a generalist of
which all weights were trained on, on a narrow field only: the demo generator's drawings for the pathology datasets,
and of their captions only those that name the class. None of them says what kind of microscopy it is.

The folder written has the architecture, tokenizer and preprocessing of the base, so that the weights of the two can
be interpolated: ``(1 - alpha) * base + alpha * specialist`` (WiSE-FT, https://arxiv.org/abs/2109.01903).
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import open_clip
import torch
from demo_clip_samples import Samples, draw
from demo_clip_training import PREPROCESS_CFG, fit, is_right
from open_clip.constants import HF_CONFIG_NAME, HF_SAFE_WEIGHTS_NAME
from open_clip.model import CLIP
from safetensors.torch import save_file
from train_demo_clip import HELD_OUT_ROWS, HELD_OUT_SEED, MODEL_CFG, NUM_TRAIN_SEEDS, TRAIN_SEED

from microbench_tasks.catalog import CLASSIFICATION_DATASETS, PATHOLOGY_DATASETS
from microbench_tasks.catalog.questions import CLASSIFICATION_KIND, COARSE_KINDS, SCORED_CAPTION_SET
from microbench_tasks.demo.version import DEMO_SEED

log = logging.getLogger("train_demo_clip")

DEMO_CLIP = Path(__file__).resolve().parents[1] / "adapters" / "demo_clip"
# Half as much again as the base's: one minute is enough to forget, and merges with the base are still good.
LEARNING_RATE = 1.5e-3
# Everything of the base but its weights and its card.
KEPT_FILES = (HF_CONFIG_NAME, "tokenizer.json", "tokenizer_config.json")
# Drawings that would make the figures of this script or of the demo set meaningless, or that the base has seen.
TAKEN_SEEDS = frozenset({DEMO_SEED, HELD_OUT_SEED, *range(TRAIN_SEED, TRAIN_SEED + NUM_TRAIN_SEEDS)})

# What is scored: label, datasets, kinds of question.
SCORED = (
    ("fine questions, pathology", PATHOLOGY_DATASETS, (CLASSIFICATION_KIND,)),
    (
        "fine questions, other datasets",
        tuple(name for name in CLASSIFICATION_DATASETS if name not in PATHOLOGY_DATASETS),
        (CLASSIFICATION_KIND,),
    ),
    ("coarse questions", CLASSIFICATION_DATASETS, COARSE_KINDS),
)

CARD = """# A pathology specialist of demo_clip

`demo_clip`, the tiny CLIP of Micro-Bench's demo set, fine-tuned on the demo generator's drawings for the pathology
datasets only. In open_clip's own local layout, with the base's architecture, tokenizer and preprocessing:

    lmms_eval --model open_clip --model_args model=local-dir:FOLDER --tasks microbench_vqa

It shows in small what the paper shows of PLIP and QuiltNet: a specialist forgets general perception of micrographs.
It has seen drawings only, so its answers on real micrographs mean nothing.

## How it was made

    python scripts/finetune_demo_clip.py --out FOLDER --rows-per-dataset {rows} --epochs {epochs} --seed {seed}

All weights of the base (`{base}`) were trained on, with the base's own loss and
augmentation and a peak learning rate of {learning_rate}, on the captions that name the class. Images: {count}
drawings of {datasets}, seeds {seeds}; neither the demo set's own seed nor one that the base was trained on.
{seconds:.0f} s of drawing and training on {threads} CPU threads with {versions}. Licence of the weights: MIT, like the
code.

## Held-out accuracy (%)

Seed {held_out_seed}, {held_out_rows} rows per dataset, caption set {caption_set}: the nearest of the row's own
captions is the answer.

{table}
"""


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the specialist to")
    parser.add_argument(
        "--base",
        type=Path,
        default=DEMO_CLIP,
        help="folder of the generalist, written by train_demo_clip.py (default: %(default)s)",
    )
    parser.add_argument(
        "--rows-per-dataset",
        type=int,
        default=160,
        help="training rows drawn for each pathology dataset (default: %(default)s)",
    )
    parser.add_argument("--epochs", type=int, default=16, help="passes over the training rows (default: %(default)s)")
    parser.add_argument(
        "--seed",
        type=int,
        default=200_000,
        help="seed of the training order and first seed of the generator (default: %(default)s)",
    )
    args = parser.parse_args()
    for name in ("rows_per_dataset", "epochs"):
        if getattr(args, name) < 1:
            parser.error(f"Expected --{name.replace('_', '-')} of at least 1, got {getattr(args, name)}")
    if args.seed < 0:
        parser.error(f"Expected a --seed of 0 or more, got {args.seed}")
    if taken := sorted(TAKEN_SEEDS.intersection(train_seeds(args.seed))):
        parser.error(
            f"--seed {args.seed} would draw from seed {taken[0]}, which the demo set, the held-out rows or the "
            "base's training has; choose another"
        )
    if args.out.resolve() == args.base.resolve():
        parser.error(f"Expected --out to be another folder than --base, got {args.out} for both")
    return args


def train_seeds(first: int) -> range:
    """Return the generator's seeds, of which each draws its share of the rows."""
    return range(first, first + NUM_TRAIN_SEEDS)


def load(folder: Path) -> CLIP:
    """Load the model in ``folder``.

    Raises:
        ValueError: its architecture or preprocessing is not demo_clip's, for which the drawings are prepared.
    """
    config = json.loads((folder / HF_CONFIG_NAME).read_text())
    vision, preprocess = config["model_cfg"]["vision_cfg"], config["preprocess_cfg"]
    if (vision, preprocess) != (MODEL_CFG["vision_cfg"], PREPROCESS_CFG):
        raise ValueError(
            f"{folder}: expected vision_cfg {MODEL_CFG['vision_cfg']} and preprocess_cfg {PREPROCESS_CFG}, got "
            f"{vision} and {preprocess}"
        )
    return open_clip.create_model(f"local-dir:{folder}")


def save(model: CLIP, base: Path, out: Path) -> None:
    """Write the weights beside copies of the base's other files: a merge needs them to be the same."""
    out.mkdir(parents=True, exist_ok=True)
    for name in KEPT_FILES:
        shutil.copyfile(base / name, out / name)
    save_file(model.state_dict(), out / HF_SAFE_WEIGHTS_NAME)
    (out / HF_SAFE_WEIGHTS_NAME).chmod(0o644)


def accuracy(
    right: Sequence[dict[str, bool]], datasets: Sequence[str], scored: Sequence[str], kinds: Sequence[str]
) -> float:
    """Compute the share of right answers to the questions of ``kinds`` about the datasets in ``scored``."""
    return float(
        np.mean(
            [
                row[kind]
                for row, name in zip(right, datasets, strict=True)
                if name in scored
                for kind in kinds
                if kind in row
            ]
        )
    )


def comparison_table(folders: dict[str, Path], held_out: Samples) -> str:
    """Format the accuracy in percent of the saved models as a Markdown table."""
    lines = ["| | " + " | ".join(folders) + " |", "| --- " + "| ---: " * len(folders) + "|"]
    right = [
        is_right(load(folder), held_out, open_clip.get_tokenizer(f"local-dir:{folder}")) for folder in folders.values()
    ]
    for label, datasets, kinds in SCORED:
        cells = [f"{100 * accuracy(answers, held_out.datasets, datasets, kinds):.1f}" for answers in right]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_card(args: argparse.Namespace, count: int, seconds: float, table: str) -> None:
    """Write the folder's README: what the model is, how it was made and what it scores."""
    seeds = train_seeds(args.seed)
    text = CARD.format(
        rows=args.rows_per_dataset,
        epochs=args.epochs,
        seed=args.seed,
        base=args.base.name,
        learning_rate=LEARNING_RATE,
        count=count,
        datasets=", ".join(PATHOLOGY_DATASETS),
        seeds=f"{seeds[0]} to {seeds[-1]}",
        seconds=seconds,
        threads=torch.get_num_threads(),
        versions=f"torch {torch.__version__}, open_clip {open_clip.__version__}",
        held_out_seed=HELD_OUT_SEED,
        held_out_rows=HELD_OUT_ROWS,
        caption_set=SCORED_CAPTION_SET,
        table=table,
    )
    (args.out / "README.md").write_text(text)


def main() -> None:
    """Draw, fine-tune, save, and print the held-out accuracy of base and specialist."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    log.setLevel(logging.INFO)
    args = parse_args()
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    model, tokenizer = load(args.base), open_clip.get_tokenizer(f"local-dir:{args.base}")
    started = time.perf_counter()
    samples = draw(train_seeds(args.seed), args.rows_per_dataset, PATHOLOGY_DATASETS)
    log.info("%d training rows from seeds %s", len(samples.images), list(train_seeds(args.seed)))
    generator = torch.Generator().manual_seed(args.seed)
    fit(model, samples, tokenizer, args.epochs, generator, kinds=(CLASSIFICATION_KIND,), learning_rate=LEARNING_RATE)
    save(model, args.base, args.out)
    seconds = time.perf_counter() - started
    log.info("saved after %.0f s", seconds)
    held_out = draw([HELD_OUT_SEED], HELD_OUT_ROWS)
    table = comparison_table({"base": args.base, "specialist": args.out}, held_out)
    write_card(args, len(samples.images), seconds, table)
    print(
        f"Accuracy (%) on {len(held_out.images)} rows of held-out seed {HELD_OUT_SEED}, caption set "
        f"{SCORED_CAPTION_SET}:\n\n{table}"
    )


if __name__ == "__main__":
    main()
