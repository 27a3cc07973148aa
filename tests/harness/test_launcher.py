"""Claims about how a command ends: exit status and last message."""

import os
import signal
import sys
from types import SimpleNamespace

import pytest
from lmms_eval.cli import dispatch

from microbench_adapters.models.execution import resolve_device
from microbench_tasks.harness import launcher, run_state, running_command
from microbench_tasks.harness.own_options import OwnOptions
from microbench_tasks.util.errors import DataError
from tests.support.run_results import results

ARGUMENTS = ["--model", "openai", "--tasks", "microbench_coarse_stain", "--output_path", "my results"]


@pytest.fixture(autouse=True)
def new_run(monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    run_state.reset_answers()
    run_state.current.unsaved_files.clear()


def end_of(monkeypatch, run):
    """The exit status of a command that does ``run`` instead of the harness's dispatch."""
    monkeypatch.setattr("sys.argv", ["lmms_eval", "version"])
    monkeypatch.setattr(dispatch, "main", run)
    try:
        launcher.main()
    except SystemExit as left:
        return left.code
    return 0


def interrupt():
    raise KeyboardInterrupt


def find_wrong_config():
    raise DataError("--config runs.yaml: wrong")


@pytest.mark.parametrize(
    ("run", "status", "last_message"),
    [
        (lambda: None, 0, ""),
        (interrupt, 130, "Interrupted by Ctrl-C. No answers are kept."),
        (find_wrong_config, 1, "Micro-Bench: --config runs.yaml: wrong\n"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), 143, "Ended by SIGTERM. No answers are kept."),
        (
            lambda: run_state.current.command.problems.append("One thing."),
            1,
            "This command is not complete:\n- One thing.",
        ),
    ],
    ids=["complete", "Ctrl-C", "a wrong file of --config", "SIGTERM", "incomplete"],
)
def test_the_exit_status_is_true_and_the_reason_is_said(monkeypatch, capsys, run, status, last_message):
    assert end_of(monkeypatch, run) == status
    assert last_message in capsys.readouterr().err


def test_abbreviated_options_are_checked_and_repeated_by_their_full_names(monkeypatch, capsys):
    monkeypatch.setattr(launcher, "prepare_evaluation", lambda: None)
    monkeypatch.setattr(dispatch, "main", interrupt)
    for arguments, said in (
        (["--conf", "nothing.yaml"], "--config nothing.yaml: cannot be read"),
        # An option of the harness that looks for its folder.
        (["--use_c=kept", "--quiet"], "lmms_eval --use_cache=kept --quiet"),
    ):
        monkeypatch.setattr("sys.argv", ["lmms_eval", *arguments])
        with pytest.raises(SystemExit):
            launcher.main()
        assert said in capsys.readouterr().err


def test_abbreviations_of_our_own_options_are_taken_for_the_options_and_kept_from_the_harness(monkeypatch, capsys):
    seen = []

    def dispatched():
        seen.append((sys.argv[1:], run_state.current.own_options))
        run_state.current.command.quotes.append("a sentence that --quiet leaves out")

    monkeypatch.setattr(launcher, "prepare_evaluation", lambda: None)
    monkeypatch.setattr(dispatch, "main", dispatched)
    monkeypatch.setattr("sys.argv", ["lmms_eval", "--run", "first", "--qui", "--mod", "plip"])
    launcher.main()
    assert seen == [(["--mod", "plip", "--verbosity", "WARNING"], OwnOptions(quiet=True, run_name="first"))]
    assert capsys.readouterr().err == ""


def test_only_the_first_process_speaks(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    assert end_of(monkeypatch, interrupt) == 130
    assert capsys.readouterr().err == ""


def test_a_failed_save_makes_a_command_incomplete(monkeypatch):
    monkeypatch.setattr(running_command, "check_arguments", lambda args: None)
    command = running_command.Command(ARGUMENTS)

    def evaluate(args):
        run_state.current.unsaved_files.append("not saved")
        return results(microbench_coarse_stain=0), None

    command.run(evaluate, None)
    assert command.problems == ["not saved"]


def test_after_a_command_sigterm_means_what_it_did(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    end_of(monkeypatch, lambda: None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_command_ends_with_the_sentences_to_quote(monkeypatch, capsys):
    def last_message(*quotes):
        end_of(monkeypatch, lambda: run_state.current.command.quotes.extend(quotes))
        return capsys.readouterr().err

    assert last_message("plip answered 1 %.", "plip answered 2 %.", "plip answered 1 %.") == (
        "Micro-Bench: to quote:\n- plip answered 1 %.\n- plip answered 2 %.\n"
    )
    assert last_message() == ""


@pytest.mark.parametrize(
    ("error", "verbosity", "is_raised"),
    [
        (DataError("wrong data"), "INFO", False),
        (DataError("wrong data"), "DEBUG", True),
        (RuntimeError("wrong data"), "INFO", True),
        (ValueError("wrong data"), "INFO", True),
    ],
    ids=["explained", "explained, for debugging", "unexpected", "of another package"],
)
def test_the_reason_of_an_explained_error_is_left_to_the_last_message(monkeypatch, error, verbosity, is_raised):
    """For an error that is raised, the harness prints a traceback."""

    def fail(args):
        raise error

    monkeypatch.setattr(running_command, "check_arguments", lambda args: None)
    command = running_command.Command(ARGUMENTS)
    options = SimpleNamespace(verbosity=verbosity, tasks="mmlu")
    if is_raised:
        with pytest.raises(type(error)):
            command.run(fail, options)
    else:
        assert command.run(fail, options) == (None, None)
    assert command.problems == [f"A run failed. {type(error).__name__}: wrong data"]


def test_a_model_of_this_package_explains_its_errors(monkeypatch):
    def build(args):
        resolve_device("no device")

    monkeypatch.setattr(running_command, "check_arguments", lambda args: None)
    command = running_command.Command(ARGUMENTS)
    assert command.run(build, SimpleNamespace(verbosity="INFO")) == (None, None)
    assert "torch knows no such device" in command.problems[0]
