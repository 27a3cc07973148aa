"""Record the definition of a task as it ran, and compare it with the package's own.

The record is made from the task object that the harness built, so that a user's YAML (``--include_path``), a Python
class, a setting of a group and a change from Python are all seen. It stands in the results file as
``configs.<task>.metadata.definition``:

- ``model``: the model id that settings for single models were chosen by;
- ``fields``: every field that can change a run (`microbench_tasks.task_fields`) and is not at the harness's default;
- ``differs``: the fields that are not as in the package's own definition for that model, each with ``expected`` and
  ``ran``. Keys of a mapping count one by one (``generation_kwargs.until``).

A function is recorded as ``{"!function": name}`` if it is this package's own object of that name, else with the file
that it comes from and the SHA-256 of that file. What ``--gen_kwargs`` sets is not part of the definition; the harness
records it as ``generation_kwargs``.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
import inspect
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks import catalog, definitions, privacy, task_fields
from microbench_tasks.notices import warn_once

FUNCTION = "!function"
OTHER_DATA = "other"
_PACKAGE = Path(__file__).resolve().parent
_KEPT = "_microbench_as_defined"
# Changed in place by the harness, after the task's YAML and its model set them.
_CHANGED_LATER = ("dataset_kwargs", "generation_kwargs")
# Fields that decide which documents there are: with one of them redefined, the data are not the task's own.
_OF_DATA = frozenset({"dataset_path", "dataset_name", "dataset_kwargs", "test_split", "process_docs", "class"})
# Fields whose values depend on where the data lie.
OF_MACHINE = frozenset({"dataset_path", "dataset_name", "dataset_kwargs"})
# The option of boxes is a choice that the run records by itself (metadata.boxes).
_RECORDED_OPTIONS = frozenset({"boxes"})
_CLASSES = ("lmms_eval.api.task.ConfigurableTask", "lmms_eval.api.task.ConfigurableMessagesTask")
# What a chat model is sent: one turn of the user with the image and the task's prompt.
_MESSAGES = [{"user": ["image", "prompt"]}]

Fields = dict[str, Any]


def remember(task: Any) -> None:
    """Keep those settings of a freshly built task that the harness changes in place later."""
    setattr(task, _KEPT, {field: copy.deepcopy(getattr(task.config, field, None)) for field in _CHANGED_LATER})


def metadata_of(tasks: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the metadata that the results file gets for each of this package's tasks among ``tasks``, and warn of redefinitions.

    A task whose definition cannot be recorded is left out, with a warning: it can be scored and not submitted.
    """
    own_metadata = functools.cache(definitions.FunctionName.resolve)
    made = {}
    for name, task in tasks.items():
        if name not in catalog.ALL_TASKS:
            continue
        try:
            made[name] = _metadata(name, task, own_metadata(definitions.definition(name)["metadata"]))
        # Functions of a user's task may raise anything, and the run is worth its scores without a record.
        except Exception as error:
            logger.warning(f"{name}: its definition cannot be recorded ({type(error).__name__}: {error}). The run is scored, but cannot be submitted.")
            continue
        for field, values in made[name]["definition"]["differs"].items():
            warn_once(f"{name}: {describe(field, values)} This is NOT the benchmark's own task: the results are marked, and microbench submit refuses them.")
    return made


def describe(field: str, values: Mapping[str, Any]) -> str:
    """Return a sentence about a field that differs."""
    expected, ran = values.get("expected"), values.get("ran")
    return f"{task_fields.plain_name(field)} is redefined: expected {as_text(expected)}, ran {as_text(ran)} (changes what is {task_fields.effect(field)})."


def as_text(value: Any, length: int = 200) -> str:
    """Return a recorded value in one short line of ASCII."""
    import json

    if isinstance(value, Mapping) and FUNCTION in value:
        name = json.dumps(str(value[FUNCTION]))[1:-1]
        return f"{name} ({json.dumps(str(value.get('file')))[1:-1]})" if "sha256" in value else name
    text = "none" if value is None else json.dumps(value, default=str)
    return text if len(text) <= length else f"{text[:length]}..."


def _metadata(name: str, task: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    from microbench_tasks import asked

    stated = task.config.metadata if isinstance(task.config.metadata, dict) else {}
    definition = record(name, task)
    metadata = {**stated, **own, "asked": asked.digest(task.eval_docs), "definition": definition}
    if _OF_DATA & {field.partition(".")[0] for field in definition["differs"]}:
        place = {"path": task.config.dataset_path, "name": task.config.dataset_name}
        metadata["dataset"] = {"source": OTHER_DATA, **privacy.without_secrets(_rendered(place))}
    return metadata


def record(name: str, task: Any) -> dict[str, Any]:
    """Return the record of the definition of a task object; see the module's documentation."""
    model = task.model_name if isinstance(getattr(task, "model_name", None), str) else None
    own = expected(name, model, is_chat=_is_chat(task))
    ran = _without_bypass(_ran(task), own)
    shown = {field: value for field, value in ran.items() if field in own or value != _default_fields().get(field)}
    return {"model": model, "fields": shown, "differs": differences(shown, own)}


def expected(name: str, model: str | None, *, is_chat: bool, with_data: bool = True) -> Fields:
    """Return the fields of the package's own definition of a task for a model id; without the harness, and with where the data lie now if wanted."""
    stated = definitions.definition(name)
    fields = {field: value for field, value in stated.items() if task_fields.effect(field) != "nothing" and (with_data or field not in OF_MACHINE)}
    settings = fields.pop("model_specific_generation_kwargs", {})
    fields["generation_kwargs"] = fields["generation_kwargs"] | settings.get(model, settings.get("default", {}))
    options = stated.get("lmms_eval_specific_kwargs", {})
    fields["lmms_eval_specific_kwargs"] = _in_effect(options.get(model, options.get("default", {})))
    fields["metric_list"] = _metrics(fields["metric_list"])
    rendered = {field: _rendered(value) for field, value in fields.items()}
    if with_data:
        rendered["dataset_kwargs"] = privacy.without_secrets(rendered["dataset_kwargs"])
    return rendered | {"class": _CLASSES[is_chat]} | ({"messages": _MESSAGES} if is_chat else {})


def differences(ran: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields of two definitions that are not equal, with the expected value and the one that ran."""
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


def recorded(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the record of a definition in a task's metadata, None if there is none of the right form."""
    found = metadata.get("definition")
    if not isinstance(found, Mapping) or not isinstance(found.get("fields"), Mapping) or not isinstance(found.get("differs"), Mapping):
        return None
    return found if all(isinstance(values, Mapping) for values in found["differs"].values()) else None


def is_chat_record(definition: Mapping[str, Any]) -> bool:
    """Tell whether a record is of a task for chat models."""
    return definition["fields"].get("class") == _CLASSES[1]


# --- a task object -------------------------------------------------------------------


def _ran(task: Any) -> Fields:
    kept = getattr(task, _KEPT, {})
    overridden = sorted(name for name in vars(task) if callable(getattr(type(task), name, None)))
    fields = _fields(task) | {field: privacy.without_secrets(_rendered(value)) for field, value in kept.items()}
    fields |= {"class": _class_name(type(task)), "overridden": overridden}
    return fields | ({"messages": _messages(task)} if _is_chat(task) else {})


def _fields(task: Any) -> Fields:
    """Return the fields of a task's configuration that can change a run, settings for single models as resolved for its own."""
    values = {field.name: getattr(task.config, field.name) for field in dataclasses.fields(task.config)}
    values["lmms_eval_specific_kwargs"] = _in_effect(getattr(task, "lmms_eval_specific_kwargs", None) or {})
    values["model_specific_target_kwargs"] = getattr(task, "model_specific_target_kwargs", values["model_specific_target_kwargs"])
    values["num_fewshot"] = values["num_fewshot"] or 0
    values["metric_list"] = _metrics(values["metric_list"] or [])
    # Merged into generation_kwargs.
    del values["model_specific_generation_kwargs"]
    return {field: _rendered(value) for field, value in values.items() if task_fields.effect(field) != "nothing"}


def _in_effect(options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what stands under the name of a model, which the harness has resolved by now, and what the run records by itself."""
    return {key: value for key, value in options.items() if not isinstance(value, Mapping) and key not in _RECORDED_OPTIONS}


def _metrics(entries: Any) -> Any:
    """Leave out which way an arrow of the harness's table points."""
    if not isinstance(entries, list):
        return entries
    return [{key: value for key, value in entry.items() if key != "higher_is_better"} if isinstance(entry, Mapping) else entry for entry in entries]


@functools.cache
def _default_fields() -> Fields:
    from lmms_eval.api.task import TaskConfig

    return _fields(types.SimpleNamespace(config=TaskConfig())) | {"overridden": []}


def _without_bypass(ran: Fields, own: Fields) -> Fields:
    """Undo what ``--predict_only`` sets: no metric is computed, and the run records that option."""
    if ran["process_results"] is None and ran["metric_list"] == [{"metric": "bypass"}]:
        return ran | {field: own[field] for field in ("process_results", "metric_list")}
    return ran


def _is_chat(task: Any) -> bool:
    from lmms_eval.api.task import ConfigurableMessagesTask

    return isinstance(task, ConfigurableMessagesTask)


def _class_name(found: type) -> Any:
    from lmms_eval.api import task

    known = {name.rpartition(".")[2]: name for name in _CLASSES}
    return next((name for short, name in known.items() if getattr(task, short) is found), None) or _function(found)


def _messages(task: Any) -> Any:
    """Return what a chat model is sent for the first document, with a blank image: roles and parts, the task's own prompt as such."""
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

    return [turn(message) for message in task.doc_to_messages(document)]


# --- values --------------------------------------------------------------------------


def _is_plain_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and FUNCTION not in value


def _rendered(value: Any) -> Any:
    """Return a value of a task's configuration as JSON."""
    if isinstance(value, definitions.FunctionName):
        found = value.resolve()
        return {FUNCTION: str(value)} if callable(found) else _rendered(found)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        rendered = {str(key): _rendered(entry) for key, entry in value.items()}
        # No mapping of a user's must look like a function of this package.
        return {"mapping": rendered} if FUNCTION in rendered else rendered
    if isinstance(value, list | tuple):
        return [_rendered(entry) for entry in value]
    return _function(value) if callable(value) else {"type": f"{type(value).__module__}.{type(value).__qualname__}", "text": repr(value)[:200]}


def _function(value: Any) -> dict[str, Any]:
    own = own_name(value)
    if own is not None:
        return {FUNCTION: own}
    named = value if hasattr(value, "__qualname__") else type(value)
    return {FUNCTION: f"{named.__module__}.{named.__qualname__}"} | _source_of(named)


def own_name(value: Any) -> str | None:
    """Return the dotted name by which a YAML of this package names a function; None if the object is not the package's own."""
    from microbench_tasks.documents import TaskDocuments
    from microbench_tasks.localization import InFormat

    if type(value) is TaskDocuments:
        return f"{TaskDocuments.__module__}.{value!r}" if value == TaskDocuments(catalog.ALL_TASKS.get(value.task.name)) else None
    function = value.__wrapped__ if type(value) is InFormat else value
    if not isinstance(function, types.FunctionType) or not Path(function.__code__.co_filename).resolve().is_relative_to(_PACKAGE):
        return None
    found = getattr(sys.modules.get(function.__module__), function.__qualname__, None)
    same = found.__wrapped__ is function if type(found) is InFormat else found is value
    return f"{function.__module__}.{function.__qualname__}" if same else None


def _source_of(value: Any) -> dict[str, Any]:
    try:
        file = inspect.getsourcefile(inspect.unwrap(value))
        return {"file": Path(file).name, "sha256": hashlib.sha256(Path(file).read_bytes()).hexdigest()}
    # Built in, made by another function, or typed at a prompt.
    except (OSError, TypeError, ValueError):
        return {"file": None, "sha256": None}
