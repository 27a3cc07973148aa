"""The models with a name of their own, as classes: one for each row of `CHECKPOINTS`, made when it is asked for."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from microbench_adapters.checkpoint_model import CheckpointModel
from microbench_adapters.checkpoints import CHECKPOINTS, Checkpoint

# The adapter of each library; each imports its library.
ADAPTERS = {
    "open_clip": "microbench_adapters.open_clip_adapter.OpenClip",
    "transformers_clip": "microbench_adapters.transformers_adapter.TransformersClip",
    "conch": "microbench_adapters.conch_adapter.Conch",
}


def adapter(library: str) -> type[CheckpointModel]:
    """The adapter's class, by its model name.

    Raises:
        KeyError: there is no such adapter.
    """
    module, name = ADAPTERS[library].rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def __getattr__(name: str) -> type[CheckpointModel]:
    if name not in CHECKPOINTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = _system(name, CHECKPOINTS[name])
    return found


def _system(name: str, row: Checkpoint) -> type[CheckpointModel]:
    """The adapter's class with the row's values as defaults."""
    base = adapter(row.adapter)
    parameters = inspect.signature(base).parameters
    defaults = (
        dict(row.arguments)
        | {"context_length": row.context_length}
        | ({"padding": row.padding} if "padding" in parameters else {})
    )

    def __init__(self, **options: Any) -> None:
        base.__init__(self, **(_remaining(row, defaults, options) | options))

    made = type(
        name,
        (base,),
        {
            "__init__": __init__,
            "__doc__": f"``{row.arguments['model']}``, {row.source}. Arguments as of `{base.__name__}`.",
            "__module__": __name__,
            "checkpoint": row,
        },
    )
    # What --model_args are checked against.
    made.__signature__ = inspect.Signature(
        [
            parameter.replace(default=defaults.get(key, parameter.default), kind=parameter.KEYWORD_ONLY)
            for key, parameter in parameters.items()
        ]
    )
    return made


def _remaining(row: Checkpoint, defaults: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The defaults that still hold beside ``options``: a revision belongs to a repository, a tag to an architecture."""
    left = dict(defaults)
    if options.get("model", row.arguments["model"]) != row.arguments["model"]:
        for name in ("pretrained", "revision"):
            left.pop(name, None)
    elif "pretrained" in options and "pretrained" in row.arguments:
        left.pop("revision", None)
    return left
