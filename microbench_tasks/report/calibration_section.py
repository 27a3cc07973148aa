"""Build the section on calibration: reliability curves, calibration errors and Brier scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.metrics.calibration import NUM_BINS
from microbench_tasks.render.figure_specs import FigureSpec, figure_spec
from microbench_tasks.render.number_text import short_percent
from microbench_tasks.render.page_content import Cell, Table, percent_cell
from microbench_tasks.report.calibration import (
    Calibration,
    ProbabilityCounts,
    count_probabilities,
    measure_calibration,
)
from microbench_tasks.report.estimates import question_sets, questions
from microbench_tasks.report.sections import FoldedParts, Part, ReportSection, file_name

# Below this sum of the options' probabilities, the model would more likely have answered something else.
LOW_MASS = 0.5

_TEXT = (
    "Probabilities are divided by their sum over the options of a question. The option of the highest one counts as "
    "the answer (of equally probable ones the first). Its probability is the confidence."
)
_NOTE = (
    f"ECE: expected calibration error in {NUM_BINS} bins of equal width (Guo et al. 2017), above 0 even for a "
    "calibrated model. If calibrated: its mean, and the value that 95 % of such models stay below; outcomes are drawn "
    "from the stated probabilities. RMS error: root mean square calibration error without that bias (after Kumar et "
    "al. 2019). An interval that begins at 0 does not contradict calibration. Brier score (Brier 1950), summed over "
    "all options: 0 is best, 2 worst. Skill: 100 is perfect, 0 as good as equal probabilities for all options."
)
_MASS_NOTE = (
    "Sum: of the probabilities of a question's options as the model gave them. Unusable: probabilities that are all 0 "
    "or not finite. Some absent: answers in which a server did not list an option's letter among its most probable "
    "tokens; it counts as 0 here. Ties: several options with the highest probability."
)

_ERROR_COLUMNS = (f"ECE % ({NUM_BINS} bins)", "if calibrated: mean %", "95 % below %", "RMS error %", "95 % interval")
_SCORE_HEADER = (
    *("questions", "run", "n", "mean confidence %", "right %"),
    *(*_ERROR_COLUMNS, "Brier score", "Brier skill"),
)
_MASS_HEADER = (
    *("questions", "run", "answers", "without", "unusable", "used", "some absent", "ties", "mean sum"),
    f"sum below {LOW_MASS:g} %",
)


def calibration_section(runs: Sequence[Run]) -> ReportSection | None:
    """Build the section with reliability curves and tables; None if no answer has usable probabilities."""
    plots: list[Part] = []
    score_rows: list[list[Cell | str]] = []
    mass_rows: list[list[Cell | str]] = []
    for subject, name in question_sets(runs).items():
        items = {run.label: of_run for run in runs if (of_run := questions(run, subject))}
        measured = {label: result for label, of_run in items.items() if (result := measure_calibration(of_run))}
        if measured:
            plots.append(_reliability_plot(subject, name, measured))
            score_rows += [[name, label, *_score_cells(result)] for label, result in measured.items()]
            mass_rows += [
                [name, label, *_mass_cells(result, count_probabilities(items[label]))]
                for label, result in measured.items()
            ]
    if not plots:
        return None
    tables = [
        Table("Calibration in numbers", _SCORE_HEADER, score_rows, _NOTE),
        Table("Probabilities as the model gave them", _MASS_HEADER, mass_rows, _MASS_NOTE),
    ]
    curves = FoldedParts("Reliability curves", plots, "how often answers of a given confidence are right")
    numbers = FoldedParts("In numbers", tables, "calibration errors, Brier scores, sums of probabilities")
    return ReportSection("Calibration", [curves, numbers], "\n\n".join([_TEXT, *_reasons_without(runs)]))


def left_out(runs: Sequence[Run]) -> list[str]:
    """Say why there is no section on calibration; return an empty list if there is one, or if no run asks questions."""
    items = [questions(run, subject) for run in runs for subject in question_sets(runs)]
    counts = [count_probabilities(of_run) for of_run in items if of_run]
    if not counts or any(count.usable for count in counts):
        return []
    return [f"Left out: calibration. {reason}" for reason in _reasons_without(runs)]


def _reasons_without(runs: Sequence[Run]) -> list[str]:
    """Return the reason for each run and kind of questions without usable probabilities."""
    counts = {
        (run.label, name): count_probabilities(items)
        for run in runs
        for subject, name in question_sets(runs).items()
        if (items := questions(run, subject))
    }
    return [f"{label}, {name}: {count.reason()}." for (label, name), count in counts.items() if not count.usable]


def _reliability_plot(subject: str, name: str, measured: Mapping[str, Calibration]) -> FigureSpec:
    series = {
        label: {
            "confidence": result.bins.confidence.tolist(),
            "accuracy": result.bins.accuracy.tolist(),
            "count": result.bins.counts.tolist(),
        }
        for label, result in measured.items()
    }
    sizes = " / ".join(dict.fromkeys(f"{result.n:,}" for result in measured.values()))
    scores = (
        f"{label} ECE {short_percent(result.bins.expected_calibration_error)} %, "
        f"Brier score {result.forecasts.brier_score:.3f}"
        for label, result in measured.items()
    )
    return figure_spec(
        f"calibration-{file_name(subject)}",
        "reliability",
        f"Reliability curves, {name}: {'; '.join(scores)}",
        title=f"Calibration, {name} (n = {sizes}, {NUM_BINS} bins)",
        edges=next(iter(measured.values())).bins.edges.tolist(),
        series=series,
    )


def _score_cells(result: Calibration) -> list[Cell]:
    forecasts, error = result.forecasts, result.error
    figures = (
        float(forecasts.confidence.mean()),
        float(forecasts.is_right.mean()),
        result.bins.expected_calibration_error,
        result.null.mean,
        result.null.upper,
        error.value,
    )
    interval = Cell(f"{short_percent(error.low)} to {short_percent(error.high)}", sort=error.low)
    brier = (Cell(f"{forecasts.brier_score:.4f}"), percent_cell(forecasts.brier_skill))
    return [Cell(f"{result.n:,}"), *map(percent_cell, figures), interval, *brier]


def _mass_cells(result: Calibration, counts: ProbabilityCounts) -> list[Cell]:
    forecasts = result.forecasts
    ties = int(forecasts.is_tied.sum())
    numbers = (counts.answers, counts.missing, counts.unusable, counts.usable, counts.partial, ties)
    share_low = percent_cell(float(np.mean(forecasts.mass < LOW_MASS)))
    return [*(Cell(f"{number:,}") for number in numbers), Cell(f"{forecasts.mass.mean():.4f}"), share_low]
