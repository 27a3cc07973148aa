"""Lay out a comparison as tables: header and cells, for the terminal and for LaTeX alike."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from microbench_tasks.analysis.comparison import PairDifference, RunComparison
from microbench_tasks.render.number_text import bare_p, percent, points
from microbench_tasks.tasks.metric_table import METRIC_BY_NAME

MINUS = "\N{MINUS SIGN}"

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

    def without_empty_columns(self) -> ComparisonTable:
        """Return the table without columns that have no text in any row."""
        kept = [number for number, cells in enumerate(zip(*self.rows, strict=True)) if any(cells)]
        header, *rows = (tuple(cells[number] for number in kept) for cells in (self.header, *self.rows))
        return dataclasses.replace(self, header=header, rows=tuple(rows))


def letters_of(comparison: RunComparison) -> dict[str, str]:
    """Return a letter for each label of a run; after Z, numbered ones."""
    names = [*string.ascii_uppercase, *(f"R{number}" for number in range(27, len(comparison.labels) + 1))]
    return dict(zip(comparison.labels, names, strict=False))


def tables_of(comparison: RunComparison) -> list[ComparisonTable]:
    """Return a table for each metric; of the strict rule only if its figures differ from those of the paper's rule.

    What stands beside the tests, such as standard errors, is left to the files for programs: lines would be too long.
    """
    columns = _columns(comparison)
    return [
        _table(metric, columns, comparison.of_metric(metric))
        for metric in comparison.metrics()
        if metric != "acc_strict" or not strict_is_the_same(comparison)
    ]


def _table(metric: str, columns: Mapping[str, _Cell], rows: Sequence[PairDifference]) -> ComparisonTable:
    cells = tuple(tuple(cell(row) for cell in columns.values()) for row in rows)
    return ComparisonTable(metric, METRIC_BY_NAME[metric].description, tuple(columns), cells)


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


def how_to_read(comparison: RunComparison) -> list[str]:
    """Explain the columns of the tables."""
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
    if len(comparison.labels) > 2:
        lines.append("p, all pairs: adjusted for all pairs of runs, as are the intervals.")
    lines += [
        "p, all tasks: adjusted for all tasks of the table as well; use it to pick tasks by their difference.",
        "verdict: of tasks by p, all tasks; of groups of tasks by "
        + ("p, all pairs." if len(comparison.labels) > 2 else "p.")
        + " A tie is no proof of equality.",
        "More columns (standard errors, correlations, discordant images, answers that changed, the smallest difference "
        "that is found): --out FILE.csv.",
    ]
    return lines


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
        "p": lambda row: bare_p(row.p),
        **({} if is_single else {"p, all pairs": lambda row: bare_p(row.p_adjusted)}),
        "p, all tasks": lambda row: "" if row.p_all_tasks is None else bare_p(row.p_all_tasks),
        "verdict": lambda row: row.verdict,
    }


def _pair(row: PairDifference, letters: Mapping[str, str]) -> str:
    return f"{letters[row.run]} {MINUS} {letters[row.reference]}"


def _score_columns(letters: Mapping[str, str], is_single: bool) -> dict[str, _Cell]:
    first, second = list(letters.values()) if is_single else ["reference", "run"]
    return {first: lambda row: percent(row.reference_score), second: lambda row: percent(row.score)}
