"""Leave out the tasks that a model cannot answer, before it is loaded.

A model class that can only choose among given texts has a true attribute ``needs_choices``. It cannot answer tasks
without choices, which are those that ask for boxes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from loguru import logger

from microbench_tasks import catalog
from microbench_tasks.data.own_datasets import setting
from microbench_tasks.harness import own_tasks, run_state
from microbench_tasks.util.errors import DataError

_REASON = "asks for boxes, and the model only chooses among given texts"


def answerable(names: Sequence[str], model: Any) -> list[str]:
    """Return the tasks and groups that a model can answer; log which tasks of groups are left out.

    Args:
        names: tasks, groups and tags, also of other benchmarks.
        model: a model's id, its class, or a model; None if it is unknown.

    Raises:
        DataError: ``names`` contains a task that the model cannot answer, or a group with only such tasks, or an own
            dataset that is not installed.
    """
    box_tasks = {task for task in own_tasks.tasks_named(names) if catalog.task_of(task).subject == "boxes"}
    if not box_tasks or not needs_choices(model):
        return list(names)
    kept = list(dict.fromkeys(member for name in names for member in _members_without(box_tasks, name)))
    refused = [name for name in names if own_tasks.tasks_named([name]) and not list(_members_without(box_tasks, name))]
    if refused:
        raise DataError(
            f"{', '.join(refused)}: asks for boxes, and {_model_name(model)} only chooses among given texts. "
            f"Instead: {_instead(refused, kept)}"
        )
    left_out = tuple(catalog.in_order(box_tasks))
    if left_out != run_state.current.left_out:
        listed = ", ".join(left_out)
        logger.warning(
            f"{_model_name(model)} only chooses among given texts. Left out, as they ask for boxes: {listed}"
        )
    run_state.current.left_out = left_out
    return kept


def _instead(refused: Sequence[str], kept: Sequence[str]) -> str:
    """Say what to type: other tasks, for own data about the same images, or a model that writes boxes."""
    if kept:
        return f"--tasks {','.join(kept)}"
    own = [name for name in refused if catalog.is_own(name) or name == catalog.OWN_TAG]
    if not own:
        return "--tasks microbench_vqa"
    asked = {dataset for task in own_tasks.tasks_named(own) for dataset in catalog.task_of(task).datasets}
    questions = [
        task.name for task in setting.installed_tasks() if task.subject != "boxes" and asked.intersection(task.datasets)
    ]
    if questions:
        return f"--tasks {','.join(questions)}"
    return "a chat model (docs/chat-models.md), or --model microbench_random for random boxes"


def _members_without(excluded: set[str], name: str) -> Iterator[str]:
    """Yield the name if it contains no excluded task, else the largest of its members that contain none."""
    tasks = own_tasks.tasks_named([name])
    if excluded.isdisjoint(tasks):
        yield name
    elif name not in tasks:
        for member in own_tasks.members(name):
            yield from _members_without(excluded, member)


def needs_choices(model: Any) -> bool:
    """Tell whether the model's class declares ``needs_choices``; loads no weights."""
    model_class = _find_class(model) if isinstance(model, str) else model
    return bool(getattr(model_class, "needs_choices", False))


def _find_class(model_id: str) -> type | None:
    from lmms_eval import models

    try:
        manifest = models.get_model_manifest(model_id)
        paths = {manifest.simple_class_path, manifest.chat_class_path} - {None}
        # Classes of the harness never declare it, and may take long to import.
        if all(path.startswith("lmms_eval.") for path in paths):
            return None
        return models.get_model(model_id)
    # The harness reports any problem with the model's id or module when it loads the model.
    except Exception:
        return None


def _model_name(model: Any) -> str:
    return model if isinstance(model, str) else getattr(model, "__name__", type(model).__name__)


def reset_record() -> None:
    """Reset the record of left-out tasks before and after a run."""
    run_state.current.left_out = ()


def record() -> dict[str, str]:
    """Return the tasks that this run left out, with the reason, for its results file."""
    return dict.fromkeys(run_state.current.left_out, _REASON)
