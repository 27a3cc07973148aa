"""Patch how models are asked: guard them, and store each answer in the response cache as soon as it arrives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks.harness.patches.our_tasks import is_scored_by_us
from microbench_tasks.harness.patches.patch import Patch, bind_call, replace
from microbench_tasks.harness.patches.targets import CACHE, EVALUATE, GET_TASK_LIST, Target

_DATABASE = Target(f"{CACHE}.__init__", ("db_path",))


def guard_model(original: Callable) -> Callable:
    """Guard the model while it answers our tasks; see `microbench_tasks.harness.guard.model_guard`."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from lmms_eval import evaluator

        from microbench_tasks.harness.guard import model_guard
        from microbench_tasks.runs import result_keys

        call = bind_call(original, args, kwargs).arguments
        if not any(is_scored_by_us(output.task) for output in evaluator.get_task_list(call["task_dict"])):
            return original(*args, **kwargs)
        with model_guard.guarding(call["lm"], call.get("response_cache")) as session:
            results = original(*args, **kwargs)
            if results is not None and session is not None:
                results[result_keys.SERVED] = session.record()
            return results

    return evaluate


MODEL_GUARD = Patch(
    name="failed requests",
    replacement=replace(EVALUATE, "lm task_dict", guard_model, GET_TASK_LIST),
    why="Model classes of the harness swallow exceptions and return placeholder text as the answer.",
    lost="Failed requests may count as answers.",
    removable="Model classes of the harness mark failed requests, or raise.",
)


def separate_redefined(original: Callable) -> Callable:
    """Store answers to redefined tasks under cache keys other than those of the benchmark's own tasks."""

    def create(cls: type, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.tasks import redefinitions

        redefinitions.mark_redefined(bind_call(original, (cls, *args), kwargs).arguments["task_dict"] or {})
        return original(cls, *args, **kwargs)

    return create


REDEFINED_TASKS = Patch(
    name="cached answers to redefined tasks",
    replacement=replace(f"{CACHE}.create", "cache_root task_dict", separate_redefined),
    why="The cache keys of the harness contain names of functions, but not their files.",
    lost="With --use_cache a redefined task may get answers to the benchmark's own task.",
    removable="The cache keys of the harness contain the prompt, or hashes of a task's functions.",
)


def repair_databases(original: Callable) -> Callable:
    """Remove damaged answers from a cache before it is opened."""

    def create(cls: type, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import resuming

        root = Path(bind_call(original, (cls, *args), kwargs).arguments["cache_root"])
        resuming.repair(root.parent if root.suffix == ".db" else root)
        return original(cls, *args, **kwargs)

    return create


DAMAGED_ANSWERS = Patch(
    name="damaged answers in the cache",
    replacement=replace(f"{CACHE}.create", "cache_root", repair_databases),
    why="The harness's cache returns damaged text as an answer, and fails to open a damaged database.",
    lost="With --use_cache, damage to its files may end every later run.",
    removable="The harness's cache skips damaged answers and databases.",
)


def finish_without_merging(original: Callable) -> Callable:
    """Let a run finish even if its answers cannot be merged into the cache; the next run finds them in its folder."""

    def _merge_run_to_root(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        # Damaged files of other runs may raise any exception.
        except Exception as error:
            logger.warning(
                f"{self._cache_root}: the answers of this run cannot be merged into the cache "
                f"({type(error).__name__}: {error}). They stay in {self._run_dir}, where the next run finds them."
            )
            return None

    return _merge_run_to_root


UNMERGED_ANSWERS = Patch(
    name="runs with a damaged cache",
    replacement=replace(f"{CACHE}._merge_run_to_root", "self", finish_without_merging),
    why="The harness merges answers into its cache after the last one, and the run fails if that fails.",
    lost="With --use_cache, damaged files of earlier runs may make a run fail after its last answer.",
    removable="The harness finishes a run whose answers cannot be merged.",
)


def recover_answers(original: Callable) -> Callable:
    """Add the answers of killed runs to a response cache when it is opened."""

    def create(cls: type, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import resuming

        cache = original(cls, *args, **kwargs)
        resuming.recover(cache, Path(cache._cache_root))
        return cache

    return create


KILLED_RUNS = Patch(
    name="answers of killed runs",
    replacement=replace(f"{CACHE}.create", "cache_root", recover_answers, _DATABASE),
    why="The harness's cache reads only answers of runs that finished.",
    lost="With --use_cache, all questions of a killed run are asked again.",
    removable="The harness's cache reads the answers of runs that did not finish.",
    issue=852,
)


def store_incrementally(original: Callable) -> Callable:
    """Store answers in batches, instead of all at once after the last one."""

    def execute(self: Any, lm: Any, reqtype: str, requests: Any) -> Any:
        from microbench_tasks.harness import resuming

        return resuming.execute_in_batches(original, self, lm, reqtype, requests)

    return execute


INCREMENTAL_CACHE = Patch(
    name="incremental response cache",
    replacement=replace(f"{CACHE}.execute", "lm reqtype requests", store_incrementally),
    why="The harness's cache stores answers after the last one, and failures as if they were answers.",
    lost="With --use_cache, a killed run leaves no answers, and failed requests are not asked again.",
    removable="The harness's cache stores each answer when it arrives, and no failures.",
    issue=852,
)
