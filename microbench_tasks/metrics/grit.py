"""The GRIT localization score: predicted boxes against the gold boxes of one class in one image."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

# Added to every union, as in the published metric.
UNION_EPSILON = 1e-6
# Assignments of equal total IoU can match different numbers of pairs. This bonus per pair prefers more pairs, so that
# the order of the boxes does not matter. It is below any relevant difference and above rounding errors. It is a power
# of two, so that adding and subtracting it does not make an IoU larger than 1.
PAIR_BONUS = 2**-40

# Pairs of boxes whose IoU is computed at once. It limits temporary arrays to 128 kB: without blocks, 10,000 boxes a
# side would need several arrays of 800 MB, and 1,000 boxes a side take 1.5 times as long.
_BLOCK_PAIRS = 16_000


class BoxMatch(NamedTuple):
    """Hold the best one-to-one assignment of predicted boxes to gold boxes.

    Attributes:
        grit: the GRIT localization score, from 0 to 1.
        ious: the IoUs of the pairs that overlap, in no particular order.
    """

    grit: float
    ious: list[float]


def grit_score(predicted: ArrayLike, gold: ArrayLike, *, num_extra: int = 0) -> float:
    """Score predicted boxes against the gold boxes of one class in one image, from 0 to 1.

    The score is the sum of the IoUs of the best one-to-one assignment, divided by the number of predicted
    boxes plus the number of unmatched gold boxes. A pair without overlap is no match: its
    gold box is unmatched even if the assignment pairs it. IoU is intersection / (union +
    1e-6), so a perfect prediction of boxes of area A scores A / (A + 1e-6).

    Args:
        predicted: shape (P, 4), corners ``x1 y1 x2 y2`` in pixels, as the model wrote them. A
            box with ``x2 <= x1`` or ``y2 <= y1`` has area 0. Such a box, and one that is not
            finite (NaN, infinity, an area beyond floating point), counts as a prediction and
            matches nothing.
        gold: shape (G, 4), finite. Gold boxes of area 0 count and are never matched.
        num_extra: further predictions that match nothing and are not in ``predicted``, such
            as those that a parser counted but did not keep.

    Returns:
        1 if there is neither a prediction nor a gold box, 0 if there is exactly one of the two.
        The order of the boxes does not matter: of assignments with equal totals the one with
        more pairs counts (the published code uses any of them).

    Raises:
        ValueError: a shape is not (N, 4), a gold box or its area is not finite, or
            ``num_extra`` is negative.

    10,000 boxes a side take seconds and about 1 GB.

    Source: GRIT benchmark (arXiv 2204.13653), GitHub ``allenai/grit_official``,
    ``metrics/localization.py``.

    >>> score = grit_score([[0, 0, 10, 10], [50, 50, 60, 60]], [[0, 0, 10, 20]])
    >>> round(score, 6)  # IoU 100 / 200, over 2 predicted boxes
    0.25
    """
    return match_boxes(predicted, gold, num_extra=num_extra).grit


def match_boxes(predicted: ArrayLike, gold: ArrayLike, *, num_extra: int = 0) -> BoxMatch:
    """Assign predicted boxes to gold boxes one to one; return the score and the IoUs of the pairs.

    The arguments, the assignment, the score and the errors are those of `grit_score`.

    >>> match = match_boxes([[0, 0, 10, 10], [50, 50, 60, 60]], [[0, 0, 10, 10]])
    >>> [round(iou, 6) for iou in match.ious]
    [1.0]
    """
    predicted_boxes, gold_boxes = _validate(predicted, gold, num_extra)
    num_predicted = len(predicted_boxes) + num_extra
    if num_predicted == 0 or len(gold_boxes) == 0:
        return BoxMatch(float(num_predicted == len(gold_boxes)), [])
    ious = _matched_ious(predicted_boxes, gold_boxes)
    return BoxMatch(_reduce(ious, num_predicted, len(gold_boxes)), ious)


# --- validate ------------------------------------------------------------------------


def _validate(predicted: ArrayLike, gold: ArrayLike, num_extra: int) -> tuple[np.ndarray, np.ndarray]:
    predicted_boxes, gold_boxes = _as_boxes(predicted, "predicted"), _as_boxes(gold, "gold")
    for row, (x1, y1, x2, y2) in enumerate(gold_boxes.tolist()):
        if not math.isfinite((x2 - x1) * (y2 - y1)):
            raise ValueError(f"Expected finite gold boxes of finite area, got {[x1, y1, x2, y2]} in row {row}.")
    if num_extra < 0:
        raise ValueError(f"Expected num_extra of at least 0, got {num_extra}.")
    return predicted_boxes, gold_boxes


def _as_boxes(boxes: ArrayLike, name: str) -> np.ndarray:
    array = np.asarray(boxes, dtype=np.float64)
    if array.shape == (0,):
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"Expected {name} boxes of shape (N, 4), got {array.shape}.")
    return array


# --- measure -------------------------------------------------------------------------


def _matched_ious(predicted: np.ndarray, gold: np.ndarray) -> list[float]:
    """Return the IoUs of the overlapping pairs of the best one-to-one assignment."""
    # Fewer boxes in rows: scipy copies a matrix that is higher than wide.
    costs = _cost_matrix(*sorted((predicted, gold), key=len))
    matched = costs[linear_sum_assignment(costs)]
    return (-(matched[matched < 0] + PAIR_BONUS)).tolist()


def _cost_matrix(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Compute the costs that the assignment minimizes, shape (len(rows), len(columns)).

    The cost is the negative IoU, less `PAIR_BONUS`, or 0 for a pair without overlap. It gives the same assignment as
    1 - IoU.
    """
    costs = np.empty((len(rows), len(columns)))
    step = max(1, _BLOCK_PAIRS // len(columns))
    for start in range(0, len(rows), step):
        ious = _iou(rows[start : start + step, None], columns)
        costs[start : start + step] = np.where(ious > 0, -ious - PAIR_BONUS, 0.0)
    return costs


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute IoUs of boxes, shapes (…, 4) broadcast against each other.

    The result is 0 or NaN where a box has no area or is not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        width = np.minimum(first[..., 2], second[..., 2]) - np.maximum(first[..., 0], second[..., 0])
        height = np.minimum(first[..., 3], second[..., 3]) - np.maximum(first[..., 1], second[..., 1])
        intersection = np.maximum(width, 0) * np.maximum(height, 0)
        return intersection / (_area(first) + _area(second) - intersection + UNION_EPSILON)


def _area(boxes: np.ndarray) -> np.ndarray:
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return np.maximum(width, 0) * np.maximum(height, 0)


# --- reduce --------------------------------------------------------------------------


def _reduce(matched_ious: list[float], num_predicted: int, num_gold: int) -> float:
    num_unmatched = num_gold - len(matched_ious)
    # fsum's result does not depend on the order.
    return math.fsum(matched_ious) / (num_predicted + num_unmatched)
