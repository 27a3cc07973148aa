"""Claims about slices of questions."""

from __future__ import annotations

import numpy as np
import pytest

from microbench_tasks import catalog
from microbench_tasks.metrics.intervals import accuracy_interval
from microbench_tasks.report import (
    data_rows,
    estimates,
    runs,
    slices,
)
from tests.support import tiny_runs
from tests.support.report_runs import (
    TASKS,
    items_of,
)


@pytest.mark.parametrize(("key", "column"), [("modality", "modality"), ("domain", "domain")])
@pytest.mark.parametrize("subject", ["coarse", "fine"])
def test_slices_are_the_means_and_intervals_of_the_raw_rows(run, rows, key, column, subject):
    found = slices.estimate_slices(
        estimates.questions(run, subject), slices.row_dimensions(data_rows.read([run]).perception)[key]
    )
    value_of = {f"{row['dataset']}/{row['image_id']}": row[column] or "not stated" for row in rows}
    expected = {}
    for task in TASKS:
        if task.startswith(f"microbench_{subject}"):
            for item in items_of(run, task):
                expected.setdefault(value_of[item["image"]], []).append(
                    (item["image"], float(item["predicted"] == item["gold"]))
                )
    assert found.keys() == expected.keys()
    for label, pairs in expected.items():
        images, right = zip(*pairs, strict=False)
        interval = accuracy_interval(right, images)
        assert found[label] == estimates.Estimate(
            pytest.approx(np.mean(right)), interval.low, interval.high, len(right), len(set(images))
        )


def test_slices_by_scale_hold_their_lower_end():
    edges = {
        None: "not stated",
        float("nan"): "not stated",
        0.0: "below 0.01",
        0.00999: "below 0.01",
        0.01: "0.01 to 0.1",
        0.1: "0.1 to 0.25",
        0.25: "0.25 to 0.5",
        0.5: "0.5 to 1",
        0.999: "0.5 to 1",
        1: "1 and above",
        50: "1 and above",
    }
    assert {scale: slices.scale_label(scale) for scale in edges} == edges


def test_slices_by_scale_are_in_order_of_scale(run):
    found = slices.estimate_slices(
        estimates.questions(run, "coarse"), slices.row_dimensions(data_rows.read([run]).perception)["scale"]
    )
    assert [(label, one.images) for label, one in found.items()] == [
        ("below 0.01", 1),
        ("0.1 to 0.25", 1),
        ("0.25 to 0.5", 1),
        ("0.5 to 1", 1),
        ("1 and above", 1),
        ("not stated", 1),
    ]


def test_abilities_and_pathology_need_no_data(run):
    dimensions = slices.catalog_dimensions()
    by_ability = slices.estimate_slices(estimates.questions(run, "fine"), dimensions["ability"])
    assert {label: one.n for label, one in by_ability.items()} == {
        "cell, organism and structure type": 3,
        "normal against abnormal": 3,
    }
    by_pathology = slices.estimate_slices(estimates.questions(run, "coarse"), dimensions["pathology"])
    assert {label: (one.n, one.images) for label, one in by_pathology.items()} == {
        "pathology": (6, 3),
        "other than pathology": (6, 3),
    }


def test_questions_outside_the_totals_are_in_no_slice(data):
    outside = [sample for sample in tiny_runs.samples("microbench_fine_white_blood_cell")]
    items = [dict(sample["acc"], in_total=number > 0) for number, sample in enumerate(outside)]

    class Scored:
        unanswered = ()
        samples = {"microbench_fine_white_blood_cell": [type("Sample", (), {"items": {"acc": item}}) for item in items]}

    assert len(estimates.questions(runs.Run("m", "r", Scored, {}), "fine")) == len(items) - 1


def test_every_dataset_of_fine_questions_has_an_ability():
    assert set(catalog.ABILITY_OF_DATASET) == set(catalog.CLASSIFICATION_DATASETS)
