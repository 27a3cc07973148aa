"""The GRIT localization score: the boxes of one class in one image against its gold boxes.

Pairs without overlap do not score, so groups of boxes that do not touch are assigned one by
one: ten thousand scattered boxes need no matrix of all their pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

# Added to every union, as in the published metric.
UNION_EPSILON = 1e-6
# Assignments of equal total can match different numbers of pairs. This bonus per pair, below any
# difference that matters and above rounding, decides for more pairs whatever the order of the boxes.
# A power of two, so that adding and taking it off again leaves no IoU above 1.
PAIR_BONUS = 2**-40

# Pairs of boxes measured at once. Arrays of 128 kB are reused by the allocator; larger ones are fetched
# from the operating system each time, which takes longer than the arithmetic.
_BLOCK_PAIRS = 16_000
# Up to so many pairs are assigned without looking for groups.
_FEW_PAIRS = 250_000
# From this share of overlapping pairs on, a list of them would take more memory than their groups could save.
_CROWDED_SHARE = 1 / 25


def grit_score(predicted: ArrayLike, gold: ArrayLike, *, num_extra: int = 0) -> float:
    """How well predicted boxes match the gold boxes of one (image, class), from 0 to 1.

    The sum of the IoUs of the best one-to-one assignment, divided by the number of predicted
    boxes plus the number of gold boxes left unmatched. A pair without overlap is no match: its
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
        more pairs counts (the published code takes whichever it finds).

    Raises:
        ValueError: a shape is not (N, 4), a gold box or its area is not finite, or
            ``num_extra`` is negative.

    10,000 boxes a side take seconds and about 1 GB at most; only if most pairs of them overlap
    can the assignment take half a minute.

    Source: GRIT benchmark (arXiv 2204.13653), GitHub ``allenai/grit_official``,
    ``metrics/localization.py``.

    >>> score = grit_score([[0, 0, 10, 10], [50, 50, 60, 60]], [[0, 0, 10, 20]])
    >>> round(score, 6)  # IoU 100 / 200, over 2 predicted boxes
    0.25
    """
    predicted, gold = _checked(predicted, gold, num_extra)
    num_predicted = len(predicted) + num_extra
    if num_predicted == 0 or len(gold) == 0:
        return float(num_predicted == len(gold))
    return _score(_matched_ious(predicted, gold), num_predicted, len(gold))


def _checked(predicted: ArrayLike, gold: ArrayLike, num_extra: int) -> tuple[np.ndarray, np.ndarray]:
    predicted, gold = _as_boxes(predicted, "predicted"), _as_boxes(gold, "gold")
    for row, box in enumerate(gold.tolist()):
        x1, y1, x2, y2 = box
        if not math.isfinite((x2 - x1) * (y2 - y1)):
            raise ValueError(f"Expected finite gold boxes of finite area, got {box} in row {row}.")
    if num_extra < 0:
        raise ValueError(f"Expected num_extra of at least 0, got {num_extra}.")
    return predicted, gold


def _as_boxes(boxes: ArrayLike, name: str) -> np.ndarray:
    boxes = np.asarray(boxes, dtype=np.float64)
    if boxes.shape == (0,):
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"Expected {name} boxes of shape (N, 4), got {boxes.shape}.")
    return boxes


# --- measure -------------------------------------------------------------------------


def _matched_ious(predicted: np.ndarray, gold: np.ndarray) -> list[float]:
    """IoUs of the overlapping pairs of the best one-to-one assignment."""
    if len(predicted) == len(gold) == 1:
        return _iou_of_two(predicted[0].tolist(), gold[0].tolist())
    with np.errstate(over="ignore", invalid="ignore"):
        # scipy copies a matrix that is higher than wide.
        fewer, more = sorted((predicted, gold), key=len)
        if len(fewer) * len(more) <= _FEW_PAIRS:
            return _assigned(_cost_matrix(fewer, more))
        clusters = _clusters(_overlap_matrix(fewer, more))
        return [iou for rows, columns in clusters for iou in _assigned(_cost_matrix(fewer[rows], more[columns]))]


def _iou_of_two(predicted: list[float], gold: list[float]) -> list[float]:
    """`_matched_ious` of one pair, without the fixed costs of numpy."""
    areas = [(x2 - x1) * (y2 - y1) if x1 < x2 and y1 < y2 else 0.0 for x1, y1, x2, y2 in (predicted, gold)]
    if not all(areas):
        return []
    width = min(predicted[2], gold[2]) - max(predicted[0], gold[0])
    height = min(predicted[3], gold[3]) - max(predicted[1], gold[1])
    if width <= 0 or height <= 0:
        return []
    return [width * height / (sum(areas) - width * height + UNION_EPSILON)]


def _area(boxes: np.ndarray) -> np.ndarray:
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return np.maximum(width, 0) * np.maximum(height, 0)


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of boxes, shapes (…, 4) broadcast against each other; 0 or NaN where a box has no area or is not finite."""
    width = np.minimum(first[..., 2], second[..., 2]) - np.maximum(first[..., 0], second[..., 0])
    height = np.minimum(first[..., 3], second[..., 3]) - np.maximum(first[..., 1], second[..., 1])
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    return intersection / (_area(first) + _area(second) - intersection + UNION_EPSILON)


def _overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether boxes may overlap: never False where the IoU is positive."""
    in_x = (first[..., 0] < second[..., 2]) & (second[..., 0] < first[..., 2])
    return in_x & (first[..., 1] < second[..., 3]) & (second[..., 1] < first[..., 3])


def _cost_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """What the assignment minimises, shape (len(first), len(second)): the negative IoU, which assigns as 1 - IoU does; 0 where there is none."""
    costs = np.empty((len(first), len(second)))
    for block in _blocks(*costs.shape):
        ious = _iou(first[block, None], second)
        costs[block] = np.where(ious > 0, -ious - PAIR_BONUS, 0.0)
    return costs


def _overlap_matrix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`_overlap` of all pairs, shape (len(first), len(second)), without temporaries of that size."""
    overlap = np.empty((len(first), len(second)), dtype=bool)
    for block in _blocks(*overlap.shape):
        overlap[block] = _overlap(first[block, None], second)
    return overlap


def _blocks(num_rows: int, num_columns: int) -> Iterator[slice]:
    step = max(1, _BLOCK_PAIRS // num_columns)
    return (slice(start, start + step) for start in range(0, num_rows, step))


def _clusters(overlap: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of each group of boxes that overlaps connect; boxes without overlap are in none."""
    rows, columns = (np.flatnonzero(overlap.any(axis=axis)) for axis in (1, 0))
    if np.count_nonzero(overlap) > overlap.size * _CROWDED_SHARE:
        yield rows, columns
        return
    row, column = np.nonzero(overlap)
    num_boxes = sum(overlap.shape)
    graph = coo_matrix((np.ones(len(row), dtype=bool), (row, len(overlap) + column)), shape=(num_boxes, num_boxes))
    num_groups, group = connected_components(graph, directed=False)
    grouped = [
        _grouped(indices, labels[indices], num_groups)
        for indices, labels in ((rows, group), (columns, group[len(overlap) :]))
    ]
    yield from (pair for pair in zip(*grouped) if pair[0].size)


def _grouped(indices: np.ndarray, labels: np.ndarray, num_groups: int) -> list[np.ndarray]:
    """``indices`` split by their labels 0 to ``num_groups`` - 1, which need not all occur."""
    ends = np.bincount(labels, minlength=num_groups).cumsum()
    return np.split(indices[np.argsort(labels)], ends[:-1])


def _assigned(costs: np.ndarray) -> list[float]:
    """IoUs of the overlapping pairs of the best assignment."""
    matched = costs[linear_sum_assignment(costs)]
    return (-(matched[matched < 0] + PAIR_BONUS)).tolist()


# --- reduce --------------------------------------------------------------------------


def _score(matched_ious: list[float], num_predicted: int, num_gold: int) -> float:
    num_unmatched = num_gold - len(matched_ious)
    # fsum's result does not depend on the order.
    return math.fsum(matched_ious) / (num_predicted + num_unmatched)
