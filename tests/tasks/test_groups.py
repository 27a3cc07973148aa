"""Groups of images of own data: items have them, and intervals count them."""

from __future__ import annotations

import numpy as np
import pytest

from microbench_tasks.metrics import intervals
from microbench_tasks.runs.sample_records import QuestionItem
from microbench_tasks.tasks import item_intervals
from microbench_tasks.tasks.results import microbench_process_results, score_boxes

DOC = {
    **{"image_id": "a", "dataset": "cells", "kind": "classification"},
    **{"question": "Which?", "options": ["round", "square"], "answer_idx": 1},
}


def item(image, group, score):
    return {"score": score, "image": f"cells/{image}", "group": group, "in_total": True}


def test_items_of_the_benchmark_have_no_group():
    items = microbench_process_results(DOC, ["B"])
    assert not [name for name, of_metric in items.items() if name != "score" and "group" in of_metric]


def test_items_of_own_data_that_name_the_image_have_its_group():
    items = microbench_process_results(DOC | {"group": "slide 1"}, ["B"])
    of_metrics = {name: of_metric for name, of_metric in items.items() if name != "score"}
    with_image = {name for name, of_metric in of_metrics.items() if "image" in of_metric}
    assert {name for name, of_metric in of_metrics.items() if of_metric.get("group") == "slide 1"} == with_image
    assert {"acc", "acc_image_ci_low", "counts", "failed"} <= with_image


def test_items_of_boxes_have_the_group_too():
    doc = {**DOC, "kind": "boxes", "expression": "cell", "width": 9, "height": 9, "boxes": [[0, 0, 5, 5]]}
    items = score_boxes(doc | {"group": "slide 1"}, "[]", "pixels_xyxy", (9, 9))
    assert items["grit"]["group"] == items["grit_ci_low"]["group"] == items["boxes_counts"]["group"] == "slide 1"


def test_a_logged_item_is_scored_again_with_its_group():
    logged = microbench_process_results(DOC | {"group": "slide 1"}, ["B"])["acc"]
    read = QuestionItem.model_validate(logged)
    assert microbench_process_results(read.model_dump() | {"answer_idx": read.answer_idx}, ["B"])["acc"] == logged


def test_all_answers_about_a_group_are_one_observation():
    scores = [1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]
    items = [item(number, f"slide {number // 2}", score) for number, score in enumerate(scores)]
    groups = np.repeat(np.arange(4), 2)
    expected = intervals.accuracy_interval(np.array(scores), groups, confidence_level=0.95)
    assert item_intervals.accuracy_interval(items) == expected
    by_image = [{name: value for name, value in entry.items() if name != "group"} for entry in items]
    assert item_intervals.accuracy_interval(by_image) != expected
    assert item_intervals.count(items) == {"questions": 8, "images": 8, "datasets": 1, "groups": 4}
    assert item_intervals.count(by_image) == {"questions": 8, "images": 8, "datasets": 1}


def test_groups_of_one_name_in_two_datasets_are_two():
    items = [item("a", "1", 1.0), item("a", "1", 0.0) | {"image": "other/a"}]
    assert {item_intervals.unit_of(entry) for entry in items} == {"cells/1", "other/1"}


def test_images_that_are_groups_of_their_own_are_not_counted_as_groups():
    items = [item(name, name, 1.0) for name in "abc"]
    assert item_intervals.count(items) == {"questions": 3, "images": 3, "datasets": 1}
    assert item_intervals.unit_of(items[0]) == item_intervals.image_of(items[0])


@pytest.mark.parametrize("group", [None, "slide 1"])
def test_several_answers_keep_the_group(group):
    items = microbench_process_results(DOC | {"group": group}, [["A", "B"]])
    assert items["acc"].get("group") == group
