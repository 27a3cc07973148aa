"""Claims about the scores of a run as CSV."""

from __future__ import annotations

import csv
import io

import pytest

from microbench_tasks.runs import score_records
from tests.support import logged_runs


@pytest.fixture
def rows(tmp_path):
    """Three of four answers are right; each question has three options."""
    samples = [logged_runs.logged_sample(number, "A" if number else "B") for number in range(4)]
    rescored = logged_runs.rescore(logged_runs.write_samples(tmp_path, samples))
    return {row["metric"]: row for row in csv.DictReader(io.StringIO(score_records.as_csv(rescored)))}


def test_a_line_has_the_score_its_interval_to_quote_counts_and_what_needs_no_image(rows):
    acc = rows["acc"]
    assert (acc["name"], acc["value"], acc["interval"]) == (logged_runs.TASK, "0.75", "acc_image_ci")
    assert float(acc["low"]) < 0.75 < float(acc["high"])
    assert (acc["questions"], acc["images"], acc["datasets"], acc["groups"]) == ("4", "4", "1", "")
    assert float(acc["chance"]) == pytest.approx(1 / 3) and acc["majority"] == "1.0"


def test_what_a_score_lacks_is_empty(rows):
    assert rows["unparsed"]["value"] == "0.0"
    assert {rows["unparsed"][column] for column in ("interval", "low", "high", "chance", "new_datasets_low")} == {""}
