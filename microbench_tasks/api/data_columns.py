"""Join the samples of a run with columns of its data, and divide them into slices."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.analysis import sample_rows
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.report import data_rows
from microbench_tasks.report.data_rows import Rows
from microbench_tasks.report.estimates import Estimate, estimate
from microbench_tasks.report.runs import main_item
from microbench_tasks.runs.rescoring import ScoredSample
from microbench_tasks.tasks import item_intervals
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_NAMED = 40


def values_of(run: Run, columns: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of columns of the data for each sample of a run, in the order of `sample_rows.sample_rows`.

    Cognition questions may come from other data than the rest. A column needs to be in one of them.

    Raises:
        DataError: the data are not available, or not those of the run; or there is no such column.
    """
    data = data_rows.read([run])
    if data.missing:
        raise DataError(f"Columns of the data cannot be read. {' '.join(data.missing)}")
    by_task = {task: rows for task in run.rescored.samples if (rows := data.of_task(task)) is not None}
    return {column: _column(run, by_task, column) for column in columns}


def _column(run: Run, by_task: Mapping[str, Rows], column: str) -> list[Any]:
    sources = list({id(rows): rows for rows in by_task.values()}.values())
    of_sources = {id(rows): rows.table[column].to_pylist() for rows in sources if column in _single_valued(rows)}
    if not of_sources:
        fitting = list(dict.fromkeys(name for rows in sources for name in _single_valued(rows)))
        raise DataError(
            f"{sources[0].label} has no column {column!r:.80} with one text, number or truth value per image. "
            f"It has {', '.join(fitting[:_MOST_NAMED])}."
        )
    return [
        of_sources[id(rows)][rows.row_of_image[main_item(sample)["image"]]] if id(rows) in of_sources else None
        for task, rows in by_task.items()
        for sample in run.rescored.samples[task]
    ]


def _single_valued(rows: Rows) -> list[str]:
    """Return the names of the columns with one value per image."""
    return [field.name for field in rows.table.schema if _is_single_value(field.type)]


def _is_single_value(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_floating)
    return any(test(kind) for test in (*tests, pa.types.is_boolean))


def slices_of(run: Run, by: str | Sequence[Any], name: str | None) -> dict[Hashable, Estimate]:
    """Return the mean score of each slice of a run's questions; a slice that no value is stated for is the last.

    Args:
        run: of the samples.
        by: name of a column of the samples or of the data, or a value for each sample.
        name: of a task or group; None for all questions, or all boxes if there are no questions.

    Raises:
        DataError: as `values_of`; or ``by`` has another length; or the run has no questions of ``name``.
    """
    tasks = _tasks(run, name)
    is_about_boxes = all("grit" in run.rescored.samples[task][0].items for task in tasks)
    counts_totals = name is None or name in catalog.GROUPS
    items_of_values: dict[Hashable, list[Any]] = {}
    for value, task, sample in _valued_samples(run, by):
        item = sample.items.get("grit" if is_about_boxes else "acc")
        if task in tasks and item is not None and (item.get("in_total", True) or not counts_totals):
            items_of_values.setdefault(value, []).append(item)
    interval = item_intervals.score_interval if is_about_boxes else item_intervals.accuracy_interval
    return {value: estimate(items_of_values[value], interval) for value in _sorted(items_of_values)}


def _tasks(run: Run, name: str | None) -> set[str]:
    answered = [task for task in run.rescored.samples if task not in run.rescored.unanswered]
    if name is None:
        return {task for task in answered if task not in catalog.VARIANTS} or set(answered)
    tasks = catalog.tasks_named([name])
    if not tasks or not set(tasks) <= set(answered):
        raise DataError(f"{run.label} has no answers to all of {name}. It answered {', '.join(answered)}.")
    return set(tasks)


def _valued_samples(run: Run, by: str | Sequence[Any]) -> Iterator[tuple[Hashable, str, ScoredSample]]:
    samples = [(task, sample) for task, of_task in run.rescored.samples.items() for sample in of_task]
    values = _values(run, by)
    if len(values) != len(samples):
        raise DataError(f"Expected a value for each of the {len(samples)} samples of {run.label}, got {len(values)}.")
    for value, (task, sample) in zip(values, samples, strict=True):
        yield None if isinstance(value, float) and math.isnan(value) else value, task, sample


def _values(run: Run, by: str | Sequence[Any]) -> list[Any]:
    if not isinstance(by, str):
        return list(by)
    if by not in sample_rows.COLUMNS:
        return values_of(run, [by])[by]
    values = [row[by] for row in sample_rows.sample_rows(run)]
    if not all(isinstance(value, Hashable) for value in values):
        raise DataError(f"The column {by} has lists: questions cannot be divided by it.")
    return values


def _sorted(values: Iterable[Hashable]) -> list[Hashable]:
    """Sort values; None is the last. Values of different types are sorted by their texts."""
    stated = [value for value in values if value is not None]
    try:
        ordered = sorted(stated)  # type: ignore[type-var]
    except TypeError:
        ordered = sorted(stated, key=str)
    return [*ordered, *([None] if None in values else [])]
