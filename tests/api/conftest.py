"""Small runs on small data, made once for each file of tests."""

from __future__ import annotations

import pytest

from microbench_tasks import api
from tests.support import tiny_runs
from tests.support.report_runs import TASKS, answers, small_data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def data(folder):
    """The data source of all runs here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", str(small_data(folder / "data")))
        yield folder / "data"


@pytest.fixture(scope="module")
def run(data, folder):
    """A run of questions and boxes."""
    return api.load(tiny_runs.write(folder / "run", {task: tiny_runs.samples(task, answers) for task in TASKS}))


@pytest.fixture(scope="module")
def other(data, folder):
    """A run that is right but for every third answer."""
    logged = {task: tiny_runs.samples(task) for task in TASKS}
    return api.load(tiny_runs.write(folder / "other", logged)).with_label("other")
