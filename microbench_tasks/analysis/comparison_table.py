"""Lay out a comparison as tables: header and cells, for the terminal and for LaTeX alike."""

from __future__ import annotations

import collections
import dataclasses
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from microbench_tasks import catalog
from microbench_tasks.analysis.comparison import RunComparison
from microbench_tasks.analysis.pair_differences import PairDifference
from microbench_tasks.metrics.pairs import level_of_intervals
from microbench_tasks.render.number_text import bare_p, percent, points
from microbench_tasks.tasks.metric_table import METRIC_BY_NAME

# Of a task or group: the metrics that the summary of a run shows.
MAIN_METRICS = ("acc", "grit")
MINUS = "\N{MINUS SIGN}"
_P, _ALL_PAIRS, _ALL_RUNS, _ALL_TASKS = "p", "p, all pairs", "p, all runs", "p, all tasks"
_EACH_ALONE = "Each group or task and each metric is adjusted by itself."

_Cell = Callable[[PairDifference], str]


@dataclass(frozen=True)
class ComparisonTable:
    """Hold the table of one metric.

    Attributes:
        metric: its name.
        title: the metric in words.
        header: of the columns.
        rows: the cells as texts, in percent and percentage points.
    """

    metric: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def letters_of(comparison: RunComparison) -> dict[str, str]:
    """Return a letter for each label of a run; after Z, numbered ones."""
    names = [*string.ascii_uppercase, *(f"R{number}" for number in range(27, len(comparison.labels) + 1))]
    return dict(zip(comparison.labels, names, strict=False))


def is_short(comparison: RunComparison, by_task: bool) -> bool:
    """Tell whether tables show the main groups alone: of three or more runs, unless all tasks are asked for."""
    return len(comparison.labels) > 2 and not by_task


def tables_of(comparison: RunComparison, *, by_task: bool) -> list[ComparisonTable]:
    """Return a table for each metric; of the strict rule only if its figures differ from those of the paper's rule.

    What stands beside the tests, such as standard errors, is left to the files for programs: lines would be too long.

    Args:
        comparison: of the runs.
        by_task: whether three or more runs have a row for each pair and task as well. By default they have those of the
            groups that a summary shows (`catalog.main_names`), and no table of ``acc_macro``.
    """
    columns, rows_of = _columns(comparison), {}
    for metric in comparison.metrics():
        if metric == "acc_strict" and strict_is_the_same(comparison):
            continue
        rows = comparison.of_metric(metric)
        if is_short(comparison, by_task):
            main = catalog.main_names({row.name for row in rows})
            rows = [row for name in main for row in rows if row.name == name and metric != "acc_macro"]
        if rows:
            rows_of[metric] = rows
    return [_table(metric, columns, rows) for metric, rows in rows_of.items()]


def _table(metric: str, columns: Mapping[str, _Cell], rows: Sequence[PairDifference]) -> ComparisonTable:
    cells = tuple(tuple(cell(row) for cell in columns.values()) for row in rows)
    return ComparisonTable(metric, METRIC_BY_NAME[metric].description, tuple(columns), cells)


def without_empty_columns(tables: Sequence[ComparisonTable]) -> list[ComparisonTable]:
    """Return tables of the same columns without those that have no text in any row of any of them."""
    rows = [row for table in tables for row in table.rows]
    kept = [number for number, cells in enumerate(zip(*rows, strict=True)) if any(cells)]
    return [
        dataclasses.replace(
            table,
            header=tuple(table.header[number] for number in kept),
            rows=tuple(tuple(row[number] for number in kept) for row in table.rows),
        )
        for table in tables
    ]


def strict_is_the_same(comparison: RunComparison) -> bool:
    """Tell whether all figures of ``acc_strict`` are those of ``acc``."""
    by_metric = [
        [dataclasses.replace(row, metric="", p_all_tasks=None) for row in comparison.of_metric(metric)]
        for metric in ("acc", "acc_strict")
    ]
    return by_metric[0] == by_metric[1] != []


def has_groups(comparison: RunComparison) -> bool:
    """Tell whether any images are in groups, such as slides, whose answers depend on each other."""
    return any(row.num_clusters < row.num_images for row in comparison.differences)


def how_to_read(comparison: RunComparison, *, by_task: bool) -> list[str]:
    """Explain the columns of the tables, and for what the p-values are adjusted."""
    units, unit = "images", "image"
    if has_groups(comparison):
        is_mixed = any(row.num_clusters == row.num_images for row in comparison.differences)
        units, unit = ("images (or groups of images)", "image or group") if is_mixed else ("groups of images", "group")
    lines = [
        f"In percent and percentage points. In brackets: 95 % intervals of the difference, for new {units} of the same "
        "datasets.",
        f"p: exact paired test by {unit}, of this pair alone, for a comparison that was planned before.",
    ]
    if has_groups(comparison):
        lines.append("groups: of images, such as slides. They take the place of images in tests and intervals.")
    adjusted = _adjusted_name(comparison)
    counts = sorted(set(_pairs_of_names(comparison).values()))
    if adjusted == _ALL_PAIRS:
        lines.append(
            f"{_ALL_PAIRS}: adjusted for all {_either(counts)} pairs of runs{_fewer(counts)} (largest statistic of all "
            f"pairs), as are the intervals. {_EACH_ALONE}"
        )
    if adjusted == _ALL_RUNS:
        levels = _either([f"{100 * level_of_intervals(count + 1):.4g} %" for count in counts])
        lines.append(
            f"{_ALL_RUNS}: adjusted for the {_either(counts)} comparisons with A{_fewer(counts)} (Holm), and so are "
            f"the intervals ({levels} each, Bonferroni). No other pair is tested. {_EACH_ALONE}"
        )
    of_groups = f"of groups of tasks by {adjusted or _P}"
    if _has_p_of_tasks(tables_of(comparison, by_task=by_task)):
        all_tasks = len({row.name for row in comparison.differences if row.p_all_tasks is not None})
        lines.append(f"{_ALL_TASKS}: adjusted for all {all_tasks} compared tasks as well (Holm); use it to pick tasks.")
        of_groups = f"of tasks by {_ALL_TASKS}; {of_groups}"
    lines.append(f"verdict: {of_groups}. A tie is no proof of equality: no difference was found.")
    if is_short(comparison, by_task):
        of_one = "" if comparison.is_against_one else " Every run against a single one: --against NAME."
        lines.append(f"Tasks of these groups, larger groups and acc_macro: --by-task.{of_one}")
    lines.append(
        "More columns (standard errors, correlations, discordant images, answers that changed, the smallest difference "
        "that is found) and all tasks: --out FILE.csv."
    )
    return lines


def _pairs_of_names(comparison: RunComparison) -> dict[tuple[str, str], int]:
    """Return how many pairs are tested in each metric of each task or group: those of the runs that answered it."""
    return collections.Counter((row.name, row.metric) for row in comparison.differences)


def _either(values: Sequence[object]) -> str:
    """Join values; the last of several with *or*.

    >>> _either([1, 3, 6])
    '1, 3 or 6'
    """
    *before, last = map(str, values)
    return f"{', '.join(before)} or {last}" if before else last


def _fewer(counts: Sequence[int]) -> str:
    """Say why the number of pairs differs, if it does."""
    return " that answered the group or task" if len(counts) > 1 else ""


def _has_p_of_tasks(tables: Sequence[ComparisonTable]) -> bool:
    """Tell whether any row has a p-value that is adjusted for all tasks."""
    return any(row[table.header.index(_ALL_TASKS)] for table in tables for row in table.rows)


def _adjusted_name(comparison: RunComparison) -> str:
    """Return the name of the column of p-values adjusted for several pairs; empty for a single pair."""
    if len(comparison.labels) == 2:
        return ""
    return _ALL_RUNS if comparison.is_against_one else _ALL_PAIRS


def _columns(comparison: RunComparison) -> dict[str, _Cell]:
    letters = letters_of(comparison)
    is_single = len(letters) == 2
    return {
        "name": lambda row: f"{row.name} (REDEFINED)" if row.is_redefined else row.name,
        **({} if is_single else {"pair": lambda row: _pair(row, letters)}),
        "n": lambda row: f"{row.num_questions:,}",
        "images": lambda row: f"{row.num_images:,}",
        **({"groups": lambda row: f"{row.num_clusters:,}"} if has_groups(comparison) else {}),
        **_score_columns(letters, is_single),
        "difference [95 % interval]": lambda row: f"{points(row.difference)} [{points(row.low)}, {points(row.high)}]",
        _P: lambda row: bare_p(row.p),
        **({} if is_single else {_adjusted_name(comparison): lambda row: bare_p(row.p_adjusted)}),
        _ALL_TASKS: lambda row: "" if row.p_all_tasks is None else bare_p(row.p_all_tasks),
        "verdict": lambda row: row.verdict,
    }


def _pair(row: PairDifference, letters: Mapping[str, str]) -> str:
    return f"{letters[row.run]} {MINUS} {letters[row.reference]}"


def _score_columns(letters: Mapping[str, str], is_single: bool) -> dict[str, _Cell]:
    first, second = list(letters.values()) if is_single else ["reference", "run"]
    return {first: lambda row: percent(row.reference_score), second: lambda row: percent(row.score)}
