"""Match boxes in a second hand: a double loop, and brute force or scipy. Shares no code with the package."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import linear_sum_assignment


def plain_iou(first, second):
    """The IoU of two boxes as GRIT defines it, with 1e-6 added to the union."""

    def area(x1, y1, x2, y2):
        return 0.0 if x2 <= x1 or y2 <= y1 else (x2 - x1) * (y2 - y1)

    corners = [max(first[0], second[0]), max(first[1], second[1]), min(first[2], second[2]), min(first[3], second[3])]
    return area(*corners) / (area(*first) + area(*second) - area(*corners) + 1e-6)


def best_assignment(ious):
    """The matched IoUs, by brute force over all assignments if there are few."""
    num_rows, num_columns = ious.shape
    if num_rows > num_columns:
        return best_assignment(ious.T)
    if num_columns > 4:
        paired = ious[linear_sum_assignment(1 - ious)]
    else:
        paired = max(
            (ious[range(num_rows), columns] for columns in itertools.permutations(range(num_columns), num_rows)),
            key=np.sum,
        )
    return paired[paired > 0]


def plain_matches(predicted, gold):
    """The IoUs of the pairs of the best assignment."""
    if not len(predicted) or not len(gold):
        return np.empty(0)
    return best_assignment(np.array([[plain_iou(box, other) for other in gold] for box in predicted]))


def random_boxes(rng, num_boxes):
    """Whole-pixel boxes on a small grid: ties, duplicates and boxes of area 0 or with swapped corners."""
    start = rng.integers(0, 8, (num_boxes, 2))
    boxes = np.hstack([start, start + rng.integers(-1, 7, (num_boxes, 2))]).astype(float)
    if num_boxes and rng.random() < 0.3:
        boxes[rng.integers(num_boxes)] = boxes[rng.integers(num_boxes)]
    return boxes
