"""Build the section on GRIT localization scores: means and distributions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from microbench_tasks import catalog
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.metrics.detection import IOU_THRESHOLD
from microbench_tasks.render.figure_specs import FigureSpec, figure_spec
from microbench_tasks.report.answer_counts import GRIT_BINS, count_grit
from microbench_tasks.report.estimate_plots import Estimates, estimate_plot, sizes_text, total_size
from microbench_tasks.report.estimates import Estimate, estimate
from microbench_tasks.report.runs import tasks_of
from microbench_tasks.report.score_tables import NEW_DATASETS_NOTE, score_table
from microbench_tasks.report.sections import FoldedParts, ReportSection
from microbench_tasks.tasks import item_intervals

GRIT_AXIS = "GRIT localization score × 100, with its 95 % interval"
_TEXT = "From 0 (no gold box is found) to 1 (all boxes are exactly right); n counts pairs of an image and a class."

_DETECTION_NOTE = (
    f"Precision, recall and F1: shares of the boxes of all images that are matched at an IoU of {IOU_THRESHOLD:g}, by "
    "the assignment of GRIT, with their 95 % intervals. Count error: mean absolute error of the number of boxes of an "
    "image and a class. Count bias: mean error with its sign, above 0 if there are too many boxes."
)


def localization_section(runs: Sequence[Run]) -> ReportSection | None:
    """Build the section; None if no run was asked for boxes."""
    with_boxes = [run for run in runs if tasks_of(run, "boxes")]
    tasks = list(dict.fromkeys(task for run in with_boxes for task in tasks_of(run, "boxes")))
    if not tasks:
        return None
    estimates = {
        catalog.short_name(task): {
            run.label: _estimate(run, task) for run in with_boxes if task in tasks_of(run, "boxes")
        }
        for task in tasks
    }
    means = estimate_plot("grit", "GRIT localization score by task", estimates, with_boxes, xlabel=GRIT_AXIS)
    names = (catalog.LOCALIZATION_GROUP, *tasks)
    table = score_table(with_boxes, "Scores of localization", "boxes", names, f"{_DETECTION_NOTE} {NEW_DATASETS_NOTE}")
    folded = FoldedParts(
        "In numbers", [table, _histogram_plot(with_boxes, tasks, estimates)], "detection, distributions"
    )
    return ReportSection("Localization", [means, folded], _TEXT)


def _histogram_plot(runs: Sequence[Run], tasks: Sequence[str], estimates: Estimates) -> FigureSpec:
    panels = {
        f"{catalog.short_name(task)} ({sizes_text(estimates[catalog.short_name(task)].values())})": {
            run.label: count_grit(run, task) for run in runs if task in tasks_of(run, "boxes")
        }
        for task in tasks
    }
    return figure_spec(
        "grit-distributions",
        "histograms",
        f"Histograms of GRIT scores by task, {GRIT_BINS} bins from 0 to 1.",
        title=f"GRIT scores of single images and classes (n = {total_size(estimates)})",
        edges=np.linspace(0, 1, GRIT_BINS + 1).tolist(),
        panels=panels,
        xlabel="GRIT score",
        ylabel="(image, class) pairs",
    )


def _estimate(run: Run, task: str) -> Estimate:
    items = [sample.items["grit"] for sample in run.rescored.samples[task]]
    return estimate(items, item_intervals.score_interval)
