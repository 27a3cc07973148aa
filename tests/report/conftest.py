"""Small runs on small data, made once for each file of tests."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from microbench_tasks.report import (
    runs,
    writing,
)
from microbench_tasks.util.progress import no_progress
from tests.support import tiny_runs
from tests.support.report_runs import (
    ALL_IN_ONE,
    TASKS,
    answers,
    small_data,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def data(folder):
    """The data source of all runs here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", str(small_data(folder / "data")))
        yield folder / "data"


@pytest.fixture(scope="module")
def logged(data, folder):
    return tiny_runs.write(folder / "run", {task: tiny_runs.samples(task, answers) for task in TASKS})


@pytest.fixture(scope="module")
def other(data, folder):
    """A run that is right but for every third answer, of the questions alone."""
    return tiny_runs.write(
        folder / "other", {task: tiny_runs.samples(task) for task in TASKS if task != tiny_runs.BOXES}
    )


@pytest.fixture(scope="module")
def brief(data, folder):
    """A run with little to draw."""
    return tiny_runs.write(
        folder / "brief",
        {task: tiny_runs.samples(task, answers) for task in ("microbench_fine_pollen", tiny_runs.COGNITION)},
    )


@pytest.fixture(scope="module")
def briefest(data, folder):
    return tiny_runs.write(folder / "briefest", {tiny_runs.COGNITION: tiny_runs.samples(tiny_runs.COGNITION)})


@pytest.fixture(scope="module")
def run(logged):
    [found], _ = runs.read([logged], no_progress)
    return found


@pytest.fixture(scope="module")
def rows(data):
    return [row for path in sorted(data.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.fixture(scope="module")
def written(logged, other, folder):
    report = writing.write([logged, other], folder / "out", 2, 0, ALL_IN_ONE)
    return report, json.loads((report.folder / "report.json").read_text())
