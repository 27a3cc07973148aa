"""Patch how models are asked: guard them, and store each answer in the response cache as soon as it arrives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks.harness.patches.our_tasks import is_scored_by_us
from microbench_tasks.harness.patches.patch import bind


def guard_model(original: Callable) -> Callable:
    """Guard the model while it answers our tasks; see `microbench_tasks.harness.guard.model_guard`."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from lmms_eval import evaluator

        from microbench_tasks.harness.guard import model_guard
        from microbench_tasks.runs import result_keys

        call = bind(original, args, kwargs).arguments
        if not any(is_scored_by_us(output.task) for output in evaluator.get_task_list(call["task_dict"])):
            return original(*args, **kwargs)
        with model_guard.guarding(call["lm"], call.get("response_cache")) as session:
            results = original(*args, **kwargs)
            if results is not None and session is not None:
                results[result_keys.SERVED] = session.record()
            return results

    return evaluate


def separate_redefined(original: Callable) -> Callable:
    """Store answers to redefined tasks under cache keys other than those of the benchmark's own tasks."""

    def create(cls: type, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.tasks import provenance

        provenance.mark_redefined(bind(original, (cls, *args), kwargs).arguments["task_dict"] or {})
        return original(cls, *args, **kwargs)

    return create


def repair_databases(original: Callable) -> Callable:
    """Remove damaged answers from a cache before it is opened."""

    def create(cls: type, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import resuming

        root = Path(bind(original, (cls, *args), kwargs).arguments["cache_root"])
        resuming.repair(root.parent if root.suffix == ".db" else root)
        return original(cls, *args, **kwargs)

    return create


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


def recover_answers(original: Callable) -> Callable:
    """Add the answers of killed runs to a response cache when it is opened."""

    def create(cls: type, *args: Any, **kwargs: Any) -> Any:
        from microbench_tasks.harness import resuming

        cache = original(cls, *args, **kwargs)
        resuming.recover(cache, Path(cache._cache_root))
        return cache

    return create


def store_incrementally(original: Callable) -> Callable:
    """Store answers in batches, instead of all at once after the last one."""

    def execute(self: Any, lm: Any, reqtype: str, requests: Any) -> Any:
        from microbench_tasks.harness import resuming

        return resuming.execute_in_pieces(original, self, lm, reqtype, requests)

    return execute
