"""Render the scores of a run as a text table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.metrics.intervals import CONFIDENCE_LEVEL
from microbench_tasks.render.text_table import text_table
from microbench_tasks.runs import new_datasets, robustness_text
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.tasks.item_intervals import ABOUT_DATASETS, ABOUT_GROUPS, ABOUT_IMAGES
from microbench_tasks.tasks.metric import ENDS, Metric
from microbench_tasks.tasks.metric_table import FAMILIES, has_groups, shown_in


def render_scores(rescored: Rescored) -> str:
    """Render the main scores with their intervals, groups first, notes on the intervals, and prompt sensitivity."""
    names = catalog.in_order(rescored.scores)
    columns = [
        _names_column(names, rescored),
        *_count_columns(names, rescored),
        *_score_columns(names, rescored),
        *_repeat_columns(names, rescored),
    ]
    header, *rows = map(list, zip(*columns, strict=True))
    parts = [text_table(header, rows), "\n".join(_interval_notes(rescored))]
    if rescored.robustness:
        parts.append(robustness_text.render_report(rescored.robustness, text_table))
    return "\n\n".join(parts)


def mark_redefined(name: str, rescored: Rescored) -> str:
    """Return the name of a task or group, marked if one of its tasks was redefined."""
    return f"{name} (REDEFINED)" if rescored.redefined.keys() & set(catalog.tasks_named([name])) else name


def _names_column(names: list[str], rescored: Rescored) -> list[str]:
    return ["name", *(mark_redefined(name, rescored) for name in names)]


def _count_columns(names: list[str], rescored: Rescored) -> list[list[str]]:
    columns = [["n", *(_size(name, rescored) for name in names)]]
    for what in ("images", "groups", "datasets"):
        counted = [_counted(rescored.scores[name], what) for name in names]
        columns += [[what, *counted]] if what != "groups" or any(counted) else []
    for what, levels in (("chance", rescored.chance), ("majority", rescored.majority)):
        if levels:
            columns.append([what, *(f"{levels[name]:.3f}" if name in levels else "" for name in names)])
    return columns


def _score_columns(names: list[str], rescored: Rescored) -> list[list[str]]:
    columns = []
    for metric in shown_in("scores"):
        if any(metric.name in rescored.scores[name] for name in names):
            columns.append([metric.name, *(_cell(rescored.scores[name], metric) for name in names)])
        by_dataset = [_interval(rescored.new_datasets.get(name, {}), f"{metric.name}_dataset_ci") for name in names]
        if any(by_dataset):
            columns.append([f"{metric.name}, new datasets", *by_dataset])
    return columns


def _repeat_columns(names: list[str], rescored: Rescored) -> list[list[str]]:
    """Return columns with the number of answers per question and their variances; none if all were asked once."""
    metrics = [family.repeats for family in FAMILIES.values()]
    all_scores = (rescored.scores[name] for name in names)
    spreads = [[scores[metric] for metric in metrics if metric in scores] for scores in all_scores]
    if not any(spreads):
        return []
    figures = {"answers": "answers", "between questions": "variance_between", "within": "variance_within"}
    return [
        [
            column,
            *(
                " and ".join(_format_figure(repeats[figure]) for repeats in repeats_of_name)
                for repeats_of_name in spreads
            ),
        ]
        for column, figure in figures.items()
    ]


def _format_figure(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _interval_notes(rescored: Rescored) -> list[str]:
    """Explain what the intervals of the table generalize to."""
    lines = [f"In brackets: {100 * CONFIDENCE_LEVEL:g} % intervals. {ABOUT_IMAGES}"]
    if has_groups(rescored.scores):
        lines.append(ABOUT_GROUPS)
    if any("(" in _size(name, rescored) for name in rescored.scores):
        lines.append(
            "In parentheses: n without the questions that a group's acc leaves out. acc_all and acc_macro count them."
        )
    if rescored.new_datasets:
        lines.append(f"New datasets: {ABOUT_DATASETS}")
        single = new_datasets.names_without_intervals(rescored)
        if single:
            lines.append(f"No interval for new datasets, as a single dataset is asked about: {', '.join(single)}.")
    if any(family.repeats in scores for scores in rescored.scores.values() for family in FAMILIES.values()):
        lines.append("Between questions, within: variance of the scores of different questions, and of answers to one.")
    return lines


def _size(name: str, rescored: Rescored) -> str:
    """Show the number of samples; for a group also, in brackets, how many count in its totals if not all do."""
    tasks = catalog.tasks_named([name])
    samples = sum(rescored.num_samples[task] for task in tasks)
    asking = [task for task in tasks if catalog.task_of(task).subject != "boxes"]
    outside = sum(rescored.num_samples[task] - rescored.num_in_total[task] for task in asking)
    return f"{samples} ({samples - outside})" if outside and name in catalog.GROUPS else str(samples)


def _counted(scores: Mapping[str, Any], what: str) -> str:
    """Show the number of images, their groups or datasets, separately for questions and boxes if there are both."""
    tables = [scores[family.counts] for family in FAMILIES.values() if family.counts in scores]
    counts = [table[what] for table in tables if what in table]
    return " and ".join(map(str, counts))


def _cell(scores: Mapping[str, Any], metric: Metric) -> str:
    if metric.name not in scores:
        return ""
    if math.isnan(scores[metric.name]):
        return "–"
    interval = "" if metric.quoted_interval is None else _interval(scores, metric.quoted_interval.name)
    return f"{scores[metric.name]:.4f} {interval}".rstrip()


def _interval(scores: Mapping[str, Any], name: str) -> str:
    ends = [scores.get(f"{name}_{end}") for end in ENDS]
    return "" if None in ends else f"[{ends[0]:.4f}, {ends[1]:.4f}]"
