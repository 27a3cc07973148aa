"""Describe the models of this package: what each loads, needs and takes (``microbench models``)."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from microbench_adapters.checkpoints.registry import CHECKPOINTS, Checkpoint
from microbench_adapters.manifests import class_paths
from microbench_adapters.models.random_model import RandomModel

Kind = Literal["contrastive", "generative", "random"]
# In the order of the overview.
KINDS: tuple[Kind, ...] = ("contrastive", "generative", "random")


@dataclass(frozen=True)
class Description:
    """Describe one model.

    Attributes:
        name: as ``--model`` takes it.
        kind: contrastive models choose among given texts, generative ones write.
        loads: the checkpoint of a named model, or what an adapter can load.
        loaded_by: the adapter that loads a named model; its own name for an adapter.
        source: address of the page that describes the checkpoint; empty for an adapter.
        packages: what it needs installed beside this package's own requirements, by pip's names.
        missing: those of ``packages`` that are not installed.
        arguments: of ``--model_args``, with their defaults as text; empty for a required one.
    """

    name: str
    kind: Kind
    loads: str
    loaded_by: str
    source: str
    packages: tuple[str, ...]
    missing: tuple[str, ...]
    arguments: dict[str, str]


def describe_models() -> list[Description]:
    """Describe every model that can be named; imports their libraries and loads no weights."""
    return [_describe(name, path) for name, path in class_paths().items()]


def _describe(name: str, path: str) -> Description:
    module, attribute = path.rsplit(".", 1)
    model = getattr(importlib.import_module(module), attribute)
    row = CHECKPOINTS.get(name)
    packages = tuple(getattr(model, "libraries", ()))
    return Description(
        name,
        _kind(model),
        _checkpoint(row) if row else _first_words(model),
        row.adapter if row else name,
        row.source if row else "",
        packages,
        tuple(package for package in packages if not _is_installed(package)),
        {key: _default(parameter) for key, parameter in inspect.signature(model).parameters.items()},
    )


def _kind(model: type) -> Kind:
    if getattr(model, "needs_choices", False):
        return "contrastive"
    return "random" if issubclass(model, RandomModel) else "generative"


def _first_words(model: type) -> str:
    """Return the first line of a class's docstring, which says what the adapter loads."""
    line = (inspect.getdoc(model) or "").partition("\n")[0]
    return line.partition(" behind the harness")[0].rstrip(",.")


def _checkpoint(row: Checkpoint) -> str:
    named: dict[str, Any] = dict(row.arguments)
    if str(named["model"]).startswith("local-dir:"):
        return "ships with the package"
    return ", ".join(str(named[key]) for key in ("model", "pretrained") if key in named)


def _default(parameter: inspect.Parameter) -> str:
    return "" if parameter.default is parameter.empty else str(parameter.default)


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
