"""How often nominal 95 % intervals contain the true mean, on simulated answers.

Answers are 0/1. A task's question is answered rightly with the task's own probability, and any two answers
about one image are correlated: each answer compares a random number with that probability, and with
probability sqrt(correlation) the number is the image's own, shared by all its questions. Two questions
of equal probability then have exactly that correlation.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from paper_intervals import TAIL, low_end_at_most, markdown_table, page
from scipy import stats

from microbench_tasks.metrics.bootstrap import (
    CONFIDENCE_LEVEL,
    NUM_RESAMPLES,
    SEED,
    bootstrap_interval,
)

BAND = (0.93, 0.97)
# An end of an interval is a count divided by n; one that equals the true mean contains it, whatever the division's rounding.
TOLERANCE = 1e-9

# Numbers of questions: cognition, two small subsets, fine.
INDEPENDENT_SIZES = (121, 500, 2_000, 14_644)
INDEPENDENT_RATES = (0.2, 0.5, 0.8)
# Few wrong or few right answers, where a resampled count is far from normal.
EXTREMES = ((30, 0.05), (121, 0.05), (121, 0.98), (500, 0.02))

NUM_QUESTIONS = 5
IMAGES = (200, 1_000)
RATE = 0.6
CORRELATIONS = (0.4, 1.0)

TASK_RATES = (0.9, 0.75, 0.6, 0.45, 0.3)
# Of 200 or 1,000 images, how many each task asks about; and images that each belong to one task.
SHARED_SIZES = ((200, 200, 200, 100, 50), (1_000, 1_000, 1_000, 500, 250))
OWN_SIZES = ((400, 200, 100, 50, 25), (120, 60, 30, 15, 5))


@dataclass(frozen=True)
class Setting:
    """Tasks with true accuracies ``rates`` that ask about ``sizes`` images: the same ones, or each its own."""

    rates: tuple[float, ...]
    sizes: tuple[int, ...]
    correlation: float = 0.0
    own_images: bool = False
    is_macro: bool = False

    @property
    def truth(self) -> float:
        return float(np.average(self.rates, weights=None if self.is_macro else self.sizes))

    def asked(self) -> np.ndarray:
        """Which task asks about which image, shape (images, tasks)."""
        if self.own_images:
            return np.repeat(np.eye(len(self.sizes), dtype=bool), self.sizes, axis=0)
        return np.arange(max(self.sizes))[:, None] < np.array(self.sizes)

    def answers(self, rng: np.random.Generator) -> np.ndarray:
        """0/1 answers to every task about every image, shape (images, tasks)."""
        shape = self.asked().shape
        of_image = rng.random((shape[0], 1))
        is_shared = rng.random(shape) < math.sqrt(self.correlation)
        return (np.where(is_shared, of_image, rng.random(shape)) < self.rates).astype(float)


@dataclass(frozen=True)
class Coverage:
    """The shares of intervals that contain the true mean."""

    basic: float
    percentile: float


@dataclass(frozen=True)
class Simulation:
    """How many data sets, and how each is resampled; seeds follow from ``seed`` and the data set's index."""

    data_sets: int
    resamples: int
    seed: int

    def coverage(self, setting: Setting, *, by_image: bool) -> Coverage:
        # Each setting has its own data sets; resampling questions and resampling images see the same ones.
        rng = np.random.default_rng([self.seed, *setting.sizes, *(round(1_000 * share) for share in (*setting.rates, setting.correlation))])
        asked = setting.asked()
        images, tasks = np.nonzero(asked)
        labels = {"clusters": images if by_image else None, "groups": tasks if setting.is_macro else None}
        basic = percentile = 0
        for index in range(self.data_sets):
            answers = setting.answers(rng)
            mean = answers.mean(where=asked, axis=0).mean() if setting.is_macro else answers.mean(where=asked)
            interval = bootstrap_interval(answers[asked], **labels, num_resamples=self.resamples, seed=self.seed + index)
            basic += contains(interval.low, interval.high, setting.truth)
            # The percentile interval of the same draws is the basic one mirrored at the mean.
            percentile += contains(2 * mean - interval.high, 2 * mean - interval.low, setting.truth)
        return Coverage(basic / self.data_sets, percentile / self.data_sets)


def contains(low: float, high: float, truth: float) -> bool:
    return low - TOLERANCE <= truth <= high + TOLERANCE


def exact_coverage(n: int, rate: float, resamples: int) -> Coverage:
    """Of n independent answers, without simulation: what each number of right answers gives, weighed by its probability.

    The true mean is missed where the high end lies below it or the low end above. In counts of right answers the
    percentile interval's ends are the quantiles of the resamples; a basic interval's end lies below
    n * rate where the opposite quantile lies above its mirror image, 2 * right - n * rate.
    """
    right = np.arange(n + 1)
    weights = stats.binom.pmf(right, n, rate)

    def coverage(threshold: np.ndarray) -> float:
        low_is_above = 1 - low_end_at_most(threshold + TOLERANCE, n, right, resamples)
        # The high end of right answers is the low end of wrong ones.
        high_is_below = 1 - low_end_at_most(n - threshold + TOLERANCE, n, n - right, resamples)
        return float(weights @ (1 - low_is_above - high_is_below))

    return Coverage(basic=coverage(2 * right - n * rate), percentile=coverage(np.full(n + 1, n * rate)))


def assumed_independent(correlation: float) -> float:
    """Coverage that normal theory expects if correlated questions are treated as independent.

    The mean's variance is 1 + (questions - 1) correlation times what the interval's width assumes.
    """
    too_narrow = math.sqrt(1 + (NUM_QUESTIONS - 1) * correlation)
    return float(1 - 2 * stats.norm.sf(stats.norm.ppf(1 - TAIL) / too_narrow))


def percent(share: float) -> str:
    text = f"{100 * share:.1f}"
    return text if BAND[0] <= share <= BAND[1] else f"**{text}**"


def independent_rows(simulation: Simulation, settings: Iterable[tuple[int, float]]) -> Iterator[list[str]]:
    for n, rate in settings:
        found, exact = simulation.coverage(Setting((rate,), (n,)), by_image=False), exact_coverage(n, rate, simulation.resamples)
        yield [f"{n:,}", f"{rate:g}", *map(percent, (found.basic, exact.basic, found.percentile, exact.percentile))]


def correlated_rows(simulation: Simulation) -> Iterator[list[str]]:
    for images in IMAGES:
        for correlation in CORRELATIONS:
            setting = Setting((RATE,) * NUM_QUESTIONS, (images,) * NUM_QUESTIONS, correlation)
            for by_image, expected in ((False, assumed_independent(correlation)), (True, CONFIDENCE_LEVEL)):
                found = simulation.coverage(setting, by_image=by_image)
                yield [f"{images:,}", f"{correlation:g}", resampled(by_image), *map(percent, (found.basic, found.percentile, expected))]


def macro_rows(simulation: Simulation) -> Iterator[list[str]]:
    shared = [Setting(TASK_RATES, sizes, CORRELATIONS[0], is_macro=True) for sizes in SHARED_SIZES]
    own = [Setting(TASK_RATES, sizes, own_images=True, is_macro=True) for sizes in OWN_SIZES]
    for setting in shared + own:
        # Where each image has one question, questions and images are the same.
        for by_image in (True,) if setting.own_images else (False, True):
            found = simulation.coverage(setting, by_image=by_image)
            sizes = ", ".join(f"{size:,}" for size in setting.sizes)
            yield [sizes, "own" if setting.own_images else "shared", resampled(by_image), percent(found.basic), percent(found.percentile)]


def resampled(by_image: bool) -> str:
    return "images" if by_image else "questions"


def sections(simulation: Simulation) -> Iterator[str]:
    independent = ["questions", "true accuracy", "basic", "basic, exact", "percentile", "percentile, exact"]
    settings = [(n, rate) for n in INDEPENDENT_SIZES for rate in INDEPENDENT_RATES]
    yield "## Independent questions\n\n" + markdown_table(independent, independent_rows(simulation, settings))
    yield (
        "## Independent questions, nearly all right or nearly all wrong\n\n"
        "With few answers of the rarer kind the counts are skewed, which a basic interval mirrors, and as they are whole its coverage jumps with the true accuracy. "
        "It shows at 121 questions already.\n\n"
        + markdown_table(independent, independent_rows(simulation, EXTREMES))
    )
    correlated = ["images", "correlation", "resampled", "basic", "percentile", "normal theory"]
    yield f"## {NUM_QUESTIONS} questions about each image, true accuracy {RATE:g}\n\n" + markdown_table(correlated, correlated_rows(simulation))
    macro = ["images of the tasks", "which", "resampled", "basic", "percentile"]
    rates = ", ".join(f"{rate:g}" for rate in TASK_RATES)
    yield (
        f"## The mean of {len(TASK_RATES)} tasks' accuracies, true accuracies {rates}\n\n"
        f"Shared images: correlation {CORRELATIONS[0]:g} of two answers about one image. "
        "Resampling the m images of a task gives (m - 1) / m of its mean's variance, too little where m is 5.\n\n" + markdown_table(macro, macro_rows(simulation))
    )


def reading(simulation: Simulation) -> str:
    error = math.sqrt(CONFIDENCE_LEVEL * (1 - CONFIDENCE_LEVEL) / simulation.data_sets)
    return (
        f"How many of 100 nominal {100 * CONFIDENCE_LEVEL:g} % intervals contain the true mean, from {simulation.data_sets:,} data sets a row with {simulation.resamples:,} resamples each. "
        f"Monte Carlo standard error at {100 * CONFIDENCE_LEVEL:g} %: {100 * error:.1f} points. **Bold**: outside {100 * BAND[0]:g} to {100 * BAND[1]:g}. "
        "`exact` is computed from binomial probabilities, without simulation. `questions`: each question is resampled as if independent, as in the paper; "
        "`images`: each image with all its questions (`clusters=`)."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="How often nominal 95 % bootstrap intervals contain the true mean of simulated answers.")
    parser.add_argument("--data-sets", type=int, default=2_000, help="simulated for each row (default: %(default)s)")
    parser.add_argument("--resamples", type=int, default=NUM_RESAMPLES, help="of each data set (default: %(default)s, the metrics' own)")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    simulation = Simulation(args.data_sets, args.resamples, args.seed)
    command = f"python benchmarks/coverage.py --data-sets {args.data_sets} --resamples {args.resamples} --seed {args.seed}"
    text = page("Coverage of the intervals", command, reading(simulation), sections(simulation))
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
