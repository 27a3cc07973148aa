"""Build the section with the accuracy of groups and tasks."""

from __future__ import annotations

from collections.abc import Sequence

from microbench_tasks import catalog
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.render.figure_specs import FigureSpec
from microbench_tasks.render.page_content import Bar, Cell, Table, percent_cell
from microbench_tasks.report.estimate_plots import estimate_plot, interval_text
from microbench_tasks.report.estimates import Estimate
from microbench_tasks.report.score_tables import ACCURACY_NOTE, score_table
from microbench_tasks.report.sections import SUBJECT_NAMES, FoldedParts, Part, ReportSection
from microbench_tasks.tasks.metric import ENDS
from microbench_tasks.tasks.metric_table import FAMILIES

_TEXT = (
    "Accuracy by the paper's rule. Dashed lines mark chance: the mean of 1 / number of options. "
    "Dotted lines mark the majority answer: always giving the option, or the letter, that is most often right in the "
    "task. It needs no image, so a score below it is no sign that a model looks at the images."
)
# With more runs, differences have a table of their own, and intervals stand in the plots: lines would be too long.
_MOST_DIFFERENCES = 3
_MOST_INTERVALS = 4
_DIFFERENCES = "Differences in percentage points from the first run. "
_TESTED = "Whether differences are more than chance is what microbench compare tests, question by question."


def score_section(runs: Sequence[Run]) -> ReportSection | None:
    """Build the section; None if no run asks questions."""
    plots = [plot for name, title, tasks in _panels(runs) if (plot := _accuracy_plot(name, title, tasks, runs))]
    if not plots:
        return None
    names = catalog.in_order({name for run in runs for name in run.rescored.scores})
    table = score_table(runs, "Scores of questions", "choice", names, ACCURACY_NOTE)
    beside: list[Part] = [side_by_side(runs, names)] if len(runs) > 1 else []
    if len(runs) > _MOST_DIFFERENCES:
        beside.append(FoldedParts(f"Differences from {runs[0].label}", [differences(runs, names)], "in points"))
    numbers = FoldedParts("All scores in numbers", [table], "strict rule, macro means, sizes")
    return ReportSection("Scores", [*beside, *plots, numbers], _TEXT)


def side_by_side(runs: Sequence[Run], names: Sequence[str]) -> Table:
    """Build the table with a column for each run, and the difference of each further run from the first."""
    first, *others = runs
    shown = _shared(runs, names)
    if len(runs) > _MOST_DIFFERENCES:
        # They have a table of their own, so that this one fits a screen.
        others = []
    with_difference = [f"{run.label} - {first.label}" if len(others) > 1 else "difference (points)" for run in others]
    rows: list[list[Cell | str]] = [
        [
            name,
            *(_score_cell(run, name, with_interval=len(runs) <= _MOST_INTERVALS) for run in runs),
            *(_difference_cell(run, first, name) for run in others),
            percent_cell(_first_level([run.rescored.chance for run in runs], name)),
        ]
        for name in shown
    ]
    every = [_estimate(run, name) for name in shown for run in runs if "acc" in run.rescored.scores.get(name, {})]
    header = ["task or group", *(f"{run.label} %" for run in runs), *with_difference, "chance %"]
    intervals = f"In brackets: {interval_text(every)}. "
    if len(runs) > _MOST_INTERVALS:
        intervals = "Intervals are in the plots and in the table of all scores. "
    note = f"{intervals}{_DIFFERENCES if others else ''}{_TESTED}"
    return Table("Runs side by side", header, rows, note)


def differences(runs: Sequence[Run], names: Sequence[str]) -> Table:
    """Build the table with the difference of each further run from the first."""
    first, *others = runs
    rows: list[list[Cell | str]] = [
        [name, *(_difference_cell(run, first, name) for run in others)] for name in _shared(runs, names)
    ]
    return Table("", ["task or group", *(f"{run.label} (points)" for run in others)], rows, f"{_DIFFERENCES}{_TESTED}")


def _shared(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Return the tasks and groups that more than one run has."""
    return [name for name in names if sum("acc" in run.rescored.scores.get(name, {}) for run in runs) > 1]


def _score_cell(run: Run, name: str, *, with_interval: bool) -> Cell:
    if "acc" not in run.rescored.scores.get(name, {}):
        return Cell("–")
    estimate = _estimate(run, name)
    bar = Bar(estimate.value, estimate.low, estimate.high)
    return Cell(
        f"{bar.text} {bar.interval}" if with_interval else bar.text, sort=estimate.value, title=f"{estimate.value:.6f}"
    )


def _difference_cell(run: Run, first: Run, name: str) -> Cell:
    scores = [of_run.rescored.scores.get(name, {}).get("acc") for of_run in (run, first)]
    if scores[0] is None or scores[1] is None:
        return Cell("–")
    difference = float(scores[0]) - float(scores[1])
    return Cell(f"{100 * difference:+.1f}", sort=difference, title=f"{difference:.6f}")


def _panels(runs: Sequence[Run]) -> list[tuple[str, str, list[str]]]:
    """Return name, title and rows of each plot."""
    totals = [catalog.COARSE_GROUP, catalog.FINE_GROUP, "microbench_vqa", catalog.COGNITION_TASK]
    by_subject = [
        (
            subject,
            f"Accuracy by task, {SUBJECT_NAMES[subject]}",
            [name for name, task in catalog.TASKS.items() if task.subject == subject],
        )
        for subject in ("coarse", "fine")
    ]
    variants = ("variants", "Accuracy of all coarse questions asked in other ways", list(catalog.VARIANTS))
    names = catalog.in_order({name for run in runs for name in run.rescored.scores})
    own = ("own", "Accuracy on own data", [name for name in names if catalog.is_own(name)])
    return [("totals", "Accuracy in all", totals), *by_subject, variants, own]


def _accuracy_plot(panel: str, title: str, names: Sequence[str], runs: Sequence[Run]) -> FigureSpec | None:
    by_name = {
        name: {run.label: _estimate(run, name) for run in runs if "acc" in run.rescored.scores.get(name, {})}
        for name in names
    }
    by_name = {name: by_run for name, by_run in by_name.items() if by_run}
    if not by_name:
        return None
    estimates = {catalog.short_name(name): by_run for name, by_run in by_name.items()}
    levels = {
        "chance": [_first_level([run.rescored.chance for run in runs], name) for name in by_name],
        "majority": [_first_level([run.rescored.majority for run in runs], name) for name in by_name],
    }
    return estimate_plot(f"accuracy-{panel}", title, estimates, runs, levels, show_total=panel != "totals")


def _first_level(levels: Sequence[dict[str, float]], name: str) -> float | None:
    """Return the level of a task or group in the first run that has it: on the same data, all runs have the same."""
    return next((of_run[name] for of_run in levels if name in of_run), None)


def _estimate(run: Run, name: str) -> Estimate:
    """Return the figures of a task or group as the harness has them."""
    figures = run.rescored.scores[name]
    low, high = (float(figures[f"{FAMILIES['choice'].interval}_{end}"]) for end in ENDS)
    counts = figures["counts"]
    return Estimate(float(figures["acc"]), low, high, counts["questions"], counts["images"], counts.get("groups"))
