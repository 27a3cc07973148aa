"""Convert values of a task's configuration to JSON; identify functions as objects, not by the name that they claim."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microbench_tasks import catalog
from microbench_tasks.tasks import definitions

FUNCTION = "!function"
# Modules whose functions runs have recorded under another name before: the package had no rooms then.
_FORMER_MODULES = {
    "microbench_tasks.aggregations": "microbench_tasks.tasks.aggregations",
    "microbench_tasks.documents": "microbench_tasks.data.documents",
    "microbench_tasks.localization": "microbench_tasks.tasks.localization",
    "microbench_tasks.prompts": "microbench_tasks.tasks.prompts",
    "microbench_tasks.repeats": "microbench_tasks.tasks.repeats",
    "microbench_tasks.results": "microbench_tasks.tasks.results",
}
_PACKAGE = Path(__file__).resolve().parents[1]


def describe_value(value: Any, length: int = 200) -> str:
    """Return a recorded value as one short line of ASCII."""
    if isinstance(value, Mapping) and FUNCTION in value:
        name = json.dumps(str(value[FUNCTION]))[1:-1]
        return f"{name} ({json.dumps(str(value.get('file')))[1:-1]})" if "sha256" in value else name
    text = "none" if value is None else json.dumps(value, default=str)
    return text if len(text) <= length else f"{text[:length]}..."


def with_current_names(value: Any) -> Any:
    """Return a recorded value with the present names of this package's functions, whose modules have moved.

    >>> with_current_names({"doc_to_text": {"!function": "microbench_tasks.prompts.microbench_doc_to_text"}})
    {'doc_to_text': {'!function': 'microbench_tasks.tasks.prompts.microbench_doc_to_text'}}
    """
    if isinstance(value, list):
        return [with_current_names(entry) for entry in value]
    if not isinstance(value, Mapping):
        return value
    name = value.get(FUNCTION)
    # Other functions are recorded with their file.
    if isinstance(name, str) and len(value) == 1:
        module, _, function = name.rpartition(".")
        return {FUNCTION: f"{_FORMER_MODULES.get(module, module)}.{function}"}
    return {key: with_current_names(entry) for key, entry in value.items()}


def rendered(value: Any) -> Any:
    """Return a value of a task's configuration as JSON; of a function, its record."""
    if isinstance(value, definitions.FunctionName):
        resolved = value.resolve()
        return {FUNCTION: str(value)} if callable(resolved) else rendered(resolved)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        entries = {str(key): rendered(entry) for key, entry in value.items()}
        # A user's mapping must not look like the record of a function.
        return {"mapping": entries} if FUNCTION in entries else entries
    if isinstance(value, list | tuple):
        return [rendered(entry) for entry in value]
    if callable(value):
        return function_record(value)
    return {"type": f"{type(value).__module__}.{type(value).__qualname__}", "text": repr(value)[:200]}


def function_record(value: Any) -> dict[str, Any]:
    """Return the name of a function or class; with file and SHA-256 of the file if it is not the package's own."""
    own = own_name(value)
    if own is not None:
        return {FUNCTION: own}
    named = value if hasattr(value, "__qualname__") else type(value)
    return {FUNCTION: f"{named.__module__}.{named.__qualname__}"} | _source_of(named)


def own_name(value: Any) -> str | None:
    """Return the name by which a YAML of this package names a function; None if the object is not the package's own."""
    from microbench_tasks.data.documents import TaskDocuments
    from microbench_tasks.tasks.localization import ModelBoundFunction

    if type(value) is TaskDocuments:
        is_own = value.task == catalog.find_task(value.task.name)
        return f"{TaskDocuments.__module__}.{value!r}" if is_own else None
    function = value.function if type(value) is ModelBoundFunction else value
    if not isinstance(function, types.FunctionType) or not Path(function.__code__.co_filename).resolve().is_relative_to(
        _PACKAGE
    ):
        return None
    own = getattr(sys.modules.get(function.__module__), function.__qualname__, None)
    is_own = own.function is function if type(own) is ModelBoundFunction else own is value
    return f"{function.__module__}.{function.__qualname__}" if is_own else None


def _source_of(value: Any) -> dict[str, Any]:
    try:
        file = inspect.getsourcefile(inspect.unwrap(value))
        if file is not None:
            return {"file": Path(file).name, "sha256": hashlib.sha256(Path(file).read_bytes()).hexdigest()}
    # Built in, made at run time, or typed at a prompt.
    except (OSError, TypeError, ValueError):
        pass
    return {"file": None, "sha256": None}
