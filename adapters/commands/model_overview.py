"""Describe the models of this package: what each loads, needs and takes (``microbench models``).

All but the arguments is data, so that the overview imports no model's library.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, NamedTuple

from microbench_adapters.checkpoints.registry import CHECKPOINTS, Checkpoint
from microbench_adapters.manifests import class_paths

Kind = Literal["contrastive", "generative", "random"]


class _Adapter(NamedTuple):
    kind: Kind
    loads: str
    packages: tuple[str, ...] = ()


# By model name. `conch` is a named model, too, and loads that checkpoint alone.
_ADAPTERS: Mapping[str, _Adapter] = {
    "open_clip": _Adapter("contrastive", "any open_clip checkpoint", ("open_clip_torch",)),
    "transformers_clip": _Adapter(
        "contrastive",
        "a dual encoder that transformers loads: CLIP, SigLIP, SigLIP 2, ALIGN, AltCLIP, Chinese-CLIP and others",
        ("transformers",),
    ),
    "conch": _Adapter("contrastive", "CONCH", ("conch-fork",)),
    "paligemma": _Adapter("generative", "PaliGemma, or PaliGemma 2"),
    "transformers_vlm": _Adapter("generative", "an image-text-to-text model of transformers"),
    "qwen_vl_chat": _Adapter("generative", "Qwen-VL-Chat"),
    "microbench_random": _Adapter("random", "nothing: answers with one of a task's choices, each equally likely"),
}


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
    """

    name: str
    kind: Kind
    loads: str
    loaded_by: str
    source: str
    packages: tuple[str, ...]
    missing: tuple[str, ...]


def describe_models() -> list[Description]:
    """Describe every model that can be named; imports no library of a model."""
    return [_describe(name) for name in class_paths()]


def arguments_of(name: str) -> dict[str, str]:
    """Return the arguments of ``--model_args`` of a model, with their defaults as text; empty for a required one.

    Imports the model's library, which takes seconds, and loads no weights.
    """
    module, attribute = class_paths()[name].rsplit(".", 1)
    model = getattr(importlib.import_module(module), attribute)
    return {key: _default(parameter) for key, parameter in inspect.signature(model).parameters.items()}


def _describe(name: str) -> Description:
    row = CHECKPOINTS.get(name)
    adapter = _ADAPTERS[row.adapter if row else name]
    return Description(
        name,
        adapter.kind,
        _checkpoint(row) if row else adapter.loads,
        row.adapter if row else name,
        row.source if row else "",
        adapter.packages,
        tuple(package for package in adapter.packages if not _is_installed(package)),
    )


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
