"""Claims about comparing and plotting runs in Python."""

from __future__ import annotations

import csv
import dataclasses

import pytest

from microbench_tasks import api
from microbench_tasks.analysis import comparison_text
from microbench_tasks.analysis.comparison import compare_runs
from microbench_tasks.runs import found_runs
from microbench_tasks.submissions import building
from tests.support import tiny_runs

MODALITY = "microbench_coarse_modality"


@pytest.fixture(scope="module")
def comparison(run, other):
    return api.compare([run, other])


def test_a_comparison_has_the_records_of_the_command(comparison, run, other):
    expected = compare_runs([run.loaded, other.loaded])
    assert comparison.differences == expected.differences
    assert comparison.changes == expected.changes
    assert comparison.to_text() == comparison_text.as_terminal_text(expected)
    assert comparison.labels[1] == "other"


def test_its_tables_have_a_row_for_each_record(comparison):
    table, changes = comparison.to_frame(), comparison.changes_frame()
    assert list(table["difference"]) == [row.difference for row in comparison.differences]
    assert list(table["verdict"]) == [row.verdict for row in comparison.differences]
    assert list(changes["doc_id"]) == [change.doc_id for change in comparison.changes]
    assert list(changes.columns) == [field.name for field in dataclasses.fields(comparison.changes[0])]


def test_it_is_written_by_the_ending_of_the_file(comparison, tmp_path):
    for ending, render in comparison_text.FORMS.items():
        comparison.write(tmp_path / f"table{ending}")
        assert (tmp_path / f"table{ending}").read_text() == render(comparison)
    assert len(list(csv.DictReader((tmp_path / "table.csv").open()))) == len(comparison.differences)
    with pytest.raises(api.DataError, match="table.xlsx: expected a file that ends in .csv, .json, .tex"):
        comparison.write(tmp_path / "table.xlsx")


def test_its_plot_has_a_row_for_each_task_and_a_point_for_each_difference(comparison):
    figure = comparison.plot()
    [axes] = figure.axes
    rows = comparison.of_metric("acc")
    assert [label.get_text() for label in axes.get_yticklabels()][0] == "modality"
    [points] = [line for line in axes.lines if line.get_marker() == "o"]
    assert list(points.get_xdata()) == pytest.approx([row.difference for row in rows])
    assert len(comparison.plot(names=[MODALITY]).axes[0].get_yticks()) == 1
    with pytest.raises(api.DataError, match="mmlu: not compared with"):
        comparison.plot(names=["mmlu"])
    with pytest.raises(api.DataError, match="acc_macro was not compared"):
        comparison.plot("acc_macro")


def test_a_submission_is_loaded_and_is_no_better_than_its_run(run, folder):
    description = building.Description("My model", "https://huggingface.co/me/my-model")
    submitted = building.submit(found_runs.find_run([run.path]), description, folder / "submission").folder
    loaded = api.load(submitted)
    assert (loaded.label, loaded.name, loaded.tasks) == ("My model", "submission", run.tasks)
    comparison = api.compare([run, loaded])
    assert {row.difference for row in comparison.differences} == {0} and comparison.changes == ()
    assert loaded.rescore().scores == loaded.scores


def test_scores_are_plotted_in_the_order_of_their_names(run, other):
    names = ["microbench_fine_pollen", MODALITY]
    figure = api.plot_scores([run, other], names)
    labels = [label.get_text().split("\n")[0].split(" (")[0] for label in figure.axes[0].get_yticklabels()]
    assert labels == ["pollen", "modality"]
    points = {line.get_marker(): list(line.get_xdata()) for line in figure.axes[0].lines if len(line.get_xdata()) == 2}
    assert points["o"] == pytest.approx([run.score(name).value for name in names])
    assert points["s"] == pytest.approx([other.score(name).value for name in names])


def test_slices_calibration_and_confusions_are_plotted(run, other):
    slices = api.plot_slices([run, other], "modality", MODALITY)
    assert len(slices.axes[0].get_yticks()) == len(run.slice_by("modality", MODALITY))
    assert "coarse questions" in api.plot_calibration(run).get_suptitle()
    assert api.plot_scores(run, metric="grit").axes[0].get_xlabel().startswith("GRIT")


@pytest.mark.parametrize(
    ("plot", "message"),
    [
        (lambda run: api.plot_scores([]), "at least one run to plot"),
        (lambda run: api.plot_scores(run, ["mmlu"]), "No run has acc of mmlu"),
        (lambda run: api.plot_scores(run, [MODALITY], "acc_strict"), "acc_strict has no interval"),
        (lambda run: api.plot_calibration(run, "boxes"), "Expected a subject of coarse, fine, cognition, got 'boxes'"),
        (lambda run: api.plot_confusion(run, tiny_runs.BOXES), "has no matrix of"),
    ],
)
def test_what_cannot_be_plotted_is_named(run, plot, message):
    with pytest.raises(api.DataError, match=message):
        plot(run)


def test_calibration_needs_probabilities(other):
    with pytest.raises(api.DataError, match="No run has answers with usable probabilities to coarse questions"):
        api.plot_calibration(other)
