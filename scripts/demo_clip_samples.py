"""Draw the images and captions that ``demo_clip`` is trained on, and those that it is scored on."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from open_clip.transform import image_transform

from microbench_tasks.catalog.questions import CAPTION_SETS, QUESTION_KINDS, caption_key
from microbench_tasks.data.table_images import decode_image
from microbench_tasks.demo.assembly import drawn_row
from microbench_tasks.demo.dataset_table import DATASETS
from microbench_tasks.demo.version import DEMO_SEED

IMAGE_SIZE = 128
ALL_DATASETS = tuple(dataset.name for dataset in DATASETS)


@dataclass(frozen=True)
class CaptionQuestion:
    """Hold one caption question of a row: the texts to choose between and the index of the true one."""

    options: tuple[str, ...]
    answer_idx: int


@dataclass(frozen=True)
class Samples:
    """Hold rows that are ready for training.

    Attributes:
        images: uint8 of shape (N, 3, IMAGE_SIZE, IMAGE_SIZE), preprocessed but not normalized.
        datasets: the dataset of each row.
        choices: the caption questions of each row, by caption key.
    """

    images: torch.Tensor
    datasets: list[str]
    choices: list[dict[str, CaptionQuestion]]


def caption_choices(row: dict) -> dict[str, CaptionQuestion]:
    """Return the caption questions of ``row``, by caption key."""
    asked = [kind for kind in QUESTION_KINDS if (row["questions"][kind] or {}).get("question")]
    keys = [caption_key(kind, number) for kind in asked for number in CAPTION_SETS]
    captions = {key: row["captions"][key] for key in keys}
    return {
        key: CaptionQuestion(tuple(caption["options"]), int(caption["answer_idx"])) for key, caption in captions.items()
    }


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
    """Draw rows of each dataset that is ``wanted``, equally many with each seed.

    Args:
        seeds: of the generator.
        rows_per_dataset: the smallest number of rows of a dataset. There are more if it is no multiple of the number
            of seeds.
        wanted: names of datasets.

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
