"""Record the definition of a task as it ran, and compare it with the package's own.

The record is made from the task object that the harness built, so it
includes the effect of a user's YAML (``--include_path``), a Python class, a group setting and a change from Python.
The results file contains it as
``configs.<task>.metadata.definition``:

- ``model``: the model id by which settings for single models were chosen;
- ``fields``: every field that can change a run (`microbench_tasks.tasks.task_fields`) and differs from the harness's default;
- ``differs``: the fields that differ from the package's own definition for that model, each with ``expected`` and
  ``ran``. Keys of a mapping are listed one by one (``generation_kwargs.until``).

A function is recorded as ``{"!function": name}`` if it is this package's own object of that name, else with the file
that it comes from and the SHA-256 of that file. What ``--gen_kwargs`` and ``--repeats`` set is not part of the
definition; the harness records it as ``generation_kwargs`` and ``repeats``.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
import json
import types
from collections.abc import Mapping
from typing import Any

from loguru import logger

from microbench_tasks import catalog
from microbench_tasks.data import task_data
from microbench_tasks.tasks import definitions, task_fields
from microbench_tasks.tasks.recorded_values import FUNCTION, as_text, function_record, rendered, with_current_names
from microbench_tasks.util import privacy
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.notices import warn_once

OTHER_DATA = "other"
_KEPT = "_microbench_as_defined"
# Fields that the harness changes after the YAML and the model have set them.
_CHANGED_LATER = ("dataset_kwargs", "generation_kwargs", "repeats")
_MEASURED = frozenset({"definition", "asked"})
# Fields that select the documents. If one of them is redefined, the data are not the task's own.
_OF_DATA = frozenset({"dataset_path", "dataset_name", "dataset_kwargs", "test_split", "process_docs", "class"})
# Fields whose values depend on where the data lie.
OF_MACHINE = frozenset({"dataset_path", "dataset_name", "dataset_kwargs"})
# The run records the choice of a box format separately (metadata.boxes).
_RECORDED_OPTIONS = frozenset({"boxes"})
_CLASSES = ("lmms_eval.api.task.ConfigurableTask", "lmms_eval.api.task.ConfigurableMessagesTask")
# The messages for a chat model: one user turn with the image and the task's prompt.
_MESSAGES = [{"user": ["image", "prompt"]}]

Fields = dict[str, Any]


def remember(task: Any) -> None:
    """Save the settings of a new task that the harness will change in place, and drop records from its YAML."""
    setattr(task, _KEPT, {field: copy.deepcopy(getattr(task.config, field, None)) for field in _CHANGED_LATER})
    if isinstance(task.config.metadata, dict):
        task.config.metadata = {name: value for name, value in task.config.metadata.items() if name not in _MEASURED}


def metadata_of(tasks: Mapping[str, Any], *, cache_requests: bool = False) -> dict[str, dict[str, Any]]:
    """Return the metadata of each of this package's tasks for the results file, and warn of redefinitions.

    ``cache_requests`` is the harness's option: cached requests may come from another definition.

    A task whose definition cannot be recorded is scored, but cannot be submitted.
    """
    own_metadata = functools.cache(definitions.FunctionName.resolve)
    made = {}
    for name, task in tasks.items():
        if name not in catalog.ALL_TASKS:
            continue
        try:
            own = own_metadata(definitions.definition(name)["metadata"])
            made[name] = _metadata(name, task, own, {"cache_requests": True} if cache_requests else {})
        # Functions of a user's task may raise anything; the run is still scored, without a record.
        except Exception as error:
            made[name] = {"dataset": {"source": OTHER_DATA}}
            logger.warning(
                f"{name}: its definition cannot be recorded ({type(error).__name__}: {error}). "
                "The run is scored, but cannot be submitted."
            )
        for field, values in made[name].get("definition", {}).get("differs", {}).items():
            warn_once(
                f"{name}: {describe(field, values)} This is NOT the benchmark's own task: "
                "the results are marked, and microbench submit refuses them."
            )
    return made


def mark_changed_data(made: Mapping[str, dict[str, Any]]) -> None:
    """Let the metadata of a finished run say so if the files of its data are others than when it started.

    They are mapped into memory, so that a model may have been shown the one or the other.
    """
    for name, metadata in made.items():
        try:
            now = dict(task_data.resolve(catalog.ALL_TASKS[name]).identity)
        # Files may be gone, or torn.
        except (DataError, OSError):
            now = None
        if metadata["dataset"].get("source") != OTHER_DATA and metadata["dataset"] != now:
            metadata["dataset"] = {"source": OTHER_DATA}
            warn_once(
                f"{name}: its data were changed while the run went on. The run is scored, but cannot be submitted."
            )


def mark_redefined(task_dict: Mapping[Any, Any]) -> None:
    """Mark redefined tasks for a response cache, whose keys name functions without their files."""
    for name, task in task_dict.items():
        if isinstance(task, Mapping):
            mark_redefined(task)
        elif name in catalog.ALL_TASKS and isinstance(getattr(task.config, "metadata", None) or {}, dict):
            try:
                differs = json.dumps(record(name, task)["differs"], sort_keys=True)
            # Functions of a user's task may raise anything.
            except Exception as error:
                differs = f"{type(error).__name__}: {error}"
            if differs != "{}":
                digest = hashlib.sha256(differs.encode()).hexdigest()
                task.config.metadata = (task.config.metadata or {}) | {"redefined": digest}


def warn_of_groups(task_dict: Mapping[Any, Any]) -> None:
    """Warn of redefined groups of this package; ``rescore`` and submissions compute their figures anew."""
    for group, members in task_dict.items():
        name = getattr(group, "group_name", None)
        if name in catalog.GROUPS:
            stated, config = definitions.definition(name), group.config
            ran = {entry["metric"]: entry["aggregation"] for entry in config["aggregate_metric_list"] or ()}
            changed = [
                field
                for field, differs in {
                    "task": config["task"] != stated["task"],
                    "aggregate_metric_list": ran != definitions.aggregations(name),
                }.items()
                if differs
            ]
            if changed:
                warn_once(
                    f"{name}: {', '.join(changed)} of this group is redefined. "
                    "The figures that the harness prints for it are NOT the benchmark's."
                )
        if isinstance(members, Mapping):
            warn_of_groups(members)


def describe(field: str, values: Mapping[str, Any]) -> str:
    """Return a sentence about a field that differs."""
    expected, ran = values.get("expected"), values.get("ran")
    what = f"expected {as_text(expected)}, ran {as_text(ran)} (changes what is {task_fields.effect(field)})."
    return f"{task_fields.plain_name(field)} is redefined: {what}"


def _metadata(name: str, task: Any, own: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    stated = task.config.metadata if isinstance(task.config.metadata, dict) else {}
    definition = record(name, task, options)
    metadata = {**stated, **own, "asked": _asked(name, task), "definition": definition}
    if _OF_DATA & {field.partition(".")[0] for field in definition["differs"]}:
        place = {"path": task.config.dataset_path, "name": task.config.dataset_name}
        metadata["dataset"] = {"source": OTHER_DATA, **privacy.redact_secrets(rendered(place))}
    return metadata


def _asked(name: str, task: Any) -> dict[str, Any] | None:
    from microbench_tasks.data import document_digest

    try:
        return document_digest.digest(task.eval_docs)
    # Documents of a user's task may be anything.
    except Exception as error:
        logger.warning(
            f"{name}: the digest of its documents cannot be computed ({type(error).__name__}: {error}). "
            "The run is scored, but cannot be submitted."
        )
        return None


def record(name: str, task: Any, options: Mapping[str, Any] = types.MappingProxyType({})) -> dict[str, Any]:
    """Return the record of the definition of a task object, with options of the run; see the module's documentation."""
    model = task.model_name if isinstance(getattr(task, "model_name", None), str) else None
    own = expected(name, model, is_chat=_is_chat(task))
    ran = _without_bypass(_ran(task), own) | options
    shown = {field: value for field, value in ran.items() if field in own or value != _default_fields().get(field)}
    return {"model": model, "fields": shown, "differs": differences(shown, own)}


def expected(name: str, model: str | None, *, is_chat: bool, with_data: bool = True) -> Fields:
    """Return the fields of the package's own definition of a task for a model id, without the harness.

    ``with_data`` resolves where the data lie now.
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
    fields["lmms_eval_specific_kwargs"] = _in_effect(options.get(model, options.get("default", {})))
    fields["metric_list"] = _metrics(fields["metric_list"])
    own = {field: rendered(value) for field, value in fields.items()}
    if with_data:
        own["dataset_kwargs"] = privacy.redact_secrets(own["dataset_kwargs"])
    return own | {"class": _CLASSES[is_chat]} | ({"messages": _MESSAGES} if is_chat else {})


def differences(ran: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields in which two definitions differ, with the expected value and the one that ran."""
    found: dict[str, dict[str, Any]] = {}
    for field in sorted(ran.keys() | own.keys()):
        before, after = own.get(field), ran.get(field)
        if before == after:
            continue
        if _is_plain_mapping(before) and _is_plain_mapping(after):
            found |= {f"{field}.{key}": values for key, values in differences(after, before).items()}
        else:
            found[field] = {"expected": before, "ran": after}
    return found


def _is_plain_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and FUNCTION not in value


def recorded(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the record of a definition in a task's metadata, None if it is missing or malformed."""
    found = metadata.get("definition")
    if (
        not isinstance(found, Mapping)
        or not isinstance(found.get("fields"), Mapping)
        or not isinstance(found.get("differs"), Mapping)
    ):
        return None
    if not all(isinstance(values, Mapping) for values in found["differs"].values()):
        return None
    return {**found, "fields": with_current_names(found["fields"])}


def is_chat_record(definition: Mapping[str, Any]) -> bool:
    """Tell whether a recorded task is for chat models."""
    return definition["fields"].get("class") == _CLASSES[1]


# --- a task object -------------------------------------------------------------------


def _ran(task: Any) -> Fields:
    kept = getattr(task, _KEPT, {})
    overridden = sorted(name for name in vars(task) if callable(getattr(type(task), name, None)))
    fields = _fields(task) | {field: privacy.redact_secrets(rendered(value)) for field, value in kept.items()}
    fields |= {"class": _class_name(type(task)), "overridden": overridden}
    return fields | ({"messages": _messages(task)} if _is_chat(task) else {})


def _fields(task: Any) -> Fields:
    """Return the fields of a configuration that can change a run, settings for single models as resolved."""
    values = {field.name: getattr(task.config, field.name) for field in dataclasses.fields(task.config)}
    values["lmms_eval_specific_kwargs"] = _in_effect(getattr(task, "lmms_eval_specific_kwargs", None) or {})
    values["model_specific_target_kwargs"] = getattr(
        task, "model_specific_target_kwargs", values["model_specific_target_kwargs"]
    )
    values["num_fewshot"] = values["num_fewshot"] or 0
    values["metric_list"] = _metrics(values["metric_list"] or [])
    # Merged into generation_kwargs.
    del values["model_specific_generation_kwargs"]
    return {field: rendered(value) for field, value in values.items() if task_fields.effect(field) != "nothing"}


def _in_effect(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out options for single models, and options that the run records separately."""
    return {
        key: value for key, value in options.items() if not isinstance(value, Mapping) and key not in _RECORDED_OPTIONS
    }


def _metrics(entries: Any) -> Any:
    """Leave out ``higher_is_better``, which only changes an arrow in the harness's table."""
    if not isinstance(entries, list):
        return entries
    return [
        {key: value for key, value in entry.items() if key != "higher_is_better"}
        if isinstance(entry, Mapping)
        else entry
        for entry in entries
    ]


@functools.cache
def _default_fields() -> Fields:
    from lmms_eval.api.task import TaskConfig

    return _fields(types.SimpleNamespace(config=TaskConfig())) | {"overridden": []}


def _without_bypass(ran: Fields, own: Fields) -> Fields:
    """Undo the changes by ``--predict_only``, which the run records separately."""
    if ran["process_results"] is None and ran["metric_list"] == [{"metric": "bypass"}]:
        return ran | {field: own[field] for field in ("process_results", "metric_list")}
    return ran


def _is_chat(task: Any) -> bool:
    from lmms_eval.api.task import ConfigurableMessagesTask

    return isinstance(task, ConfigurableMessagesTask)


def _class_name(found: type) -> Any:
    from lmms_eval.api import task

    known = {name.rpartition(".")[2]: name for name in _CLASSES}
    return next((name for short, name in known.items() if getattr(task, short) is found), None) or function_record(
        found
    )


def _messages(task: Any) -> Any:
    """Return roles and parts of the messages to a chat model for the first document, with a blank image."""
    from PIL import Image

    document = dict(task.eval_docs_no_media[0]) | {"image": Image.new("RGB", (64, 64))}
    prompt = task.doc_to_text(document)

    def part(content: Any) -> Any:
        text = content.get("text") if isinstance(content, Mapping) else content
        if isinstance(text, str):
            return "prompt" if text == prompt else {"text": text}
        return content.get("type") if isinstance(content, Mapping) else type(content).__name__

    def turn(message: Mapping[str, Any]) -> dict[str, Any]:
        content = message["content"]
        return {str(message["role"]): [part(found) for found in (content if isinstance(content, list) else [content])]}

    try:
        return [turn(message) for message in task.doc_to_messages(document)]
    # A user's function may raise anything.
    except Exception as error:
        return {"error": type(error).__name__}
