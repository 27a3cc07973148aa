"""Read the tasks' YAML as data, without the harness and without resolving a data source."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from microbench_tasks import catalog
from microbench_tasks.tasks.task_stubs import task_stub


def yaml_folder() -> Path:
    """Return the installed folder of task definitions."""
    spec = importlib.util.find_spec("microbench_yaml")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("The package microbench_yaml is missing. Install microbench-lmms again.")
    return Path(next(iter(spec.submodule_search_locations)))


class FunctionName(str):
    """Hold the dotted name after ``!function``: a function or another attribute of a module."""

    def resolve(self) -> Any:
        """Import what the name stands for."""
        module, _, attribute = self.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


class _Loader(yaml.SafeLoader):
    """Load a ``!function`` as a `FunctionName`."""


_Loader.add_constructor("!function", lambda loader, node: FunctionName(node.value))


@functools.cache
def definition(name: str) -> dict[str, Any]:
    """Return the definition of a task or group of Micro-Bench with its template merged in; functions stay names."""
    # The YAML of own datasets is written when the harness reads its index.
    return _merged(task_stub(catalog.task_of(name))) if catalog.is_own(name) else _read(f"{name}.yaml")


@functools.cache
def _read(file_name: str) -> dict[str, Any]:
    return _merged((yaml_folder() / file_name).read_text(encoding="utf-8"))


def _merged(text: str) -> dict[str, Any]:
    stated = yaml.load(text, _Loader)
    included = stated.pop("include", None)
    return (_read(included) if included else {}) | stated


@functools.cache
def aggregations(name: str) -> dict[str, Callable]:
    """Return the aggregation of each metric of a task or group."""
    stated = definition(name)
    entries = stated["metric_list"] if "metric_list" in stated else stated["aggregate_metric_list"]
    return {entry["metric"]: entry["aggregation"].resolve() for entry in entries}
