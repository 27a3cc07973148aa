"""The named models as classes: one for each row of `CHECKPOINTS`, built when it is first asked for."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from microbench_adapters.checkpoints.registry import CHECKPOINTS, Checkpoint
from microbench_adapters.libraries.checkpoint_model import CheckpointModel

# The adapter of each library; each imports its library.
ADAPTERS = {
    "open_clip": "microbench_adapters.libraries.open_clip_adapter.OpenClip",
    "transformers_clip": "microbench_adapters.libraries.transformers_adapter.TransformersClip",
    "conch": "microbench_adapters.libraries.conch_adapter.Conch",
}


def adapter_class(library: str) -> type[CheckpointModel]:
    """Import and return an adapter's class by its model name.

    Raises:
        ValueError: there is no such adapter.
    """
    if library not in ADAPTERS:
        raise ValueError(f"Adapter {library!r} is unknown. Expected one of: {', '.join(ADAPTERS)}.")
    module, name = ADAPTERS[library].rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def __getattr__(name: str) -> type[CheckpointModel]:
    """Return the class of a named model; build it the first time."""
    if name not in CHECKPOINTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = model = _build_class(name, CHECKPOINTS[name])
    return model


def _build_class(name: str, row: Checkpoint) -> type[CheckpointModel]:
    """Return a subclass of the row's adapter with the row's values as defaults."""
    base = adapter_class(row.adapter)
    parameters = inspect.signature(base).parameters
    defaults: dict[str, Any] = {**row.arguments, "context_length": row.context_length}
    if "padding" in parameters:
        defaults["padding"] = row.padding

    def init(self: CheckpointModel, **options: Any) -> None:
        base.__init__(self, **(_applicable_defaults(row, defaults, options) | options))

    attributes = {
        "__init__": init,
        "__doc__": f"``{row.arguments['model']}``, {row.source}. Arguments as of `{base.__name__}`.",
        "__module__": __name__,
        "checkpoint": row,
    }
    model: type[CheckpointModel] = type(name, (base,), attributes)
    # Set after the class is made, as `__init_subclass__` sets one, too. --model_args are checked against it.
    model.__signature__ = inspect.Signature(
        [
            parameter.replace(default=defaults.get(key, parameter.default), kind=parameter.KEYWORD_ONLY)
            for key, parameter in parameters.items()
        ]
    )
    return model


def _applicable_defaults(row: Checkpoint, defaults: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults that apply beside ``options``.

    A revision belongs to a repository, a tag to an architecture.
    """
    applicable = dict(defaults)
    if options.get("model", row.arguments["model"]) != row.arguments["model"]:
        for name in ("pretrained", "revision"):
            applicable.pop(name, None)
    elif "pretrained" in options and "pretrained" in row.arguments:
        applicable.pop("revision", None)
    return applicable
