"""Claims about finding the runs that are compared."""

from __future__ import annotations

import pytest

from microbench_tasks.analysis.loaded_runs import load_distinct_runs, load_run
from microbench_tasks.runs import found_runs
from microbench_tasks.util.errors import DataError
from tests.support import tiny_runs
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
    with pytest.raises(DataError, match=f"no run 1999[.] There are runs {NAME}, {OTHER}[.]$"):
        load_distinct_runs([two_in_one], [NAME, "1999"])


def test_a_mistyped_name_is_refused_with_a_close_one_and_not_with_a_demand_for_a_name(two_in_one):
    with pytest.raises(DataError, match=f"no run {NAME}0[.] Did you mean {NAME}.*There are runs {NAME}, {OTHER}"):
        load_distinct_runs([two_in_one], [f"{NAME}0"])


def test_a_run_is_chosen_by_its_folder_and_name_also_where_the_name_suffices(two_in_one):
    above, folder = two_in_one.parts[-2:]
    names = [f"{folder}/{OTHER}", f"{above}/{folder}/{NAME}"]
    assert [run.label for run in load_distinct_runs([two_in_one], names)] == ["two", "one"]


def test_a_name_may_fit_a_run_of_another_folder_alone(two_in_one):
    files = [two_in_one / f"{OTHER}_results.json", two_in_one]
    assert [run.label for run in load_distinct_runs(files, [NAME])] == ["two", "one"]


def test_a_run_is_compared_with_itself_by_no_accident(two_in_one):
    file = two_in_one / f"{NAME}_results.json"
    with pytest.raises(DataError, match=f"{NAME}: named twice. Name each run once"):
        load_distinct_runs([two_in_one, file], [NAME])


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        load_distinct_runs([tmp_path / "nowhere"])


@pytest.fixture
def of_list(tmp_path):
    """The folder of a list of two models, of which the first ran twice."""
    for number, (name, letters) in enumerate([("One", "AB"), ("Two", "AA"), ("One", "BB")], 1):
        folder = write(tmp_path / "out" / name, {MODALITY: answered(letters)}, "model", f"2026010{number}_030405")
        tiny_runs.edited(
            next(folder.glob(f"2026010{number}*_results.json")),
            lambda content, name=name: content.update(microbench_name=name),
        )
    return tmp_path / "out"


def test_of_the_folder_of_a_list_the_last_run_of_each_model_is_taken_under_its_name(of_list):
    runs = load_distinct_runs([of_list])
    assert [(run.label, run.name) for run in runs] == [("One", "20260103_030405"), ("Two", "20260102_030405")]


def test_a_run_of_a_list_is_chosen_by_the_name_of_its_model(of_list):
    assert [run.label for run in load_distinct_runs([of_list], ["One"])] == ["One"]
    assert load_run(of_list, "Two").name == "20260102_030405"
    with pytest.raises(DataError, match="samples of several runs(.|\n)*: Two, "):
        load_run(of_list)


def test_a_run_of_a_list_is_chosen_by_its_folder_and_name(of_list):
    runs = load_distinct_runs([of_list], ["One/20260103_030405"])
    assert [(run.label, run.name) for run in runs] == [("One", "20260103_030405")]
    # The first of the two runs of this model.
    assert load_distinct_runs([of_list], ["One/20260101_030405"])[0].name == "20260101_030405"


def test_a_name_of_no_run_is_refused_with_the_names_of_the_list(of_list):
    with pytest.raises(DataError, match="no run Three[.] There are runs One, Two[.]$"):
        load_distinct_runs([of_list], ["One", "Three"])
    with pytest.raises(DataError, match="no run Three[.] There are runs One, Two[.]$"):
        found_runs.find_run([of_list], "Three")


def test_beside_the_models_of_a_list_a_run_without_a_name_is_neither_left_out_nor_in_the_way(of_list):
    write(of_list / "alone", {MODALITY: answered("BA")}, "alone", OTHER)
    with pytest.raises(DataError, match=f"samples of several runs(.|\n)*{OTHER}: alone"):
        load_distinct_runs([of_list])
    with pytest.raises(DataError, match=f"no run Three[.] There are runs {OTHER}, One, Two[.]$"):
        load_distinct_runs([of_list], ["Three"])
    # The last of the two runs of this model.
    assert [run.name for run in load_distinct_runs([of_list], ["One", OTHER])] == ["20260103_030405", OTHER]
    assert load_run(of_list, "One").name == "20260103_030405"
