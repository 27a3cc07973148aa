"""Say at the top of a report what each run is: its model, its data, its scores with their intervals, and chance."""

from __future__ import annotations

from collections.abc import Sequence

from microbench_tasks import catalog
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.render.page_content import Bar, Headline, Score
from microbench_tasks.report.about import data_of, name_of_data
from microbench_tasks.report.runs import Sweep
from microbench_tasks.submissions import data_kinds
from microbench_tasks.tasks.metric import ENDS, Family
from microbench_tasks.tasks.metric_table import FAMILIES

DEMO_NOTICE = (
    "This is a demo: its images are synthetic. The scores show that model, tasks and commands work together. "
    "They say nothing about microscopy, and are not comparable with the paper's."
)
_GROUPS: dict[str, Family] = {
    catalog.COARSE_GROUP: "choice",
    catalog.FINE_GROUP: "choice",
    catalog.COGNITION_TASK: "choice",
    catalog.LOCALIZATION_GROUP: "boxes",
}
_UNITS: dict[Family, str] = {"choice": "%", "boxes": "GRIT × 100"}
_MOST_SCORES = 6


def notice(runs: Sequence[Run], sweeps: Sequence[Sweep]) -> str:
    """Return the warning that a run was asked about the demo set; empty if none was."""
    sources = [*(source for run in runs for source in run.sources.values()), *(sweep.source for sweep in sweeps)]
    kinds = [data_kinds.classify_source(source) for source in sources if source]
    return DEMO_NOTICE if "demo" in kinds else ""


def headlines(runs: Sequence[Run], sweeps: Sequence[Sweep]) -> list[Headline]:
    """Return a headline for each run and sweep."""
    return [*map(_of_run, runs), *map(_of_sweep, sweeps)]


def _of_run(run: Run) -> Headline:
    scores = [score for name, family in _GROUPS.items() if (score := _score(run, name, family))]
    tasks = [name for name in catalog.in_order(run.rescored.samples) if not scores or catalog.is_own(name)]
    for task in tasks[: _MOST_SCORES - len(scores)]:
        family: Family = "boxes" if catalog.task_of(task).subject == "boxes" else "choice"
        scores += filter(None, [_score(run, task, family)])
    num_questions = sum(run.rescored.num_samples.values())
    return Headline(run.label, f"{num_questions:,} questions. Data: {data_of(run)}.", scores)


def _score(run: Run, name: str, family: Family) -> Score | None:
    figures, of_family = run.rescored.scores.get(name, {}), FAMILIES[family]
    if of_family.score not in figures:
        return None
    low, high = (float(figures[f"{of_family.interval}_{end}"]) for end in ENDS)
    bar = Bar(float(figures[of_family.score]), low, high)
    return Score(catalog.short_name(name), bar, run.rescored.chance.get(name), _UNITS[family])


def _of_sweep(sweep: Sweep) -> Headline:
    names = [name for name in sweep.figures[0] if "acc" in sweep.figures[0][name]]
    scores = []
    for name in names[:_MOST_SCORES]:
        accuracies = [(figures[name]["acc"], index) for index, figures in enumerate(sweep.figures) if name in figures]
        _, best = max(accuracies)
        figures = sweep.figures[best][name]
        bar = Bar(figures["acc"], *(figures.get(f"acc_image_ci_{end}") for end in ENDS))
        label = f"{catalog.short_name(name)}, best at alpha {sweep.alphas[best]:g}"
        scores.append(Score(label, bar, sweep.chance.get(name)))
    return Headline(sweep.label, f"{sweep.merged}. Data: {name_of_data(sweep.source)}.", scores)
