"""Plot runs as matplotlib figures, in the look of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from microbench_tasks import catalog
from microbench_tasks.analysis import loaded_runs
from microbench_tasks.api.data_columns import slices_of
from microbench_tasks.api.runs import Run
from microbench_tasks.api.score import Score, scores_of
from microbench_tasks.render.figure_specs import FigureSpec
from microbench_tasks.report import calibration_section
from microbench_tasks.report.answer_counts import count_confusions
from microbench_tasks.report.answer_sections import confusion_plot
from microbench_tasks.report.estimate_plots import estimate_plot
from microbench_tasks.report.estimates import Estimate
from microbench_tasks.report.localization_section import GRIT_AXIS
from microbench_tasks.report.sections import SUBJECT_NAMES, flat_parts
from microbench_tasks.report.slices import NOT_STATED
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCORE_AXIS = "mean score (%) with its 95 % interval"


def plot_scores(runs: Run | Sequence[Run], names: Sequence[str] = (), metric: str | None = None) -> Figure:
    """Plot scores with their 95 % intervals by image (or group of images): bars of one run, points of several.

    Args:
        runs: one or more.
        names: tasks and groups, from the top; by default all tasks that have the metric.
        metric: by default ``acc``, or ``grit`` if no run has questions. Others need an interval: ``acc_macro``.

    Raises:
        DataError: no run has such a score.
    """
    loaded = _loaded(runs)
    scores = {run.label: {(score.name, score.metric): score for score in scores_of(run)} for run in loaded}
    present = {key for of_run in scores.values() for key in of_run}
    shown = metric or ("acc" if any(of == "acc" for _, of in present) else "grit")
    wanted = list(names) or [
        name
        for name in catalog.in_order({name for name, of in present if of == shown})
        if name not in catalog.GROUPS or shown == "acc_macro"
    ]
    by_name = {
        name: {label: found for label, of_run in scores.items() if (found := of_run.get((name, shown)))}
        for name in wanted
    }
    absent = [name for name, by_run in by_name.items() if not by_run]
    if absent or not by_name:
        raise DataError(f"No run has {shown} of {', '.join(absent) or 'any task'}.")
    first = [next(iter(by_run.values())) for by_run in by_name.values()]
    options: dict[str, Any] = {"xlabel": GRIT_AXIS} if shown == "grit" else {}
    return estimate_plot(
        "scores",
        "GRIT localization score" if shown == "grit" else f"Accuracy ({shown})",
        {
            catalog.short_name(name): {label: _estimate(score) for label, score in by_run.items()}
            for name, by_run in by_name.items()
        },
        loaded,
        {"chance": [score.chance for score in first], "majority": [score.majority for score in first]},
        show_total=False,
        **options,
    ).figure()


def plot_slices(runs: Run | Sequence[Run], column: str, name: str | None = None) -> Figure:
    """Plot the mean score by the values of a column of the samples or of the data, with 95 % intervals.

    Args:
        runs: one or more, on the same data.
        column: see `Run.slice_by`.
        name: see `Run.slice_by`.

    Raises:
        DataError: see `Run.slice_by`.
    """
    loaded = _loaded(runs)
    slices = {run.label: slices_of(run, column, name) for run in loaded}
    values = list(dict.fromkeys(value for of_run in slices.values() for value in of_run))
    estimates = {
        NOT_STATED if value is None else str(value): {
            label: of_run[value] for label, of_run in slices.items() if value in of_run
        }
        for value in values
    }
    what = "all answers" if name is None else catalog.short_name(name)
    return estimate_plot("slices", f"Mean score by {column}, {what}", estimates, loaded, xlabel=_SCORE_AXIS).figure()


def plot_calibration(runs: Run | Sequence[Run], subject: str = "coarse") -> Figure:
    """Plot reliability curves: how often answers are right, against the probability that the model gave them.

    Args:
        runs: one or more.
        subject: ``coarse``, ``fine`` or ``cognition`` questions.

    Raises:
        DataError: no run has answers with probabilities to such questions, or ``subject`` is another.
    """
    if subject not in SUBJECT_NAMES:
        raise DataError(f"Expected a subject of {', '.join(SUBJECT_NAMES)}, got {subject!r:.80}.")
    loaded = _loaded(runs)
    section = calibration_section.calibration_section(loaded)
    for part in flat_parts(section.parts) if section else ():
        if isinstance(part, FigureSpec) and part.name == f"calibration-{subject}":
            return part.figure()
    reasons = " ".join(calibration_section.left_out(loaded))
    raise DataError(f"No run has answers with usable probabilities to {SUBJECT_NAMES[subject]}. {reasons}".strip())


def plot_confusion(run: Run, task: str) -> Figure:
    """Plot how often each option was answered where each is right, as the strict rule reads.

    Raises:
        DataError: the run has no questions of the task, or their options rarely repeat.
    """
    samples = run.loaded.rescored.samples.get(task, ())
    confusion = count_confusions(samples) if samples and "acc" in samples[0].items else None
    if confusion is None:
        raise DataError(
            f"{run.label} has no matrix of {task}: it was not asked, asks for boxes, or its options rarely repeat."
        )
    return confusion_plot(run.loaded, 1, task, confusion).figure()


def _loaded(runs: Run | Sequence[Run]) -> list[loaded_runs.Run]:
    listed = [runs] if isinstance(runs, Run) else list(runs)
    if not listed:
        raise DataError("Expected at least one run to plot.")
    return loaded_runs.with_unique_labels([run.loaded for run in listed])


def _estimate(score: Score) -> Estimate:
    if score.low is None or score.high is None:
        raise DataError(f"{score.metric} has no interval: only scores with one are plotted.")
    return Estimate(score.value, score.low, score.high, score.num_questions, score.num_images, score.num_groups)
