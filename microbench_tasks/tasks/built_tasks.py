"""Read the definition of a task from the task object that the harness built.

The object includes the effect of a user's YAML (``--include_path``), a Python class, a group setting and a change from
Python.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import types
from collections.abc import Mapping
from typing import Any

from microbench_tasks.tasks import task_fields
from microbench_tasks.tasks.recorded_values import function_record, rendered
from microbench_tasks.util import privacy

Fields = dict[str, Any]

# The harness's own classes of tasks: for simple models and for chat models.
CLASSES = ("lmms_eval.api.task.ConfigurableTask", "lmms_eval.api.task.ConfigurableMessagesTask")
# The messages to a chat model: one user turn with the image and the task's prompt.
MESSAGES = [{"user": ["image", "prompt"]}]
# The attribute of a task object with the settings that `keep_settings` copied.
_KEPT = "_microbench_as_defined"
# Fields that the harness changes after the YAML and the model have set them.
_CHANGED_LATER = ("dataset_kwargs", "generation_kwargs", "repeats")
# Entries of the metadata that every run measures anew.
_MEASURED = frozenset({"definition", "asked"})
# The run records the choice of a box format separately (metadata.boxes).
_OPTIONS_RECORDED_ELSEWHERE = frozenset({"boxes"})


def keep_settings(task: Any) -> None:
    """Copy the settings of a new task that the harness will change in place, and drop records in its YAML."""
    setattr(task, _KEPT, {field: copy.deepcopy(getattr(task.config, field, None)) for field in _CHANGED_LATER})
    if isinstance(task.config.metadata, dict):
        task.config.metadata = {name: value for name, value in task.config.metadata.items() if name not in _MEASURED}


def is_chat(task: Any) -> bool:
    """Tell whether a task object is for chat models."""
    from lmms_eval.api.task import ConfigurableMessagesTask

    return isinstance(task, ConfigurableMessagesTask)


def fields_of(task: Any) -> Fields:
    """Return every field of a task object that can change a run, as JSON."""
    kept = getattr(task, _KEPT, {})
    overridden = sorted(name for name in vars(task) if callable(getattr(type(task), name, None)))
    fields = _config_fields(task) | {field: privacy.redact_secrets(rendered(value)) for field, value in kept.items()}
    fields |= {"class": _class_name(type(task)), "overridden": overridden}
    return fields | ({"messages": _messages(task)} if is_chat(task) else {})


@functools.cache
def default_fields() -> Fields:
    """Return the harness's default of each field."""
    from lmms_eval.api.task import TaskConfig

    return _config_fields(types.SimpleNamespace(config=TaskConfig())) | {"overridden": []}


def options_for_all_models(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out options for single models, and options that the run records elsewhere."""
    return {
        key: value
        for key, value in options.items()
        if not isinstance(value, Mapping) and key not in _OPTIONS_RECORDED_ELSEWHERE
    }


def metrics_without_direction(entries: Any) -> Any:
    """Leave out ``higher_is_better``, which only changes an arrow in the harness's table."""
    if not isinstance(entries, list):
        return entries
    return [
        {key: value for key, value in entry.items() if key != "higher_is_better"}
        if isinstance(entry, Mapping)
        else entry
        for entry in entries
    ]


def _config_fields(task: Any) -> Fields:
    """Return the fields of a configuration that can change a run, settings for single models as resolved."""
    values = {field.name: getattr(task.config, field.name) for field in dataclasses.fields(task.config)}
    values["lmms_eval_specific_kwargs"] = options_for_all_models(getattr(task, "lmms_eval_specific_kwargs", None) or {})
    values["model_specific_target_kwargs"] = getattr(
        task, "model_specific_target_kwargs", values["model_specific_target_kwargs"]
    )
    values["num_fewshot"] = values["num_fewshot"] or 0
    values["metric_list"] = metrics_without_direction(values["metric_list"] or [])
    # Merged into generation_kwargs.
    del values["model_specific_generation_kwargs"]
    return {field: rendered(value) for field, value in values.items() if task_fields.effect(field) != "nothing"}


def _class_name(task_class: type) -> Any:
    from lmms_eval.api import task

    for dotted_name in CLASSES:
        if getattr(task, dotted_name.rpartition(".")[2]) is task_class:
            return dotted_name
    return function_record(task_class)


def _messages(task: Any) -> Any:
    """Return roles and parts of the messages to a chat model for the first document, with a blank image."""
    from PIL import Image

    document = dict(task.eval_docs_no_media[0]) | {"image": Image.new("RGB", (64, 64))}
    prompt = task.doc_to_text(document)
    try:
        return [_message_parts(message, prompt) for message in task.doc_to_messages(document)]
    # A user's function may raise anything.
    except Exception as error:
        return {"error": type(error).__name__}


def _message_parts(message: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    content = message["content"]
    parts = content if isinstance(content, list) else [content]
    return {str(message["role"]): [_describe_part(part, prompt) for part in parts]}


def _describe_part(part: Any, prompt: str) -> Any:
    text = part.get("text") if isinstance(part, Mapping) else part
    if isinstance(text, str):
        return "prompt" if text == prompt else {"text": text}
    return part.get("type") if isinstance(part, Mapping) else type(part).__name__
