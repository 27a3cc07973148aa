"""The tasks' YAML as data, read without the harness and without resolving a source."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml


def yaml_folder() -> Path:
    """Return the installed folder of task definitions."""
    spec = importlib.util.find_spec("microbench_yaml")
    return Path(next(iter(spec.submodule_search_locations)))


class FunctionName(str):
    """Hold the dotted name after ``!function``: a function or another attribute of a module."""

    def resolve(self) -> Any:
        """Import what the name stands for."""
        module, _, attribute = self.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


class _Loader(yaml.SafeLoader):
    """Leaves a ``!function`` as the name that it gives."""


_Loader.add_constructor("!function", lambda loader, node: FunctionName(node.value))


@functools.cache
def definition(name: str) -> dict[str, Any]:
    """The definition of a task or group of Micro-Bench, what it includes merged in; functions are dotted names."""
    return _read(f"{name}.yaml")


@functools.cache
def _read(file_name: str) -> dict[str, Any]:
    stated = yaml.load((yaml_folder() / file_name).read_text(encoding="utf-8"), _Loader)
    included = stated.pop("include", None)
    return (_read(included) if included else {}) | stated


@functools.cache
def aggregations(name: str) -> dict[str, Callable]:
    """The aggregation of each metric of a task, or of a group."""
    stated = definition(name)
    return {
        entry["metric"]: entry["aggregation"].resolve()
        for entry in stated.get("metric_list", stated.get("aggregate_metric_list"))
    }
