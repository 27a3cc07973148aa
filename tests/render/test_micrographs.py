"""Claims about boxes that are drawn on micrographs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from microbench_tasks.render import micrographs


def colours_of(image, colour):
    return {(int(x), int(y)) for y, x in zip(*np.nonzero((np.asarray(image) == colour).all(axis=2)), strict=False)}


def test_gold_boxes_are_drawn_along_their_whole_edge_and_predicted_ones_in_dashes():
    image = Image.new("RGB", (300, 200), (90, 20, 60))
    shown = micrographs.draw_boxes(image, [[50, 40, 250, 160]], [[20, 10, 120, 100]])
    assert shown.size == image.size
    gold, predicted = colours_of(shown, micrographs.GOLD_COLOUR), colours_of(shown, micrographs.PREDICTED_COLOUR)
    # Lines are two pixels wide, on the edge or beside it. The predicted box crosses the left edge of the gold one.
    assert {y for x, y in gold if x in (49, 50)} >= set(range(40, 97)) | set(range(104, 160))
    assert min(x for x, _ in gold) in (49, 50) and max(x for x, _ in gold) in (249, 250)
    assert min(y for _, y in gold) in (39, 40) and max(y for _, y in gold) in (159, 160)
    top = sorted({x for x, y in predicted if y in (9, 10) and 22 < x < 118})
    gaps = np.diff(top) > 2
    assert 5 <= gaps.sum() <= 9
    assert min(x for x, _ in predicted) in (19, 20) and max(y for _, y in predicted) in (99, 100)


def test_boxes_are_enlarged_with_a_small_image():
    # 30 pixels become 240: eight times as many.
    shown = micrographs.draw_boxes(Image.new("RGB", (30, 30)), [[5, 10, 20, 25]], [])
    assert shown.size == (240, 240)
    gold = colours_of(shown, micrographs.GOLD_COLOUR)
    assert min(x for x, _ in gold) in (39, 40) and max(y for _, y in gold) in (199, 200)


@pytest.mark.parametrize("box", [[float("nan"), 0, 5, 5], [0, 0, float("inf"), 5]])
def test_a_box_that_is_not_finite_is_left_out(box):
    assert not colours_of(micrographs.draw_boxes(Image.new("RGB", (300, 200)), [], [box]), micrographs.PREDICTED_COLOUR)


def test_a_box_far_outside_is_drawn_at_the_border():
    predicted = colours_of(
        micrographs.draw_boxes(Image.new("RGB", (300, 200)), [], [[-1e9, 50, 1e12, 150]]), micrographs.PREDICTED_COLOUR
    )
    assert min(x for x, _ in predicted) == 0 and max(x for x, _ in predicted) == 299
