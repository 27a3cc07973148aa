"""Simulate false positives of ``--baseline``, and the coverage of intervals for questions with repeated answers.

Model of repeated answers: an answer is right if a normal variable is below a threshold, set by the true accuracy. The
variable is the sum of three independent parts: one for the image, one for the question, and one for each answer, which
stands for decoding. `Decoding` gives their shares of the variance.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from comparison import COGNITION, DEMO, Setting
from lmms_eval.api.metrics import paired_ttest
from result_pages import markdown_table
from scipy import stats
from timing import origin

from microbench_tasks.metrics.bootstrap import SEED
from microbench_tasks.metrics.intervals import CONFIDENCE_LEVEL, accuracy_interval
from microbench_tasks.metrics.paired import compare_pair
from microbench_tasks.metrics.variance import variance_components

LEVEL = round(1 - CONFIDENCE_LEVEL, 12)
SINGLE = Setting("one question about each image", {1: 121})
AGREEMENTS = (0.1, 0.6, 0.95)
RATES = (0.2, 0.5, 0.9, 0.97)
NUM_ANSWERS = (1, 3, 8)
# Number of data sets over which variance components are averaged.
_NUM_OF_COMPONENTS = 100


@dataclass(frozen=True)
class Decoding:
    """Hold the shares of variance of the image and of the question; the rest is that of decoding."""

    name: str
    image: float
    question: float

    def answers(self, setting: Setting, rate: float, number: int, rng: np.random.Generator) -> np.ndarray:
        """Draw 0/1 scores of ``number`` answers to each question, shape (questions, number)."""
        labels = setting.labels()
        shared = math.sqrt(self.image) * rng.standard_normal(len(setting.sizes()))[labels]
        shared += math.sqrt(self.question) * rng.standard_normal(len(labels))
        noise = math.sqrt(1 - self.image - self.question) * rng.standard_normal((len(labels), number))
        return (shared[:, None] + noise < stats.norm.ppf(rate)).astype(float)

    def components(self, rate: float) -> tuple[float, float]:
        """Return the true variance between questions, and the mean variance within them."""
        # Two answers to one question are both right with this probability.
        shared = self.image + self.question
        both = stats.multivariate_normal.cdf([stats.norm.ppf(rate)] * 2, cov=[[1, shared], [shared, 1]])
        return float(both - rate**2), float(rate - both)


DECODINGS = (
    Decoding("little", 0.6, 0.35),
    Decoding("as much as of questions", 0.2, 0.4),
    Decoding("nearly all", 0.05, 0.05),
)


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def false_positive_rows(setting: Setting, data_sets: int, seed: int) -> Iterator[list[str]]:
    """Measure, for each agreement, how often two equal models are called different and how often intervals cover 0."""
    images = setting.labels()
    for agreement in AGREEMENTS:
        rng = np.random.default_rng([seed, round(100 * agreement)])
        counts = np.zeros(4)
        for _ in range(data_sets):
            first, second = setting.answers(np.array([0.5, 0.5]), agreement, rng)
            harness, ours = paired_ttest(first.tolist(), second.tolist()), compare_pair(first, second, images)
            counts += [
                harness["p_value"] <= LEVEL,
                ours.p <= LEVEL,
                harness["ci_lower"] <= 0 <= harness["ci_upper"],
                ours.low <= 0 <= ours.high,
            ]
        yield [setting.shown(), f"{agreement:g}", *map(percent, counts / data_sets)]


def coverage_rows(setting: Setting, data_sets: int, seed: int) -> Iterator[list[str]]:
    """Measure the coverage of intervals for repeated answers, and the mean estimates of variance components."""
    images = setting.labels()
    for place, decoding in enumerate(DECODINGS):
        for rate in RATES:
            for number in NUM_ANSWERS:
                rng = np.random.default_rng([seed, place, round(1000 * rate), number])
                answers = [decoding.answers(setting, rate, number, rng) for _ in range(data_sets)]
                means = [found.mean(axis=1) for found in answers]
                intervals = [accuracy_interval(mean, images) for mean in means]
                held = np.mean([found.low <= rate <= found.high for found in intervals])
                width = np.mean([found.high - found.low for found in intervals])
                alone = _share_of_clopper_pearson(answers, rate)
                components = _components(answers, decoding.components(rate)) if number > 1 else ["", ""]
                columns = [percent(held), f"{100 * width:.1f}", percent(alone), *components]
                yield [setting.name, decoding.name, f"{rate:g}", str(number), *columns]


def _share_of_clopper_pearson(answers: list[np.ndarray], rate: float) -> float:
    """Return the coverage of ``rate`` by the exact interval of independent answers."""
    right, size = np.array([found.sum() for found in answers]), answers[0].size
    tails = stats.binom.cdf(right, size, rate), stats.binom.sf(right - 1, size, rate)
    return float(np.mean(np.minimum(*tails) >= LEVEL / 2))


def _components(answers: list[np.ndarray], true: tuple[float, float]) -> list[str]:
    found = [variance_components(scores.tolist()) for scores in answers[:_NUM_OF_COMPONENTS]]
    means = [np.mean([getattr(components, name) for components in found]) for name in ("between", "within")]
    return [f"{mean:.4f} ({value:.4f})" for mean, value in zip(means, true, strict=False)]


def sections(data_sets: int, seed: int) -> Iterator[str]:
    tests = "t-test", "paired test"
    outcomes = [f"{test}: {what}" for what in ("called different", "interval contains 0") for test in tests]
    head = ["part", "shared variance", *outcomes]
    rows = [row for setting in (SINGLE, COGNITION, DEMO) for row in false_positive_rows(setting, data_sets, seed)]
    yield (
        "## Two equal models\n\n"
        "How many of 100 data sets call them different (5 are allowed), and in how many the interval of the "
        "difference contains 0. `t-test`: the harness's, by question; `paired test`: this package's, by image. "
        f"{_noise(LEVEL, data_sets)}\n\n{markdown_table(head, rows)}"
    )
    intervals = ["contains it", "width", "contains it, answers as independent"]
    variances = ["variance between", "variance within"]
    head = ["part", "randomness of decoding", "accuracy", "answers", *intervals, *variances]
    rows = [row for setting in (COGNITION, DEMO) for row in coverage_rows(setting, data_sets, seed)]
    yield (
        "## Questions that are answered several times\n\n"
        "How many of 100 intervals contain the true accuracy, over new images and new answers: `accuracy_interval` of "
        "each question's mean score, clustered by image, with its mean width in percent; and of all answers as if "
        "each were to a question about an image of its own (as independent). `variance between` and `variance within` "
        f"questions: mean of the estimates, true values in brackets, of the first {_NUM_OF_COMPONENTS} data sets. "
        f"{_noise(CONFIDENCE_LEVEL, data_sets)}\n\n{markdown_table(head, rows)}"
    )


def _noise(share: float, data_sets: int) -> str:
    error = 100 * math.sqrt(share * (1 - share) / data_sets)
    return f"{data_sets:,} data sets a row; Monte Carlo standard error {error:.1f} points at {100 * share:g}."


READING = (
    "What `--baseline` prints for tasks of this package (`metrics.paired.compare_pair`, clustered by image) beside "
    "the\nharness's own test, and the interval of a run with `--repeats`."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-sets", type=int, default=2_000, help="simulated for each row (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    command = f"python benchmarks/baseline.py --data-sets {args.data_sets} --seed {args.seed}"
    title = "# Baselines and repeated answers"
    parts = [title, origin(command, "numpy", "scipy"), READING, *sections(args.data_sets, args.seed)]
    text = "\n\n".join(parts) + "\n"
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
