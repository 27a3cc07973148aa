"""Calibration of per-option probabilities: reliability bins, ECE with its null value, Brier score and skill.

The debiased error with its interval is in `microbench_tasks.metrics.calibration_error`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

# As in Guo et al. 2017.
NUM_BINS = 15
NUM_NULL_DRAWS = 1_000
SEED = 42

# Random numbers per block, to limit memory to about 16 MB.
_BLOCK_NUMBERS = 4_000_000


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Hold normalized option probabilities of n questions, compared with the outcomes; arrays of shape (n,).

    Attributes:
        mass: sum of a question's probabilities before normalization. It is at most 1 for probabilities of single
            tokens, and at most the number of options for those of independent yes/no answers.
        confidence: the highest probability after normalization.
        is_right: 1.0 if the option with the highest probability is right, else 0.0. If several options have the
            highest probability, the first one counts as the answer.
        is_tied: whether several options have the highest probability.
        brier: squared distance of the probabilities from the outcome, summed over the options, 0 to 2.
        num_options: number of options.
    """

    mass: np.ndarray
    confidence: np.ndarray
    is_right: np.ndarray
    is_tied: np.ndarray
    brier: np.ndarray
    num_options: np.ndarray

    @property
    def brier_score(self) -> float:
        """Return the mean of ``brier``, from 0 (certain and right) to 2 (certain and wrong); NaN without questions.

        Source: Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78
        (1950), equation 2: summed over all classes.
        """
        return float(np.mean(self.brier)) if len(self.brier) else float("nan")

    @property
    def brier_skill(self) -> float:
        """Return the Brier skill score relative to equal probabilities for all options; NaN without questions.

        1 is perfect, 0 as good as the reference, negative worse. Equal probabilities of K options have a Brier
        score of 1 - 1 / K. Both scores are averaged over the questions before they are compared, so that
        questions with 2 options and with 8 options have equal weights.

        Source: Murphy, "A new vector partition of the probability score", Journal of Applied Meteorology 12 (1973).
        """
        if not len(self.brier):
            return float("nan")
        return float(1 - np.mean(self.brier) / np.mean(1 - 1 / self.num_options))


def is_usable(probabilities: Sequence[float]) -> bool:
    """Tell whether the probabilities of one question can be normalized: finite, not negative, not all 0.

    >>> is_usable([0.2, 0.0]), is_usable([0.0, 0.0])
    (True, False)
    """
    return all(0 <= value < math.inf for value in probabilities) and any(value > 0 for value in probabilities)


def forecasts(probabilities: Sequence[Sequence[float]], right: ArrayLike) -> Forecasts:
    """Normalize the probabilities of each question over its options, and compare them with the outcome.

    Args:
        probabilities: for each question, one value per option, of which there may be any number; finite, not
            negative, not all 0. They need not sum to 1.
        right: for each question, the index of its right option.

    Raises:
        ValueError: the lengths differ, an index is out of range, or probabilities cannot be normalized.

    >>> compared = forecasts([[0.2, 0.1, 0.1], [0.5, 0.5]], [1, 0])
    >>> compared.confidence.tolist(), compared.is_right.tolist(), compared.is_tied.tolist()
    ([0.5, 0.5], [0.0, 1.0], [False, True])
    """
    right = np.asarray(right, dtype=np.int64).ravel()
    if len(probabilities) != len(right):
        raise ValueError(f"Expected a right option for each of {len(probabilities)} questions, got {len(right)}.")
    for number, values in enumerate(probabilities):
        if not is_usable(values):
            raise ValueError(
                f"Expected finite probabilities of at least 0, not all 0, in question {number}, got {list(values)}."
            )
    num_options = np.array([len(values) for values in probabilities], dtype=np.int64)
    for number in np.flatnonzero((right < 0) | (right >= num_options))[:1]:
        raise ValueError(
            f"Expected an option from 0 to {num_options[number] - 1} as the right one of question {number}, "
            f"got {right[number]}."
        )
    return _compare_with_outcomes(probabilities, right, num_options)


def _compare_with_outcomes(
    probabilities: Sequence[Sequence[float]], right: np.ndarray, num_options: np.ndarray
) -> Forecasts:
    # Questions with fewer options are padded with zeros.
    table = np.zeros((len(right), max(num_options, default=1)))
    table[np.arange(table.shape[1]) < num_options[:, None]] = np.concatenate([np.zeros(0), *probabilities])
    mass = table.sum(axis=1)
    # Dividing by the maximum first keeps the precision of subnormal numbers.
    table /= table.max(axis=1, keepdims=True)
    table /= table.sum(axis=1, keepdims=True)
    confidence = table.max(axis=1)
    outcome = np.arange(table.shape[1]) == right[:, None]
    return Forecasts(
        mass=mass,
        confidence=confidence,
        is_right=(table.argmax(axis=1) == right).astype(np.float64),
        is_tied=(table == confidence[:, None]).sum(axis=1) > 1,
        brier=((table - outcome) ** 2).sum(axis=1),
        num_options=num_options,
    )


# --- expected calibration error ------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reliability:
    """Hold answers binned by confidence; arrays of shape (bins,), and ``edges`` of shape (bins + 1,).

    Attributes:
        edges: equally spaced from 0 to 1. A bin includes its upper edge, and the first bin also includes 0.
        counts: number of answers in each bin.
        confidence: mean confidence in each bin, NaN in an empty bin.
        accuracy: share of right answers in each bin, NaN in an empty bin.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def expected_calibration_error(self) -> float:
        """Return the ECE: mean |accuracy - confidence| of the bins, weighted by their answers; NaN without answers.

        It is above 0 even for a calibrated model, since the accuracy of a bin with few answers deviates from its
        confidence by chance: see `null_calibration_error`.

        Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017
        (arXiv 1706.04599), equation 5.
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

    >>> binned = reliability([0.25, 0.75, 0.85], [0, 1, 0], num_bins=2)
    >>> binned.counts.tolist(), binned.accuracy.tolist()
    ([1, 2], [0.0, 0.5])
    """
    confidence, is_right = checked_answers(confidence, is_right)
    bins, edges = _equal_width_bins(confidence, num_bins)
    counts = np.bincount(bins, minlength=num_bins)
    sums = (np.bincount(bins, weights=values, minlength=num_bins) for values in (confidence, is_right))
    with np.errstate(invalid="ignore"):
        means = [total / counts for total in sums]
    return Reliability(edges, counts, *means)


@dataclass(frozen=True)
class NullError:
    """Hold the plug-in ECE of a perfectly calibrated model: its mean and its 95 % quantile."""

    mean: float
    upper: float


def null_calibration_error(
    confidence: ArrayLike, num_bins: int = NUM_BINS, *, num_draws: int = NUM_NULL_DRAWS, seed: int = SEED
) -> NullError:
    """Simulate the plug-in ECE of a perfectly calibrated model with these confidences.

    Outcomes are drawn from the confidences, independently of each other. The result does not depend on the order of
    the answers.

    Args:
        confidence: shape (n,), from 0 to 1.
        num_bins: at least 1.
        num_draws: simulated data sets, at least 1.
        seed: of the draws.

    Returns:
        Mean and 95 % quantile; both are NaN for empty ``confidence``.

    Raises:
        ValueError: a shape or a value is out of range.

    Source: the "consistency resampling" of Bröcker and Smith, "Increasing the reliability of reliability diagrams",
    Weather and Forecasting 22 (2007).

    >>> null_calibration_error([1.0, 1.0])
    NullError(mean=0.0, upper=0.0)
    """
    confidence = np.sort(checked_answers(confidence, np.zeros(np.shape(confidence)))[0])
    if num_draws < 1:
        raise ValueError(f"Expected at least one draw, got {num_draws}.")
    if not len(confidence):
        return NullError(float("nan"), float("nan"))
    bins = _equal_width_bins(confidence, num_bins)[0]
    is_in_bin = (bins[:, None] == np.unique(bins)).astype(np.float32)
    expected = confidence @ is_in_bin.astype(np.float64)
    rng, errors = np.random.default_rng(seed), []
    step = max(1, _BLOCK_NUMBERS // len(confidence))
    for start in range(0, num_draws, step):
        shape = (min(step, num_draws - start), len(confidence))
        drawn = rng.random(shape, dtype=np.float32) < confidence.astype(np.float32)
        errors.append(np.abs(drawn.astype(np.float32) @ is_in_bin - expected).sum(axis=1) / len(confidence))
    simulated = np.concatenate(errors)
    return NullError(float(simulated.mean()), float(np.quantile(simulated, 0.95)))


def _equal_width_bins(confidence: np.ndarray, num_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bin of each answer, and the edges of all bins."""
    if num_bins < 1:
        raise ValueError(f"Expected at least one bin, got {num_bins}.")
    edges = np.linspace(0, 1, num_bins + 1)
    # As in Guo et al. 2017, bin m of M contains (m - 1) / M < p <= m / M.
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, num_bins - 1), edges


def checked_answers(confidence: ArrayLike, is_right: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return both as vectors of equal length; raise ValueError for an unexpected shape or value."""
    confidence, is_right = np.asarray(confidence, dtype=np.float64), np.asarray(is_right, dtype=np.float64)
    if confidence.ndim != 1 or confidence.shape != is_right.shape:
        raise ValueError(
            f"Expected confidence and is_right of one shape (n,), got {confidence.shape} and {is_right.shape}."
        )
    if not ((confidence >= 0) & (confidence <= 1)).all():
        number = np.count_nonzero(~((confidence >= 0) & (confidence <= 1)))
        raise ValueError(f"Expected confidence from 0 to 1, got {number} other values.")
    if not np.isin(is_right, (0, 1)).all():
        number = np.count_nonzero(~np.isin(is_right, (0, 1)))
        raise ValueError(f"Expected is_right to be 0 or 1, got {number} other values.")
    return confidence, is_right
