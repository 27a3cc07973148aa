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

# Numbers drawn at once: some 16 MB.
_BLOCK_NUMBERS = 4_000_000


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Probabilities of the options of n questions, each question's divided by their sum; arrays of shape (n,).

    Attributes:
        mass: the sum of a question's probabilities as they were given; 1 or less for those of single tokens,
            up to the number of options for those of independent yes/no answers.
        confidence: the highest probability after the division.
        is_right: 1.0 where the option of the highest probability is right, 0.0 elsewhere. Of several
            options with the highest probability the first one counts as the answer.
        is_tied: whether several options have the highest probability.
        brier: squared distance of the probabilities from the outcome, summed over the options, 0 to 2.
        num_options: how many options there are.
    """

    mass: np.ndarray
    confidence: np.ndarray
    is_right: np.ndarray
    is_tied: np.ndarray
    brier: np.ndarray
    num_options: np.ndarray

    @property
    def brier_score(self) -> float:
        """The mean of ``brier``, from 0 (certain and right) to 2 (certain and wrong); NaN without a question.

        Source: Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78
        (1950), equation 2: summed over all classes.
        """
        return float(np.mean(self.brier)) if len(self.brier) else float("nan")

    @property
    def brier_skill(self) -> float:
        """Brier skill score against equal probabilities for all options; NaN without a question.

        1 is perfect, 0 as good as the reference, negative worse. Equal probabilities of K options have a Brier
        score of 1 - 1 / K. Both scores are averaged over the questions before they are compared, so that
        questions with 2 options and questions with 8 are weighed alike.

        Source: Murphy, "A new vector partition of the probability score", Journal of Applied Meteorology 12 (1973).
        """
        if not len(self.brier):
            return float("nan")
        return float(1 - np.mean(self.brier) / np.mean(1 - 1 / self.num_options))


def is_usable(probabilities: Sequence[float]) -> bool:
    """Whether probabilities of one question can be divided by their sum: finite, none negative, one positive.

    >>> is_usable([0.2, 0.0]), is_usable([0.0, 0.0])
    (True, False)
    """
    return all(0 <= value < math.inf for value in probabilities) and any(value > 0 for value in probabilities)


def forecasts(probabilities: Sequence[Sequence[float]], right: ArrayLike) -> Forecasts:
    """Normalize the probabilities of questions over their options, and compare them with the outcomes.

    Args:
        probabilities: of each question one for each of its options, of which there may be any number; finite, not
            negative, not all 0. They need not sum to 1.
        right: of each question the index of its right option.

    Raises:
        ValueError: there are not as many of both, an index is no option, or probabilities are not usable.

    >>> found = forecasts([[0.2, 0.1, 0.1], [0.5, 0.5]], [1, 0])
    >>> found.confidence.tolist(), found.is_right.tolist(), found.is_tied.tolist()
    ([0.5, 0.5], [0.0, 1.0], [False, True])
    """
    right = np.asarray(right, dtype=np.int64).ravel()
    if len(probabilities) != len(right):
        raise ValueError(f"Expected a right option for each of {len(probabilities)} questions, got {len(right)}.")
    for number, values in enumerate(probabilities):
        if not is_usable(values):
            raise ValueError(
                f"Expected finite probabilities of the options, none negative and not all 0, "
                f"in question {number}, got {list(values)}."
            )
    num_options = np.array([len(values) for values in probabilities], dtype=np.int64)
    for number in np.flatnonzero((right < 0) | (right >= num_options))[:1]:
        raise ValueError(
            f"Expected an option from 0 to {num_options[number] - 1} as the right one of question {number}, "
            f"got {right[number]}."
        )
    return _compared(probabilities, right, num_options)


def _compared(probabilities: Sequence[Sequence[float]], right: np.ndarray, num_options: np.ndarray) -> Forecasts:
    # Options that a question lacks have no probability; the first column is always an option.
    table = np.zeros((len(right), max(num_options, default=1)))
    table[np.arange(table.shape[1]) < num_options[:, None]] = np.concatenate([np.zeros(0), *probabilities])
    mass = table.sum(axis=1)
    # Subnormal numbers lose digits when they are divided.
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
        """Mean distance of a bin's accuracy from its confidence, weighted by its answers, 0 to 1; NaN without any.

        It is above 0 even for a calibrated model, since a bin of few answers is never exactly as often right as it
        says: see `null_calibration_error`.

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

    >>> found = reliability([0.25, 0.75, 0.85], [0, 1, 0], num_bins=2)
    >>> found.counts.tolist(), found.accuracy.tolist()
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
    """Plug-in ECE of a model whose probabilities are right: its mean and the value that 95 % of draws stay below."""

    mean: float
    upper: float


def null_calibration_error(
    confidence: ArrayLike, num_bins: int = NUM_BINS, *, num_draws: int = NUM_NULL_DRAWS, seed: int = SEED
) -> NullError:
    """Simulate the plug-in ECE that answers of these confidences have if every confidence is right.

    Outcomes are drawn from the confidences, independently of each other. The result does not depend on the
    answers' order.

    Args:
        confidence: shape (n,), from 0 to 1.
        num_bins: at least 1.
        num_draws: of all outcomes, at least 1.
        seed: of the draws.

    Returns:
        NaN twice without an answer.

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
    found = np.concatenate(errors)
    return NullError(float(found.mean()), float(np.quantile(found, 0.95)))


def _equal_width_bins(confidence: np.ndarray, num_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """The bin of each answer and the edges of all bins."""
    if num_bins < 1:
        raise ValueError(f"Expected at least one bin, got {num_bins}.")
    edges = np.linspace(0, 1, num_bins + 1)
    # A confidence on an edge is in the bin below it, as (m - 1) / M < p <= m / M.
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, num_bins - 1), edges


def checked_answers(confidence: ArrayLike, is_right: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return both as vectors of one length; raise ValueError if a shape or a value is out of range."""
    confidence, is_right = np.asarray(confidence, dtype=np.float64), np.asarray(is_right, dtype=np.float64)
    if confidence.ndim != 1 or confidence.shape != is_right.shape:
        raise ValueError(
            f"Expected confidence and is_right of one shape (n,), got {confidence.shape} and {is_right.shape}."
        )
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("Expected confidence from 0 to 1.")
    if not np.isin(is_right, (0, 1)).all():
        raise ValueError("Expected is_right to be 0 or 1.")
    return confidence, is_right
