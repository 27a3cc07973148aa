"""Claims about requests without an answer in the results of a run."""

import shlex

import pytest

from microbench_tasks.harness import failed_requests, run_state
from tests.support.run_results import results

ARGUMENTS = ["--model", "openai", "--tasks", "microbench_coarse_stain", "--output_path", "my results"]


@pytest.fixture(autouse=True)
def new_run(monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    run_state.reset_answers()
    run_state.current.unsaved_files.clear()


def test_a_run_without_failed_requests_has_nothing_to_say():
    assert failed_requests.failure_summary(results(microbench_coarse_stain=0), ARGUMENTS) == ""


def test_with_a_cache_the_same_command_asks_the_failed_requests_alone():
    arguments = [*ARGUMENTS, "--use_cache", "cache"]
    summary = failed_requests.failure_summary(results(microbench_coarse_stain=3, microbench_coarse_domain=1), arguments)
    assert summary.startswith(
        "4 request(s) got no answer and count as wrong (microbench_coarse_domain 1, microbench_coarse_stain 3)."
    )
    assert shlex.split(summary.splitlines()[-1]) == ["MICROBENCH_DATASET=demo", "lmms_eval", *arguments]


def test_without_a_cache_the_command_names_where_a_servers_answers_are(tmp_path):
    run_state.current.answers_folder = tmp_path
    summary = failed_requests.failure_summary(results(microbench_coarse_stain=3), ARGUMENTS)
    assert shlex.split(summary.splitlines()[-1])[1:] == ["lmms_eval", *ARGUMENTS, "--use_cache", str(tmp_path)]


def test_where_no_answers_are_kept_it_is_said_that_all_are_asked_again():
    summary = failed_requests.failure_summary(results(microbench_coarse_stain=3), ARGUMENTS)
    assert "were not kept. This asks all again" in summary
    assert shlex.split(summary.splitlines()[-1])[-2:] == ["--use_cache", "answers"]


def test_a_task_without_any_answer_loses_its_score_and_its_groups_theirs():
    run_results = results(microbench_coarse_stain=10, microbench_coarse_domain=9)
    assert failed_requests.drop_unanswered_scores(run_results) == ["microbench_coarse_stain"]
    assert run_results["results"]["microbench_coarse_stain"] == {
        "alias": "microbench_coarse_stain",
        "samples": 10,
        "failed,none": 10,
    }
    assert run_results["results"]["microbench_coarse_domain"]["acc,none"] == 0.5
    assert (
        run_results["results"]["microbench_coarse"]
        == run_results["groups"]["microbench_coarse"]
        == {"alias": "microbench_coarse", "failed,none": 19}
    )


def test_of_questions_asked_several_times_one_answer_is_enough_for_a_score():
    run_results = results(microbench_coarse_stain=10)
    run_results["results"]["microbench_coarse_stain"]["repeats,none"] = {"answers": 3}
    assert failed_requests.drop_unanswered_scores(run_results) == []
    run_results["results"]["microbench_coarse_stain"]["failed,none"] = 30
    assert failed_requests.drop_unanswered_scores(run_results) == ["microbench_coarse_stain"]
