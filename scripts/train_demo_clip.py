"""Train ``demo_clip``, the tiny CLIP that the package ships for its demo set.

The images and captions are drawn by the demo set's own generator, from seeds other
than the demo set's. The folder written is in open_clip's own local layout:
``open_clip.create_model_and_transforms("local-dir:FOLDER")`` loads it.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import logging
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from open_clip.constants import HF_SAFE_WEIGHTS_NAME
from open_clip.model import CLIP, set_model_preprocess_cfg
from open_clip.push_to_hf_hub import save_for_hf
from open_clip.tokenizer import HFTokenizer
from open_clip.transform import image_transform
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from microbench_tasks.catalog.questions import (
    CAPTION_SETS,
    CLASSIFICATION_KIND,
    QUESTION_KINDS,
    SCORED_CAPTION_SET,
    caption_key,
)
from microbench_tasks.data.table_images import decode_image
from microbench_tasks.demo.assembly import drawn_row
from microbench_tasks.demo.dataset_table import DATASETS
from microbench_tasks.demo.version import DEMO_SEED

log = logging.getLogger("train_demo_clip")

IMAGE_SIZE = 128
CONTEXT_LENGTH = 96  # room for a question and an answer in one text
TRAIN_LENGTH = 28  # room for every caption; the text tower costs as much as its length
MAX_VOCAB_SIZE = 1024
PAD, START, END = "<pad>", "<start>", "<end>"
PREPROCESS_CFG = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
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

BATCH_SIZE = 64
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.05
WARMUP_STEPS = 100
GRADIENT_CLIP = 1.0
MAX_LOGIT_SCALE = 100.0
FINE_WEIGHT = 4.0  # of the fine question in the loss, where each coarse one counts 1
MAX_SIMILARITY = 0.5  # cosine up to which two captions may resemble each other at no cost
MIN_ZOOM = 0.8  # the smallest share of an image's side that a training crop keeps
JITTER = 0.15  # the largest relative change of a training image's brightness and contrast

TRAIN_SEED = 100_000
NUM_TRAIN_SEEDS = 4
HELD_OUT_SEED = 900_001
HELD_OUT_ROWS = 25

ALL_DATASETS = tuple(dataset.name for dataset in DATASETS)

# Words of the field that the demo captions may lack, so that other prompts stay short.
GENERAL_WORDS = """
micrograph microscopy image specimen tissue section slide biopsy smear culture cell cells nucleus nuclei cytoplasm
membrane mitochondria ribosome endoplasmic reticulum golgi lysosome vesicle actin tubulin microtubule chromatin
chromosome mitosis prophase metaphase anaphase telophase interphase apoptosis neuron astrocyte fibroblast
lymphocyte neutrophil monocyte eosinophil basophil erythrocyte platelet epithelium stroma tumor carcinoma adenoma
melanoma benign malignant necrosis fibrosis inflammation mucosa muscle adipose cartilage bone kidney liver lung
brain heart colon breast prostate skin cervix human mouse rat yeast bacteria virus plant brightfield darkfield
phase contrast fluorescence confocal electron cryo transmission scanning polarized differential interference stain
hematoxylin eosin giemsa trichrome immunohistochemistry fluorophore marker protein antibody normal abnormal
healthy disease which what shows seen most likely based on the question answer
"""

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


@dataclass(frozen=True)
class Choice:
    """One caption question of a row: the texts to choose between and the index of the true one."""

    options: tuple[str, ...]
    answer_idx: int


@dataclass(frozen=True)
class Samples:
    """Rows ready for training: one image, dataset name and mapping of caption key to Choice each.

    ``images`` is uint8 of shape (N, 3, IMAGE_SIZE, IMAGE_SIZE), preprocessed but not normalised.
    """

    images: torch.Tensor
    datasets: list[str]
    choices: list[dict[str, Choice]]


@dataclass(frozen=True)
class Bank:
    """All distinct captions of one key, for the loss.

    ``tokens`` (C, L); ``targets`` (N,), -1 where a row has no such question; ``allowed`` (N, C), the
    captions a row competes against.
    """

    tokens: torch.Tensor
    targets: torch.Tensor
    allowed: torch.Tensor


def parse_args() -> argparse.Namespace:
    """The command line."""
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


def caption_choices(row: dict) -> dict[str, Choice]:
    """The caption questions that ``row`` has, by caption key."""
    asked = [kind for kind in QUESTION_KINDS if (row["questions"][kind] or {}).get("question")]
    keys = [caption_key(kind, number) for kind in asked for number in CAPTION_SETS]
    captions = {key: row["captions"][key] for key in keys}
    return {key: Choice(tuple(caption["options"]), int(caption["answer_idx"])) for key, caption in captions.items()}


def draw_seed(seed: int, rows_per_dataset: int, wanted: Sequence[str]) -> Samples:
    """Draw the rows of one generator seed."""
    preprocess = image_transform(IMAGE_SIZE, is_train=False, mean=(0.0,) * 3, std=(1.0,) * 3)
    images, datasets, choices = [], [], []
    numbers = [number for number, dataset in enumerate(DATASETS) if dataset.name in wanted]
    for number, index in itertools.product(numbers, range(rows_per_dataset)):
        row = drawn_row(seed, number, index)
        pixels = preprocess(decode_image(row["image"]["bytes"]))
        images.append((pixels * 255).round().to(torch.uint8).numpy())
        datasets.append(DATASETS[number].name)
        choices.append(caption_choices(row))
    return Samples(torch.from_numpy(np.stack(images)), datasets, choices)


def draw(seeds: Sequence[int], rows_per_dataset: int, wanted: Sequence[str] = ALL_DATASETS) -> Samples:
    """Draw ``rows_per_dataset`` rows of each dataset that is ``wanted``, shared among ``seeds``.

    Raises:
        ValueError: a seed is the demo set's own.
    """
    if DEMO_SEED in seeds:
        raise ValueError(f"Expected seeds other than the demo set's ({DEMO_SEED}), got {list(seeds)}")
    share = -(-rows_per_dataset // len(seeds))
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        parts = pool.map(functools.partial(draw_seed, rows_per_dataset=share, wanted=wanted), seeds, chunksize=1)
    return Samples(
        torch.cat([part.images for part in parts]),
        [name for part in parts for name in part.datasets],
        [choices for part in parts for choices in part.choices],
    )


def train_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A lower-case byte-level BPE whose end token has the highest id, where open_clip's text tower reads."""
    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MAX_VOCAB_SIZE - 1,
        special_tokens=[PAD, START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    backend.add_special_tokens([END])
    ids = [(token, backend.token_to_id(token)) for token in (START, END)]
    backend.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=START, eos_token=END, pad_token=PAD, model_max_length=CONTEXT_LENGTH
    )


def save_tokenizer(choices: Sequence[dict[str, Choice]], out: Path) -> HFTokenizer:
    """Train the tokenizer on the captions, save it in ``out`` and load it as open_clip does.

    Raises:
        ValueError: a caption is longer than TRAIN_LENGTH tokens.
    """
    captions = sorted({text for row in choices for choice in row.values() for text in choice.options})
    tokenizer = train_tokenizer([*captions, *GENERAL_WORDS.split()])
    longest = max(captions, key=lambda text: len(tokenizer(text).input_ids))
    length = len(tokenizer(longest).input_ids)
    log.info("%d distinct captions, %d tokens known, longest caption %d tokens", len(captions), len(tokenizer), length)
    if length > TRAIN_LENGTH:
        raise ValueError(f"Expected captions of at most {TRAIN_LENGTH} tokens, got {length}: {longest!r}")
    tokenizer.save_pretrained(out)
    return HFTokenizer(str(out), context_length=CONTEXT_LENGTH)


def model_config(vocab_size: int, context_length: int) -> dict:
    """open_clip's ``model_cfg``. The tokenizer's name only says that the folder holds one."""
    text_cfg = MODEL_CFG["text_cfg"] | {
        "context_length": context_length,
        "vocab_size": vocab_size,
        "hf_tokenizer_name": "demo_clip",
    }
    return MODEL_CFG | {"text_cfg": text_cfg}


def build_bank(key: str, choices: Sequence[dict[str, Choice]], tokenizer: HFTokenizer, context_length: int) -> Bank:
    """The captions of ``key``: coarse ones compete with all of them, fine ones with the row's own options."""
    captions = sorted({text for row in choices if key in row for text in row[key].options})
    position = {text: index for index, text in enumerate(captions)}
    is_fine = key.startswith(CLASSIFICATION_KIND)
    targets = torch.full((len(choices),), -1)
    allowed = torch.full((len(choices), len(captions)), not is_fine)
    for index, row in enumerate(choices):
        if key in row:
            own = [position[text] for text in row[key].options]
            targets[index] = own[row[key].answer_idx]
            allowed[index, own] = True
    return Bank(tokenizer(captions, context_length=context_length), targets, allowed)


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, flip, crop and re-expose a uint8 batch; floats in [0, 1]."""
    count = len(images)

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    quarter_turns = torch.randint(4, (count,), generator=generator) * (torch.pi / 2)
    flips = torch.randint(2, (count,), generator=generator) * 2 - 1
    zoom = uniform(MIN_ZOOM, 1.0)
    shift = (1 - zoom)[:, None] * uniform(-1.0, 1.0, 2)
    cos, sin = quarter_turns.cos() * zoom, quarter_turns.sin() * zoom
    matrix = torch.stack([cos * flips, -sin, shift[:, 0], sin * flips, cos, shift[:, 1]], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    pixels = functional.grid_sample(images.float() / 255, grid, padding_mode="reflection", align_corners=False)
    means = pixels.mean(dim=(1, 2, 3), keepdim=True)
    contrast, brightness = (uniform(1 - JITTER, 1 + JITTER, 1, 1, 1) for _ in range(2))
    return ((pixels - means) * contrast + means * brightness).clamp(0, 1)


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """Apply PREPROCESS_CFG's mean and standard deviation to floats in [0, 1]."""
    mean, std = (torch.tensor(PREPROCESS_CFG[name]).view(3, 1, 1) for name in ("mean", "std"))
    return (pixels - mean) / std


def caption_loss(model: CLIP, pixels: torch.Tensor, batch: torch.Tensor, banks: Sequence[Bank]) -> torch.Tensor:
    """Weighted mean over the banks (fine first) of the cross-entropy against the captions allowed, and `likeness`."""
    features = model.encode_image(pixels, normalize=True)
    texts = model.encode_text(torch.cat([bank.tokens for bank in banks]), normalize=True)
    logits = model.logit_scale.exp() * features @ texts.T
    losses = []
    for bank, part in zip(banks, logits.split([len(bank.tokens) for bank in banks], dim=1), strict=True):
        present = bank.targets[batch] >= 0
        chosen = batch[present]
        scores = part[present].masked_fill(~bank.allowed[chosen], -torch.inf)
        losses.append(functional.cross_entropy(scores, bank.targets[chosen]))
    weights = torch.tensor([FINE_WEIGHT] + [1.0] * (len(banks) - 1))
    return (torch.stack(losses) * weights).sum() / weights.sum() + likeness(texts)


def likeness(texts: torch.Tensor) -> torch.Tensor:
    """How far captions resemble each other beyond MAX_SIMILARITY.

    Captions of one dataset differ in a word. Left alone, both towers first learn to ignore it.
    """
    return functional.relu(texts @ texts.T - MAX_SIMILARITY).triu(1).sum() / len(texts)


def parameter_groups(model: CLIP) -> list[dict]:
    """Decay matrices only: no biases, norms, scales or position embeddings."""
    named = list(model.named_parameters())
    decays = {name for name, value in named if value.ndim > 1 and "embedding" not in name}
    return [
        {"params": [value for name, value in named if name in decays], "weight_decay": WEIGHT_DECAY},
        {"params": [value for name, value in named if name not in decays], "weight_decay": 0.0},
    ]


def batches(count: int, epochs: int, generator: torch.Generator) -> Iterator[tuple[int, torch.Tensor]]:
    """Shuffled index batches of every epoch."""
    for epoch in range(epochs):
        for batch in torch.randperm(count, generator=generator).split(BATCH_SIZE):
            yield epoch, batch


def fit(
    model: CLIP,
    samples: Samples,
    tokenizer: HFTokenizer,
    epochs: int,
    generator: torch.Generator,
    kinds: Sequence[str] = QUESTION_KINDS,
    learning_rate: float = LEARNING_RATE,
) -> None:
    """Train ``model`` in place on the captions of ``kinds`` (fine first); steps alternate between the two wordings."""
    banks = [
        [build_bank(caption_key(kind, number), samples.choices, tokenizer, model.context_length) for kind in kinds]
        for number in CAPTION_SETS
    ]
    steps = epochs * -(-len(samples.images) // BATCH_SIZE)
    optimizer = torch.optim.AdamW(parameter_groups(model), lr=learning_rate, betas=(0.9, 0.98))
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARMUP_STEPS, total_iters=WARMUP_STEPS)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps - WARMUP_STEPS))
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, cosine], [WARMUP_STEPS])
    model.train()
    for step, (epoch, batch) in enumerate(batches(len(samples.images), epochs, generator)):
        pixels = normalise(augment(samples.images[batch], generator))
        loss = caption_loss(model, pixels, batch, banks[step % len(banks)])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_CLIP)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=float(np.log(MAX_LOGIT_SCALE)))
        if step % 100 == 0:
            log.info("epoch %d of %d, step %d of %d: loss %.3f", epoch + 1, epochs, step, steps, loss.item())


@torch.no_grad()
def is_right(model: CLIP, samples: Samples, tokenizer: HFTokenizer) -> list[dict[str, bool]]:
    """Per row and kind, whether the nearest of the row's own captions in the scored wording is the true one."""
    model.eval()
    keys = {kind: caption_key(kind, SCORED_CAPTION_SET) for kind in QUESTION_KINDS}
    captions = sorted(
        {text for row in samples.choices for key in keys.values() if key in row for text in row[key].options}
    )
    texts = dict(zip(captions, model.encode_text(tokenizer(captions), normalize=True), strict=True))
    pixels = (normalise(part.float() / 255) for part in samples.images.split(BATCH_SIZE))
    images = torch.cat([model.encode_image(part, normalize=True) for part in pixels])
    return [
        {
            kind: int(torch.stack([texts[text] for text in row[key].options]).mv(image).argmax()) == row[key].answer_idx
            for kind, key in keys.items()
            if key in row
        }
        for image, row in zip(images, samples.choices, strict=True)
    ]


def accuracy_table(right: Sequence[dict[str, bool]], datasets: Sequence[str]) -> str:
    """Accuracy in percent per dataset and kind, as a Markdown table; the first row is over all rows."""
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
