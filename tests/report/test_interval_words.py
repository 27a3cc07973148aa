"""Claims about what a report says its intervals keep together: images, or groups of images."""

from __future__ import annotations

import json

import pytest

from microbench_tasks.report import writing
from microbench_tasks.report.estimate_plots import interval_text, sizes_text
from microbench_tasks.report.estimates import Estimate
from tests.support import own_data, tiny_runs
from tests.support.report_runs import ALL_IN_ONE, parts_of


def estimate(groups):
    return Estimate(0.5, 0.2, 0.8, 60, 60, groups)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([], "by image"),
        ([None, None], "by image"),
        ([6, 6], "by group (6 groups)"),
        ([6, 7], "by group"),
        ([6, None], "by image, or by group where images have one"),
    ],
)
def test_an_interval_is_called_by_what_it_keeps_together(groups, words):
    assert interval_text(map(estimate, groups)) == f"95 % interval {words}"


def test_the_label_of_a_row_says_how_many_groups_there_are():
    assert sizes_text([estimate(6)]).split() == ["n", "=", "60,", "6", "groups"]


def test_the_report_of_slides_says_that_intervals_are_by_group(data, tmp_path, monkeypatch):
    # 12 images, 3 of each slide.
    monkeypatch.setenv("MICROBENCH_OWN", str(own_data.slides(tmp_path / "slides")))
    tasks = ["microbench_own_slides", "microbench_own_slides_boxes"]
    runs = [
        tiny_runs.write(tmp_path / name, {task: tiny_runs.samples(task) for task in tasks}) for name in ("one", "two")
    ]
    folder = writing.write(runs, tmp_path / "out", 1, 0, ALL_IN_ONE).folder
    record = json.loads((folder / "report.json").read_text())
    assert "95 % interval by group (4 groups)" in json.dumps(record)
    assert "interval by image" not in json.dumps(record)
    assert {"Accuracy on own data", "GRIT localization score by task"} <= {
        picture["arguments"]["title"].partition(" (")[0] for picture in parts_of(record, "picture")
    }
