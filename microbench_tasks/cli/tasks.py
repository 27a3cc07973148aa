"""``microbench tasks``: list tasks and groups."""

from __future__ import annotations

import argparse
import dataclasses
import json
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from microbench_tasks import catalog
from microbench_tasks.cli.columns import WIDTH, two_columns
from microbench_tasks.cli.command import Command
from microbench_tasks.cli.progress import quiet_harness
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    from microbench_tasks.tasks.task_overview import Description

_KINDS = ("coarse", "fine", "boxes", "cognition", "variants", "own")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", metavar="TEXT", help="name of a task, or a part of names or descriptions")
    parser.add_argument("--kind", choices=_KINDS, help="only tasks of this kind")
    parser.add_argument("--group", metavar="GROUP", help="only tasks of this group, such as microbench_vqa")
    parser.add_argument(
        "--count",
        action="store_true",
        help="count questions and images in the data at hand (MICROBENCH_DATASET), not in the release",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")


def _run(options: argparse.Namespace) -> None:
    from microbench_tasks.data.own_datasets import setting
    from microbench_tasks.tasks import task_overview

    own = setting.installed_tasks()
    groups = (*catalog.GROUPS, *catalog.TAGS, catalog.OWN_TAG)
    if options.group is not None and options.group not in groups:
        raise DataError(f"--group {options.group}: no such group. There are {', '.join(groups)}.")
    tasks = [task for task in task_overview.describe_tasks(own) if _is_wanted(task, options)]
    if not tasks:
        raise DataError("No task matches. Leave out a filter: microbench tasks lists all.")
    with quiet_harness():
        # Own data are on this machine, and in no release.
        tasks = [_counted(task) if options.count or catalog.is_own(task.name) else task for task in tasks]
    if options.json:
        print(json.dumps([dataclasses.asdict(task) for task in tasks], indent=1))
    elif len(tasks) == 1:
        print("\n".join(_in_full(tasks[0])))
    else:
        print("\n".join(_overview(tasks, options.count)))


def _is_wanted(task: Description, options: argparse.Namespace) -> bool:
    return (
        options.kind in (None, _kind(task))
        and (options.group is None or options.group in task.groups)
        and (options.text is None or options.text.lower() in f"{task.name} {task.asks}".lower())
    )


def _kind(task: Description) -> str:
    if task.name in catalog.VARIANTS:
        return "variants"
    return "own" if catalog.is_own(task.name) else task.subject


def _counted(task: Description) -> Description:
    """Return the description with the numbers of the data that the settings name; of none if they are missing."""
    from microbench_tasks.data import task_data

    named = catalog.task_of(task.name)
    try:
        documents = task_data.resolve(named).documents(named)
    except DataError:
        # Such as the cognition questions, which are not public.
        return dataclasses.replace(task, questions=None, images=None)
    images = len(set(zip(documents["dataset"], documents["image_id"], strict=True)))
    return dataclasses.replace(task, questions=len(documents), images=images)


def _overview(tasks: list[Description], is_counted: bool) -> Iterator[str]:
    width = max(len(task.name) for task in tasks)
    for kind in _KINDS:
        of_kind = [task for task in tasks if _kind(task) == kind]
        if of_kind:
            all_needs = {task.needs for task in of_kind}
            needs = f"; needs {of_kind[0].needs}" if all_needs != {""} and len(all_needs) == 1 else ""
            yield from textwrap.wrap(f"{kind}: in {', '.join(of_kind[0].groups)}{needs}", WIDTH)
            yield ""
            yield from two_columns(
                ((task.name, _in_brief(task, len(all_needs) > 1)) for task in of_kind), name_width=width
            )
            yield ""
    if all(catalog.is_own(task.name) for task in tasks):
        yield "The numbers are questions and images of your datasets."
        yield "microbench tasks NAME shows one task in full."
        return
    place = "the data at hand" if is_counted else "the release (?: not published)"
    yield f"The numbers are questions and images in {place}."
    yield "microbench tasks NAME shows one task in full; --count counts the data at hand."


def _in_brief(task: Description, with_needs: bool) -> str:
    needs = f"; needs {task.needs}" if with_needs and task.needs else ""
    return f"{_number(task.questions):>6} {_number(task.images):>6}  {task.asks}{needs}"


def _number(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _in_full(task: Description) -> Iterator[str]:
    yield f"{task.name} ({task.level})\n"
    rows = {
        "asks": task.asks,
        "groups": ", ".join(task.groups),
        "datasets": ", ".join(task.datasets),
        "questions": _number(task.questions),
        "images": _number(task.images),
        "needs": task.needs or "any model that answers questions",
        "type": f"lmms_eval --model MODEL --tasks {task.name}",
    }
    yield from two_columns(rows.items(), unwrapped=("type",))


COMMAND = Command(
    name="tasks",
    summary="list tasks and groups",
    description="List the tasks of Micro-Bench and of your own datasets (MICROBENCH_OWN): what is asked, the groups "
    "that contain a task, the numbers of questions and images in the release where they are public, and what a task "
    "needs.",
    examples=("microbench tasks", "microbench tasks --kind fine", "microbench tasks microbench_coarse_stain"),
    add_options=_add_options,
    run=_run,
)
