"""Claims about finding the runs that are compared."""

from __future__ import annotations

import pytest

from microbench_tasks.analysis.loaded_runs import load_distinct_runs, load_run
from microbench_tasks.util.errors import DataError
from tests.support.compared_runs import MODALITY, NAME, answered, write

OTHER = "20270101_000000"


@pytest.fixture
def two_in_one(tmp_path):
    folder = tmp_path / "results"
    write(folder, {MODALITY: answered("AB")}, "one", NAME)
    return write(folder, {MODALITY: answered("AA")}, "two", OTHER)


def test_runs_of_one_folder_are_chosen_by_name_in_the_order_of_the_names(two_in_one):
    runs = load_distinct_runs([two_in_one], [OTHER, NAME])
    assert [run.label for run in runs] == ["two", "one"]
    assert load_run(two_in_one, NAME).label == "one"


def test_a_results_file_names_one_of_several_runs(two_in_one):
    assert load_run(two_in_one / f"{OTHER}_results.json").label == "two"


def test_a_folder_of_several_runs_needs_a_name(two_in_one):
    with pytest.raises(DataError, match=f"samples of several runs. .*\n  - {OTHER}: two, "):
        load_run(two_in_one)


def test_the_latest_of_several_runs_can_be_chosen(two_in_one):
    assert load_run(two_in_one, "latest").label == "two"


def test_a_name_of_no_run_is_refused_with_those_there_are(two_in_one):
    with pytest.raises(DataError, match=f"run 1999: no such run.*there are {NAME}"):
        load_distinct_runs([two_in_one], [NAME, "1999"])


def test_a_run_is_compared_with_itself_by_no_accident(two_in_one):
    file = two_in_one / f"{NAME}_results.json"
    with pytest.raises(DataError, match=f"{NAME}: named twice. Name each run once"):
        load_distinct_runs([two_in_one, file], [NAME])


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        load_distinct_runs([tmp_path / "nowhere"])
