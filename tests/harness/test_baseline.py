"""Claims about the comparison with an earlier run (``--baseline``); logs as baselines are in test_rescoring."""

import json
import re
import sys
from pathlib import Path

import pytest
from lmms_eval import utils

from microbench_tasks import catalog
from microbench_tasks.harness import baseline
from microbench_tasks.harness.baseline import Document
from microbench_tasks.harness.patches import installation
from microbench_tasks.util.errors import DataError
from tests.support import logged_runs

TASK = "microbench_coarse_modality"
# Right of the baseline and of the run, and the image, of each document. Differences of the images: 2, 1, 1.
ANSWERS = [(0, 1, "a"), (0, 1, "a"), (0, 1, "b"), (1, 1, "b"), (0, 1, "c"), (0, 0, "c")]
RUN = Path("/runs/clip-v1.5")


def sample(number, score, image, metric="acc", in_total=True):
    return {"doc_id": number, metric: {"score": float(score), "image": image, "in_total": in_total}}


def results(samples, *groups):
    """As the harness's ``evaluate`` returns them."""
    stated = {"acc,none": 5 / 6, "acc_ci_low,none": 0.4, "failed,none": 0}
    figures = {name: {"alias": f" - {name}"} | stated for name in [*samples, *groups]}
    of_groups = {group: dict(figures[group]) for group in groups}
    return {"results": figures, "samples": samples, "groups": of_groups, "n-shot": {}, "higher_is_better": {}}


@pytest.fixture
def earlier(monkeypatch):
    """What the baseline's run has of each task."""
    known = {TASK: {number: Document(float(before), image, True) for number, (before, _, image) in enumerate(ANSWERS)}}
    monkeypatch.setattr(baseline, "documents", lambda path, task: known[task])
    return known


def run_of(answers=ANSWERS):
    return [sample(number, after, image) for number, (_, after, image) in enumerate(answers)]


def test_a_task_is_tested_by_image_and_its_figures_are_percentages(earlier):
    run = results({TASK: run_of()})
    baseline.Comparer(run).add(RUN, TASK)
    figures = run["results"][TASK]
    assert figures["paired_baseline_score"] == pytest.approx(100 * 1 / 6)
    assert figures["paired_difference"] == pytest.approx(100 * 4 / 6)
    # Of the 8 patterns of signs before 2, 1 and 1, those that give 4 or -4.
    assert figures["paired_pvalue"] == pytest.approx(2 / 8)
    assert -100 <= figures["paired_ci_lower"] < figures["paired_difference"] < figures["paired_ci_upper"] <= 100
    # Sums of the images less 2 questions of 2 / 3: 2 / 3, -1 / 3, -1 / 3; 3 / 2 for the small number of images.
    assert figures["paired_standard_error"] == pytest.approx(100 * ((4 / 9 + 1 / 9 + 1 / 9) * 3 / 2) ** 0.5 / 6)
    numbers = [figures[f"paired_num_{what}"] for what in ("documents", "images", "discordant")]
    assert numbers == [6, 3, 3]
    assert json.dumps(run["results"], allow_nan=False)


def test_only_documents_that_both_runs_asked_are_compared(earlier):
    run = results({TASK: run_of()[3:] + [sample(99, 1, "z")]})
    baseline.Comparer(run).add(RUN, TASK)
    # Documents 3, 4 and 5: 1, 0, 0 before and 1, 1, 0 now, about images b and c.
    assert run["results"][TASK]["paired_difference"] == pytest.approx(100 / 3)
    assert run["results"][TASK]["paired_num_images"] == 2


def test_runs_without_a_common_document_are_not_compared(earlier, monkeypatch):
    warnings = []
    monkeypatch.setattr(baseline.logger, "warning", warnings.append)
    run = results({TASK: [sample(99, 1, "z")]})
    assert baseline.Comparer(run).add(RUN, TASK) is None
    assert "paired_pvalue" not in run["results"][TASK]
    assert warnings == [f"[Baseline] {TASK} is not compared: {RUN} and this run have no document in common."]


def test_a_group_pools_its_tasks_without_what_its_totals_leave_out(earlier):
    tasks = catalog.tasks_named(["microbench_coarse"])
    earlier |= {task: {0: Document(0.0, "a", True), 1: Document(1.0, "b", False)} for task in tasks}
    answers = [sample(0, 1, "a"), sample(1, 0, "b", in_total=False)]
    run = results(dict.fromkeys(tasks, answers), "microbench_coarse")
    baseline.Comparer(run).add(RUN, "microbench_coarse")
    for table in ("results", "groups"):
        assert run[table]["microbench_coarse"]["paired_difference"] == 100
    # All tasks ask about the image a: one cluster, two patterns of signs.
    assert run["groups"]["microbench_coarse"]["paired_pvalue"] == 1
    assert run["groups"]["microbench_coarse"]["paired_num_documents"] == len(tasks)


def test_a_group_of_questions_and_boxes_is_compared_by_its_accuracy(earlier):
    tasks = catalog.tasks_named(["microbench"])
    metrics = {task: "grit" if catalog.ALL_TASKS[task].subject == "boxes" else "acc" for task in tasks}
    earlier |= {task: {0: Document(0.5, "a", True)} for task in tasks}
    groups = ("microbench", "microbench_localization")
    run = results({task: [sample(0, 0.75, "a", metrics[task])] for task in tasks}, *groups)
    for name in groups:
        baseline.Comparer(run).add(RUN, name)
    questions = sum(metric == "acc" for metric in metrics.values())
    names = ("paired_metric", "paired_difference", "paired_num_documents")
    assert [run["groups"]["microbench"][name] for name in names] == ["acc", 25, questions]
    assert [run["groups"]["microbench_localization"][name] for name in names] == ["grit", 25, len(tasks) - questions]


def test_a_run_without_scores_is_named(earlier):
    with pytest.raises(DataError, match=f"{TASK} has no scores to compare .--predict_only."):
        baseline.Comparer(results({TASK: [{"doc_id": 0, "bypass": None}]})).add(RUN, TASK)


@pytest.mark.parametrize("typed", ["clip-v1.5", "clip-v1.5/", f"clip-v1.5/20260101_000000_samples_{TASK}.jsonl"])
def test_the_baseline_is_called_as_the_folder_of_its_run(typed, earlier, tmp_path):
    (tmp_path / "clip-v1.5").mkdir()
    (tmp_path / f"clip-v1.5/20260101_000000_samples_{TASK}.jsonl").touch()
    run = results({TASK: run_of()})
    baseline.Comparer(run).add(Path(f"{tmp_path}/{typed}"), TASK)
    assert run["results"][TASK]["paired_baseline"] == "clip-v1.5"


# --- the harness's table -------------------------------------------------------------


def test_of_a_folder_with_several_runs_the_files_to_name_are_listed(tmp_path):
    for run in ("first", "second"):
        logged_runs.write_samples(tmp_path, [], TASK, run)
        (tmp_path / f"{run}_results.json").write_text("{}")
    expected = f"Name the results file of one: {tmp_path}/first_results.json, {tmp_path}/second_results.json."
    with pytest.raises(DataError, match=re.escape(f"--baseline {tmp_path}: contains several runs. {expected}")):
        baseline.documents(tmp_path, TASK)


def rows(table):
    """The cells of each row of a Markdown table, by column."""
    drawn = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    lines = [[cell.strip() for cell in line] for line in drawn]
    return [dict(zip(lines[0], line, strict=False)) for line in lines[2:]]


def test_the_table_shows_the_comparison_in_the_row_of_its_metric_alone(earlier):
    installation.install()
    run = results({TASK: run_of()}) | {"n-shot": {TASK: 0}}
    baseline.Comparer(run).add(RUN, TASK)
    table_rows = {row["Metric"]: row for row in rows(utils.make_table(run))}
    assert list(table_rows) == ["acc", "acc_ci_low", "failed"]
    assert {(row["Tasks"], row["n-shot"]) for row in table_rows.values()} == {(f"- {TASK}", "0")}
    # 5 of 6 now and 1 of 6 before; the harness itself would print 0.8333 - 16.7 = -15.8%.
    assert (table_rows["acc"]["Value"], table_rows["acc"]["Diff"], table_rows["acc"]["Baseline"]) == (
        "0.8333",
        "+66.7%",
        "clip-v1.5",
    )
    assert float(table_rows["acc"]["P_Value"]) == 0.25
    for metric in ("acc_ci_low", "failed"):
        assert {table_rows[metric][column] for column in ("Baseline", "Diff", "CI", "P_Value")} == {"N/A"}


def test_the_table_prints_no_p_of_zero(earlier):
    installation.install()
    run = results({TASK: run_of()}) | {"n-shot": {TASK: 0}}
    baseline.Comparer(run).add(RUN, TASK)
    run["results"][TASK]["paired_pvalue"] = 1e-12
    assert {row["P_Value"] for row in rows(utils.make_table(run))} == {"<0.0001", "N/A"}


def test_the_table_of_other_benchmarks_is_the_harnesss_own():
    installation.install()
    paired = {"baseline": "b", "baseline_score": 50.0, "ci_lower": 1.0, "ci_upper": 19.0, "pvalue": 0.01}
    figures = {"alias": "videomme", "score,none": 60.0} | {f"paired_{name}": value for name, value in paired.items()}
    run = {"results": {"videomme": dict(figures)}, "n-shot": {}, "higher_is_better": {}}
    original = utils.make_table.__wrapped__
    assert utils.make_table(run) == original({**run, "results": {"videomme": dict(figures)}})


def test_the_harness_itself_compares_other_benchmarks(tmp_path):
    installation.install()
    log = tmp_path / "samples.jsonl"
    log.write_text('{"doc_id": 3, "score": 0.5}\n')
    from lmms_eval import baselines

    assert baselines.load_baseline(str(log), "mmmu_val")[0] == {3: 0.5}
    assert baselines.load_baseline is sys.modules["lmms_eval.baselines"].load_baseline


@pytest.mark.parametrize(("p", "p_text"), [(1e-12, "p < 0.0001"), (0.25, "p = 0.2500")])
def test_the_log_shows_neither_a_p_of_zero_nor_a_negative_zero(p, p_text):
    numbers = {"paired_num_documents": 9, "paired_num_images": 3, "paired_num_discordant": 0}
    ends = {"paired_difference": -1e-9, "paired_ci_lower": -1.0, "paired_ci_upper": 1.0}
    summary = baseline._summary({"paired_metric": "grit", "paired_pvalue": p, **ends, **numbers})
    assert summary.startswith(f"grit +0.00 percentage points [-1.00, +1.00], {p_text}, 9 documents")
