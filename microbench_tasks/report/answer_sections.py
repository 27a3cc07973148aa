"""Build the sections on answers: confusion matrices, and how often each letter is right and answered."""

from __future__ import annotations

from collections.abc import Sequence

from microbench_tasks import catalog
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.render.figure_specs import FigureSpec, figure_spec
from microbench_tasks.report.answer_counts import UNANSWERED, Confusion, count_confusions, count_letters
from microbench_tasks.report.runs import tasks_of
from microbench_tasks.report.sections import SUBJECT_NAMES, FoldedParts, ReportSection, file_name

_CONFUSION_TEXT = (
    "Rows are the right options, columns the answers as the strict rule reads them; numbers count questions, shades "
    "are shares of a row, outlined cells are right."
)
_LETTER_TEXT = (
    "A model that prefers a position answers its letter more often than it is right. Answers as the strict rule reads "
    "them."
)


_CONFUSION_GROUPS = {name: words.capitalize() for name, words in SUBJECT_NAMES.items()} | {"own": "Own data"}


def confusion_section(runs: Sequence[Run]) -> ReportSection | None:
    """Build the section with a matrix for each task and run; None if no task has one."""
    parts: dict[str, list[FigureSpec]] = {}
    without_matrix = []
    asked = [
        (task, number, run) for number, run in enumerate(runs, start=1) for task in tasks_of(run, *SUBJECT_NAMES, "own")
    ]
    # The runs of a task side by side.
    order = catalog.in_order({task for task, _, _ in asked})
    for task, number, run in sorted(asked, key=lambda entry: order.index(entry[0])):
        confusion = count_confusions(run.rescored.samples[task])
        if confusion is None:
            without_matrix.append(catalog.short_name(task))
        else:
            name = _CONFUSION_GROUPS[catalog.task_of(task).subject]
            parts.setdefault(name, []).append(confusion_plot(run, number, task, confusion))
    if not parts:
        return None
    text = _CONFUSION_TEXT
    if without_matrix:
        tasks = ", ".join(dict.fromkeys(without_matrix))
        text += f" Without a matrix, because their options rarely repeat: {tasks}."
    folds = [FoldedParts(name, plots, _num_text(len(plots), "matrix", "matrices")) for name, plots in parts.items()]
    return ReportSection("Confusions", folds, text)


def has_confusions(runs: Sequence[Run]) -> bool:
    """Tell whether `confusion_section` has any matrix."""
    samples = (run.rescored.samples[task] for run in runs for task in tasks_of(run, *SUBJECT_NAMES, "own"))
    return any(count_confusions(of_task) is not None for of_task in samples)


def _num_text(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def confusion_plot(run: Run, number: int, task: str, confusion: Confusion) -> FigureSpec:
    """Specify the confusion matrix of a task; ``number`` of the run makes the name of its file unique."""
    num_right = sum(row[index] for index, row in enumerate(confusion.counts))
    alt = (
        f"Confusion matrix of {catalog.short_name(task)}, {run.label}: {num_right} of {confusion.n} on the diagonal."
        f"{_most_frequent_error(confusion)}"
    )
    return figure_spec(
        f"confusion-{number}-{file_name(task.removeprefix('microbench_'))}",
        "confusion",
        alt,
        title=f"{_task_title(task)}: {run.label}, n = {confusion.n:,}",
        classes=confusion.classes,
        counts=confusion.counts,
    )


def _most_frequent_error(confusion: Confusion) -> str:
    columns = [*confusion.classes, UNANSWERED]
    errors = [
        (count, gold, answered)
        for gold, row in zip(confusion.classes, confusion.counts, strict=True)
        for answered, count in zip(columns, row, strict=True)
        if gold != answered and count
    ]
    if not errors:
        return ""
    count, gold, answered = max(errors)
    return f" The most frequent error: {gold} answered as {answered}, {count} times."


def _task_title(task: str) -> str:
    subject = catalog.task_of(task).subject
    return catalog.short_name(task) if subject in ("cognition", "own") else f"{catalog.short_name(task)} ({subject})"


def letter_section(runs: Sequence[Run]) -> ReportSection | None:
    """Build the section on letters; None if no run asks questions."""
    panels = {run.label: counts for run in runs if (counts := count_letters(run))["gold"]}
    if not panels:
        return None
    alt = "How often each letter is right and answered. " + "; ".join(
        f"{label}: " + ", ".join(f"{letter} {count} times" for letter, count in counts["read"].items())
        for label, counts in panels.items()
    )
    sizes = " / ".join(dict.fromkeys(f"{sum(counts['gold'].values()):,}" for counts in panels.values()))
    title = f"Letters: how often right, how often answered (n = {sizes} questions)"
    plot = figure_spec("letters", "letters", alt, title=title, panels=panels)
    return ReportSection("Letters", [FoldedParts("How often each letter is right, and answered", [plot])], _LETTER_TEXT)
