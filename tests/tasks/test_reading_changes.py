"""Claims about what is said of scores that changed since a run was logged."""

from __future__ import annotations

import dataclasses

from microbench_tasks.tasks import reading_changes
from microbench_tasks.tasks.metric_table import METRICS


def test_a_metric_that_is_compared_by_a_text_counts_the_answers_that_changed(monkeypatch):
    [accuracy] = [metric for metric in METRICS if metric.name == "acc"]
    of_letters = dataclasses.replace(accuracy, name="letters", compared="predicted")
    monkeypatch.setattr(reading_changes, "METRICS", (of_letters,))
    logged = [{"letters": {"predicted": letter}} for letter in "ABC"]
    now = [{"letters": {"predicted": letter}} for letter in "ADD"]
    assert reading_changes.changes(logged, now) == {"letters": "2"}
