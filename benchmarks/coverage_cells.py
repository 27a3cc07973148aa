"""Define simulated data sets with a known truth: questions per image, accuracy, and dependence between answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

Rng = np.random.Generator
Draw = Callable[[int, Rng], "Batch"]
Scores = Callable[[tuple[int, int], Rng], np.ndarray]

RATES = (0.005, 0.02, 0.05, 0.5, 0.8, 0.995)
CORRELATIONS = (0.0, 0.3, 0.95)
IMAGES = (8, 20, 54, 315, 1_000)
MANY_IMAGES = 20_000
# The share of images with 1 to 6 questions each.
QUESTIONS = {
    "5 questions": (0, 0, 0, 0, 1),
    "6 questions": (0, 0, 0, 0, 0, 1),
    "1 to 6 questions": (1, 1, 1, 1, 1, 1),
    "1 question, one in 8: 6": (7, 0, 0, 0, 0, 1),
}
NUM_DECODINGS = 5
GRIT_IMAGES = (8, 20, 54, 80, 315, 1_105)
DIFFERENCE_IMAGES = (8, 20, 54, 100, 315, 1_000, 20_000)
# Probabilities that only the first model, and only the second model, is right.
DISCORDANT = (
    *((first, 0) for first in (0, 0.005, 0.02, 0.1, 0.6, 0.9)),
    *((0.02, 0.02), (0.05, 0.01), (0.2, 0.05), (0.45, 0.45)),
)
DATASETS = (8, 12, 23, 25)


@dataclass(frozen=True)
class Batch:
    """Hold B data sets: sums of the scores of each cluster, sizes of clusters, and sums of squared scores.

    Shapes are (B, m), (m,) and (B,); with G tasks (B, G, m), (G, m) and (B, G).
    """

    sums: np.ndarray
    sizes: np.ndarray
    squares: np.ndarray


@dataclass(frozen=True)
class Cell:
    """Describe one simulated situation.

    Attributes:
        design: row of the table.
        details: all other parameters, as text.
        truth: the value that the interval should contain.
        num_scores: number of scores in a data set, which determines its cost.
        draw: draws data sets as a `Batch`.
        is_difference: whether scores are (1 + difference) / 2.
        is_binary: whether every score is 0 or 1, so that the paper's interval is computed without resampling.
        is_macro: whether the truth is the mean of several tasks' accuracies.
    """

    design: str
    details: str
    truth: float
    num_scores: int
    draw: Draw
    is_difference: bool = False
    is_binary: bool = False
    is_macro: bool = False


def image_sizes(images: int, shares: tuple[int, ...]) -> np.ndarray:
    cumulative = np.round(np.cumsum(shares) / sum(shares) * images).astype(int)
    return np.repeat(np.arange(len(shares)) + 1, np.diff(cumulative, prepend=0))


def image_rates(rate: float, correlation: float, form: str, shape: tuple[int, int], rng: Rng) -> np.ndarray:
    """Draw each image's probability of a right answer, so that answers about one image have the correlation."""
    if correlation == 0:
        return np.full(shape, rate)
    if form == "beta":
        return rng.beta(rate * (1 - correlation) / correlation, (1 - rate) * (1 - correlation) / correlation, shape)
    return np.where(rng.random(shape) < correlation, rng.random(shape) < rate, rate)


def binary_batch(sizes: np.ndarray, rate: float, correlation: float, form: str) -> Draw:
    """Draw numbers of right answers about each image from their exact distribution."""
    cumulative = {
        size: np.cumsum(right_answers(size, rate, correlation, form))[:-1] for size in np.unique(sizes).tolist()
    }

    def draw(number: int, rng: Rng) -> Batch:
        sums = np.empty((number, len(sizes)))
        for size, steps in cumulative.items():
            is_size = sizes == size
            sums[:, is_size] = np.searchsorted(steps, rng.random((number, np.count_nonzero(is_size))), side="right")
        return Batch(sums, sizes, sums.sum(axis=1))

    return draw


def right_answers(size: int, rate: float, correlation: float, form: str) -> np.ndarray:
    """Compute the probabilities of 0 to ``size`` right answers about one image."""
    right = np.arange(size + 1)
    if correlation == 0:
        return stats.binom.pmf(right, size, rate)
    if form == "beta":
        spread = (1 - correlation) / correlation
        return stats.betabinom.pmf(right, size, rate * spread, (1 - rate) * spread)
    independent = (1 - correlation) * stats.binom.pmf(right, size, rate)
    return independent + correlation * ((right == 0) * (1 - rate) + (right == size) * rate)


def dataset_batch(sizes: np.ndarray, rate: float, correlation: float, form: str) -> Draw:
    def draw(number: int, rng: Rng) -> Batch:
        sums = rng.binomial(sizes, image_rates(rate, correlation, form, (number, len(sizes)), rng)).astype(float)
        return Batch(sums, sizes, sums.sum(axis=1))

    return draw


def accuracy_cells() -> Iterator[Cell]:
    for images in IMAGES:
        for label, shares in QUESTIONS.items():
            sizes = image_sizes(images, shares)
            for correlation in CORRELATIONS:
                for form in ("beta",) if correlation == 0 else ("beta", "all or none"):
                    for rate in RATES:
                        details = f"accuracy {rate:g}, correlation {correlation:g}, {form}"
                        draw = binary_batch(sizes, rate, correlation, form)
                        yield Cell(f"{images:,} images, {label}", details, rate, sizes.sum(), draw, is_binary=True)
    sizes = image_sizes(MANY_IMAGES, QUESTIONS["1 to 6 questions"])
    for rate in (0.005, 0.5, 0.995):
        for correlation in (0.0, 0.95):
            details = f"accuracy {rate:g}, correlation {correlation:g}, beta"
            draw = binary_batch(sizes, rate, correlation, "beta")
            yield Cell(f"{MANY_IMAGES:,} images, 1 to 6 questions", details, rate, sizes.sum(), draw, is_binary=True)


def dataset_sizes(datasets: int, spread: float) -> np.ndarray:
    return np.round(200 * np.exp(spread * stats.norm.ppf((np.arange(datasets) + 0.5) / datasets))).astype(int)


def dataset_cells() -> Iterator[Cell]:
    for datasets in DATASETS:
        for spread in (0, 1, 2):
            sizes = dataset_sizes(datasets, spread)
            design = f"{datasets} datasets of {sizes.min():,} to {sizes.max():,} questions"
            for correlation in (0.02, 0.2, 0.6, 0.95):
                for form in ("beta", "all or none"):
                    for rate in (0.05, 0.5, 0.8):
                        details = f"accuracy {rate:g}, correlation {correlation:g}, {form}"
                        draw = dataset_batch(sizes, rate, correlation, form)
                        # A dataset is drawn as one binomial number, so that the cost depends on the number of datasets.
                        yield Cell(design, details, rate, datasets, draw, is_binary=True)


def scores_batch(sizes: np.ndarray, scores: Scores, shared: float) -> Draw:
    """Draw a score for each question; with probability ``shared`` it is that of the image."""
    starts, image = np.cumsum(sizes) - sizes, np.repeat(np.arange(len(sizes)), sizes)

    def draw(number: int, rng: Rng) -> Batch:
        values = scores((number, len(image)), rng)
        if shared:
            of_image = scores((number, len(sizes)), rng)
            is_shared = rng.random((number, len(sizes))) < shared
            values = np.where(is_shared[:, image], of_image[:, image], values)
        return Batch(np.add.reduceat(values, starts, axis=1), sizes, (values**2).sum(axis=1))

    return draw


def decoding_cells() -> Iterator[Cell]:
    """Yield cells of several decodings per question, whose probabilities are beta distributed or all equal."""
    for images in (8, 54, 315):
        for label in ("1 question", "1 to 6 questions"):
            sizes = image_sizes(images, QUESTIONS.get(label, (1,)))
            for rate in (0.02, 0.1, 0.5, 0.995):
                for certainty in (0.0, 0.5, 0.95):
                    scores = decoded_scores(rate, certainty)
                    for shared in (0.0,) if label == "1 question" else (0.0, 0.6):
                        details = f"accuracy {rate:g}, correlation of decodings {certainty:g}, shared {shared:g}"
                        draw = scores_batch(sizes, scores, shared)
                        yield Cell(f"{images:,} images, {label}", details, rate, sizes.sum(), draw)


def decoded_scores(rate: float, certainty: float) -> Scores:
    def scores(shape: tuple[int, int], rng: Rng) -> np.ndarray:
        return rng.binomial(NUM_DECODINGS, image_rates(rate, certainty, "beta", shape, rng)) / NUM_DECODINGS

    return scores


def grit_distributions() -> dict[str, tuple[float, Scores]]:
    """Return mean and generator of each distribution of scores, by name."""

    def spiked(chance: float, spike: float, a: float, b: float) -> Scores:
        return lambda shape, rng: np.where(rng.random(shape) < chance, spike, rng.beta(a, b, shape))

    return {
        "0 or 1, mean 0.5": (0.5, lambda shape, rng: (rng.random(shape) < 0.5).astype(float)),
        "0 or 1, mean 0.05": (0.05, lambda shape, rng: (rng.random(shape) < 0.05).astype(float)),
        "90 % are 0": (0.05, spiked(0.9, 0.0, 2, 2)),
        "90 % are 1": (0.95, spiked(0.9, 1.0, 2, 2)),
        "uniform": (0.5, lambda shape, rng: rng.random(shape)),
        "beta(0.3, 3)": (1 / 11, lambda shape, rng: rng.beta(0.3, 3, shape)),
        "beta(3, 0.3)": (10 / 11, lambda shape, rng: rng.beta(3, 0.3, shape)),
        "40 % are 0, the rest beta(4, 2)": (0.4, spiked(0.4, 0.0, 4, 2)),
        "2 % are 1, the rest beta(1, 50)": (0.02 + 0.98 / 51, spiked(0.02, 1.0, 1, 50)),
    }


def grit_cells() -> Iterator[Cell]:
    for name, (mean, scores) in grit_distributions().items():
        for images in GRIT_IMAGES:
            for label in ("1 question", "1 question, one in 8: 6"):
                sizes = image_sizes(images, QUESTIONS.get(label, (1,)))
                for shared in (0.0,) if label == "1 question" else (0.0, 0.6):
                    details = f"{images:,} images, {label}, shared {shared:g}"
                    yield Cell(name, details, mean, sizes.sum(), scores_batch(sizes, scores, shared))


def difference_cells() -> Iterator[Cell]:
    for images in DIFFERENCE_IMAGES:
        for label in ("1 question", "1 to 6 questions", "1 question, one in 8: 6"):
            sizes = image_sizes(images, QUESTIONS.get(label, (1,)))
            if sizes.sum() > 20_000:
                continue
            for first, second in DISCORDANT:
                scores = stretched_differences(first, second)
                for shared in (0.0,) if label == "1 question" else (0.0, 0.95):
                    details = f"first alone right {first:g}, second {second:g}, shared {shared:g}"
                    draw = scores_batch(sizes, scores, shared)
                    design = f"{images:,} images, {label}"
                    yield Cell(design, details, first - second, sizes.sum(), draw, is_difference=True)


def stretched_differences(first: float, second: float) -> Scores:
    """Draw (1 + difference) / 2 for each question."""

    def scores(shape: tuple[int, int], rng: Rng) -> np.ndarray:
        uniform = rng.random(shape)
        return np.where(uniform < first, 1.0, np.where(uniform > 1 - second, 0.0, 0.5))

    return scores
