"""Calibration chapter of the report: reliability curves, calibration errors and Brier scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from microbench_tasks.catalog.questions import LETTERS
from microbench_tasks.metrics import calibration
from microbench_tasks.metrics.calibration import NUM_BINS, Forecasts, NullError, Reliability
from microbench_tasks.metrics.calibration_error import DebiasedError, debiased_calibration_error
from microbench_tasks.render.figure_specs import FigureSpec, figure_spec
from microbench_tasks.render.pages import Cell, Table, percent, percent_cell
from microbench_tasks.report import scores
from microbench_tasks.report.chapters import Chapter
from microbench_tasks.report.runs import Run
from microbench_tasks.report.scores import Item
from microbench_tasks.tasks.repeats import each_answer

# Below this sum of the options' probabilities, the model would more likely have answered something else.
LOW_MASS = 0.5
_SUBJECTS = ("coarse", "fine", "cognition")

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
    "or not finite. Ties: several options with the highest probability."
)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Hold the calibration of all answers with usable probabilities.

    Attributes:
        forecasts: the probabilities and outcomes.
        bins: answers binned by confidence, with the plug-in ECE.
        null: the plug-in ECE of a calibrated model.
        error: the debiased error with its interval, clustered by image.
    """

    forecasts: Forecasts
    bins: Reliability
    null: NullError
    error: DebiasedError

    @property
    def n(self) -> int:
        return len(self.forecasts.confidence)


@dataclass(frozen=True)
class ProbabilityCounts:
    """Count answers, and those whose probabilities are missing or cannot be normalized."""

    answers: int
    missing: int
    unusable: int

    @property
    def usable(self) -> int:
        return self.answers - self.missing - self.unusable

    def reason(self) -> str:
        """Say why no answer has usable probabilities."""
        missing = f"{self.missing:,} of {self.answers:,} answers have no probabilities"
        return f"{missing}, {self.unusable:,} have unusable ones (all 0 or not finite)" if self.unusable else missing


def count_probabilities(items: Sequence[Item]) -> ProbabilityCounts:
    """Count the answers of ``acc`` items by whether their probabilities are usable."""
    answers = each_answer(items)
    stated = [answer["probabilities"] for answer in answers if answer["probabilities"] is not None]
    unusable = sum(not calibration.is_usable(list(shares.values())) for shares in stated)
    return ProbabilityCounts(len(answers), len(answers) - len(stated), unusable)


def measure_calibration(items: Sequence[Item]) -> Calibration | None:
    """Compute the calibration of all answers of ``acc`` items with usable probabilities; None if there are none."""
    stated = [answer for answer in each_answer(items) if answer["probabilities"] is not None]
    usable = [
        (list(answer["probabilities"].values()), LETTERS.index(answer["gold"]), answer["image"])
        for answer in stated
        if calibration.is_usable(list(answer["probabilities"].values()))
    ]
    if not usable:
        return None
    probabilities, right, images = zip(*usable)
    found = calibration.forecasts(probabilities, right)
    return Calibration(
        found,
        calibration.reliability(found.confidence, found.is_right),
        calibration.null_calibration_error(found.confidence),
        debiased_calibration_error(found.confidence, found.is_right, images),
    )


# --- the chapter ---------------------------------------------------------------------


def calibration_chapter(runs: Sequence[Run]) -> Chapter | None:
    """Build the chapter with reliability curves and tables; None if no answer has usable probabilities."""
    parts: list[FigureSpec | Table] = []
    figures, masses = [], []
    for subject in _SUBJECTS:
        name = f"{subject} questions"
        items = {run.label: found for run in runs if (found := scores.questions(run, subject))}
        found = {label: result for label, of_run in items.items() if (result := measure_calibration(of_run))}
        if found:
            parts.append(_reliability_drawing(subject, name, found))
            figures += [[name, label, *_figure_cells(result)] for label, result in found.items()]
            counts = {label: count_probabilities(items[label]) for label in found}
            masses += [[name, label, *_mass_cells(result, counts[label])] for label, result in found.items()]
    if not parts:
        return None
    header = [f"ECE % ({NUM_BINS} bins)", "if calibrated: mean %", "95 % below %", "RMS error %", "95 % interval"]
    tables = [
        Table(
            "Calibration in numbers",
            ["questions", "run", "n", "mean confidence %", "right %", *header, "Brier score", "Brier skill"],
            figures,
            _NOTE,
        ),
        Table("Probabilities as the model gave them", ["questions", "run", *_MASS_HEADER], masses, _MASS_NOTE),
    ]
    return Chapter("Calibration", [*parts, *tables], "\n\n".join([_TEXT, *_without(runs)]))


def left_out(runs: Sequence[Run]) -> list[str]:
    """Say why there is no calibration chapter; return an empty list if there is one, or if no run asks questions."""
    items = [scores.questions(run, subject) for run in runs for subject in _SUBJECTS]
    counts = [count_probabilities(of_run) for of_run in items if of_run]
    if not counts or any(count.usable for count in counts):
        return []
    return [f"Left out: calibration. {reason}" for reason in _without(runs)]


def _without(runs: Sequence[Run]) -> list[str]:
    """Return the reason for each run and kind of questions without usable probabilities."""
    counts = {
        (run.label, subject): count_probabilities(items)
        for run in runs
        for subject in _SUBJECTS
        if (items := scores.questions(run, subject))
    }
    return [
        f"{label}, {subject} questions: {count.reason()}."
        for (label, subject), count in counts.items()
        if not count.usable
    ]


def _reliability_drawing(subject: str, name: str, found: Mapping[str, Calibration]) -> FigureSpec:
    bins = {label: result.bins for label, result in found.items()}
    series = {
        label: {
            "confidence": curve.confidence.tolist(),
            "accuracy": curve.accuracy.tolist(),
            "count": curve.counts.tolist(),
        }
        for label, curve in bins.items()
    }
    sizes = " / ".join(dict.fromkeys(f"{result.n:,}" for result in found.values()))
    said = (
        f"{label} ECE {percent(result.bins.expected_calibration_error)} %, "
        f"Brier score {result.forecasts.brier_score:.3f}"
        for label, result in found.items()
    )
    return figure_spec(
        f"calibration-{subject}",
        "reliability",
        f"Reliability curves, {name}: {'; '.join(said)}",
        title=f"Calibration, {name} (n = {sizes}, {NUM_BINS} bins)",
        edges=next(iter(bins.values())).edges.tolist(),
        series=series,
    )


def _figure_cells(result: Calibration) -> list[Cell]:
    found, error = result.forecasts, result.error
    figures = (
        float(found.confidence.mean()),
        float(found.is_right.mean()),
        result.bins.expected_calibration_error,
        result.null.mean,
        result.null.upper,
        error.value,
    )
    interval = Cell(f"{percent(error.low)} to {percent(error.high)}", sort=error.low)
    scored = (Cell(f"{found.brier_score:.4f}"), percent_cell(found.brier_skill))
    return [Cell(f"{result.n:,}"), *map(percent_cell, figures), interval, *scored]


_MASS_HEADER = ("answers", "without", "unusable", "used", "ties", "mean sum", f"sum below {LOW_MASS:g} %")


def _mass_cells(result: Calibration, counts: ProbabilityCounts) -> list[Cell]:
    found = result.forecasts
    numbers = (counts.answers, counts.missing, counts.unusable, counts.usable, int(found.is_tied.sum()))
    low = percent_cell(float(np.mean(found.mass < LOW_MASS)))
    return [*(Cell(f"{number:,}") for number in numbers), Cell(f"{found.mass.mean():.4f}"), low]
