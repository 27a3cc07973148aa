"""Look tasks, groups and tags up by their names, also tasks of own datasets, which no table lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from microbench_tasks.catalog.own_tasks import is_own, own_task
from microbench_tasks.catalog.tasks import (
    ALL_TASKS,
    COARSE_GROUP,
    COGNITION_TASK,
    FINE_GROUP,
    GROUPS,
    LOCALIZATION_GROUP,
    ROBUSTNESS_TAG,
    TAGS,
    VARIANTS,
    Task,
)

# Groups, the largest first, and tasks, in the order in which they are shown. Tasks of own datasets come after them.
_ORDER = {name: number for number, name in enumerate((*reversed(GROUPS), *ALL_TASKS))}

# The names that stand for all tasks of the benchmark; larger groups only pool them.
_MAIN_NAMES = (COARSE_GROUP, FINE_GROUP, COGNITION_TASK, LOCALIZATION_GROUP)


def find_task(name: str) -> Task | None:
    """Return the task of the benchmark or of an own dataset with this name; None if there is none."""
    return ALL_TASKS.get(name) or own_task(name)


def task_of(name: str) -> Task:
    """Return the task of the benchmark or of an own dataset with this name; raise KeyError if there is none."""
    task = find_task(name)
    if task is None:
        raise KeyError(name)
    return task


def is_task(name: str) -> bool:
    """Tell whether this package has a task with this name."""
    return find_task(name) is not None


def is_submittable(name: str) -> bool:
    """Tell whether submissions may contain the task with this name: variants measure robustness and are left out."""
    return is_task(name) and name not in VARIANTS


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names of groups and tasks for display: groups from the largest, the benchmark's tasks, own tasks by name.

    Names that this package does not have are left out.

    >>> in_order(["microbench_own_pollen", "microbench_fine_pollen", "microbench_fine", "mmlu"])
    ['microbench_fine', 'microbench_fine_pollen', 'microbench_own_pollen']
    """
    known = [name for name in names if name in GROUPS or is_task(name)]
    return sorted(known, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))


def tasks_named(names: Iterable[str]) -> tuple[str, ...]:
    """Return the Micro-Bench tasks of names of tasks, groups and tags, in order, each once.

    Names of other benchmarks, which may run in the same command, are ignored. So is the tag of all own datasets: which
    ones are installed is a setting.
    """
    return tuple(dict.fromkeys(task for name in names for task in _tasks_of(name)))


def _tasks_of(name: str) -> Iterator[str]:
    if is_task(name):
        yield name
    for member in members(name):
        yield from _tasks_of(member)


def by_source(tasks: Iterable[str]) -> list[list[str]]:
    """Divide names of tasks by the data that they ask about (`Task.source`), in the order of their first task."""
    names_of_source: dict[str, list[str]] = {}
    for name in tasks:
        names_of_source.setdefault(task_of(name).source, []).append(name)
    return list(names_of_source.values())


def without_covered(names: list[str]) -> list[str]:
    """Return ``names`` without those that another group or tag among them contains; the harness refuses such names."""
    covered = {inner for name in names for inner in _members_of(name)}
    return [name for name in names if name not in covered]


def members(name: str) -> tuple[str, ...]:
    """Return the tasks and groups that a group or tag directly contains; none for a task."""
    return GROUPS.get(name, ()) or TAGS.get(name, ())


def main_names(names: Iterable[str]) -> list[str]:
    """Return the names that stand for all others: own data first, then the benchmark's groups; each task is in one.

    Larger groups only pool these. Tasks of no such group stand for themselves.

    >>> main_names(["microbench_vqa", "microbench_coarse", "microbench_coarse_stain", "microbench_fine_pollen"])
    ['microbench_coarse', 'microbench_fine_pollen']
    """
    ordered = in_order(set(names))
    main = [name for name in ordered if is_own(name)] + [name for name in _MAIN_NAMES if name in ordered]
    covered = set(tasks_named(main))
    return [*main, *(name for name in ordered if is_task(name) and name not in covered)]


def _members_of(name: str) -> Iterator[str]:
    for member in members(name):
        yield member
        yield from _members_of(member)


def short_name(name: str) -> str:
    """Return the name of a task or group in words.

    >>> short_name("microbench_fine_cell_cycle"), short_name("microbench_own_my_slides")
    ('cell cycle', 'own my slides')
    """
    for group in (COARSE_GROUP, FINE_GROUP, LOCALIZATION_GROUP, ROBUSTNESS_TAG):
        if name.startswith(f"{group}_"):
            return name.removeprefix(f"{group}_").replace("_", " ")
    return (
        name.removeprefix("microbench_").replace("_", " ")
        if name != "microbench_vqa"
        else "coarse and fine (microbench_vqa)"
    )
