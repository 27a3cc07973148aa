"""Find functions of the harness by name, and check that they have the parameters that a patch relies on."""

from __future__ import annotations

import enum
import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

# Where the targets of several patches are.
TASK_MANAGER = "lmms_eval.tasks:TaskManager"
TASK = "lmms_eval.api.task:ConfigurableTask"
CACHE = "lmms_eval.caching.response_cache:ResponseCache"
TRACKER = "lmms_eval.loggers.evaluation_tracker:EvaluationTracker"
EVALUATE = "lmms_eval.evaluator:evaluate"

# Modules that are never imported for a patch. The evaluator imports the models before it defines anything, and the
# models load the entry point that installs the patches: importing the evaluator from there would be circular.
_NOT_IMPORTED_BY_US = frozenset({"lmms_eval.evaluator", "lmms_eval.__main__"})


class Fit(enum.Enum):
    """Tell whether a target is as the patch expects it."""

    OK = "ok"
    MISSING = "missing"
    OTHER_SIGNATURE = "other signature"
    NOT_IMPORTED = "not imported yet"


@dataclass(frozen=True)
class Finding:
    """Record how a target fits; ``detail`` says what is missing, in words."""

    fit: Fit
    detail: str = ""

    @property
    def is_ok(self) -> bool:
        """Tell whether the target is as the patch expects it."""
        return self.fit is Fit.OK


@dataclass(frozen=True)
class Target:
    """Name a function, method, property or table of the harness.

    Attributes:
        path: ``package.module:name`` or ``package.module:Class.name``.
        parameters: names that its signature must contain.
    """

    path: str
    parameters: tuple[str, ...] = field(default=())

    def examine(self, *, import_all: bool = False) -> Finding:
        """Compare the target with the installed harness; ``import_all`` also imports `_NOT_IMPORTED_BY_US`."""
        try:
            owner, name = self._owner(import_all=import_all)
            value = inspect.getattr_static(owner, name)
        except _NotImportedError:
            return Finding(Fit.NOT_IMPORTED)
        except ImportError as error:
            return Finding(Fit.MISSING, f"{type(error).__name__}: {error}")
        except AttributeError:
            return Finding(Fit.MISSING, f"no {self.short_name} in {self._module}")
        accepted = _parameters(value) if self.parameters else set()
        missing = sorted(set(self.parameters) - accepted)
        return Finding(Fit.OTHER_SIGNATURE, f"takes no {', '.join(missing)}") if missing else Finding(Fit.OK)

    def replace(self, wrap: Callable[[Callable], Callable]) -> None:
        """Replace the target with ``wrap(original)``, also in modules of the harness that imported it by name."""
        owner, name = self._owner(import_all=False)
        original = inspect.getattr_static(owner, name)
        if isinstance(original, property):
            getter = original.fget
            assert getter is not None, f"{self.path} cannot be read"
            setattr(owner, name, property(wrap(getter)))
        elif isinstance(original, (classmethod, staticmethod)):
            setattr(owner, name, type(original)(wrap(original.__func__)))
        else:
            wrapped = wrap(original)
            setattr(owner, name, wrapped)
            for module in _importers(original, name) if isinstance(owner, ModuleType) else ():
                setattr(module, name, wrapped)

    @property
    def short_name(self) -> str:
        """Return the name without the module."""
        return self.path.partition(":")[2]

    @property
    def _module(self) -> str:
        return self.path.partition(":")[0]

    def _owner(self, *, import_all: bool) -> tuple[Any, str]:
        if self._module in _NOT_IMPORTED_BY_US and not import_all:
            owner: Any = sys.modules.get(self._module)
            if owner is None or getattr(owner.__spec__, "_initializing", False):
                raise _NotImportedError
        else:
            owner = importlib.import_module(self._module)
        *outer, name = self.short_name.split(".")
        for part in outer:
            owner = getattr(owner, part)
        return owner, name


# Many patches ask the evaluator for the tasks of a run.
GET_TASK_LIST = Target("lmms_eval.evaluator:get_task_list", ("task_dict",))


class _NotImportedError(Exception):
    """Report a module that the harness has not finished importing."""


def _parameters(value: Any) -> set[str]:
    function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()


def _importers(original: Callable, name: str) -> list[ModuleType]:
    loaded = [module for path, module in list(sys.modules.items()) if path.partition(".")[0] == "lmms_eval"]
    return [module for module in loaded if vars(module).get(name) is original]
