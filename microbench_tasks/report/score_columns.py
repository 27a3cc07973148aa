"""Define the columns of the tables of scores, from the table of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from microbench_tasks import catalog
from microbench_tasks.render.pages import Cell, percent, percent_cell
from microbench_tasks.report.runs import Run
from microbench_tasks.tasks.metric import Family
from microbench_tasks.tasks.metric_table import FAMILIES, METRIC_BY_NAME, shown_in

NO_RESPONSE = METRIC_BY_NAME["failed"].label


def score_columns(family: Family) -> dict[str, Callable[[Run, str], Cell]]:
    """Return the columns of a table of scores by heading: functions of a run and the name of a task or group."""
    counts = FAMILIES[family].counts
    columns: dict[str, Callable[[Run, str], Cell]] = {
        "n": _size_cell if family == "choice" else partial(_count_cell, counts=counts, what="questions"),
        "images": partial(_count_cell, counts=counts, what="images"),
        "datasets": partial(_count_cell, counts=counts, what="datasets"),
    }
    if family == "choice":
        columns["chance %"] = lambda run, name: percent_cell(run.rescored.chance.get(name))
        columns["majority %"] = lambda run, name: percent_cell(run.rescored.majority.get(name))
    for metric in shown_in("report", [family]):
        columns[metric.label] = partial(_metric_cell, metric=metric.name)
        if metric.quoted_interval is not None:
            columns["95 % interval"] = partial(_score_interval_cell, interval=metric.quoted_interval.name)
            columns["new datasets"] = partial(_new_datasets_cell, interval=f"{metric.name}_dataset_ci")
    columns[NO_RESPONSE] = lambda run, name: Cell(f"{run.rescored.scores[name]['failed']:,}")
    return columns


def _metric_cell(run: Run, name: str, metric: str) -> Cell:
    return percent_cell(run.rescored.scores[name][metric])


def _score_interval_cell(run: Run, name: str, interval: str) -> Cell:
    return _interval_cell(run.rescored.scores[name], interval)


def _new_datasets_cell(run: Run, name: str, interval: str) -> Cell:
    return _interval_cell(run.rescored.new_datasets.get(name, {}), interval)


def _size_cell(run: Run, name: str) -> Cell:
    tasks = [task for task in catalog.tasks_named([name]) if catalog.ALL_TASKS[task].subject != "boxes"]
    samples = sum(run.rescored.num_samples[task] for task in tasks)
    outside = samples - sum(run.rescored.num_in_total[task] for task in tasks)
    return Cell(
        f"{samples:,} ({samples - outside:,})" if outside and name in catalog.GROUPS else f"{samples:,}", sort=samples
    )


def _count_cell(run: Run, name: str, counts: str, what: str) -> Cell:
    number = run.rescored.scores[name][counts][what]
    return Cell(f"{number:,}", sort=number)


def _interval_cell(figures: Mapping[str, float], name: str) -> Cell:
    if f"{name}_low" not in figures:
        return Cell("–")
    low, high = float(figures[f"{name}_low"]), float(figures[f"{name}_high"])
    return Cell(f"{percent(low)} to {percent(high)}", sort=low)
