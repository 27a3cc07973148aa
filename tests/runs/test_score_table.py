"""Claims about the table of scores, and about intervals for new datasets."""

import pytest

from microbench_tasks import catalog
from microbench_tasks.cli import program
from microbench_tasks.runs import new_datasets, score_table
from microbench_tasks.tasks.item_intervals import ABOUT_DATASETS, ABOUT_IMAGES
from microbench_tasks.tasks.results import microbench_process_results
from tests.support.logged_runs import TASK, logged_sample, question, rescore, write_samples


def test_the_table_shows_scores_with_their_intervals(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "A")])
    table = score_table.render_scores(rescore(tmp_path)).splitlines()
    assert [cell.strip() for cell in table[0].split("|")[1:-1]] == [
        "name",
        "n",
        "images",
        "datasets",
        "chance",
        "majority",
        "acc",
        "acc_strict",
        "unparsed",
    ]
    assert [cell.strip() for cell in table[2].split("|")[1:-1]] == [
        TASK,
        "2",
        "2",
        "1",
        "0.333",
        "1.000",
        "1.0000 [0.1581, 1.0000]",
        "1.0000",
        "0.0000",
    ]
    # Clopper and Pearson: both of two are right 25 times in 1,000 at an accuracy of 0.025 ** (1 / 2) = 0.1581.
    assert table[4] == f"In brackets: 95 % intervals. {ABOUT_IMAGES}"


def test_the_table_says_what_the_number_in_parentheses_is(tmp_path):
    """The group's accuracy leaves out one of its 13 questions."""
    for task in catalog.tasks_named(["microbench_fine"]):
        # Of cell cycle's, the second one is left out.
        dataset = catalog.ALL_TASKS[task].datasets[task == "microbench_fine_cell_cycle"]
        results = microbench_process_results(question(0) | {"kind": "classification", "dataset": dataset}, ["A"])
        write_samples(tmp_path, [logged_sample(0, "A") | results], task)
    table = score_table.render_scores(rescore(tmp_path)).splitlines()
    assert [row.split("|")[2].strip() for row in table if row.startswith("| microbench_fine ")] == ["13 (12)"]
    assert [line for line in table if line.startswith("In parentheses: n without")]


def test_a_log_of_several_datasets_has_intervals_for_new_datasets(tmp_path):
    datasets = ("acevedo_et_al_2020", "icpr2020_pollen", "wu_et_al_2023")
    # Of one dataset all answers are right, of the others none: three datasets are as much as three answers.
    samples = [
        logged_sample(number, "A")
        | microbench_process_results(
            question(number) | {"dataset": datasets[number // 20]}, ["A" if number < 20 else "B"]
        )
        for number in range(60)
    ]
    for number, logged in enumerate(samples):
        logged["filtered_resps"] = "A" if number < 20 else "B"
    write_samples(tmp_path, samples)
    found = rescore(tmp_path)
    [ends] = new_datasets.dataset_intervals(found).values()
    by_image = found.scores[TASK]
    assert by_image["acc"] == pytest.approx(1 / 3)
    assert by_image["acc_image_ci_high"] - by_image["acc_image_ci_low"] < 0.3
    # One of three by Clopper and Pearson is 0.008 to 0.906: with three clusters nothing narrower can be had.
    assert ends["acc_dataset_ci_low"] <= 0.0085 and ends["acc_dataset_ci_high"] >= 0.905
    found.new_datasets = new_datasets.dataset_intervals(found)
    assert f"New datasets: {ABOUT_DATASETS}" in score_table.render_scores(found)
    assert found.summary()["new_datasets"] == {TASK: ends}


def test_over_a_single_dataset_there_is_no_interval_for_new_ones(tmp_path, capsys):
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "B")])
    assert new_datasets.dataset_intervals(rescore(tmp_path)) == {}
    program.main(["rescore", str(tmp_path), "--new-datasets"])
    assert "note: no interval for new datasets: every task asks about a single dataset" in capsys.readouterr().out
