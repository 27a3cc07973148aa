"""Claims about sweeps along alpha."""

from __future__ import annotations

import json

import pytest

from microbench_tasks.report import (
    runs,
    writing,
)
from microbench_tasks.report.sweep_section import subset_curves
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.progress import no_progress
from tests.support import tiny_runs
from tests.support.independent import LETTERS
from tests.support.report_runs import (
    ALL_IN_ONE,
    TASKS,
    parts_of,
)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('[{"alpha": 0}]', "KeyError: 'groups'"),
        ("[" * 100_000, "RecursionError"),
        (f'[{{"alpha": 1{"0" * 400}, "groups": [], "figures": {{}}, "results": "r"}}]', "OverflowError"),
        (
            f'[{{"alpha": 0, "groups": [], "figures": {{"t": {{"acc": 1{"0" * 400}}}}}, "results": "r"}}]',
            "OverflowError",
        ),
        ('[{"alpha": 0, "groups": [], "figures": {"t": {"acc": "high"}}, "results": "r"}]', "ValueError"),
    ],
    ids=["no group", "deep", "huge alpha", "huge accuracy", "text"],
)
def test_a_damaged_sweep_is_named(content, fault, tmp_path):
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(DataError, match=f"sweep.json: expected what microbench sweep writes, got {fault}"):
        runs.read([tmp_path], no_progress)


@pytest.fixture
def sweep(data, tmp_path):
    """Three alphas: all right, two thirds right, and nothing right, as a sweep leaves them."""
    answered = {
        0.0: lambda number, doc: LETTERS[doc["answer_idx"]],
        0.5: tiny_runs.right_but_for_every_third,
        1.0: lambda number, doc: "none of it",
    }
    table = []
    for alpha, answer in answered.items():
        run = tiny_runs.write(
            tmp_path / "sweep" / f"alpha_{alpha:g}", {task: tiny_runs.samples(task, answer) for task in TASKS[:4]}
        )
        [results] = run.glob("*_results.json")
        figures = {
            name: {metric.removesuffix(",none"): value for metric, value in found.items() if isinstance(value, float)}
            for name, found in json.loads(results.read_text())["results"].items()
        }
        table.append(
            {"alpha": alpha, "results": str(results.relative_to(tmp_path / "sweep")), "groups": [], "figures": figures}
        )
    (tmp_path / "sweep" / "sweep.json").write_text(json.dumps(table[::-1]))
    return tmp_path / "sweep"


def test_curves_along_alpha_are_the_shares_of_right_answers(sweep):
    _, [found] = runs.read([sweep], no_progress)
    assert found.alphas == (0, 0.5, 1)
    curves = subset_curves([log for log in found.logs if log is not None], no_progress)
    # Three images of pathology and three others; each task's third, sixth, … answer is wrong at 0.5.
    assert {name: [(one.n, one.value) for one in along] for name, along in curves.items()} == {
        "coarse questions, all images": [(12, 1.0), (12, pytest.approx(8 / 12)), (12, 0.0)],
        "fine questions, pathology datasets": [(3, 1.0), (3, pytest.approx(2 / 3)), (3, 0.0)],
        "fine questions, other datasets": [(3, 1.0), (3, pytest.approx(2 / 3)), (3, 0.0)],
    }


def test_a_sweep_alone_has_a_report_of_its_curves(sweep, tmp_path):
    report = writing.write([sweep], tmp_path / "out", 4, 0, ALL_IN_ONE)
    record = json.loads((report.folder / "report.json").read_text())
    by_task, by_part = parts_of(record, "picture")
    assert by_task["arguments"]["xs"] == by_part["arguments"]["xs"] == [0, 0.5, 1]
    [series] = [
        name for name in by_task["arguments"]["series"] if name.startswith("microbench_coarse_modality (chance ")
    ]
    assert by_task["arguments"]["series"][series]["values"] == [1, pytest.approx(4 / 6), 0]
    assert "forgetting and merging" in by_part["alt"].lower()


def test_a_sweep_without_samples_has_the_curves_of_its_table(sweep, tmp_path):
    for path in sweep.rglob("*_samples_*.jsonl"):
        path.unlink()
    report = writing.write([sweep], tmp_path / "out", 4, 0, ALL_IN_ONE)
    assert report.num_plots == 1


def test_a_sweep_of_an_earlier_version_is_refused_as_its_intervals_go_beyond_100_percent(sweep):
    older = {"method": "basic", "confidence_level": 0.95, "num_resamples": 9999, "seed": 42}
    results = next(sweep.rglob("*_results.json"))
    tiny_runs.edited(results, lambda content: content["configs"][TASKS[0]]["metadata"].update(interval=older))
    with pytest.raises(DataError, match="sweep.json: the sweep is of an earlier version.* Run microbench sweep again"):
        runs.read([sweep], no_progress)
