"""Detection metrics: precision, recall and F1 at IoU 0.5, and errors of the number of boxes.

Boxes are paired by the assignment of the GRIT score (`microbench_tasks.metrics.grit.match_boxes`). A pair whose IoU is
at least `IOU_THRESHOLD` is a true positive. Shares are pooled: the boxes of all images are counted first, and divided
once. A mean over images would not be defined where a model predicts no box.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

IOU_THRESHOLD = 0.5
# IoUs that are lower than the threshold by less than this reach it. It allows for the constant that GRIT adds to the
# union (`grit.UNION_EPSILON`), for boxes of a pixel and more, and for rounding.
_TOLERANCE = 1e-6


def count_true_positives(ious: list[float]) -> int:
    """Count the pairs whose IoU is at least `IOU_THRESHOLD`.

    >>> count_true_positives([0.3, 0.5, 1.0])
    2
    """
    return sum(iou >= IOU_THRESHOLD - _TOLERANCE for iou in ious)


def precision(matched: ArrayLike, predicted: ArrayLike) -> float:
    """Compute the share of predicted boxes that are true positives.

    Args:
        matched: shape (n,), number of true positives of each pair of an image and a class.
        predicted: shape (n,), number of predicted boxes of each.

    Returns:
        From 0 to 1; NaN if no box was predicted.

    Raises:
        ValueError: shapes differ, or a number is negative or larger than its total.

    >>> precision([1, 0], [1, 3])
    0.25
    """
    return _share(matched, predicted)


def recall(matched: ArrayLike, gold: ArrayLike) -> float:
    """Compute the share of gold boxes that are found.

    Args:
        matched: shape (n,), number of true positives of each pair of an image and a class.
        gold: shape (n,), number of gold boxes of each.

    Returns:
        From 0 to 1; NaN if there is no gold box.

    Raises:
        ValueError: shapes differ, or a number is negative or larger than its total.

    >>> recall([1, 0], [1, 1])
    0.5
    """
    return _share(matched, gold)


def f1_score(matched: ArrayLike, predicted: ArrayLike, gold: ArrayLike) -> float:
    """Compute F1, the harmonic mean of precision and recall.

    It equals the share of all boxes, predicted and gold, that belong to a true positive (Dice coefficient).

    Args:
        matched: shape (n,), number of true positives of each pair of an image and a class.
        predicted: shape (n,), number of predicted boxes of each.
        gold: shape (n,), number of gold boxes of each.

    Returns:
        From 0 to 1; NaN if there is neither a predicted box nor a gold box.

    Raises:
        ValueError: shapes differ, or a number is negative or larger than its total.

    Source: van Rijsbergen, *Information Retrieval*, 1979, chapter 7.

    >>> f1_score([1, 0], [1, 3], [1, 1])
    0.3333333333333333
    """
    return _share(2 * np.asarray(matched), np.asarray(predicted) + np.asarray(gold))


def count_error(predicted: ArrayLike, gold: ArrayLike) -> float:
    """Compute the mean absolute error of the number of boxes.

    Args:
        predicted: shape (n,), number of predicted boxes of each pair of an image and a class.
        gold: shape (n,), number of gold boxes of each.

    Returns:
        In boxes, 0 or more; NaN for no pairs.

    Raises:
        ValueError: shapes differ.

    >>> count_error([1, 5], [3, 4])
    1.5
    """
    return _mean(np.abs(_excess(predicted, gold)))


def count_bias(predicted: ArrayLike, gold: ArrayLike) -> float:
    """Compute the mean error of the number of boxes with its sign: above 0 if there are too many.

    The arguments and the errors are those of `count_error`.

    >>> count_bias([1, 5], [3, 4])
    -0.5
    """
    return _mean(_excess(predicted, gold))


def _share(parts: ArrayLike, totals: ArrayLike) -> float:
    of_parts, of_totals = np.asarray(parts), np.asarray(totals)
    if of_parts.shape != of_totals.shape or not ((of_parts >= 0) & (of_parts <= of_totals)).all():
        raise ValueError(
            f"Expected numbers of true positives from 0 to the number of boxes, for each of {of_totals.shape} pairs; "
            f"got numbers of shape {of_parts.shape}."
        )
    total = of_totals.sum()
    return float(of_parts.sum() / total) if total else math.nan


def _excess(predicted: ArrayLike, gold: ArrayLike) -> np.ndarray:
    of_predicted, of_gold = np.asarray(predicted), np.asarray(gold)
    if of_predicted.shape != of_gold.shape:
        raise ValueError(
            f"Expected numbers of predicted and of gold boxes of one shape, got {of_predicted.shape} and "
            f"{of_gold.shape}."
        )
    return of_predicted - of_gold


def _mean(values: np.ndarray) -> float:
    return float(values.sum() / values.size) if values.size else math.nan
