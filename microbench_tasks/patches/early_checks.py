"""Check data and names when the harness matches or loads tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loguru import logger

from microbench_tasks.patches.patch import bind


def refuse_unanswerable(original: Callable) -> Callable:
    """Refuse, or name, the tasks that the model cannot answer when ``match_tasks`` is called: before it is loaded."""

    def match_tasks(self: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import ability

        # The harness insists on getting the names that it asked for.
        names = original(self, *args, **kwargs)
        ability.start()
        ability.answerable(names, self.model_name)
        return names

    return match_tasks


def leave_out_loaded(original: Callable) -> Callable:
    """Leave out the tasks that the model cannot answer where tasks are loaded."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import ability

        call = bind(original, args, kwargs)
        asked = call.arguments["task_list"]
        names = _names(asked)
        if names and (isinstance(asked, str) or len(names) == len(asked)):
            call.arguments["task_list"] = ability.answerable(names, call.arguments["self"].model_name)
        return original(*call.args, **call.kwargs)

    return load_task_or_group


def record_left_out(original: Callable) -> Callable:
    """Name in the results the tasks that were left out."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import ability

        results = original(*args, **kwargs)
        left_out = ability.record()
        ability.start()
        if results is not None and left_out:
            results[ability.RESULTS_KEY] = left_out
        return results

    return evaluate


def check_matched(original: Callable) -> Callable:
    """Check the data of all tasks that ``match_tasks`` returns, which the command line calls before it loads a model."""

    def match_tasks(self: Any, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import ability, preflight

        names = original(self, *args, **kwargs)
        preflight.check(ability.answerable(names, getattr(self, "model_name", None)))
        return names

    return match_tasks


def check_loaded(original: Callable) -> Callable:
    """Check the data of tasks before ``load_task_or_group`` loads them: the Python API matches no names."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import preflight

        preflight.check(_names(bind(original, args, kwargs).arguments["task_list"]))
        return original(*args, **kwargs)

    return load_task_or_group


def drop_covered(original: Callable) -> Callable:
    """Leave out names whose tasks belong to a larger group of the same call: the harness refuses a task named twice."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        call = bind(original, args, kwargs)
        asked = call.arguments["task_list"]
        names = _names(asked)
        if names and not isinstance(asked, str) and len(names) == len(asked):
            call.arguments["task_list"] = _without_covered(names)
        return original(*call.args, **call.kwargs)

    return load_task_or_group


def end_start_up(original: Callable) -> Callable:
    """Collect garbage as usual from here on: the model has been loaded, and with it nearly all that is imported."""

    def load_task_or_group(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import start_up

        start_up.is_over()
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
        logger.info(f"{left_out}: run and reported as part of a larger group that was asked for too")
    return kept
