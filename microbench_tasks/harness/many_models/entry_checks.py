"""Check the entries of a list of models before the first model runs: names, arguments and abilities."""

from __future__ import annotations

import argparse
import difflib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks.harness import capabilities, own_tasks, running_command
from microbench_tasks.harness.many_models.model_list import Entry
from microbench_tasks.util.errors import DataError

# The harness passes these to every model.
_PASSED_BY_HARNESS = ("batch_size", "max_batch_size", "device")
_MAX_LISTED = 12
_OWN_MODELS = "microbench_adapters."


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
    from lmms_eval import models

    known = models.list_available_models(include_aliases=True)
    if entry.model not in known:
        close = difflib.get_close_matches(entry.model, known, 3, cutoff=0.5)
        suggestion = f"Did you mean {' or '.join(close)}? " if close else ""
        yield (
            f"the model {entry.model!r} is unknown. {suggestion}lmms_eval models lists all. "
            "For weights of your own, write model: open_clip or transformers_clip, and model_args: model=PATH."
        )
        return
    try:
        model_class = _import_class(entry.model, options)
    # Modules of models import packages that may be missing, broken, or without a GPU.
    except Exception as error:
        cause = error.__cause__ or error
        yield f"the model {entry.model} cannot be imported ({type(cause).__name__}: {cause})."
        return
    if entry.batch_size and entry.batch_size.startswith("auto") and model_class.__module__.startswith(_OWN_MODELS):
        yield f"batch_size: {entry.model} knows no auto. Write a number, or leave batch_size out."
    yield from _argument_problems(entry, model_class)
    yield from _task_problems(entry, options)


def _import_class(model: str, options: argparse.Namespace) -> type:
    from lmms_eval import models

    # The harness logs the error, which the caller reports.
    logger.disable("lmms_eval")
    try:
        return models.get_model(model, options.force_simple)
    finally:
        logger.enable("lmms_eval")


def _argument_problems(entry: Entry, model_class: type) -> Iterator[str]:
    """Yield the arguments that the constructor of a model does not take, and those that it needs."""
    from lmms_eval.api.model import lmms
    from lmms_eval.utils import simple_parse_args_string

    stated: dict[str, Any] = simple_parse_args_string(entry.model_args)
    is_harness_class = model_class.__module__.startswith("lmms_eval.")
    create = inspect.getattr_static(model_class, "create_from_arg_string")
    if is_harness_class and create is not inspect.getattr_static(lmms, "create_from_arg_string"):
        # Such a class may take other arguments than its constructor.
        return
    parameters = inspect.signature(model_class).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in stated:
        if name not in parameters and not (is_harness_class and name in _PASSED_BY_HARNESS):
            close = difflib.get_close_matches(name, parameters, 2)
            suggestion = f"Did you mean {' or '.join(close)}? " if close else ""
            yield f"model_args: {entry.model} takes no {name}. {suggestion}It takes {_listed(list(parameters))}."
    for name, parameter in parameters.items():
        is_required = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
        if is_required and name not in stated and name not in _PASSED_BY_HARNESS:
            yield f"model_args: {entry.model} needs {name}. Write model_args: {name}=…"


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
        close = difflib.get_close_matches(unknown[0], manager.all_tasks, 3)
        suggestion = f"Did you mean {' or '.join(close)}? " if close else ""
        raise DataError(f"--tasks: {', '.join(unknown)} unknown. {suggestion}lmms_eval --tasks list prints all.")
    return [*names, *(name for name in asked if name not in names)]


def _is_ours(name: str) -> bool:
    return bool(own_tasks.tasks_named([name]))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_MAX_LISTED] + (["…"] if len(names) > _MAX_LISTED else []))


def keeps_embeddings(model: str) -> bool:
    """Tell whether a model stores its embeddings in the folder that its argument ``cache_dir`` names.

    Only contrastive models do: for others such an argument has another meaning, or none.
    """
    from lmms_eval import models

    return capabilities.needs_choices(model) and "cache_dir" in inspect.signature(models.get_model(model)).parameters
