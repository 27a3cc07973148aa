"""Whether probabilities mean what they say: reliability, its summary in one number, and a proper score. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# As in Guo et al. 2017.
NUM_BINS = 15
# How far from 1 the sum of a question's probabilities may lie: they are logged rounded.
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Reliability:
    """Answers binned by confidence; arrays of shape (bins,), and ``edges`` of (bins + 1,).

    Attributes:
        edges: equal widths from 0 to 1; a bin holds its upper end, the first also 0.
        counts: number of answers.
        confidence: their mean confidence, NaN in an empty bin.
        accuracy: the share of them that is right, NaN in an empty bin.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance of a bin's accuracy from its confidence, each weighed by its answers, from 0 to 1; NaN without an answer.

        Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017 (arXiv 1706.04599), equation 5.
        """
        filled = self.counts > 0
        if not filled.any():
            return float("nan")
        return float(np.average(np.abs(self.accuracy - self.confidence)[filled], weights=self.counts[filled]))


def reliability(confidence: ArrayLike, is_right: ArrayLike, num_bins: int = NUM_BINS) -> Reliability:
    """Bin answers by confidence.

    Args:
        confidence: shape (n,), from 0 to 1: the probability that the model gives its own answer.
        is_right: shape (n,), 0 or 1.
        num_bins: at least 1.

    Raises:
        ValueError: a shape or a value is out of range.

    Source: Guo et al. 2017, section 2.

    >>> found = reliability([0.25, 0.75, 0.85], [0, 1, 0], num_bins=2)
    >>> found.counts.tolist(), found.accuracy.tolist()
    ([1, 2], [0.0, 0.5])
    """
    confidence, is_right = _checked_answers(confidence, is_right, num_bins)
    edges = np.linspace(0, 1, num_bins + 1)
    # A confidence on an edge is in the bin below it, as (m - 1) / M < p <= m / M.
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    sums = (np.bincount(bins, weights=values, minlength=num_bins) for values in (confidence, is_right))
    with np.errstate(invalid="ignore"):
        means = [total / counts for total in sums]
    return Reliability(edges, counts, *means)


def brier_score(probabilities: Sequence[ArrayLike], right: ArrayLike) -> float:
    """The mean squared distance of probabilities from the outcome, from 0 (certain and right) to 2 (certain and wrong); NaN without a question.

    Args:
        probabilities: of each question one for each of its options, which may be of any number; they sum to 1.
        right: of each question the index of its right option.

    Raises:
        ValueError: there are not as many of both, an index is no option, or probabilities are negative or do not sum to 1.

    Source: Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950), equation 2: summed over all classes.

    >>> brier_score([[0.5, 0.5], [0.0, 1.0]], [0, 1])
    0.25
    """
    if len(probabilities) != np.size(right):
        raise ValueError(f"Expected a right option for each of {len(probabilities)} questions, got {np.size(right)}.")
    distances = [_squared_distance(_checked_probabilities(values, number), index, number) for number, (values, index) in enumerate(zip(probabilities, np.ravel(right)))]
    return float(np.mean(distances)) if distances else float("nan")


def sum_to_one(probabilities: ArrayLike) -> bool:
    """Whether probabilities are those of one question's options, up to rounding."""
    return bool(abs(np.sum(probabilities) - 1) <= _SUM_TOLERANCE)


def _squared_distance(probabilities: np.ndarray, right: int, number: int) -> float:
    if not 0 <= right < len(probabilities):
        raise ValueError(f"Expected an option from 0 to {len(probabilities) - 1} as the right one of question {number}, got {right}.")
    outcome = np.zeros_like(probabilities)
    outcome[right] = 1
    return float(((probabilities - outcome) ** 2).sum())


def _checked_probabilities(values: ArrayLike, number: int) -> np.ndarray:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not (found >= 0).all() or not sum_to_one(found):
        raise ValueError(f"Expected probabilities of shape (options,) that sum to 1 in question {number}, got {found.tolist()}.")
    return found


def _checked_answers(confidence: ArrayLike, is_right: ArrayLike, num_bins: int) -> tuple[np.ndarray, np.ndarray]:
    confidence, is_right = np.asarray(confidence, dtype=np.float64), np.asarray(is_right, dtype=np.float64)
    if confidence.ndim != 1 or confidence.shape != is_right.shape:
        raise ValueError(f"Expected confidence and is_right of one shape (n,), got {confidence.shape} and {is_right.shape}.")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("Expected confidence from 0 to 1.")
    if not np.isin(is_right, (0, 1)).all():
        raise ValueError("Expected is_right to be 0 or 1.")
    if num_bins < 1:
        raise ValueError(f"Expected at least one bin, got {num_bins}.")
    return confidence, is_right
