"""Debiased calibration error with an interval clustered by image.

Answers are binned by confidence, with about equally many answers per bin. In bin b, with residuals d = outcome -
confidence, the plug-in square of the mean residual is too large by the variance of that mean. The mean product of
the residuals of two answers about *different images* has no such bias: its expectation is the squared mean residual,
even if answers about one image are correlated. The debiased error is the root of the mean over bins,

    E^2 = sum over b of n_b / n * mean of d_i d_j over pairs (i, j) of different images in b,

which is the root mean square (L2) calibration error of Kumar et al. with their correction made exact for confidences
that vary within a bin and for images with several questions. The square is unbiased and may be negative; the root is
then 0. The absolute (L1) error of Guo et al. has no unbiased estimator; L2 is never below L1.

The interval inverts the distribution of the plug-in square. The vector D of the bins' mean residuals is taken as
normal, with a covariance clustered by image. Let u be the direction of D. For a true error E in the direction u, the
plug-in square is E^2 + 2 E a + q, where a and q are the projection of a random draw on u and its squared length. The
interval contains those E for which the observed square is in neither tail of 2.5 %. So it contains 0 if and only if
the data do not contradict calibration. Bootstrap intervals of the estimate fail in that case.

Source: Kumar, Liang and Ma, "Verified Uncertainty Calibration", NeurIPS 2019 (arXiv 1909.10155), definition 2.3 and
section 5; Bröcker, "Estimating reliability and resolution of probability forecasts through decomposition of the
empirical score", Climate Dynamics 39 (2012), for the bias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from microbench_tasks.metrics.calibration import NUM_BINS, SEED, checked_answers

# Minimum of answers in a bin, since the interval assumes normal means of bins.
MIN_ANSWERS_PER_BIN = 20
NUM_DRAWS = 9_999
# As all intervals of the package.
CONFIDENCE_LEVEL = 0.95

# Shrinkage: pseudo-images of the largest possible variance that are added to the variance of a bin, and right and
# wrong pseudo-answers that are added to its rate of right answers.
_PRIOR_IMAGES = 4
_PRIOR_ANSWERS = 2


@dataclass(frozen=True)
class DebiasedError:
    """Hold the root mean square calibration error with its interval.

    Attributes:
        square: unbiased estimate of the squared error; may be negative. NaN if all answers are about one image.
        low: lower end of the error's 95 % interval, at least 0.
        high: upper end of the interval, at most 1.
        num_bins: number of bins, which have about equally many answers.
    """

    square: float
    low: float
    high: float
    num_bins: int

    @property
    def value(self) -> float:
        """Return the error, 0 to 1; it is 0 if the estimate of its square is negative."""
        return math.sqrt(max(self.square, 0.0)) if not math.isnan(self.square) else math.nan


def debiased_calibration_error(
    confidence: ArrayLike, is_right: ArrayLike, clusters: ArrayLike, *, num_bins: int = NUM_BINS, seed: int = SEED
) -> DebiasedError:
    """Estimate the root mean square calibration error without the bias of bins with few answers.

    Args:
        confidence: shape (n,), from 0 to 1: the probability that the model gives its own answer.
        is_right: shape (n,), 0 or 1.
        clusters: shape (n,), labels: the image of each answer.
        num_bins: maximum number of bins; fewer are used if one would have less than `MIN_ANSWERS_PER_BIN` answers.
        seed: of the interval's draws. The result depends on neither the answers' order nor the labels' names.

    Raises:
        ValueError: a shape or a value is out of range.

    Source: see the module's docstring.

    >>> debiased_calibration_error([0.5, 0.5], [1, 1], ["a", "b"]).value
    0.5
    """
    confidence, is_right = checked_answers(confidence, is_right)
    if np.shape(clusters) != confidence.shape:
        raise ValueError(f"Expected a label for each answer, shape {confidence.shape}; got shape {np.shape(clusters)}.")
    if num_bins < 1:
        raise ValueError(f"Expected at least one bin, got {num_bins}.")
    images = np.unique(clusters, return_inverse=True)[1].ravel()
    if len(images) == 0 or images.max() == 0:
        return DebiasedError(math.nan, math.nan, math.nan, 0)
    cells = _sum_by_image_and_bin(confidence, is_right, images, equal_mass_bins(confidence, num_bins))
    if not cells.counts.size:
        return DebiasedError(math.nan, math.nan, math.nan, 0)
    sums, sizes, counts = cells.sums, cells.sizes, cells.counts
    squares = (sums.sum(axis=0) ** 2 - (sums**2).sum(axis=0)) / (counts**2 - (sizes**2).sum(axis=0))
    low, high = _interval(cells, np.random.default_rng(seed))
    return DebiasedError(float(squares @ counts / counts.sum()), low, high, len(counts))


@dataclass(frozen=True, eq=False)
class _Cells:
    """Hold, for each image and bin, the sum of residuals, the number of answers and of right answers.

    Arrays have the shape (images, bins).
    """

    sums: np.ndarray
    sizes: np.ndarray
    right: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Return the number of answers in each bin, shape (bins,)."""
        return self.sizes.sum(axis=0)


def equal_mass_bins(confidence: np.ndarray, num_bins: int) -> np.ndarray:
    """Bin answers by confidence, with about equally many answers in each bin.

    Answers of equal confidence share the bin of their middle rank. Fewer than ``num_bins`` bins are used if one would
    have less than `MIN_ANSWERS_PER_BIN` answers.

    Args:
        confidence: shape (n,), from 0 to 1; at least one.
        num_bins: maximum number of bins.

    Returns:
        The bin of each answer, shape (n,), from 0.

    >>> equal_mass_bins(np.linspace(0, 1, 40), 15).tolist() == [0] * 20 + [1] * 20
    True
    """
    num_bins = max(1, min(num_bins, len(confidence) // MIN_ANSWERS_PER_BIN))
    ascending = np.sort(confidence)
    first, last = (np.searchsorted(ascending, confidence, side=side) for side in ("left", "right"))
    return np.unique((first + last - 1) * num_bins // (2 * len(confidence)), return_inverse=True)[1]


def _sum_by_image_and_bin(confidence: np.ndarray, is_right: np.ndarray, images: np.ndarray, bins: np.ndarray) -> _Cells:
    """Sum up the answers about each image in each bin; leave out bins with answers about a single image.

    Such a bin gives no information about the variation between images.
    """
    # Sorted by content, so that rounding depends neither on the order of answers nor on names of images.
    order = np.lexsort((is_right, confidence, bins, images))
    shape = (images.max() + 1, bins.max() + 1)
    labels = np.ravel_multi_index((images, bins), shape)[order]

    def totals(values: np.ndarray) -> np.ndarray:
        return np.bincount(labels, weights=values[order], minlength=math.prod(shape)).reshape(shape)

    sums, sizes, right = totals(is_right - confidence), totals(np.ones_like(confidence)), totals(is_right)
    has_several_images = (sizes > 0).sum(axis=0) > 1
    sums, sizes, right = sums[:, has_several_images], sizes[:, has_several_images], right[:, has_several_images]
    by_content = np.lexsort(np.hstack([sums, sizes, right]).T)
    return _Cells(sums[by_content], sizes[by_content], right[by_content])


def _interval(cells: _Cells, rng: np.random.Generator) -> tuple[float, float]:
    """Compute the ends of the error's interval; see the module's docstring."""
    shares, means = cells.counts / cells.counts.sum(), cells.sums.sum(axis=0) / cells.counts
    drawn = _draw_errors(_covariance(cells), len(cells.sums) - 1, rng)
    square = float(shares @ means**2)
    lengths = drawn**2 @ shares
    along = drawn @ (shares * means) / math.sqrt(square) if square else np.zeros(len(drawn))
    tail = (1 - CONFIDENCE_LEVEL) / 2
    # If the observed square is smaller than its median under calibration, the upper end uses that median instead:
    # otherwise the interval could shrink to a point.
    low, high = (
        float(np.quantile(_solve_for_error(plug_in, along, lengths), share))
        for plug_in, share in ((square, tail), (max(square, float(np.median(lengths))), 1 - tail))
    )
    return max(low, 0.0), min(high, 1.0)


def _solve_for_error(square: float, along: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Solve E^2 + 2 E ``along`` + ``lengths`` = ``square`` for E, for each draw; -1 if there is no solution."""
    discriminant = along**2 - lengths + square
    return np.where(discriminant >= 0, np.sqrt(np.maximum(discriminant, 0)) - along, -1.0)


def _covariance(cells: _Cells) -> np.ndarray:
    """Estimate the covariance of the bins' mean residuals, clustered by image, shape (bins, bins).

    In a bin with very few right or very few wrong images, the observed variance is too small. So it is shrunk towards
    that of pseudo-images.
    """
    sizes, counts, num_images = cells.sizes, cells.counts, (cells.sizes > 0).sum(axis=0)
    scores = (cells.sums - sizes * cells.sums.sum(axis=0) / counts) / counts * np.sqrt(num_images / (num_images - 1))
    observed = scores.T @ scores
    # Effective number of images if all answers about an image are equal (Kish 1965).
    effective = counts**2 / (sizes**2).sum(axis=0)
    rate = cells.right.sum(axis=0) / counts
    rate = (rate * effective + _PRIOR_ANSWERS) / (effective + 2 * _PRIOR_ANSWERS)
    informative = np.minimum((cells.right > 0).sum(axis=0), (cells.right < sizes).sum(axis=0))
    shrunk = informative * observed.diagonal() + _PRIOR_IMAGES * rate * (1 - rate) / effective
    variance = np.maximum(shrunk / (informative + _PRIOR_IMAGES), rate * (1 - rate) / counts)
    # A bin without variance has covariances of 0, so that any finite scale is correct.
    scale = np.sqrt(variance / np.where(observed.diagonal() > 0, observed.diagonal(), np.inf))
    covariance = observed * np.outer(scale, scale)
    np.fill_diagonal(covariance, variance)
    return covariance


def _draw_errors(covariance: np.ndarray, degrees: int, rng: np.random.Generator) -> np.ndarray:
    """Draw errors of the bins' means, shape (draws, bins), as multivariate t, since the covariance is estimated."""
    values, vectors = np.linalg.eigh(covariance)
    normal = rng.standard_normal((NUM_DRAWS, len(values))) * np.sqrt(np.maximum(values, 0)) @ vectors.T
    return normal / np.sqrt(rng.chisquare(degrees, NUM_DRAWS) / degrees)[:, None]
