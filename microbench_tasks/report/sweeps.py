"""Forgetting and merging: accuracy along the line between two checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.render.figure_specs import FigureSpec, figure_spec
from microbench_tasks.render.pages import Cell, Table, percent
from microbench_tasks.report.chapters import BY_IMAGE, Chapter, part_name
from microbench_tasks.report.runs import Sweep
from microbench_tasks.report.scores import Estimate, estimate
from microbench_tasks.runs import rescoring
from microbench_tasks.runs.rescoring import Rescored

_ALPHA = "alpha: weight of the fine-tuned checkpoint against its base"
# What a specialist of pathology keeps, gains and forgets.
PARTS = {
    "coarse questions, all images": lambda task, item: catalog.TASKS[task].subject == "coarse",
    "fine questions, pathology datasets": lambda task, item: (
        catalog.TASKS[task].subject == "fine" and item["dataset"] in catalog.PATHOLOGY_DATASETS
    ),
    "fine questions, other datasets": lambda task, item: (
        catalog.TASKS[task].subject == "fine" and item["dataset"] not in catalog.PATHOLOGY_DATASETS
    ),
}

# Of each series, along alpha.
Curves = Mapping[str, Sequence[Estimate | None]]


def sweeps_chapter(sweeps: Sequence[Sweep], progress: Any) -> Chapter | None:
    """Curves of every sweep: of groups as its table has them, and of parts where samples were logged."""
    parts: list[FigureSpec | Table] = []
    for number, sweep in enumerate(sweeps, start=1):
        parts += _curves(f"sweep-{number}", f"Accuracy along alpha: {sweep.label}", sweep, group_curves(sweep))
        if all(sweep.logs):
            parts += _curves(
                f"sweep-{number}-parts", f"Forgetting and merging: {sweep.label}", sweep, part_curves(sweep, progress)
            )
    text = "Weights between a checkpoint (alpha 0) and what was fine-tuned from it (alpha 1), without training: what the fine-tuning gained, what it forgot, and what merging brings back."
    return Chapter("Along alpha", parts, text) if parts else None


def group_curves(sweep: Sweep) -> dict[str, list[Estimate | None]]:
    """Accuracy of each group (or task) with its interval; sweeps of earlier versions have none for single tasks."""
    names = [name for name in sweep.figures[0] if "acc" in sweep.figures[0][name]]
    return {name: [_recorded(figures.get(name, {})) for figures in sweep.figures] for name in names}


def _recorded(figures: Mapping[str, float]) -> Estimate | None:
    if "acc" not in figures:
        return None
    low, high = (figures.get(f"acc_image_ci_{end}", math.nan) for end in ("low", "high"))
    # How many questions there were is not in the table of a sweep.
    return Estimate(figures["acc"], low, high, 0, 0)


def part_curves(sweep: Sweep, progress: Any) -> dict[str, list[Estimate | None]]:
    """Accuracy of each of `PARTS`, from the samples of each alpha."""
    along = [_parts(rescoring.rescore(log)) for log in progress(sweep.logs)]
    return {name: [found[name] for found in along] for name in PARTS if all(found[name] for found in along)}


def _parts(rescored: Rescored) -> dict[str, Estimate | None]:
    items = [
        (task, sample.items["acc"])
        for task, samples in rescored.samples.items()
        if task in catalog.TASKS and task not in rescored.unanswered
        for sample in samples
        if "acc" in sample.items
    ]
    found = {name: [item for task, item in items if is_in(task, item)] for name, is_in in PARTS.items()}
    return {name: estimate(members) if members else None for name, members in found.items()}


def _curves(name: str, title: str, sweep: Sweep, found: Curves) -> list[FigureSpec | Table]:
    if not found:
        return []
    columns = {"values": "value", "lows": "low", "highs": "high"}
    labelled = {_labelled(series, estimates): estimates for series, estimates in found.items()}
    series = {
        label: {
            column: [getattr(value, attribute) if value else None for value in estimates]
            for column, attribute in columns.items()
        }
        for label, estimates in labelled.items()
    }
    ends = "; ".join(
        f"{label}: {_shown(estimates[0])} at alpha {sweep.alphas[0]:g}, {_shown(estimates[-1])} at alpha {sweep.alphas[-1]:g}"
        for label, estimates in labelled.items()
    )
    picture = figure_spec(
        part_name(name),
        "curves",
        f"{title}. {ends}.",
        title=f"{title}, {BY_IMAGE}",
        xlabel=_ALPHA,
        xs=list(sweep.alphas),
        series=series,
    )
    rows = [
        [
            f"{alpha:g}",
            *(
                Cell(_shown(estimates[index]), sort=estimates[index].value if estimates[index] else None)
                for estimates in labelled.values()
            ),
        ]
        for index, alpha in enumerate(sweep.alphas)
    ]
    return [picture, Table(f"{title}: numbers (%)", ["alpha", *labelled], rows)]


def _labelled(series: str, estimates: Sequence[Estimate | None]) -> str:
    sizes = dict.fromkeys(f"{found.n:,}" for found in estimates if found and found.n)
    return f"{series} (n = {' / '.join(sizes)})" if sizes else series


def _shown(found: Estimate | None) -> str:
    return "–" if found is None else f"{percent(found.value)} [{percent(found.low)}, {percent(found.high)}]"
