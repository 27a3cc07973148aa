"""Claims about how a command ends: status, message, and what is said of answers that are missing."""

import os
import shlex
import signal
import sqlite3

import pytest
from lmms_eval.cli import dispatch

from microbench_tasks.harness import launcher, resume_advice, run_state, running_command, saving

ARGUMENTS = ["--model", "openai", "--tasks", "microbench_coarse_stain", "--output_path", "my results"]


@pytest.fixture(autouse=True)
def new_run(monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    run_state.start()
    saving.forget_problems()


def results(**failed):
    """Of tasks with ten questions each, of which so many failed."""
    figures = {
        task: {"alias": task, "samples": 10, "acc,none": 0.5, "acc_stderr,none": "N/A", "failed,none": number}
        for task, number in failed.items()
    }
    group = {"microbench_coarse": {"alias": "microbench_coarse", "acc,none": 0.5, "failed,none": sum(failed.values())}}
    return {"results": figures | group, "groups": group, "n-samples": {task: {"effective": 10} for task in failed}}


def test_a_run_without_failed_requests_has_nothing_to_say():
    assert resume_advice.failed_requests(results(microbench_coarse_stain=0), ARGUMENTS) == ""


def test_with_a_cache_the_same_command_asks_the_failed_requests_alone():
    arguments = [*ARGUMENTS, "--use_cache", "cache"]
    said = resume_advice.failed_requests(results(microbench_coarse_stain=3, microbench_coarse_domain=1), arguments)
    assert said.startswith(
        "4 request(s) got no answer and count as wrong (microbench_coarse_domain 1, microbench_coarse_stain 3)."
    )
    assert shlex.split(said.splitlines()[-1]) == ["MICROBENCH_DATASET=demo", "lmms_eval", *arguments]


def test_without_a_cache_the_command_names_where_a_servers_answers_are(tmp_path):
    run_state.keep_answers_in(tmp_path)
    said = resume_advice.failed_requests(results(microbench_coarse_stain=3), ARGUMENTS)
    assert shlex.split(said.splitlines()[-1])[1:] == ["lmms_eval", *ARGUMENTS, "--use_cache", str(tmp_path)]


def test_where_no_answers_are_kept_it_is_said_that_all_are_asked_again():
    said = resume_advice.failed_requests(results(microbench_coarse_stain=3), ARGUMENTS)
    assert "were not kept. This asks all again" in said
    assert shlex.split(said.splitlines()[-1])[-2:] == ["--use_cache", "answers"]


def test_a_key_in_the_arguments_is_not_printed():
    said = resume_advice.command(["--model_args", "model=m,api_key=sk-abcdefghijklmnopqrstuvwxyz0123456789"])
    assert "model=m" in said and "sk-" not in said


def test_a_task_without_any_answer_loses_its_score_and_its_groups_theirs():
    found = results(microbench_coarse_stain=10, microbench_coarse_domain=9)
    assert resume_advice.drop_unanswered_scores(found) == ["microbench_coarse_stain"]
    assert found["results"]["microbench_coarse_stain"] == {
        "alias": "microbench_coarse_stain",
        "samples": 10,
        "failed,none": 10,
    }
    assert found["results"]["microbench_coarse_domain"]["acc,none"] == 0.5
    assert (
        found["results"]["microbench_coarse"]
        == found["groups"]["microbench_coarse"]
        == {"alias": "microbench_coarse", "failed,none": 19}
    )


def test_of_questions_asked_several_times_one_answer_is_enough_for_a_score():
    found = results(microbench_coarse_stain=10)
    found["results"]["microbench_coarse_stain"]["repeats,none"] = {"answers": 3}
    assert resume_advice.drop_unanswered_scores(found) == []
    found["results"]["microbench_coarse_stain"]["failed,none"] = 30
    assert resume_advice.drop_unanswered_scores(found) == ["microbench_coarse_stain"]


def test_kept_answers_are_counted_in_the_cache_and_in_runs_that_did_not_end(tmp_path):
    for name, number in (("cache.db", 2), ("runs/killed/rank_0.db", 3), ("runs/merged/rank_0.db", 2)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE responses (cache_key TEXT)")
            database.executemany("INSERT INTO responses VALUES (?)", [(str(key),) for key in range(number)])
    (tmp_path / "runs" / "merged" / ".merged").touch()
    assert resume_advice.kept_answers(tmp_path) == 2 + 3


# --- exit status ---------------------------------------------------------------------


def end_of(monkeypatch, run):
    """The exit status of a command that does ``run`` instead of the harness's dispatcher."""
    monkeypatch.setattr("sys.argv", ["lmms_eval", "version"])
    monkeypatch.setattr(dispatch, "main", run)
    try:
        launcher.main()
    except SystemExit as left:
        return left.code
    return 0


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("run", "status", "said"),
    [
        (lambda: None, 0, ""),
        (interrupt, 130, "Interrupted by Ctrl-C. No answers are kept."),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), 143, "Ended by SIGTERM. No answers are kept."),
        (
            lambda: running_command.current().problems.append("One thing."),
            1,
            "This command is not complete:\n- One thing.",
        ),
    ],
    ids=["complete", "Ctrl-C", "SIGTERM", "incomplete"],
)
def test_the_exit_status_is_true_and_the_reason_is_said(monkeypatch, capsys, run, status, said):
    assert end_of(monkeypatch, run) == status
    assert said in capsys.readouterr().err


def test_a_run_that_was_interrupted_before_its_first_answer_asks_all_again(tmp_path):
    arguments = [*ARGUMENTS, "--use_cache", str(tmp_path)]
    said, command = resume_advice.how_to_go_on(arguments).splitlines()
    assert said == f"No answers are kept in {tmp_path} yet. This asks all again:"
    assert shlex.split(command)[1:] == ["lmms_eval", *arguments]


def test_only_the_first_process_speaks(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    assert end_of(monkeypatch, interrupt) == 130
    assert capsys.readouterr().err == ""


def test_a_failed_save_makes_a_command_incomplete(monkeypatch):
    monkeypatch.setattr(running_command, "_check_arguments", lambda args: None)
    command = running_command.Command(ARGUMENTS)

    def evaluate(args):
        saving.problems.append("not saved")
        return results(microbench_coarse_stain=0), None

    command.run(evaluate, None)
    assert command.problems == ["not saved"]


def test_after_a_command_sigterm_means_what_it_did(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    end_of(monkeypatch, lambda: None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_command_with_scores_says_what_to_quote_and_what_its_interval_is_about(monkeypatch, capsys):
    monkeypatch.setattr(running_command, "_check_arguments", lambda args: None)

    def run(figures):
        found = results(microbench_coarse_stain=0)
        found["results"]["microbench_coarse_stain"] |= figures
        end_of(monkeypatch, lambda: running_command.current().run(lambda args: (found, None), None))
        return capsys.readouterr().err

    said = run({"acc_image_ci_low,none": 0.5})
    assert "quote acc with acc_image_ci_low and _high" in said and "new images of the same datasets" in said
    assert "quote" not in run({})
