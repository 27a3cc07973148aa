"""Bind tasks to their model, and record in the results which definition ran; see `microbench_tasks.tasks.provenance`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from microbench_tasks.harness.patches.patch import bind


def bind_to_model(original: Callable) -> Callable:
    """Replace each function of a task that has a method ``for_model`` by what that method returns for the model."""

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
    """Remember the fields of a task that the harness changes or drops before the run."""

    def _prepare_model_specific_config(self: Any) -> None:
        from microbench_tasks.tasks import provenance

        original(self)
        provenance.remember(self)

    return _prepare_model_specific_config


def record_in_results(original: Callable) -> Callable:
    """Add to the results of ``evaluate`` the definition of each of our tasks and the data that it was asked about."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from lmms_eval import evaluator

        from microbench_tasks.tasks import provenance

        call = bind(original, args, kwargs)
        # Only the first process gets results; they are those of all processes.
        is_first = os.environ.get("RANK", "0") == "0"
        task_dict = call.arguments["task_dict"] if is_first else {}
        tasks = {output.task_name: output.task for output in evaluator.get_task_list(task_dict)}
        metadata_by_task = provenance.metadata_of(tasks, cache_requests=bool(call.arguments["cache_requests"]))
        provenance.warn_of_groups(task_dict)
        results = original(*args, **kwargs)
        provenance.mark_changed_data(metadata_by_task)
        for name, metadata in metadata_by_task.items():
            if results and name in results.get("configs", {}):
                results["configs"][name]["metadata"] = metadata
        return results

    return evaluate


def warn_of_greedy_repeats(original: Callable) -> Callable:
    """Warn if ``--repeats`` is used with greedy decoding, which gives the same answer every time."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from lmms_eval import evaluator

        from microbench_tasks import catalog
        from microbench_tasks.tasks import repeats

        outputs = evaluator.get_task_list(bind(original, args, kwargs).arguments["task_dict"])
        # One warning is enough: only the first process logs it.
        if os.environ.get("RANK", "0") == "0":
            ours = (output for output in outputs if output.task_name in catalog.ALL_TASKS)
            repeats.warn_of_greedy({output.task_name: output.task for output in ours})
        return original(*args, **kwargs)

    return evaluate
