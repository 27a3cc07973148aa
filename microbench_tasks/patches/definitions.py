"""Bind tasks to their model, and record in the results which definition ran; see `microbench_tasks.provenance`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from microbench_tasks.patches.patch import bind


def bind_to_model(original: Callable) -> Callable:
    """Give functions of a task's YAML with a method ``for_model`` the model's id and the task's options for it."""

    def _prepare_model_specific_config(self: Any) -> None:
        original(self)
        for field in ("doc_to_text", "doc_to_visual", "process_results"):
            for_model = getattr(getattr(self.config, field), "for_model", None)
            if for_model is not None:
                model = self.model_name if isinstance(self.model_name, str) else None
                bound = for_model(model, self.lmms_eval_specific_kwargs)
                setattr(self.config, field, bound)
                self.config.metadata = {**(self.config.metadata or {}), "boxes": bound.record()}

    return _prepare_model_specific_config


def remember_as_built(original: Callable) -> Callable:
    """Keep the values of a task that the harness changes or drops before the run."""

    def _prepare_model_specific_config(self: Any) -> None:
        from microbench_tasks import provenance

        original(self)
        provenance.remember(self)

    return _prepare_model_specific_config


def record_in_results(original: Callable) -> Callable:
    """Put the definition of each task of ours and what it asked into the results of ``evaluate``."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from lmms_eval import evaluator

        from microbench_tasks import provenance

        call = bind(original, args, kwargs)
        # The first process has the results of all.
        is_first = os.environ.get("RANK", "0") == "0"
        task_dict = call.arguments["task_dict"] if is_first else {}
        tasks = {output.task_name: output.task for output in evaluator.get_task_list(task_dict)}
        found = provenance.metadata_of(tasks, cache_requests=bool(call.arguments["cache_requests"]))
        provenance.warn_of_groups(task_dict)
        results = original(*args, **kwargs)
        provenance.mark_changed_data(found)
        for name, metadata in found.items():
            if results and name in results.get("configs", {}):
                results["configs"][name]["metadata"] = metadata
        return results

    return evaluate


def warn_of_greedy_repeats(original: Callable) -> Callable:
    """Warn where ``--repeats`` asks a question several times of a model that answers alike each time."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from lmms_eval import evaluator

        from microbench_tasks import catalog, repeats

        outputs = evaluator.get_task_list(bind(original, args, kwargs).arguments["task_dict"])
        # The first process speaks for all.
        if os.environ.get("RANK", "0") == "0":
            repeats.warn_of_greedy({found.task_name: found.task for found in outputs if found.task_name in catalog.ALL_TASKS})
        return original(*args, **kwargs)

    return evaluate
