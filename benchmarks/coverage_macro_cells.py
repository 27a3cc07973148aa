"""Define simulated data sets whose truth is the mean of several tasks' accuracies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from coverage_cells import Batch, Cell, Rng, dataset_sizes

MACRO_SIZES = {
    "2 tasks of 5": (5,) * 2,
    "24 tasks of 5": (5,) * 24,
    "tasks of 120, 60, 30, 15, 5": (120, 60, 30, 15, 5),
    "8 tasks of 30": (30,) * 8,
    "24 tasks, 5 to 200": (5,) * 6 + (12,) * 6 + (50,) * 6 + (200,) * 6,
    "tasks of 5 and 16,000": (5, 16_000),
    "a task of 5 among 8 of 1,000": (5,) + (1_000,) * 7,
}
SHARED_RATES = ("0.5", "0.98", "0.3 to 0.95", "one 0.7, the rest 0.99")
MACRO_RATES = ("0.02", "0.5", "0.9", "0.98", "0.3 to 0.95", "one 0.7, the rest 0.99", "0.01 and 0.99 in turn")


def task_rates(name: str, tasks: int) -> np.ndarray:
    unlike = {
        "0.3 to 0.95": np.linspace(0.3, 0.95, tasks),
        "one 0.7, the rest 0.99": np.where(np.arange(tasks) == 0, 0.7, 0.99),
        "0.01 and 0.99 in turn": np.where(np.arange(tasks) % 2, 0.99, 0.01),
    }
    return unlike[name] if name in unlike else np.full(tasks, float(name))


def own_image_cells() -> Iterator[Cell]:
    for label, sizes in MACRO_SIZES.items():
        asked = np.repeat(np.eye(len(sizes), dtype=bool), sizes, axis=1)
        # The largest cells take longest: only one set of accuracies for them.
        for name in MACRO_RATES if sum(sizes) < 5_000 else MACRO_RATES[4:5]:
            yield macro_cell(label, asked, name, 0.0)


def asked_patterns(images: int, tasks: int) -> dict[str, np.ndarray]:
    """Return patterns of which tasks ask about which images, shape (tasks, images)."""
    some = np.random.default_rng([images, tasks]).random((tasks, images)) < 0.5
    # No task is empty.
    some[:, :2] = True
    lengths = np.maximum(images // (1 + np.arange(tasks) % 4), 2)
    return {
        "all shared": np.ones((tasks, images), dtype=bool),
        "half of them shared": some,
        "nested": np.arange(images) < lengths[:, None],
    }


def shared_image_cells() -> Iterator[Cell]:
    for images, tasks in ((8, 2), (8, 24), (20, 8), (60, 8), (60, 24), (315, 5), (1_000, 5)):
        for pattern, asked in asked_patterns(images, tasks).items():
            for name in SHARED_RATES:
                for correlation in (0.0, 0.3, 0.95):
                    yield macro_cell(f"{images:,} images, {tasks} tasks, {pattern}", asked, name, correlation)
    # The number of the release's coarse questions.
    asked = np.ones((5, 16_130), dtype=bool)
    yield macro_cell("16,130 images, 5 tasks, all shared", asked, "0.3 to 0.95", 0.3)


def macro_cell(design: str, asked: np.ndarray, name: str, correlation: float) -> Cell:
    """Build a cell in which each task asks one question about each image of ``asked``, shape (tasks, images)."""
    rates = task_rates(name, len(asked))

    def draw(number: int, rng: Rng) -> Batch:
        shape = (number, *asked.shape)
        uniform = rng.random(shape, dtype=np.float32)
        if correlation:
            is_shared = rng.random(shape, dtype=np.float32) < correlation**0.5
            uniform = np.where(is_shared, rng.random((number, 1, asked.shape[1]), dtype=np.float32), uniform)
        sums = ((uniform < rates[:, None]) & asked).astype(float)
        return Batch(sums, asked.astype(float), sums.sum(axis=-1))

    details = f"accuracies {name}, correlation {correlation:g}"
    return Cell(design, details, float(rates.mean()), asked.size, draw, is_macro=True)


def dataset_macro_cells() -> Iterator[Cell]:
    """Yield cells of tasks that all ask about the same datasets and share their difficulty."""
    for datasets, tasks in ((8, 5), (12, 24), (23, 5)):
        for spread in (0, 1):
            sizes = np.maximum(dataset_sizes(datasets, spread) // 10, 1)
            for name in SHARED_RATES:
                for correlation in (0.1, 0.6):
                    yield dataset_macro_cell(sizes, tasks, name, correlation)


def dataset_macro_cell(sizes: np.ndarray, tasks: int, name: str, correlation: float) -> Cell:
    rates = task_rates(name, tasks)

    def draw(number: int, rng: Rng) -> Batch:
        shared = rng.binomial(sizes, correlation**0.5, (number, tasks, len(sizes)))
        is_easy = rng.random((number, 1, len(sizes))) < rates[:, None]
        sums = shared * is_easy + rng.binomial(sizes - shared, rates[:, None])
        return Batch(sums.astype(float), np.tile(sizes.astype(float), (tasks, 1)), sums.sum(axis=-1))

    design = f"{len(sizes)} datasets of {sizes.min()} to {sizes.max()} images, {tasks} tasks"
    details = f"accuracies {name}, correlation {correlation:g}"
    return Cell(design, details, float(rates.mean()), tasks * len(sizes), draw, is_macro=True)
