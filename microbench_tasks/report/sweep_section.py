"""Build the section on sweeps: accuracy along the line between two checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from microbench_tasks import catalog
from microbench_tasks.render.figure_specs import FigureSpec, figure_spec
from microbench_tasks.render.number_text import short_percent
from microbench_tasks.render.page_content import Cell, Table
from microbench_tasks.report.estimate_plots import interval_columns, interval_text
from microbench_tasks.report.estimates import Estimate, Item, estimate
from microbench_tasks.report.runs import Sweep
from microbench_tasks.report.sections import FoldedParts, Part, ReportSection, file_name
from microbench_tasks.runs import rescoring
from microbench_tasks.runs.logged_runs import LoggedRun
from microbench_tasks.runs.rescoring import Rescored
from microbench_tasks.util.progress import Progress

_ALPHA_AXIS = "alpha: weight of the fine-tuned checkpoint against its base"
_TEXT = (
    "Weights between a checkpoint (alpha 0) and what was fine-tuned from it (alpha 1), without training: what the "
    "fine-tuning gained, what it forgot, and what merging brings back."
)


def _is_coarse(task: str, item: Item) -> bool:
    return catalog.task_of(task).subject == "coarse"


def _is_fine_pathology(task: str, item: Item) -> bool:
    return catalog.task_of(task).subject == "fine" and item["dataset"] in catalog.PATHOLOGY_DATASETS


def _is_fine_other(task: str, item: Item) -> bool:
    return catalog.task_of(task).subject == "fine" and item["dataset"] not in catalog.PATHOLOGY_DATASETS


# Show what a specialist of pathology keeps, gains and forgets.
SUBSETS: dict[str, Callable[[str, Item], bool]] = {
    "coarse questions, all images": _is_coarse,
    "fine questions, pathology datasets": _is_fine_pathology,
    "fine questions, other datasets": _is_fine_other,
}

# For each series, the estimates along alpha.
Curves = Mapping[str, Sequence[Estimate | None]]


def sweep_section(sweeps: Sequence[Sweep], progress: Progress) -> ReportSection | None:
    """Build the section: curves of groups, and of `SUBSETS` if samples were logged; None without sweeps."""
    parts: list[Part] = []
    for number, sweep in enumerate(sweeps, start=1):
        parts += _curve_parts(f"sweep-{number}", f"Accuracy along alpha: {sweep.merged}", sweep, group_curves(sweep))
        logs = [log for log in sweep.logs if log is not None]
        if len(logs) == len(sweep.logs):
            title = f"Forgetting and merging: {sweep.merged}"
            parts += _curve_parts(f"sweep-{number}-parts", title, sweep, subset_curves(logs, progress))
    return ReportSection("Along alpha", parts, _TEXT) if parts else None


def group_curves(sweep: Sweep) -> dict[str, list[Estimate | None]]:
    """Return the recorded accuracy of each group, or task; sweeps of earlier versions lack intervals of tasks."""
    names = [name for name in sweep.figures[0] if "acc" in sweep.figures[0][name]]
    return {name: [_recorded_estimate(figures.get(name, {})) for figures in sweep.figures] for name in names}


def _recorded_estimate(figures: Mapping[str, float]) -> Estimate | None:
    if "acc" not in figures:
        return None
    low, high = (figures.get(f"acc_image_ci_{end}", math.nan) for end in ("low", "high"))
    # A sweep does not record the number of questions.
    return Estimate(figures["acc"], low, high, 0, 0)


def subset_curves(logs: Sequence[LoggedRun], progress: Progress) -> dict[str, list[Estimate]]:
    """Return the accuracy of each of `SUBSETS` along alpha, from the samples of each alpha."""
    along = [_subset_estimates(rescoring.rescore(log)) for log in progress(logs, "Scoring a sweep")]
    return {
        name: [estimates[name] for estimates in along]
        for name in SUBSETS
        if all(name in estimates for estimates in along)
    }


def _subset_estimates(rescored: Rescored) -> dict[str, Estimate]:
    """Return the estimate of each subset that has a question."""
    items = [
        (task, sample.items["acc"])
        for task, samples in rescored.samples.items()
        if catalog.is_submittable(task) and task not in rescored.unanswered
        for sample in samples
        if "acc" in sample.items
    ]
    members = {name: [item for task, item in items if is_in(task, item)] for name, is_in in SUBSETS.items()}
    return {name: estimate(of_subset) for name, of_subset in members.items() if of_subset}


def _curve_parts(name: str, title: str, sweep: Sweep, curves: Curves) -> list[FigureSpec | FoldedParts]:
    if not curves:
        return []
    labelled = {_label(series, estimates, sweep.chance.get(series)): estimates for series, estimates in curves.items()}
    first, last = sweep.alphas[0], sweep.alphas[-1]
    ends = "; ".join(
        f"{label}: {_text(estimates[0])} at alpha {first:g}, {_text(estimates[-1])} at alpha {last:g}"
        for label, estimates in labelled.items()
    )
    every = [estimate for estimates in curves.values() for estimate in estimates if estimate is not None]
    plot = figure_spec(
        file_name(name),
        "curves",
        f"{title}. {ends}.",
        title=f"{title}, {interval_text(every)}",
        xlabel=_ALPHA_AXIS,
        xs=list(sweep.alphas),
        series={label: interval_columns(estimates) for label, estimates in labelled.items()},
    )
    rows: list[list[Cell | str]] = [
        [f"{alpha:g}", *(_cell(estimates[index]) for estimates in labelled.values())]
        for index, alpha in enumerate(sweep.alphas)
    ]
    return [plot, FoldedParts(f"{title}: numbers", [Table("", ["alpha", *(f"{name} %" for name in labelled)], rows)])]


def _label(series: str, estimates: Sequence[Estimate | None], chance: float | None) -> str:
    sizes = dict.fromkeys(f"{estimate.n:,}" for estimate in estimates if estimate and estimate.n)
    facts = [
        *([f"n = {' / '.join(sizes)}"] if sizes else []),
        *([f"chance {short_percent(chance)} %"] if chance is not None else []),
    ]
    return f"{series} ({', '.join(facts)})" if facts else series


def _cell(estimate: Estimate | None) -> Cell:
    return Cell(_text(estimate), sort=estimate.value if estimate else None)


def _text(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{short_percent(estimate.value)} [{short_percent(estimate.low)}, {short_percent(estimate.high)}]"
