"""Describe tasks and groups for an overview: what is asked, how much of it the release has, and what it needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from microbench_tasks import catalog
from microbench_tasks.catalog import Task

# What the paper calls questions about what is seen, and those that need reasoning.
_LEVELS = {"coarse": "perception", "fine": "perception", "boxes": "perception", "cognition": "cognition"}


@dataclass(frozen=True)
class Description:
    """Describe one task.

    Attributes:
        name: as ``--tasks`` takes it.
        subject: kind of its answers and documents.
        level: ``perception`` or ``cognition``, as the paper divides tasks; ``own`` for own datasets.
        groups: groups and tags that contain it, the smallest first.
        asks: what is asked, in a few words.
        datasets: that it asks about.
        questions: in the release; None if that number is not public.
        images: in the release; None if that number is not public.
        needs: what it needs beside a model that answers questions; empty if nothing.
    """

    name: str
    subject: catalog.Subject
    level: str
    groups: tuple[str, ...]
    asks: str
    datasets: tuple[str, ...]
    questions: int | None
    images: int | None
    needs: str


def describe_tasks(own_tasks: Iterable[Task] = ()) -> list[Description]:
    """Describe the tasks of the benchmark, their variants, and ``own_tasks``."""
    return [_describe(task) for task in (*catalog.ALL_TASKS.values(), *own_tasks)]


def _describe(task: Task) -> Description:
    return Description(
        task.name,
        task.subject,
        "own" if catalog.is_own(task.name) else _LEVELS[task.subject],
        _groups_of(task.name),
        _asks(task),
        task.datasets,
        *_numbers(task),
        _needs(task),
    )


def _groups_of(name: str) -> tuple[str, ...]:
    if catalog.is_own(name):
        return (catalog.OWN_TAG,)
    containing = [group for group in (*catalog.GROUPS, *catalog.TAGS) if name in catalog.tasks_named([group])]
    return tuple(sorted(containing, key=lambda group: len(catalog.tasks_named([group]))))


def _asks(task: Task) -> str:
    if task.name in catalog.VARIANTS:
        changed = f"reworded ({task.wording})" if task.wording != "paper" else f"with {task.permutation} options"
        return f"all coarse questions, {changed}"
    if task.subject == "fine":
        return ", ".join(dict.fromkeys(catalog.ABILITY_OF_DATASET[dataset] for dataset in task.datasets))
    return {
        "coarse": f"{catalog.short_name(task.name)} of each image",
        "boxes": "boxes of all instances of a class",
        "cognition": "expert questions that need reasoning",
        "own": "the question of the dataset",
    }[task.subject]


def _numbers(task: Task) -> tuple[int | None, int | None]:
    """Return the numbers of questions and of images in the release, as far as they are public."""
    if task.subject == "cognition":
        return catalog.PAPER_COGNITION_QUESTIONS, catalog.PAPER_COGNITION_IMAGES
    if task.name in catalog.VARIANTS:
        return sum(catalog.RELEASE_COUNTS[name] for name in catalog.GROUPS[catalog.COARSE_GROUP]), (
            catalog.RELEASE_QUESTIONS
        )
    # One question of a kind about each image.
    questions = catalog.RELEASE_COUNTS.get(task.name)
    rows = catalog.RELEASE_ROWS.get(task.datasets) if task.subject == "boxes" else None
    return questions, questions or rows


def _needs(task: Task) -> str:
    if task.subject == "boxes":
        return "a model that writes boxes"
    return {"cognition": "MICROBENCH_COGNITION", "own": "MICROBENCH_OWN"}.get(task.subject, "")
