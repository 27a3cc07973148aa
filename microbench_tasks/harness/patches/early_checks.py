"""Check data and task names before the model is loaded: when the harness matches or loads tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loguru import logger

from microbench_tasks.harness.patches.patch import bind


def refuse_unanswerable(original: Callable) -> Callable:
    """Refuse, or log, tasks that the model cannot answer when ``match_tasks`` is called, before the model is loaded."""

    def match_tasks(self: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import capabilities

        # The harness requires the names that it asked for, so that none can be left out here.
        names = original(self, *args, **kwargs)
        capabilities.start()
        capabilities.answerable(names, self.model_name)
        return names

    return match_tasks


def skip_unanswerable(original: Callable) -> Callable:
    """Leave out the tasks that the model cannot answer when tasks are loaded."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import capabilities

        call = bind(original, args, kwargs)
        asked = call.arguments["task_list"]
        names = _names(asked)
        if names and (isinstance(asked, str) or len(names) == len(asked)):
            call.arguments["task_list"] = capabilities.answerable(names, call.arguments["self"].model_name)
        return original(*call.args, **call.kwargs)

    return load_task_or_group


def record_left_out(original: Callable) -> Callable:
    """List the tasks that were left out in the results."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import capabilities
        from microbench_tasks.runs import result_keys

        results = original(*args, **kwargs)
        left_out = capabilities.record()
        capabilities.start()
        if results is not None and left_out:
            results[result_keys.LEFT_OUT] = left_out
        return results

    return evaluate


def check_matched(original: Callable) -> Callable:
    """Check the data of all tasks that ``match_tasks`` returns; the command line calls it before it loads a model."""

    def match_tasks(self: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import capabilities, preflight

        names = original(self, *args, **kwargs)
        preflight.check(capabilities.answerable(names, getattr(self, "model_name", None)))
        return names

    return match_tasks


def check_loaded(original: Callable) -> Callable:
    """Check data before ``load_task_or_group`` loads tasks: the Python API does not call ``match_tasks``."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import preflight

        preflight.check(_names(bind(original, args, kwargs).arguments["task_list"]))
        return original(*args, **kwargs)

    return load_task_or_group


def drop_covered(original: Callable) -> Callable:
    """Leave out names that a larger group of the same call contains: the harness refuses a task that is named twice."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        call = bind(original, args, kwargs)
        asked = call.arguments["task_list"]
        names = _names(asked)
        if names and not isinstance(asked, str) and len(names) == len(asked):
            call.arguments["task_list"] = _without_covered(names)
        return original(*call.args, **call.kwargs)

    return load_task_or_group


def end_start_up(original: Callable) -> Callable:
    """Restore normal garbage collection: the model and nearly all imports have been loaded by now."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import garbage_collection

        garbage_collection.is_over()
        return original(*args, **kwargs)

    return load_task_or_group


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
