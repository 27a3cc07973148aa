"""Compare runs from Python: the figures of ``microbench compare`` as records, tables, files and a plot."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from microbench_tasks import catalog
from microbench_tasks.analysis import comparison_text
from microbench_tasks.analysis.changes import Change
from microbench_tasks.analysis.comparison import RunComparison, compare_runs
from microbench_tasks.analysis.pair_differences import PairDifference
from microbench_tasks.api.runs import Run
from microbench_tasks.api.tables import data_frame
from microbench_tasks.render.figure_specs import figure_spec
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Comparison(RunComparison):
    """Hold the comparison of two or more runs; see `RunComparison` for its records."""

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row for each metric, task or group, and pair, in the columns of `PairDifference`.

        Scores and differences are fractions. The column ``verdict`` is the last.
        """
        columns = [*(field.name for field in dataclasses.fields(PairDifference)), "verdict"]
        return data_frame(map(comparison_text.difference_record, self.differences), columns)

    def changes_frame(self) -> pd.DataFrame:
        """Return a table with a row for each question that two runs answered differently, as `Change`."""
        columns = [field.name for field in dataclasses.fields(Change)]
        return data_frame(map(dataclasses.asdict, self.changes), columns)

    def to_latex(self, *, by_task: bool = False) -> str:
        r"""Return a table for a paper, in percent; it needs ``\usepackage{booktabs}``.

        Args:
            by_task: whether the table of three or more runs has all tasks, instead of the main groups alone.
        """
        return comparison_text.as_latex(self, by_task=by_task)

    def to_text(self, *, by_task: bool = False) -> str:
        """Return what ``microbench compare`` prints; ``by_task`` as for `to_latex`."""
        return comparison_text.as_terminal_text(self, by_task=by_task)

    def write(self, path: str | Path, *, by_task: bool = False) -> None:
        """Write the comparison as ``.csv``, ``.json`` or ``.tex``.

        Args:
            path: of the file.
            by_task: as for `to_latex`; the other forms always have all tasks.

        Raises:
            DataError: the file's name ends otherwise.
        """
        target = Path(path)
        if target.suffix not in comparison_text.FORMS:
            raise DataError(f"{target}: expected a file that ends in {', '.join(comparison_text.FORMS)}.")
        files.write_file(target, comparison_text.in_form(self, target.suffix, by_task=by_task).encode())

    def plot(self, metric: str | None = None, names: Sequence[str] = ()) -> Figure:
        """Plot the differences from the reference with their 95 % intervals, in percentage points.

        Args:
            metric: one that was compared; by default the first, ``acc`` or ``grit``.
            names: tasks and groups, from the top; by default all.

        Raises:
            DataError: the metric or a name was not compared.
        """
        shown = metric or self.metrics()[0]
        rows = [row for row in self.of_metric(shown) if row.reference == self.labels[0]]
        if missing := [name for name in names if all(row.name != name for row in rows)]:
            raise DataError(f"{', '.join(missing)}: not compared with {self.labels[0]} by {shown}.")
        if not rows:
            raise DataError(f"{shown} was not compared with {self.labels[0]}. There is {', '.join(self.metrics())}.")
        wanted = list(names) or list(dict.fromkeys(row.name for row in rows))
        title = f"Difference in {shown} from {self.labels[0]}, 95 % interval {_unit_text(rows)}"
        return figure_spec(
            "differences",
            "differences",
            title,
            title=title,
            labels=[catalog.short_name(name) for name in wanted],
            series={run: _columns([row for row in rows if row.run == run], wanted) for run in self.labels[1:]},
        ).figure()


def _unit_text(rows: Sequence[PairDifference]) -> str:
    """Say what the intervals keep together: images, or the groups that they are in."""
    in_groups = [row.num_clusters < row.num_images for row in rows]
    if not any(in_groups):
        return "by image"
    return "by group" if all(in_groups) else "by image or group"


def _columns(rows: Sequence[PairDifference], names: Sequence[str]) -> dict[str, list[float | None]]:
    by_name = {row.name: row for row in rows}
    found = [by_name.get(name) for name in names]
    return {
        "values": [None if row is None else row.difference for row in found],
        "lows": [None if row is None else row.low for row in found],
        "highs": [None if row is None else row.high for row in found],
    }


def compare(runs: Sequence[Run], against: str = "") -> Comparison:
    """Compare two or more runs, question by question; the first is the reference.

    Differences are those of the other run minus the reference. Of three or more runs, all pairs are compared, and
    p-values and intervals are adjusted for all of them.

    Args:
        runs: from `load`, on the same data.
        against: label or name of the one run with which each of the others is compared, instead of all pairs.

    Raises:
        DataError: there are fewer than two runs, none is named ``against``, they were asked on other data, or they have
            no question in common.
    """
    return Comparison(**vars(compare_runs([run.loaded for run in runs], against)))
