"""Check the entries of a list of models before the first model runs: names, arguments and abilities."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path

from loguru import logger

from microbench_tasks.harness import capabilities, model_arguments, own_tasks, running_command
from microbench_tasks.harness.many_models.model_list import Entry
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.suggestions import did_you_mean


def find_problems(entries: Sequence[Entry], options: argparse.Namespace) -> list[str]:
    """List what would make entries fail only when their turn comes.

    Args:
        entries: of the list.
        options: of the harness, parsed.
    """
    problems = []
    for entry in entries:
        for problem in _entry_problems(entry, options):
            problems.append(f"entry {entry.position} ({entry.name}): {problem}")
    return problems


def _entry_problems(entry: Entry, options: argparse.Namespace) -> Iterator[str]:
    problems = list(model_arguments.find_problems(entry.model, entry.model_args, options.force_simple))
    if problems:
        yield from problems
        return
    model_class = model_arguments.import_class(entry.model, options.force_simple)
    if entry.batch_size and entry.batch_size.startswith("auto") and model_arguments.is_own(model_class):
        yield f"batch_size: {entry.model} does not support auto. Write a number, or leave batch_size out."
    yield from _task_problems(entry, options)


def _task_problems(entry: Entry, options: argparse.Namespace) -> Iterator[str]:
    """Yield why a model cannot be asked the tasks of the command."""
    args = argparse.Namespace(**vars(options) | {"model": entry.model, "model_args": entry.model_args})
    logger.disable("microbench_tasks")
    try:
        running_command.check_arguments(args)
        capabilities.answerable([name for name in options.tasks.split(",") if _is_ours(name)], entry.model)
    except DataError as error:
        yield str(error)
    finally:
        logger.enable("microbench_tasks")
        capabilities.reset_record()


def check_tasks(options: argparse.Namespace) -> list[str]:
    """Check the names of the tasks and their data, once for all models, and return the names.

    Raises:
        DataError: a task is unknown, or its data or settings cannot be used.
    """
    from lmms_eval.tasks import TaskManager

    manager = TaskManager(options.verbosity, include_path=options.include_path)
    asked = options.tasks.split(",")
    # Checks the data of tasks of this package, too: see `microbench_tasks.harness.patches.early_checks`.
    names = manager.match_tasks(asked)
    unknown = [name for name in asked if name not in names and "*" not in name and not Path(name).exists()]
    if unknown:
        suggestion = did_you_mean(unknown[0], manager.all_tasks)
        raise DataError(f"--tasks: {', '.join(unknown)} unknown. {suggestion}lmms_eval --tasks list prints all.")
    return [*names, *(name for name in asked if name not in names)]


def _is_ours(name: str) -> bool:
    return bool(own_tasks.tasks_named([name]))


def keeps_embeddings(model: str) -> bool:
    """Tell whether a model stores its embeddings in the folder that its argument ``cache_dir`` names.

    Only contrastive models do: for others such an argument has another meaning, or none.
    """
    from lmms_eval import models

    return capabilities.needs_choices(model) and "cache_dir" in inspect.signature(models.get_model(model)).parameters
