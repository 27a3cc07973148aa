"""Record the definition of a task as it ran, and compare it with the package's own.

The results file contains the record as ``configs.<task>.metadata.definition``:

- ``model``: the model id by which settings for single models were chosen;
- ``fields``: every field that can change a run (`microbench_tasks.tasks.task_fields`) and differs from the harness's
  default;
- ``differs``: the fields that differ from the package's own definition for that model, each with ``expected`` and
  ``ran``. Keys of a mapping are listed one by one (``generation_kwargs.until``).

A function is recorded as ``{"!function": name}`` if it is this package's own object of that name, else with the file
that it comes from and the SHA-256 of that file. What ``--gen_kwargs`` and ``--repeats`` set is not part of the
definition; the harness records it as ``generation_kwargs`` and ``repeats``.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

from microbench_tasks.tasks import built_tasks, definitions, task_fields
from microbench_tasks.tasks.built_tasks import Fields
from microbench_tasks.tasks.recorded_values import FUNCTION, describe_value, rendered, with_current_names
from microbench_tasks.util import privacy

# Fields whose values depend on where the data lie.
OF_MACHINE = frozenset({"dataset_path", "dataset_name", "dataset_kwargs"})
_NO_OPTIONS: Mapping[str, Any] = types.MappingProxyType({})


def record(name: str, task: Any, options: Mapping[str, Any] = _NO_OPTIONS) -> dict[str, Any]:
    """Return the record of the definition of a task object.

    Args:
        name: of the task.
        task: the object that the harness built.
        options: of the run, such as ``cache_requests``, that are recorded as fields.
    """
    model = task.model_name if isinstance(getattr(task, "model_name", None), str) else None
    own = expected_fields(name, model, is_chat=built_tasks.is_chat(task))
    ran = _without_bypass(built_tasks.fields_of(task), own) | dict(options)
    defaults = built_tasks.default_fields()
    recorded = {field: value for field, value in ran.items() if field in own or value != defaults.get(field)}
    return {"model": model, "fields": recorded, "differs": differences(recorded, own)}


def expected_fields(name: str, model: str | None, *, is_chat: bool, with_data: bool = True) -> Fields:
    """Return the fields of the package's own definition of a task for a model id, without the harness.

    Args:
        name: of the task.
        model: the harness's id of the model.
        is_chat: whether the model is a chat model.
        with_data: whether to resolve where the data lie now.
    """
    stated = definitions.definition(name)
    fields = {
        field: value
        for field, value in stated.items()
        if task_fields.effect(field) != "nothing" and (with_data or field not in OF_MACHINE)
    }
    settings = fields.pop("model_specific_generation_kwargs", {})
    fields["generation_kwargs"] = fields["generation_kwargs"] | settings.get(model, settings.get("default", {}))
    options = stated.get("lmms_eval_specific_kwargs", {})
    own_options = options.get(model, options.get("default", {}))
    fields["lmms_eval_specific_kwargs"] = built_tasks.options_for_all_models(own_options)
    fields["metric_list"] = built_tasks.metrics_without_direction(fields["metric_list"])
    own = {field: rendered(value) for field, value in fields.items()}
    if with_data:
        own["dataset_kwargs"] = privacy.redact_secrets(own["dataset_kwargs"])
    messages = {"messages": built_tasks.MESSAGES} if is_chat else {}
    return own | {"class": built_tasks.CLASSES[is_chat]} | messages


def differences(ran: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields in which two definitions differ, with the expected value and the one that ran."""
    differing: dict[str, dict[str, Any]] = {}
    for field in sorted(ran.keys() | own.keys()):
        before, after = own.get(field), ran.get(field)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping) and FUNCTION not in (*before, *after):
            differing |= {f"{field}.{key}": values for key, values in differences(after, before).items()}
        else:
            differing[field] = {"expected": before, "ran": after}
    return differing


def recorded_definition(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the record of a definition in a task's metadata; None if it is missing or malformed."""
    stored = metadata.get("definition")
    if not isinstance(stored, Mapping):
        return None
    fields, differs = stored.get("fields"), stored.get("differs")
    if not isinstance(fields, Mapping) or not isinstance(differs, Mapping):
        return None
    if not all(isinstance(values, Mapping) for values in differs.values()):
        return None
    return {**stored, "fields": with_current_names(fields)}


def is_chat_record(definition: Mapping[str, Any]) -> bool:
    """Tell whether a recorded task is for chat models."""
    return definition["fields"].get("class") == built_tasks.CLASSES[1]


def describe(field: str, values: Mapping[str, Any]) -> str:
    """Return a sentence about a field that differs.

    Args:
        field: its name.
        values: ``expected`` and ``ran``.
    """
    expected, ran = describe_value(values.get("expected")), describe_value(values.get("ran"))
    effect = f"changes what is {task_fields.effect(field)}"
    return f"{task_fields.plain_name(field)} is redefined: expected {expected}, ran {ran} ({effect})."


def _without_bypass(ran: Fields, own: Fields) -> Fields:
    """Undo the changes by ``--predict_only``, which the run records separately."""
    if ran["process_results"] is None and ran["metric_list"] == [{"metric": "bypass"}]:
        return ran | {field: own[field] for field in ("process_results", "metric_list")}
    return ran
