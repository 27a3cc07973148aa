"""Check data and names when the harness matches or loads tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loguru import logger

from microbench_tasks.patches.patch import bind


def check_matched(original: Callable) -> Callable:
    """Check the data of all tasks that ``match_tasks`` returns, which the command line calls before it loads a model."""

    def match_tasks(*args: Any, **kwargs: Any) -> Any:
        from microbench_tasks import preflight

        names = original(*args, **kwargs)
        preflight.check(names)
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
