"""Claims about what is said of scores that changed since a run was logged."""

from __future__ import annotations

import dataclasses

from microbench_tasks.tasks import reading_changes
from microbench_tasks.tasks.metric_table import METRICS
from microbench_tasks.tasks.results import score_boxes


def test_a_log_whose_items_lack_a_metric_or_a_field_is_compared_by_those_that_it_has():
    """The log is of a version without detection: its item of GRIT alone is compared."""
    doc = {
        "image_id": "17",
        "dataset": "opencell",
        "kind": "boxes",
        "expression": "nucleus",
        "width": 9,
        "height": 9,
        "boxes": [[1, 2, 3, 4]],
    }
    now = score_boxes(doc, "[1, 2, 3, 4]", "pixels_xyxy", (9, 9))
    logged = {"grit": now["grit"] | {"grit": 0.0}, "boxes_count_error": {"gold": 1}}
    assert reading_changes.changes([logged], [now]) == {"grit": "1 (1 up, 0 down)"}


def test_a_metric_that_is_compared_by_a_text_counts_the_answers_that_changed(monkeypatch):
    [accuracy] = [metric for metric in METRICS if metric.name == "acc"]
    of_letters = dataclasses.replace(accuracy, name="letters", compared="predicted")
    monkeypatch.setattr(reading_changes, "METRICS", (of_letters,))
    logged = [{"letters": {"predicted": letter}} for letter in "ABC"]
    now = [{"letters": {"predicted": letter}} for letter in "ADD"]
    assert reading_changes.changes(logged, now) == {"letters": "2"}
