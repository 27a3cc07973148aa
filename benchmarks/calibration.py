"""Measure bias and coverage of the calibration estimates on simulated confidences and outcomes.

An outcome is right if a normal variable is below a threshold, set by the true probability. A share of the variable's
variance belongs to the image: answers about one image are correlated, and the probability of a right answer stays the
true one.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from result_pages import markdown_table
from scipy import stats
from timing import origin, shown, side_by_side

from microbench_tasks.metrics.calibration import NUM_BINS, SEED, null_calibration_error, reliability
from microbench_tasks.metrics.calibration_error import debiased_calibration_error, equal_mass_bins

# The lowest possible confidence with six options.
LOWEST = 1 / 6


@dataclass(frozen=True)
class Size:
    """Hold the number of images, of questions about each, and the share of variance that belongs to the image."""

    images: int
    questions: int
    shared: float

    def shown(self) -> str:
        about = f" x {self.questions}, shared variance {self.shared:g}" if self.questions > 1 else ""
        return f"{self.images:,}{about}"


SIZES = (
    Size(14, 1, 0),
    Size(121, 1, 0),
    Size(1_549, 1, 0),
    Size(54, 3, 0.3),
    Size(54, 3, 0.9),
    Size(315, 5, 0.3),
    Size(2_000, 5, 0.5),
)


def _spread_out(num: int, rng: np.random.Generator) -> np.ndarray:
    return LOWEST + (1 - LOWEST) * rng.beta(1.2, 1.2, num)


# For each kind of model: a generator of confidences, and the true probability for a confidence.
MODELS: dict[str, tuple[Callable[[int, np.random.Generator], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "calibrated": (_spread_out, lambda confidence: confidence),
    "calibrated, sure": (lambda num, rng: 1 - 0.2 * rng.beta(1, 3, num), lambda confidence: confidence),
    "5 points too sure": (_spread_out, lambda confidence: confidence - 0.05),
    "15 points too sure": (_spread_out, lambda confidence: confidence - 0.15),
    "too extreme": (_spread_out, lambda confidence: 1 / (1 + (1 / confidence - 1) ** 0.4)),
    "always 99 %, right 90 %": (lambda num, rng: np.full(num, 0.99), lambda confidence: np.full_like(confidence, 0.9)),
    "always 80 %, right 98 %": (lambda num, rng: np.full(num, 0.8), lambda confidence: np.full_like(confidence, 0.98)),
}


def simulated(
    size: Size, model: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Simulate confidences, true probabilities, outcomes and images."""
    image = np.repeat(np.arange(size.images), size.questions)
    stated, truth = MODELS[model]
    confidence = stated(len(image), rng)
    probability = np.clip(truth(confidence), 1e-9, 1)
    own = math.sqrt(1 - size.shared) * rng.standard_normal(len(image))
    number = math.sqrt(size.shared) * rng.standard_normal(size.images)[image] + own
    return confidence, probability, (number < stats.norm.ppf(probability)).astype(float), image


def true_error(confidence: np.ndarray, probability: np.ndarray) -> float:
    """Compute the root mean square calibration error of the bins from the true probabilities."""
    bins = equal_mass_bins(confidence, NUM_BINS)
    counts = np.bincount(bins)
    return math.sqrt(np.average((np.bincount(bins, weights=probability - confidence) / counts) ** 2, weights=counts))


def error_rows(data_sets: int, seed: int) -> Iterator[list[str]]:
    """Yield for each model and size: true error, mean plug-in ECE, bias of the square, and coverage of the interval."""
    for model in MODELS:
        for size in SIZES:
            rng = np.random.default_rng(seed)
            rows = []
            for _ in range(data_sets):
                confidence, probability, outcome, image = simulated(size, model, rng)
                truth = true_error(confidence, probability)
                found = debiased_calibration_error(confidence, outcome, image)
                plug_in = reliability(confidence, outcome).expected_calibration_error
                holds = found.low <= truth + 1e-12 and truth <= found.high + 1e-12
                rows.append((truth, plug_in, found.square - truth**2, found.low, found.high, holds))
            truth, plug_in, bias, low, high, holds = np.mean(rows, axis=0)
            error = np.std(rows, axis=0)[2] / math.sqrt(data_sets)
            yield [
                model,
                size.shown(),
                f"{100 * truth:.1f}",
                f"{100 * plug_in:.1f}",
                f"{1e4 * bias:+.1f} ± {1e4 * error:.1f}",
                f"{100 * holds:.1f}",
                f"{100 * (high - low):.1f}",
            ]


def null_rows(data_sets: int, seed: int) -> Iterator[list[str]]:
    """Compare the plug-in ECE of a calibrated model with the null value of one data set."""
    for num in (14, 121, 1_549, 14_644):
        rng = np.random.default_rng(seed)
        confidence = _spread_out(num, rng)
        null = null_calibration_error(confidence)
        errors = [
            reliability(confidence, rng.random(num) < confidence).expected_calibration_error for _ in range(data_sets)
        ]
        figures = (np.mean(errors), null.mean, np.quantile(errors, 0.95), null.upper)
        yield [f"{num:,}", *(f"{100 * figure:.2f}" for figure in figures)]


def speed_section(seed: int) -> str:
    """Time the functions at the size of the release's coarse questions."""
    confidence, _, outcome, image = simulated(Size(15_943, 5, 0.3), "5 points too sure", np.random.default_rng(seed))
    calls = {
        "plug-in ECE": lambda: reliability(confidence, outcome),
        "its null value": lambda: null_calibration_error(confidence),
        "debiased error and interval": lambda: debiased_calibration_error(confidence, outcome, image),
    }
    timings = side_by_side(calls, repeats=3)
    rows = [[name, shown(timing.seconds), f"{timing.megabytes:,.0f} MB"] for name, timing in timings.items()]
    return f"## Speed, {len(confidence):,} answers\n\n{markdown_table(['what', 'time', 'memory'], rows)}"


READING = """Confidences, true probabilities and outcomes are simulated; the script describes how. All figures are in
percent, from as many data sets a row as the command says.
The Monte Carlo error of a coverage of 95 is {error:.1f} points."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure bias and coverage of the calibration estimates on simulated answers."
    )
    parser.add_argument("--data-sets", type=int, default=1_000, help="simulated for each row (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    args = parser.parse_args()
    head = [
        "model",
        "images x questions",
        "true RMS error",
        "mean ECE",
        "bias of the square, 1e-4",
        "coverage",
        "width",
    ]
    null_head = ["answers", "mean ECE", "null mean", "95 % point of the ECE", "null 95 % point"]
    sections = [
        "# Calibration",
        origin(f"python benchmarks/calibration.py --data-sets {args.data_sets} --seed {args.seed}", "numpy", "scipy"),
        READING.format(error=100 * math.sqrt(0.95 * 0.05 / args.data_sets)),
        "## Debiased error and its 95 % interval\n\n" + markdown_table(head, error_rows(args.data_sets, args.seed)),
        "## Plug-in ECE of a calibrated model\n\n" + markdown_table(null_head, null_rows(args.data_sets, args.seed)),
        speed_section(args.seed),
    ]
    text = "\n\n".join(sections) + "\n"
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
