"""Claims about which runs can be a baseline."""

import pytest

from microbench_tasks.data import resolved_data, task_data
from microbench_tasks.harness import baseline
from microbench_tasks.util.errors import DataError
from tests.support.logged_runs import TASK, logged_sample, write_results, write_samples

SOURCE = {"source": "folder", "path": "/then", "sha256": "abc"}


@pytest.fixture
def same_source(monkeypatch):
    """The data of the baseline's run, now at another place."""
    found = resolved_data.ResolvedData("here", "", SOURCE | {"path": "/now"})
    monkeypatch.setattr(task_data, "resolve", lambda task, **options: found)


def test_a_baselines_scores_are_those_of_its_responses(tmp_path, same_source):
    write_samples(tmp_path, [logged_sample(0, "A") | {"score": 0.0}, logged_sample(1, "B")])
    write_results(tmp_path, dataset=SOURCE)
    documents = baseline.documents(tmp_path, TASK)
    assert {number: document.score for number, document in documents.items()} == {0: 1.0, 1: 0.0}


def test_a_baseline_on_other_data_is_refused(tmp_path, same_source):
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "B")])
    write_results(tmp_path, dataset=SOURCE | {"sha256": "def"})
    with pytest.raises(DataError, match="microbench_coarse_modality was asked on other data .sha256 def."):
        baseline.documents(tmp_path, TASK)


def test_a_baseline_without_the_task_or_the_results_file_is_refused(tmp_path, same_source):
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "B")])
    with pytest.raises(DataError, match="20260101_000000_results.json is missing from the folder of the samples"):
        baseline.documents(tmp_path, TASK)
    write_results(tmp_path, dataset=SOURCE)
    with pytest.raises(
        DataError, match="contains samples of microbench_coarse_modality, and none of microbench_coarse_stain"
    ):
        baseline.check(tmp_path, [TASK, "microbench_coarse_stain"])


def test_a_baseline_of_a_part_says_how_much_is_compared(tmp_path, same_source, monkeypatch):
    said = []
    monkeypatch.setattr(baseline.logger, "warning", said.append)
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "B")])
    write_results(tmp_path, original=10, dataset=SOURCE)
    baseline.documents(tmp_path, TASK)
    assert said == [f"Baseline {tmp_path}: microbench_coarse_modality has 2 of 10 documents; only these are compared."]
