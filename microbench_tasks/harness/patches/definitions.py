"""Bind tasks to their model, and record which definition ran; see `microbench_tasks.tasks.definition_records`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from microbench_tasks.harness.patches.patch import Patch, bind_call, replace
from microbench_tasks.harness.patches.targets import EVALUATE, GET_TASK_LIST, TASK


def bind_to_model(original: Callable) -> Callable:
    """Replace each function of a task that has a method ``for_model`` by what that method returns for the model."""

    def _prepare_model_specific_config(self: Any) -> None:
        original(self)
        _bind(self)

    return _prepare_model_specific_config


def _bind(task: Any, family: Any = None) -> None:
    """Bind the functions of a task to its model, and to the family of the loaded checkpoint if it is known."""
    for field in ("doc_to_text", "doc_to_visual", "process_results"):
        for_model = getattr(getattr(task.config, field), "for_model", None)
        if for_model is not None:
            model = task.model_name if isinstance(task.model_name, str) else None
            bound = for_model(model, task.lmms_eval_specific_kwargs, *([family] if family else []))
            setattr(task.config, field, bound)
            task.config.metadata = {**(task.config.metadata or {}), "boxes": bound.record()}


BOX_FORMATS = Patch(
    name="prompts of the model's box format",
    replacement=replace(f"{TASK}._prepare_model_specific_config", "self", bind_to_model),
    why="Functions named in a task's YAML do not get the model's name.",
    lost="Tasks that ask for boxes (microbench_localization_…) fail.",
    removable="The harness passes the model's name to the functions of a task.",
)


def bind_to_family(original: Callable) -> Callable:
    """Bind tasks to the family of the loaded checkpoint, if the model states one (``box_family``)."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from lmms_eval import evaluator

        from microbench_tasks.tasks.box_format_choice import LoadedFamily

        call = bind_call(original, args, kwargs).arguments
        stated = getattr(call["lm"], "box_family", None)
        if stated is not None:
            for output in evaluator.get_task_list(call["task_dict"]):
                _bind(output.task, LoadedFamily(**stated))
        return original(*args, **kwargs)

    return evaluate


FAMILY_BOX_FORMATS = Patch(
    name="prompts of the checkpoint's box format",
    replacement=replace(EVALUATE, "lm task_dict", bind_to_family, GET_TASK_LIST),
    why="The harness builds tasks without the loaded model, whose id may stand for checkpoints of many families.",
    lost="transformers_vlm is asked for boxes in pixels, whatever the family of its checkpoint.",
    removable="The harness passes the loaded model to the functions of a task.",
)


def remember_as_built(original: Callable) -> Callable:
    """Remember the fields of a task that the harness changes or drops before the run."""

    def _prepare_model_specific_config(self: Any) -> None:
        from microbench_tasks.tasks import built_tasks

        original(self)
        built_tasks.keep_settings(self)

    return _prepare_model_specific_config


BUILT_DEFINITIONS = Patch(
    name="definitions as they were built",
    replacement=replace(f"{TASK}._prepare_model_specific_config", "self", remember_as_built),
    why="The harness changes and drops fields of a task before the run.",
    lost="Some redefinitions of tasks are not detected.",
    removable="The harness records the complete definition of each task in the results.",
)


def record_in_results(original: Callable) -> Callable:
    """Add to the results of ``evaluate`` the definition of each of our tasks and the data that it was asked about."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from lmms_eval import evaluator

        from microbench_tasks.tasks import redefinitions, run_metadata

        call = bind_call(original, args, kwargs)
        # Only the first process gets results; they are those of all processes.
        is_first = os.environ.get("RANK", "0") == "0"
        task_dict = call.arguments["task_dict"] if is_first else {}
        tasks = {output.task_name: output.task for output in evaluator.get_task_list(task_dict)}
        metadata_by_task = run_metadata.metadata_of(tasks, cache_requests=bool(call.arguments["cache_requests"]))
        redefinitions.warn_of_groups(task_dict)
        results = original(*args, **kwargs)
        run_metadata.mark_changed_data(metadata_by_task)
        for name, metadata in metadata_by_task.items():
            if results and name in results.get("configs", {}):
                results["configs"][name]["metadata"] = metadata
        return results

    return evaluate


RECORDED_DEFINITIONS = Patch(
    name="definitions in the results",
    replacement=replace(EVALUATE, "task_dict cache_requests", record_in_results, GET_TASK_LIST),
    why="The harness records a task's YAML, but not its functions and its data.",
    lost="Results do not say which definition of a task ran; such a run cannot be submitted.",
    removable="The harness records a task's functions and the revision of its data.",
)


def warn_of_greedy_repeats(original: Callable) -> Callable:
    """Warn if ``--repeats`` is used with greedy decoding, which gives the same answer every time."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        from lmms_eval import evaluator

        from microbench_tasks import catalog
        from microbench_tasks.harness import repeated_requests

        outputs = evaluator.get_task_list(bind_call(original, args, kwargs).arguments["task_dict"])
        # One warning is enough: only the first process logs it.
        if os.environ.get("RANK", "0") == "0":
            ours = (output for output in outputs if catalog.is_task(output.task_name))
            repeated_requests.warn_of_greedy({output.task_name: output.task for output in ours})
        return original(*args, **kwargs)

    return evaluate


EQUAL_REPEATS = Patch(
    name="warning of equal repeats",
    replacement=replace(EVALUATE, "task_dict", warn_of_greedy_repeats, GET_TASK_LIST),
    why="The harness repeats questions even with greedy decoding, which gives the same answer every time.",
    lost="There is no warning of --repeats with greedy decoding.",
    removable="The harness warns of repeats with greedy decoding.",
)
