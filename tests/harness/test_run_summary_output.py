"""Claims about the summary after a run: it is printed and written, and never harms the run."""

from __future__ import annotations

import pytest

from microbench_tasks.harness import own_options, run_state, run_summary_output
from microbench_tasks.tasks.metric_values import with_samples

TASK = "microbench_coarse_stain"
ITEM = {"image": "set/1", "image_id": "1", "dataset": "set", "kind": "stain", "in_total": True}
QUESTION = ITEM | {"options": ["H&E", "PAS"], "gold": "A"}
RUN = "20260101_000000"


def results():
    """Two questions about one image, one answered rightly."""
    acc = with_samples(0.5, [QUESTION, QUESTION])
    failed = with_samples(0, [ITEM | {"failed": False}] * 2)
    figures = {"acc": acc, "failed": failed, "acc_image_ci_low": 0.0, "acc_image_ci_high": 1.0, "unparsed": 0.0}
    figures["counts"] = {"questions": 2, "images": 1, "datasets": 1}
    return {
        "results": {TASK: {f"{metric},none": value for metric, value in figures.items()}, "mmlu": {"acc,none": 1.0}},
        "configs": {TASK: {"metadata": {"dataset": {"source": "demo"}}}},
        "n-samples": {TASK: {"original": 2, "effective": 2}},
        "config": {"model": "demo_clip", "function": print},
    }


@pytest.fixture
def results_file(tmp_path, monkeypatch):
    path = tmp_path / "demo_clip" / f"{RUN}_results.json"
    path.parent.mkdir()
    monkeypatch.setattr(run_state.current, "results_file", path)
    return path


def test_the_summary_is_printed_and_written_beside_the_results(results_file, capsys):
    """Both questions have two options, and the first is always right: chance 1/2, best constant answer 1."""
    warnings = []
    assert run_summary_output.publish(results(), warnings.append)[0].startswith("nothing. The demo set is synthetic")
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == [
        "Micro-Bench: demo_clip; demo set, 1 image",
        f"  {TASK}  acc 50.0 % [0.0, 100.0]; chance 50.0 %, majority answer 100.0 %; 2 questions, 1 image, 1 dataset",
    ]
    assert len(printed) == 5 and not warnings
    names = sorted(path.name for path in results_file.parent.iterdir())
    assert names == [f"{RUN}_summary.md", f"{RUN}_summary.tex"]


def test_without_an_output_folder_it_is_only_printed(monkeypatch, capsys):
    monkeypatch.setattr(run_state.current, "results_file", None)
    run_summary_output.publish(results(), pytest.fail)
    assert "files: none; --output_path" in capsys.readouterr().out


def test_a_run_that_keeps_no_answers_says_what_to_add(results_file, capsys):
    run_summary_output.publish(results(), pytest.fail, has_answers=False)
    [files] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  files: ")]
    assert files.endswith("rescore, compare, report and submit need; add --log_samples")


def test_files_that_cannot_be_written_leave_the_printed_summary_and_say_why(results_file, capsys):
    (results_file.parent / f"{RUN}_summary.md").mkdir()
    warnings = []
    run_summary_output.publish(results(), warnings.append)
    assert "acc 50.0 %" in capsys.readouterr().out
    [warning] = warnings
    assert f"{RUN}_summary.md: " in warning and "Its results are not affected" in warning


def test_a_record_that_cannot_be_read_breaks_nothing(results_file, capsys):
    damaged = results()
    damaged["results"][TASK]["counts,none"] = {}
    warnings = []
    run_summary_output.publish(damaged, warnings.append)
    assert len(warnings) == 1 and "KeyError" in warnings[0]
    assert capsys.readouterr().out == ""


def test_a_run_of_other_benchmarks_has_no_summary(capsys):
    other = results()
    del other["results"][TASK]
    run_summary_output.publish(other, pytest.fail)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "quiet", "for_harness"),
    [
        (["--model", "plip", "-b", "4"], False, ["--model", "plip", "-b", "4"]),
        (["eval", "--quiet", "--limit", "-1"], True, ["eval", "--limit", "-1", "--verbosity", "WARNING"]),
        (["--quiet", "--verbosity=DEBUG"], True, ["--verbosity=DEBUG"]),
        (["--qui"], False, ["--qui"]),
    ],
)
def test_our_own_options_are_taken_out_before_the_harness_parses_the_rest(arguments, quiet, for_harness):
    assert own_options.split(arguments) == (own_options.OwnOptions(quiet=quiet), for_harness)
