"""Check data and task names before the model is loaded: when the harness matches or loads tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loguru import logger

from microbench_tasks.harness.patches.patch import Patch, bind_call, replace
from microbench_tasks.harness.patches.targets import EVALUATE, TASK_MANAGER


def refuse_unanswerable(original: Callable) -> Callable:
    """Refuse, or log, tasks that the model cannot answer when ``match_tasks`` is called, before the model is loaded."""

    def match_tasks(self: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import capabilities

        # The harness requires the names that it asked for, so that none can be left out here.
        names = original(self, *args, **kwargs)
        capabilities.reset_record()
        capabilities.answerable(names, self.model_name)
        return names

    return match_tasks


REFUSAL = Patch(
    name="refusal of tasks that the model cannot answer",
    replacement=replace(f"{TASK_MANAGER}.match_tasks", "self task_list", refuse_unanswerable),
    why="The harness does not check what a model can do.",
    lost="A contrastive model that is asked for boxes is refused only after it has been loaded.",
    removable="The harness checks what a model can do before it loads the model.",
)


def skip_unanswerable(original: Callable) -> Callable:
    """Leave out the tasks that the model cannot answer when tasks are loaded."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import capabilities

        call = bind_call(original, args, kwargs)
        asked = call.arguments["task_list"]
        names = _names(asked)
        if names and (isinstance(asked, str) or len(names) == len(asked)):
            call.arguments["task_list"] = capabilities.answerable(names, call.arguments["self"].model_name)
        return original(*call.args, **call.kwargs)

    return load_task_or_group


SKIPPING = Patch(
    name="tasks that the model cannot answer",
    replacement=replace(f"{TASK_MANAGER}.load_task_or_group", "self task_list", skip_unanswerable),
    why="The harness asks every model all tasks of a group.",
    lost="A run of a contrastive model on a group with tasks that ask for boxes fails.",
    removable="The harness leaves out tasks that a model cannot answer.",
)


def record_left_out(original: Callable) -> Callable:
    """List the tasks that were left out in the results."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import capabilities
        from microbench_tasks.runs import result_keys

        results = original(*args, **kwargs)
        left_out = capabilities.record()
        capabilities.reset_record()
        if results is not None and left_out:
            results[result_keys.LEFT_OUT] = left_out
        return results

    return evaluate


RECORD_OF_LEFT_OUT = Patch(
    name="tasks left out, in the results",
    replacement=replace(EVALUATE, "task_dict", record_left_out),
    why="The harness records only tasks that ran.",
    lost="Results do not name the tasks that were left out.",
    removable="The harness leaves out tasks that a model cannot answer, and records them.",
)


def check_matched(original: Callable) -> Callable:
    """Check the data of all tasks that ``match_tasks`` returns; the command line calls it before it loads a model."""

    def match_tasks(self: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import capabilities, preflight

        names = original(self, *args, **kwargs)
        preflight.check(capabilities.answerable(names, getattr(self, "model_name", None)))
        return names

    return match_tasks


CHECK_OF_MATCHED = Patch(
    name="data check before the model is loaded",
    replacement=replace(f"{TASK_MANAGER}.match_tasks", "task_list", check_matched),
    why="The harness reads data after it has loaded the model.",
    lost="Unusable data are found only after the model has been loaded.",
    removable="The harness has a hook that runs before it loads the model.",
)


def check_loaded(original: Callable) -> Callable:
    """Check data before ``load_task_or_group`` loads tasks: the Python API does not call ``match_tasks``."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import preflight

        preflight.check(_names(bind_call(original, args, kwargs).arguments["task_list"]))
        return original(*args, **kwargs)

    return load_task_or_group


CHECK_OF_LOADED = Patch(
    name="data check in the Python API",
    replacement=replace(f"{TASK_MANAGER}.load_task_or_group", "task_list", check_loaded),
    why="The harness's Python API does not call match_tasks.",
    lost="simple_evaluate, called from Python, reports unusable data only by an exception of the harness.",
    removable="The harness has a hook that runs before it loads the model.",
)


def drop_covered(original: Callable) -> Callable:
    """Leave out names that a larger group of the same call contains: the harness refuses a task that is named twice."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        call = bind_call(original, args, kwargs)
        asked = call.arguments["task_list"]
        names = _names(asked)
        if names and not isinstance(asked, str) and len(names) == len(asked):
            call.arguments["task_list"] = _without_covered(names)
        return original(*call.args, **call.kwargs)

    return load_task_or_group


NESTED_GROUPS = Patch(
    name="nested groups",
    replacement=replace(f"{TASK_MANAGER}.load_task_or_group", "task_list", drop_covered),
    why="The harness refuses a task that two groups of a command contain.",
    lost="One command cannot ask a group together with a larger group that contains it.",
    removable="The harness accepts groups that contain the same task.",
)


def end_start_up(original: Callable) -> Callable:
    """Restore normal garbage collection: the model and nearly all imports have been loaded by now."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import garbage_collection

        garbage_collection.restore_gc()
        return original(*args, **kwargs)

    return load_task_or_group


END_OF_START_UP = Patch(
    name="garbage collection after the start",
    replacement=replace(f"{TASK_MANAGER}.load_task_or_group", "task_list", end_start_up),
    why="During imports, garbage collection would scan the same objects again and again; it is relaxed until then.",
    lost="Garbage is collected rarely during the whole run, which may need more memory.",
    removable="Importing the harness no longer takes seconds.",
)


def _names(task_list: Any) -> list[str]:
    names = [task_list] if isinstance(task_list, str) else task_list or []
    return [name for name in names if isinstance(name, str)]


def _without_covered(names: list[str]) -> list[str]:
    from microbench_tasks import catalog

    kept = catalog.without_covered(names)
    if len(kept) < len(names):
        left_out = ", ".join(name for name in names if name not in kept)
        logger.info(f"{left_out}: run and reported as part of a larger group in the same command")
    return kept
