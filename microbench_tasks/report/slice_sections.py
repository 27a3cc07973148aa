"""Build the sections with accuracy by ability, and by what the micrographs show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.render.figure_specs import figure_spec
from microbench_tasks.report.data_rows import Data
from microbench_tasks.report.estimate_plots import alt_text, estimate_plot, estimate_table, total_size
from microbench_tasks.report.estimates import Estimate, question_sets, questions
from microbench_tasks.report.sections import SUBJECT_NAMES, FoldedParts, Part, ReportSection, file_name
from microbench_tasks.report.slices import NOT_STATED, Dimension, catalog_dimensions, estimate_slices, row_dimensions

_SHOWN_DIMENSIONS = ("pathology", "modality", "domain", "scale")
_LEAST_RADAR_AXES = 3
_TEXT = (
    "Questions that the totals leave out are left out here, too. A slice of few images says little: n is beside each."
)
_ABILITY_TEXT = "What the classification datasets test, by the grouping of the paper's evaluation code."


def slice_section(runs: Sequence[Run], data: Data) -> ReportSection | None:
    """Build the section on questions by what the micrographs show; None without coarse, fine or own questions."""
    dimensions = catalog_dimensions() | (row_dimensions(data.perception) if data.perception else {})
    names = {subject: SUBJECT_NAMES[subject] for subject in ("coarse", "fine")}
    parts = [
        part
        for key in _SHOWN_DIMENSIONS
        if key in dimensions
        for part in _slice_parts(dimensions[key], key, names, runs)
    ]
    for task, name in question_sets(runs).items():
        rows = data.rows.get(task)
        # The only keys that are names of tasks are those of own datasets.
        for key, dimension in row_dimensions(rows).items() if rows else ():
            parts += _slice_parts(dimension, key, {task: name}, runs)
    return ReportSection("Slices", parts, _TEXT) if parts else None


def _slice_parts(dimension: Dimension, key: str, names: Mapping[str, str], runs: Sequence[Run]) -> list[Part]:
    """Return the plot of each set of questions with their table.

    Args:
        dimension: divides the questions.
        key: of the dimension, for names of files.
        names: sets of questions (`question_sets`), in words.
        runs: all runs of the report.
    """
    title = f"Accuracy by {dimension.name}"
    by_subject = {subject: _slices(runs, subject, dimension) for subject in names}
    by_subject = {subject: estimates for subject, estimates in by_subject.items() if estimates.keys() - {NOT_STATED}}
    if not by_subject:
        return []
    plots = [
        estimate_plot(f"slice-{key}-{file_name(subject)}", f"{title}, {names[subject]}", estimates, runs)
        for subject, estimates in by_subject.items()
    ]
    named = {names[subject]: estimates for subject, estimates in by_subject.items()}
    slices = list(dict.fromkeys(label for estimates in by_subject.values() for label in estimates))
    about = f"{len(slices)} slices: {', '.join(slices)}"
    return [FoldedParts(title, [*plots, estimate_table(title, dimension.name, named)], about)]


def _slices(runs: Sequence[Run], subject: str, dimension: Dimension) -> dict[str, dict[str, Estimate]]:
    """Return the estimates of each slice and run."""
    by_run = {run.label: estimate_slices(questions(run, subject), dimension) for run in runs}
    return {
        label: of_label
        for label in dimension.labels
        if (of_label := {run: estimates[label] for run, estimates in by_run.items() if label in estimates})
    }


def ability_section(runs: Sequence[Run]) -> ReportSection | None:
    """Build the section on fine questions by ability, with bars and a radar; None without fine questions."""
    estimates = _slices(runs, "fine", catalog_dimensions()["ability"])
    if not estimates:
        return None
    title = "Accuracy by ability, fine questions"
    parts: list[Part] = [estimate_plot("ability", title, estimates, runs)]
    folded: list[Part] = []
    if len(estimates) >= _LEAST_RADAR_AXES:
        series = {
            run.label: [by_run[run.label].value if run.label in by_run else None for by_run in estimates.values()]
            for run in runs
            if any(run.label in by_run for by_run in estimates.values())
        }
        folded.append(
            figure_spec(
                "ability-radar",
                "radar",
                alt_text(title, estimates),
                "The bars above show the intervals.",
                title=f"{title} (n = {total_size(estimates)}, %)",
                axes=list(estimates),
                series=series,
            )
        )
    folded.append(estimate_table(title, "ability", {SUBJECT_NAMES["fine"]: estimates}))
    parts.append(FoldedParts("Radar and numbers", folded))
    return ReportSection("Abilities", parts, _ABILITY_TEXT)
