"""Claims about the loop over a list of models, with a stub in the place of the harness."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import threading
from types import SimpleNamespace

import pytest

from microbench_tasks.data import source_identity
from microbench_tasks.harness import exit_status, launcher
from microbench_tasks.harness.many_models import board, command, entry_checks, loop, one_run, record, summary
from microbench_tasks.harness.many_models.loop import Job, Status
from microbench_tasks.harness.many_models.model_list import Entry
from microbench_tasks.harness.many_models.one_run import Failure
from microbench_tasks.util.errors import DataError

DATA = {"micrographs": {"source": "demo", "sha256": "a"}}


@pytest.fixture
def jobs(tmp_path):
    def make(*names, tasks=("microbench_coarse",), options=None, data=None, args=""):
        entries = [Entry(position, name, "clip", args) for position, name in enumerate(names, start=1)]
        return [
            Job(entry, record.make_plan(entry, tasks, options or {}, data or DATA), tmp_path / entry.name)
            for entry in entries
        ]

    return make


@pytest.fixture
def said():
    return []


def write_run(folder, date="20260102_030405", acc=0.5):
    """Write what the harness writes for a run."""
    run = folder / "model"
    run.mkdir(exist_ok=True)
    figures = {"acc,none": acc, "acc_image_ci_low,none": acc - 0.1, "acc_image_ci_high,none": acc + 0.1}
    results = {"results": {}, "groups": {"microbench_coarse": figures}}
    (run / f"{date}_results.json").write_text(json.dumps(results))
    (run / f"{date}_samples_microbench_coarse_stain.jsonl").write_text("{}\n")


def succeed(job):
    write_run(job.folder)


def only_a_succeeds(job):
    return succeed(job) if job.entry.name == "a" else Failure("x")


def must_not_run(job):
    pytest.fail(f"{job.entry.name} was run")


@pytest.mark.parametrize("value", ["~no-such-user/bar", "a" * 5000, ""])
def test_a_checkpoint_that_cannot_be_a_path_has_no_files(value):
    assert (
        record.make_plan(Entry(1, "a", "clip", f"pretrained={value}"), ["microbench_coarse"], {}, {}).checkpoint == {}
    )


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def test_a_model_that_fails_is_reported_and_the_rest_go_on(jobs, said):
    def evaluate(job):
        if job.entry.name == "b":
            return Failure("ValueError: no weights")
        if job.entry.name == "c":
            raise RuntimeError("two\nlines")
        return succeed(job)

    outcomes = loop.run(jobs("a", "b", "c", "d"), evaluate, said.append)
    assert statuses(outcomes) == [Status.DONE, Status.FAILED, Status.FAILED, Status.DONE]
    assert [outcome.reason for outcome in outcomes[1:3]] == ["ValueError: no weights", "RuntimeError: two lines"]
    assert "FAILED: b: ValueError: no weights" in said
    assert said[0] == "model 1 of 4: a; 0 done, 0 failed"
    assert said[-1] == "model 4 of 4: d; 1 done, 2 failed; about 0 s left"


def test_a_run_that_writes_no_results_has_failed(jobs, said):
    [outcome] = loop.run(jobs("a"), lambda job: None, said.append)
    assert (outcome.status, outcome.reason) == (Status.FAILED, "the run wrote no results file; see above")


def test_run_again_only_what_is_missing_is_evaluated(jobs, said):
    loop.run(jobs("a", "b"), only_a_succeeds, said.append)
    ran = []
    outcomes = loop.run(jobs("a", "b", "c"), lambda job: ran.append(job.entry.name) or succeed(job), said.append)
    assert ran == ["b", "c"]
    assert statuses(outcomes) == [Status.ALREADY_DONE, Status.DONE, Status.DONE]
    assert "model 1 of 3: a; already done" in said


def test_a_model_whose_files_were_removed_or_cut_is_evaluated_again(jobs, said, tmp_path):
    loop.run(jobs("a", "b"), succeed, said.append)
    next((tmp_path / "a").rglob("*.jsonl")).unlink()
    os.truncate(next((tmp_path / "b").rglob("*_results.json")), 5)
    again = loop.run(jobs("a", "b"), lambda job: write_run(job.folder, "20270102_030405"), said.append)
    assert statuses(again) == [Status.DONE, Status.DONE]
    assert {outcome.complete.run for outcome in again} == {"20270102_030405"}


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"tasks": ("microbench_fine",)}, "tasks was microbench_coarse, and is microbench_fine"),
        ({"options": {"--limit": "5.0"}}, "options was none, and is --limit=5.0"),
        ({"data": {"micrographs": {"source": "demo", "sha256": "b"}}}, r"the data have changed \(micrographs\)"),
        ({"args": "precision=bf16"}, "model_args was none, and is precision=bf16"),
    ],
)
def test_results_of_another_plan_are_refused_with_the_difference_and_never_mixed(jobs, said, changed, difference):
    loop.run(jobs("a"), succeed, said.append)
    [refusal] = loop.check(jobs("a", **changed))
    assert re.search(difference, refusal)
    assert "Choose another --output_path, or delete that folder" in refusal
    [outcome] = loop.run(jobs("a", **changed), must_not_run, said.append)
    assert (outcome.status, outcome.reason) == (Status.FAILED, refusal)


def test_settings_of_the_environment_are_part_of_the_plan(jobs, said, monkeypatch):
    loop.run(jobs("a"), succeed, said.append)
    monkeypatch.setenv("MICROBENCH_INTERVAL", "percentile")
    assert "MICROBENCH_INTERVAL=percentile" in loop.check(jobs("a"))[0]


def test_a_checkpoint_that_was_written_anew_is_another_plan(jobs, said, tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.safetensors").write_bytes(b"one")
    for args in (f"model={weights}", f"model=local-dir:{weights}", f"merge_with=[clip,{weights}]"):
        before = jobs("a", args=args)[0].plan
        assert jobs("a", args=args)[0].plan == before
        (weights / "model.safetensors").write_bytes(b"another one" + args.encode())
        after = jobs("a", args=args)[0].plan
        assert "the checkpoint's files have changed" in after.differences(json.loads(json.dumps(vars(before))))[0]


def test_secrets_in_arguments_are_not_written(jobs, said, tmp_path):
    token = "hf_" + "a1B2" * 8
    loop.run(jobs("a", args=f"model=x/y,token={token}"), succeed, said.append)
    assert token not in (tmp_path / "a" / record.RECORD).read_text()


def test_a_plan_without_results_may_change(jobs, said):
    loop.run(jobs("a"), lambda job: Failure("out of memory"), said.append)
    assert loop.check(jobs("a", options={"--limit": "5.0"})) == []


@pytest.mark.parametrize(("options", "is_kept"), [({}, True), ({"--limit": "5.0"}, False)])
def test_answers_of_another_plan_are_not_resumed_from(jobs, said, tmp_path, options, is_kept):
    """They may be those of other weights under the same name."""
    loop.run(jobs("a"), lambda job: Failure("out of memory"), said.append)
    (tmp_path / "a" / record.ANSWERS).mkdir()
    seen = []

    def evaluate(job):
        seen.append((job.folder / record.ANSWERS).exists())
        return succeed(job)

    loop.run(jobs("a", options=options), evaluate, said.append)
    assert seen == [is_kept]


def test_a_folder_of_another_command_is_left_alone(jobs, said, tmp_path):
    (tmp_path / "a" / "clip").mkdir(parents=True)
    assert "contains files of another command" in loop.check(jobs("a"))[0]


def test_a_damaged_record_is_named(jobs, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / record.RECORD).write_text("{")
    with pytest.raises(ValueError, match="model.json: cannot be read .* Delete the folder"):
        loop.check(jobs("a"))


def test_a_model_that_another_process_evaluates_is_left_to_it(jobs, said, tmp_path):
    (tmp_path / "a").mkdir()
    code = """
        import sys
        from filelock import FileLock

        with FileLock(sys.argv[1]):
            print("held", flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(code), tmp_path / "a" / ".lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        outcomes = loop.run(jobs("a", "b"), succeed, said.append)
        other.stdin.close()
    assert statuses(outcomes) == [Status.ELSEWHERE, Status.DONE]


def test_of_two_processes_with_the_same_list_each_model_is_evaluated_by_one(jobs, said):
    ran = []

    def evaluate(job):
        ran.append(job.entry.name)
        return succeed(job)

    names = [f"model{number}" for number in range(6)]
    others = threading.Thread(target=lambda: loop.run(jobs(*names[::-1]), evaluate, said.append))
    others.start()
    loop.run(jobs(*names), evaluate, said.append)
    others.join()
    assert sorted(ran) == names


@pytest.mark.parametrize("error", [KeyboardInterrupt(), exit_status.Terminated()])
def test_an_interruption_ends_the_whole_with_the_outcomes_until_then(jobs, said, error):
    def evaluate(job):
        if job.entry.name == "b":
            raise error
        return succeed(job)

    with pytest.raises(loop.InterruptedLoopError) as interruption:
        loop.run(jobs("a", "b", "c"), evaluate, said.append)
    assert interruption.value.cause is error
    assert statuses(interruption.value.outcomes) == [Status.DONE]


def test_what_was_kept_for_resuming_is_removed_only_when_a_model_is_complete(jobs, said, tmp_path):
    def evaluate(job):
        for name in (record.EMBEDDINGS, record.ANSWERS):
            (job.folder / name).mkdir(exist_ok=True)
        return succeed(job) if job.entry.name == "a" else Failure("x")

    loop.run(jobs("a", "b"), evaluate, said.append)
    assert not (tmp_path / "a" / record.EMBEDDINGS).exists() and not (tmp_path / "a" / record.ANSWERS).exists()
    assert (tmp_path / "b" / record.EMBEDDINGS).is_dir() and (tmp_path / "b" / record.ANSWERS).is_dir()


def test_complete_models_of_all_processes_are_found_and_missing_ones_named(jobs, said, tmp_path):
    first = jobs("a", "b", "c")
    loop.run(first[:2], only_a_succeeds, said.append)
    complete = loop.complete_models(tmp_path)
    assert list(complete) == ["a"]
    assert loop.missing([job.entry for job in first], complete) == ["b", "c"]


# --- the whole command ---


@pytest.fixture
def run_command(jobs, tmp_path, monkeypatch):
    """Run the command with a stub in the place of the harness and of the leaderboard."""
    missing = {}

    def write(out, not_complete):
        missing.clear()
        missing.update(not_complete)
        return board.Board((out / "leaderboard.md",), 1, {})

    def run(evaluate):
        listed = jobs("a", "b")
        prepared = SimpleNamespace(entries=[job.entry for job in listed], jobs=listed, data=DATA, evaluate=evaluate)
        monkeypatch.setattr(command, "_prepare", lambda request: prepared)
        monkeypatch.setattr(board, "write", write)
        return command.run(command.Request("models.yaml", "microbench_coarse", tmp_path, None, []))

    run.missing = missing
    return run


def test_the_command_fails_if_a_model_failed_and_says_how_to_go_on(run_command, capsys):
    assert run_command(only_a_succeeds) == 1
    printed = capsys.readouterr().out
    assert "FAILED: b: x" in printed
    assert "leaderboard of 1 model(s)" in printed
    assert "missing, as not complete yet: b" in printed
    assert run_command.missing == {"b": "failed"}
    assert "1 of 2 model(s) failed. The same command evaluates only these again." in printed
    assert run_command(succeed) == 0
    assert "missing" not in capsys.readouterr().out


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (exit_status.Terminated(), 143)])
def test_an_interrupted_command_says_how_to_go_on(run_command, capsys, error, status):
    def evaluate(job):
        if job.entry.name == "b":
            raise error
        return succeed(job)

    with pytest.raises(SystemExit) as leaving:
        run_command(evaluate)
    assert leaving.value.code == status
    printed = capsys.readouterr()
    assert "; 1 of 2 done" in printed.out
    assert "To continue, type the same command: it skips the models that are done" in printed.err
    assert "microbench run " in printed.err.splitlines()[-1] and "--output_path " in printed.err.splitlines()[-1]


def test_a_folder_whose_name_the_harness_would_split_is_refused(tmp_path):
    with pytest.raises(DataError, match="a,b: contains ,, which separates the arguments of lmms_eval"):
        command._check_place(tmp_path / "a,b")
    assert not (tmp_path / "a,b").exists()


def test_a_leaderboard_that_cannot_be_built_leaves_the_results(run_command, capsys, monkeypatch, jobs):
    def fail(out, missing):
        raise DataError("No submission answers all tasks")

    run_command(succeed)
    monkeypatch.setattr(board, "write", fail)
    command._rank([job.entry for job in jobs("a", "b")], jobs("a")[0].folder.parent)
    assert "No leaderboard: No submission answers all tasks" in capsys.readouterr().out


# --- one run ---


def test_a_run_reports_the_reason_of_the_harness_in_one_line(monkeypatch):
    def dispatch(command):
        with pytest.raises(ValueError):
            command.run(lambda args: (_ for _ in ()).throw(ValueError("no such\nweights")), args())

    def args():
        return type("Args", (), {"tasks": "", "verbosity": "INFO"})()

    monkeypatch.setattr(launcher, "_dispatch", dispatch)
    assert one_run.evaluate(["--model", "clip"]) == Failure("ValueError: no such weights")


@pytest.mark.parametrize(("code", "failed"), [(None, False), (0, False), (2, True)])
def test_a_harness_that_exits_has_failed_if_its_status_says_so(monkeypatch, code, failed):
    monkeypatch.setattr(launcher, "_dispatch", lambda command: sys.exit(code))
    assert (one_run.evaluate([]) is not None) is failed


def test_arguments_are_those_of_a_single_run_and_a_place_for_what_an_interrupted_model_has_computed(tmp_path):
    common = ["--tasks", "t", "--batch_size", "1"]
    kept = {
        "clip": ["--model_args", f"device=cpu,cache_dir={tmp_path / 'embeddings'}"],
        "paligemma": ["--use_cache", str(tmp_path / "answers")],
    }
    for model, expected in kept.items():
        entry = Entry(1, "a", model, "device=cpu", "8")
        arguments = one_run.arguments_of(entry, tmp_path, common, uses_cache=False)
        assert arguments[:4] == common
        assert all(part in arguments for part in (*expected, "--log_samples", str(tmp_path)))
        # Of several, the last counts.
        assert arguments[len(arguments) - arguments[::-1].index("--batch_size")] == "8"
        with_cache = " ".join(one_run.arguments_of(entry, tmp_path, common, uses_cache=True))
        assert "cache_dir" not in with_cache and "answers" not in with_cache


def test_a_folder_for_embeddings_that_an_entry_sets_stays(tmp_path):
    entry = Entry(1, "a", "clip", "cache_dir=/fast/disk")
    arguments = one_run.arguments_of(entry, tmp_path, [], uses_cache=False)
    assert arguments[arguments.index("--model_args") + 1] == "cache_dir=/fast/disk"
    assert "--use_cache" not in arguments


@pytest.mark.parametrize(("model", "expected"), [("clip", True), ("microbench_random", False), ("llava_hf", False)])
def test_only_contrastive_models_keep_embeddings(model, expected):
    # Classes of the harness call their folder for downloads cache_dir.
    assert entry_checks.keeps_embeddings(model) is expected


# --- the table ---


@pytest.mark.parametrize(("acc", "place"), [(0.36, "inside"), (0.5, "outside")])
def test_on_the_release_the_table_states_the_papers_figure_and_whether_it_is_inside(jobs, said, tmp_path, acc, place):
    data = {"micrographs": source_identity.release_identity()}
    outcomes = loop.run(jobs("a"), lambda job: write_run(job.folder, acc=acc), said.append)
    lines = summary.as_markdown(outcomes, tmp_path, data).splitlines()
    assert lines[0] == "| model | status | time | coarse: acc [95 % interval] | Table 1 |"
    # CLIP in Table 1: 35.41 ± 0.34; the run's interval is acc ± 0.1.
    assert lines[2] == f"| a | done | 0 s | {acc:.4f} [{acc - 0.1:.4f}, {acc + 0.1:.4f}] | 35.41 ± 0.34, {place} |"
    assert "as reported and not re-run" in lines[-1]


def test_a_model_with_arguments_of_its_own_is_not_compared_with_the_paper(jobs, said, tmp_path):
    data = {"micrographs": source_identity.release_identity()}
    outcomes = loop.run(jobs("a", args="precision=bf16"), succeed, said.append)
    assert "Table 1" not in summary.as_markdown(outcomes, tmp_path, data)


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        ({"source": "demo", "sha256": "a"}, "the demo set, which is synthetic"),
        ({"source": "folder", "sha256": "a", "is_release": False}, "data with another hash than the release"),
    ],
)
def test_on_other_data_the_table_says_why_the_papers_figure_is_not_shown(jobs, said, tmp_path, identity, reason):
    outcomes = loop.run(jobs("a", "b"), only_a_succeeds, said.append)
    lines = summary.as_markdown(outcomes, tmp_path, {"micrographs": identity}).splitlines()
    assert lines[2:4] == ["| a | done | 0 s | 0.5000 [0.4000, 0.6000] |", "| b | FAILED |  |  |"]
    assert lines[-1].startswith(f"The paper's Table 1 is not shown beside these scores: they are about {reason}.")
