"""The half widths that the paper's Table 1 prints, and those that n answers give.

The paper prints ``accuracy (± half width)`` in percent, where the half width is the distance from
the mean to the high end of the basic interval of 9,999 resamples. For 0/1 answers it follows
from the accuracy and the number of questions n alone, but for the noise of the resamples:

The end is a quantile q = 0.025 of B draws of the mean. A quantile of B draws has standard
deviation sqrt(q (1 - q) / B) / f, with f the density of the draws there. The draws are close to normal
with standard deviation sigma = sqrt(p (1 - p) / n), so f = phi(1.96) / sigma, and for B = 9,999 the
noise is sqrt(0.025 * 0.975 / 9,999) / 0.05845 * sigma = 0.0267 sigma. A second set of draws, ours,
has the same noise, so a difference between two intervals has sqrt(2) times it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

import microbench_tasks
from microbench_tasks.metrics.bootstrap import CONFIDENCE_LEVEL, NUM_RESAMPLES, bootstrap_interval

TABLE1 = Path(microbench_tasks.__file__).parent / "catalog" / "table1.json"

TAIL = (1 - CONFIDENCE_LEVEL) / 2
QUANTILE_NOISE = math.sqrt(TAIL * (1 - TAIL) / NUM_RESAMPLES) / stats.norm.pdf(stats.norm.ppf(TAIL))


@dataclass(frozen=True)
class Printed:
    """One entry of Table 1, in percent."""

    model: str
    accuracy: float
    half_width: float
    step: float  # of the figures: 0.01, or 1 where both are whole

    @property
    def is_whole(self) -> bool:
        return self.step == 1


def table1(part: str) -> list[Printed]:
    """The entries of a column of Table 1."""
    return [
        _entry(model, *map(float, figures))
        for model, figures in json.loads(TABLE1.read_text(encoding="utf-8"))[part].items()
    ]


def _entry(model: str, accuracy: float, half_width: float) -> Printed:
    # Cognition's figures are printed like 62.00 (± 9.00), but all but one model's are whole.
    step = 1.0 if accuracy.is_integer() and half_width.is_integer() else 0.01
    return Printed(model, accuracy, half_width, step)


def zero_one(n: int, accuracy: float) -> np.ndarray:
    right = round(n * accuracy / 100)
    return np.repeat([1.0, 0.0], [right, n - right])


def half_width(n: int, accuracy: float) -> float:
    """Ours, in percent, as the paper prints it."""
    scores = zero_one(n, accuracy)
    return 100 * abs(bootstrap_interval(scores).high - scores.mean())


def noise(n: int, accuracy: float) -> float:
    """Standard deviation of a half width, in percent, over the seeds of its resamples; derived above."""
    return QUANTILE_NOISE * math.sqrt(accuracy * (100 - accuracy) / n)


def rounded(value: float, step: float) -> float:
    return round(value / step) * step


def rounded_up(value: float, step: float) -> float:
    # Not up a step for a rounding error of the division.
    return math.ceil(value / step - 1e-9) * step


ROUNDING = {"to the nearest": rounded, "up": rounded_up}


def low_end_at_most(count: np.ndarray, n: int, right: int | np.ndarray, resamples: int = NUM_RESAMPLES) -> np.ndarray:
    """Probability that the low end of the resampled numbers of right answers, ``right`` of n, is at most ``count``.

    Exact: resampled numbers are binomial. The end rests on an order statistic: numpy's quantile 0.025 of 9,999 numbers
    lies 95 % of the way from the 250th smallest to the 251st. That is at most ``count`` if 251 or more of the draws
    are.
    """
    rank = math.ceil(TAIL * (resamples - 1)) + 1
    return stats.binom.sf(rank - 1, resamples, stats.binom.cdf(np.floor(count), n, right / n))


def chance(entry: Printed, n: int, rounding: str = "to the nearest") -> float:
    """How probable it is that the resamples of n answers give the printed half width.

    Of the numbers of right answers that the printed accuracy allows, the likeliest is taken.
    """
    counts = np.arange(n + 1)
    best = 0.0
    for right in (math.floor(n * entry.accuracy / 100), math.ceil(n * entry.accuracy / 100)):
        if not math.isclose(rounded(100 * right / n, entry.step), entry.accuracy):
            continue
        matches = [
            math.isclose(ROUNDING[rounding](100 * (right - count) / n, entry.step), entry.half_width)
            for count in counts
        ]
        best = max(best, float(np.diff(low_end_at_most(counts, n, right), prepend=0.0)[matches].sum()))
    return best
