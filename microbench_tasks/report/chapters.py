"""What a report says, chapter by chapter: numbers become drawings and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from microbench_tasks import catalog
from microbench_tasks.metrics.intervals import ABOUT_DATASETS
from microbench_tasks.render.figure_specs import FigureSpec, figure_spec
from microbench_tasks.render.pages import Cell, Gallery, Table, percent
from microbench_tasks.render.plots import HARD_SPACE
from microbench_tasks.report import scores
from microbench_tasks.report.rows import Data
from microbench_tasks.report.runs import Run, tasks_of
from microbench_tasks.report.score_columns import NO_RESPONSE, score_columns
from microbench_tasks.report.scores import Estimate
from microbench_tasks.tasks import item_intervals
from microbench_tasks.tasks.metric import ENDS, Family
from microbench_tasks.tasks.metric_table import FAMILIES

BY_IMAGE = "95 % interval by image"
_SUBJECTS = {"coarse": "coarse questions", "fine": "fine questions", "cognition": "cognition questions"}
_SCORE_AXIS = "GRIT localization score × 100, with its 95 % interval"


@dataclass(frozen=True)
class Chapter:
    """A section of the page before its pictures are drawn."""

    title: str
    parts: Sequence[FigureSpec | Table | Gallery]
    text: str = ""


# Of each row, of each run, its estimate.
Estimates = Mapping[str, Mapping[str, Estimate]]


def part_name(*words: str) -> str:
    """Words as a name of files."""
    text = "-".join(words).lower()
    return "".join(character if character.isascii() and character.isalnum() else "-" for character in text)


# --- scores --------------------------------------------------------------------------


def scores_chapter(runs: Sequence[Run]) -> Chapter | None:
    """Accuracy of groups and tasks."""
    totals = [catalog.COARSE_GROUP, catalog.FINE_GROUP, "microbench_vqa", catalog.COGNITION_TASK]
    panels = [("totals", "Accuracy in all", totals)]
    panels += [
        (
            subject,
            f"Accuracy by task, {_SUBJECTS[subject]}",
            [name for name, task in catalog.TASKS.items() if task.subject == subject],
        )
        for subject in ("coarse", "fine")
    ]
    panels += [("variants", "Accuracy of all coarse questions asked in other ways", list(catalog.VARIANTS))]
    drawings = [
        found for name, title, names in panels if (found := _task_drawing(f"accuracy-{name}", title, names, runs))
    ]
    if not drawings:
        return None
    table = _score_table(
        runs, "Scores of questions", "choice", (*reversed(catalog.GROUPS), *catalog.ALL_TASKS), _ACC_NOTE
    )
    return Chapter("Scores", [*drawings, table], _SCORES_TEXT)


_SCORES_TEXT = (
    "Accuracy by the paper's rule. Dashed lines mark chance: the mean of 1 / number of options. "
    "Dotted lines mark the majority answer: always giving the option, or the letter, that is most often right in the "
    "task. It needs no image, so a score below it is no sign that a model looks at the images."
)


def _task_drawing(name: str, title: str, names: Sequence[str], runs: Sequence[Run]) -> FigureSpec | None:
    estimates = {
        row: {run.label: _task_estimate(run, row) for run in runs if "acc" in run.rescored.scores.get(row, {})}
        for row in names
    }
    estimates = {catalog.short_name(row): found for row, found in estimates.items() if found}
    if not estimates:
        return None
    levels = {
        level: [_level(runs, level, row) for row in names if catalog.short_name(row) in estimates]
        for level in ("chance", "majority")
    }
    return estimate_drawing(name, title, estimates, runs, levels, are_apart=name != "accuracy-totals")


def _level(runs: Sequence[Run], level: str, name: str) -> float | None:
    """Chance or the majority answer of a task or group, which is the same for all runs on the same data."""
    return next((levels[name] for run in runs if name in (levels := getattr(run.rescored, level))), None)


def _task_estimate(run: Run, name: str) -> Estimate:
    """The figures of a task or group as the harness has them."""
    figures = run.rescored.scores[name]
    low, high = (float(figures[f"{FAMILIES['choice'].interval}_{end}"]) for end in ENDS)
    return Estimate(float(figures["acc"]), low, high, figures["counts"]["questions"], figures["counts"]["images"])


_NEW_DATASETS_NOTE = f"New datasets: {ABOUT_DATASETS} Where a single dataset is asked about (–), there is none."
_ACC_NOTE = (
    "n: in brackets how many the totals of a group count. acc_strict counts an answer only where it can be read without luck; "
    f"unparsed responses count as wrong. {_NEW_DATASETS_NOTE}"
)


def _score_table(runs: Sequence[Run], title: str, family: Family, names: Sequence[str], note: str) -> Table:
    """The main scores of those of ``names`` that have the metric."""
    columns, metric = score_columns(family), FAMILIES[family].score
    if not any(
        run.rescored.scores[name]["failed"]
        for name in names
        for run in runs
        if metric in run.rescored.scores.get(name, {})
    ):
        del columns[NO_RESPONSE]
    rows = [
        [name, run.label, *(column(run, name) for column in columns.values())]
        for name in names
        for run in runs
        if metric in run.rescored.scores.get(name, {})
    ]
    return Table(title, ["task or group", "run", *columns], rows, note)


# --- slices and abilities ------------------------------------------------------------


def slices_chapter(runs: Sequence[Run], data: Data) -> Chapter | None:
    """Accuracy of coarse and of fine questions by what the micrographs are of."""
    dimensions = scores.known_dimensions() | (scores.row_dimensions(data.perception) if data.perception else {})
    parts: list[FigureSpec | Table] = []
    for key in (key for key in ("pathology", "modality", "domain", "scale") if key in dimensions):
        found = {
            subject: estimates
            for subject in ("coarse", "fine")
            if (estimates := _sliced(runs, subject, dimensions[key]))
        }
        title = f"Accuracy by {dimensions[key].name}"
        parts += [
            estimate_drawing(f"slice-{key}-{subject}", f"{title}, {_SUBJECTS[subject]}", estimates, runs)
            for subject, estimates in found.items()
        ]
        parts += (
            [
                estimate_table(
                    title, dimensions[key].name, {_SUBJECTS[subject]: estimates for subject, estimates in found.items()}
                )
            ]
            if found
            else []
        )
    if not parts:
        return None
    return Chapter(
        "Slices",
        parts,
        "Questions that the totals leave out are left out here, too. A slice of few images says little: n is beside each.",
    )


def _sliced(runs: Sequence[Run], subject: str, dimension: scores.Dimension) -> dict[str, dict[str, Estimate]]:
    found = {run.label: scores.sliced(scores.questions(run, subject), dimension) for run in runs}
    return {
        label: by_run
        for label in dimension.labels
        if (by_run := {run: estimates[label] for run, estimates in found.items() if label in estimates})
    }


def abilities_chapter(runs: Sequence[Run]) -> Chapter | None:
    """Accuracy of fine questions by ability, as bars and as a radar."""
    estimates = _sliced(runs, "fine", scores.known_dimensions()["ability"])
    if not estimates:
        return None
    title = "Accuracy by ability, fine questions"
    parts: list[FigureSpec | Table] = []
    if len(estimates) >= 3:
        series = {
            run.label: [found[run.label].value if run.label in found else None for found in estimates.values()]
            for run in runs
            if any(run.label in found for found in estimates.values())
        }
        parts.append(
            figure_spec(
                "ability-radar",
                "radar",
                _alt(title, estimates),
                "Intervals are in the next picture.",
                title=f"{title} (n = {_total(estimates)}, %)",
                axes=list(estimates),
                series=series,
            )
        )
    parts += [
        estimate_drawing("ability", title, estimates, runs),
        estimate_table(title, "ability", {_SUBJECTS["fine"]: estimates}),
    ]
    return Chapter(
        "Abilities", parts, "What the classification datasets test, by the grouping of the paper's evaluation code."
    )


def estimate_drawing(
    name: str,
    title: str,
    estimates: Estimates,
    runs: Sequence[Run],
    levels: Mapping[str, Sequence[float | None]] = {},
    are_apart: bool = True,
    **options: Any,
) -> FigureSpec:
    """Bars of one run, or points of several beside each other; the title says how many scores there are, if rows share none."""
    title = f"{title}{f' (n = {_total(estimates)})' if are_apart else ''}, {BY_IMAGE}"
    labels = [f"{row} ({_sizes(found.values())})" for row, found in estimates.items()]
    options |= {
        level: list(of_rows) for level, of_rows in levels.items() if any(found is not None for found in of_rows)
    }
    columns = {
        run.label: _columns([found.get(run.label) for found in estimates.values()])
        for run in runs
        if any(run.label in found for found in estimates.values())
    }
    if len(runs) == 1:
        return figure_spec(
            name,
            "interval_bars",
            _alt(title, estimates),
            title=title,
            labels=labels,
            **columns[runs[0].label],
            **options,
        )
    return figure_spec(
        name, "interval_points", _alt(title, estimates), title=title, labels=labels, series=columns, **options
    )


def _columns(estimates: Sequence[Estimate | None]) -> dict[str, list[float | None]]:
    return {
        name: [None if found is None else getattr(found, attribute) for found in estimates]
        for name, attribute in (("values", "value"), ("lows", "low"), ("highs", "high"))
    }


def _sizes(estimates: Iterable[Estimate]) -> str:
    """Numbers of scores and of images, on one line; of several runs those that differ."""
    sizes = " / ".join(
        dict.fromkeys(
            f"n = {found.n:,}" + (f", {found.images:,} images" if found.images != found.n else "")
            for found in estimates
        )
    )
    return sizes.replace(" ", HARD_SPACE)


def _total(estimates: Estimates) -> str:
    """How many scores all rows have together; of several runs those numbers that differ."""
    totals: dict[str, int] = {}
    for found in estimates.values():
        for run, one in found.items():
            totals[run] = totals.get(run, 0) + one.n
    return " / ".join(dict.fromkeys(f"{total:,}" for total in totals.values()))


def _alt(title: str, estimates: Estimates) -> str:
    rows = (
        f"{row}: "
        + ", ".join(
            f"{run} {percent(found.value)} % [{percent(found.low)}, {percent(found.high)}]"
            for run, found in by_run.items()
        )
        for row, by_run in estimates.items()
    )
    return f"{title}. {'; '.join(rows)}."


def estimate_table(title: str, head: str, estimates: Mapping[str, Estimates]) -> Table:
    """The numbers of pictures of estimates, of each kind of question."""
    rows = [
        [
            kind,
            row,
            run,
            f"{found.n:,}",
            f"{found.images:,}",
            *(Cell(percent(value), sort=value, title=f"{value:.6f}") for value in (found.value, found.low, found.high)),
        ]
        for kind, of_kind in estimates.items()
        for row, by_run in of_kind.items()
        for run, found in by_run.items()
    ]
    return Table(f"{title}: numbers", ["of", head, "run", "n", "images", "mean %", "low %", "high %"], rows)


# --- answers -------------------------------------------------------------------------


def confusions_chapter(runs: Sequence[Run]) -> Chapter | None:
    """A matrix for each task and run."""
    parts, unfit = [], []
    asked = [
        (task, number, run)
        for number, run in enumerate(runs, start=1)
        for task in tasks_of(run, "coarse", "fine", "cognition")
    ]
    # The runs beside each other.
    for task, number, run in sorted(asked, key=lambda entry: list(catalog.TASKS).index(entry[0])):
        found = scores.confusion(run.rescored.samples[task])
        if found is None:
            unfit.append(catalog.short_name(task))
        else:
            parts.append(_confusion_drawing(run, number, task, found))
    if not parts:
        return None
    text = "Rows are the right options, columns the answers as the strict rule reads them; numbers count questions, shades are shares of a row, outlined cells are right."
    left_out = (
        f" Without a matrix, as their options hardly ever come again: {', '.join(dict.fromkeys(unfit))}."
        if unfit
        else ""
    )
    return Chapter("Confusions", parts, text + left_out)


def _confusion_drawing(run: Run, number: int, task: str, found: scores.Confusion) -> FigureSpec:
    right = sum(row[index] for index, row in enumerate(found.counts))
    errors = sorted(
        (
            (count, gold, answered)
            for gold, row in zip(found.classes, found.counts)
            for answered, count in zip([*found.classes, scores.UNANSWERED], row)
            if gold != answered and count
        ),
        reverse=True,
    )
    most = (
        f" The most frequent error: {errors[0][1]} answered as {errors[0][2]}, {errors[0][0]} times." if errors else ""
    )
    alt = f"Confusion matrix of {catalog.short_name(task)}, {run.label}: {right} of {found.n} on the diagonal.{most}"
    title = f"{_subject_name(task)}: {run.label}, n = {found.n:,}"
    return figure_spec(
        f"confusion-{number}-{part_name(task.removeprefix('microbench_'))}",
        "confusion",
        alt,
        title=title,
        classes=found.classes,
        counts=found.counts,
    )


def _subject_name(task: str) -> str:
    subject = catalog.ALL_TASKS[task].subject
    return catalog.short_name(task) if subject == "cognition" else f"{catalog.short_name(task)} ({subject})"


def letters_chapter(runs: Sequence[Run]) -> Chapter | None:
    """How often each letter is right and is answered."""
    panels = {run.label: found for run in runs if (found := scores.letters(run))["gold"]}
    if not panels:
        return None
    alt = "How often each letter is right and answered. " + "; ".join(
        f"{label}: " + ", ".join(f"{letter} {count} times" for letter, count in found["read"].items())
        for label, found in panels.items()
    )
    sizes = " / ".join(dict.fromkeys(f"{sum(found['gold'].values()):,}" for found in panels.values()))
    picture = figure_spec(
        "letters",
        "letters",
        alt,
        title=f"Letters: how often right, how often answered (n = {sizes} questions)",
        panels=panels,
    )
    return Chapter(
        "Letters",
        [picture],
        "A model that prefers a position answers its letter more often than it is right. Answers as the strict rule reads them.",
    )


# --- boxes ---------------------------------------------------------------------------


def boxes_chapter(runs: Sequence[Run]) -> Chapter | None:
    """GRIT scores: means and distributions."""
    tasks = list(dict.fromkeys(task for run in runs for task in tasks_of(run, "boxes")))
    if not tasks:
        return None
    having = [run for run in runs if tasks_of(run, "boxes")]
    estimates = {
        catalog.short_name(task): {
            run.label: _grit_estimate(run, task) for run in having if task in tasks_of(run, "boxes")
        }
        for task in tasks
    }
    title = "GRIT localization score by task"
    panels = {
        f"{catalog.short_name(task)} ({_sizes(estimates[catalog.short_name(task)].values())})": {
            run.label: scores.grit_counts(run, task) for run in having if task in tasks_of(run, "boxes")
        }
        for task in tasks
    }
    histogram = figure_spec(
        "grit-distributions",
        "histograms",
        f"Histograms of GRIT scores by task, {scores.GRIT_BINS} bins from 0 to 1.",
        title=f"GRIT scores of single images and classes (n = {_total(estimates)})",
        edges=np.linspace(0, 1, scores.GRIT_BINS + 1).tolist(),
        panels=panels,
        xlabel="GRIT score",
        ylabel="(image, class) pairs",
    )
    means = estimate_drawing("grit", title, estimates, having, xlabel=_SCORE_AXIS)
    table = _score_table(
        having, "Scores of localization", "boxes", (catalog.LOCALIZATION_GROUP, *tasks), _NEW_DATASETS_NOTE
    )
    return Chapter(
        "Localization",
        [means, table, histogram],
        "From 0 (no gold box is met) to 1 (every box is, exactly); n counts pairs of an image and a class.",
    )


def _grit_estimate(run: Run, task: str) -> Estimate:
    return scores.estimate(
        [sample.items["grit"] for sample in run.rescored.samples[task]], item_intervals.score_interval
    )
