"""Show plots of scores on a page as charts that the browser draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from microbench_tasks.render.figure_specs import FigureSpec
from microbench_tasks.render.page_content import Bar, Chart, ChartRow


def chart_of(spec: FigureSpec) -> Chart | None:
    """Return the chart with the numbers of a plot of scores; None if it is of another kind.

    >>> spec = FigureSpec("p", "interval_bars", {"title": "t", "labels": ["a"], "values": [0.5], "lows": [None],
    ...     "highs": [None], "chance": 0.25}, "words")
    >>> chart_of(spec).rows[0].bars[0].text, chart_of(spec).rows[0].chance
    ('50.0', 0.25)
    """
    arguments = spec.arguments
    if spec.kind == "interval_points":
        series: Mapping[str, Mapping[str, Any]] = arguments["series"]
    elif spec.kind == "interval_bars":
        series = {"": arguments}
    else:
        return None
    labels = arguments["labels"]
    chance, majority = (_levels(arguments.get(level), len(labels)) for level in ("chance", "majority"))
    hollow = set(arguments.get("hollow", ()))
    rows = [
        ChartRow(
            label,
            [Bar(run["values"][row], run["lows"][row], run["highs"][row]) for run in series.values()],
            chance[row],
            majority[row],
            row in hollow,
        )
        for row, label in enumerate(labels)
    ]
    return Chart(arguments["title"], list(series), rows, spec.alt, spec.note)


def _levels(level: float | Sequence[float | None] | None, num_rows: int) -> Sequence[float | None]:
    return [level] * num_rows if level is None or isinstance(level, int | float) else level
