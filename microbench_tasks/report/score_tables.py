"""Build the tables of main scores: one of questions, one of localization."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from microbench_tasks import catalog
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.render.number_text import short_percent
from microbench_tasks.render.page_content import Cell, Table, count_cell, number_cell, percent_cell
from microbench_tasks.report.runs import answers_per_question
from microbench_tasks.tasks.item_intervals import ABOUT_DATASETS
from microbench_tasks.tasks.metric import Family, Metric
from microbench_tasks.tasks.metric_table import FAMILIES, METRIC_BY_NAME, shown_in

NEW_DATASETS_NOTE = f"New datasets: {ABOUT_DATASETS} Where a single dataset is asked about (–), there is none."
ACCURACY_NOTE = (
    "n: in brackets how many the totals of a group count. acc_strict counts only answers that are clearly "
    f"stated; unparsed responses count as wrong. {NEW_DATASETS_NOTE}"
)

# Returns the cell of a run and of a task or group.
_Column = Callable[[Run, str], Cell]


def score_table(runs: Sequence[Run], title: str, family: Family, names: Sequence[str], note: str) -> Table:
    """Build the table of the tasks and groups that have scores of a family of metrics.

    Args:
        runs: all runs of the table.
        title: of the table.
        family: of the metrics.
        names: of tasks and groups, in the order of the rows.
        note: below the table.
    """
    score = FAMILIES[family].score
    pairs = [(name, run) for name in names for run in runs if score in run.rescored.scores.get(name, {})]
    columns = _score_columns(family) | {"run": lambda run, name: Cell(run.label)} | _level_columns(family)
    columns["n"] = _num_questions if family == "choice" else _count(family, "questions")
    if any(answers_per_question(run, [name]) != "1" for name, run in pairs):
        columns["answers to each"] = lambda run, name: Cell(answers_per_question(run, [name]))
    columns |= _columns(family)
    if any("groups" in run.rescored.scores[name].get(FAMILIES[family].counts, {}) for name, run in pairs):
        columns["groups"] = lambda run, name: _group_cell(run.rescored.scores[name][FAMILIES[family].counts])
    if any(run.rescored.scores[name]["failed"] for name, run in pairs):
        columns[METRIC_BY_NAME["failed"].label] = lambda run, name: count_cell(run.rescored.scores[name]["failed"])
    rows: list[list[Cell | str]] = [[name, *(column(run, name) for column in columns.values())] for name, run in pairs]
    return Table(title, ["task or group", *columns], rows, note)


def _score_columns(family: Family) -> dict[str, _Column]:
    """Return the columns of the main score: first, so that narrow screens show them."""
    score = METRIC_BY_NAME[FAMILIES[family].score]
    return {
        score.label: lambda run, name: percent_cell(run.rescored.scores[name][score.name]),
        "95 % interval": lambda run, name: _interval_cell(run.rescored.scores[name], FAMILIES[family].interval),
    }


def _level_columns(family: Family) -> dict[str, _Column]:
    """Return the columns of scores that need no image; there are none for boxes."""
    if family != "choice":
        return {}
    return {
        "chance %": lambda run, name: percent_cell(run.rescored.chance.get(name)),
        "majority %": lambda run, name: percent_cell(run.rescored.majority.get(name)),
    }


def _columns(family: Family) -> dict[str, _Column]:
    """Return the columns that every run has beside its main score: sizes, and the other metrics."""
    score = METRIC_BY_NAME[FAMILIES[family].score]
    others = [metric for metric in shown_in("report", [family]) if metric is not score]
    return {
        "images": _count(family, "images"),
        "datasets": _count(family, "datasets"),
        "new datasets": lambda run, name: _interval_cell(
            run.rescored.new_datasets.get(name, {}), f"{score.name}_dataset_ci"
        ),
        **{metric.label: _value(metric) for metric in others},
    }


def _num_questions(run: Run, name: str) -> Cell:
    """Return the number of questions, and in brackets that of questions in a group's total."""
    tasks = [task for task in catalog.tasks_named([name]) if catalog.task_of(task).subject != "boxes"]
    number = sum(run.rescored.num_samples[task] for task in tasks)
    in_total = sum(run.rescored.num_in_total[task] for task in tasks)
    is_split = number != in_total and name in catalog.GROUPS
    return Cell(f"{number:,} ({in_total:,})" if is_split else f"{number:,}", sort=number)


def _count(family: Family, unit: str) -> _Column:
    return lambda run, name: count_cell(run.rescored.scores[name][FAMILIES[family].counts][unit])


def _group_cell(counts: Mapping[str, int]) -> Cell:
    """Return the number of groups of images, such as slides, that intervals keep together."""
    return count_cell(counts["groups"]) if "groups" in counts else Cell("–")


def _value(metric: Metric) -> _Column:
    """Return the column of a metric; its interval, if it has one, stands in the same cell."""

    def cell(run: Run, name: str) -> Cell:
        figures = run.rescored.scores[name]
        value = figures[metric.name]
        if not metric.is_fraction:
            return number_cell(value)
        if metric.quoted_interval is None or math.isnan(value):
            return percent_cell(value)
        interval = _interval_cell(figures, metric.quoted_interval.name)
        return dataclasses.replace(percent_cell(value), text=f"{short_percent(value)} ({interval.text})")

    return cell


def _interval_cell(figures: Mapping[str, float], interval: str) -> Cell:
    if f"{interval}_low" not in figures:
        return Cell("–")
    low, high = float(figures[f"{interval}_low"]), float(figures[f"{interval}_high"])
    return Cell(f"{short_percent(low)} to {short_percent(high)}", sort=low)
