"""Find what is wrong with the name and the arguments of a model, before data or weights are read."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks.util import files
from microbench_tasks.util.suggestions import did_you_mean

# The harness passes these to every model.
_PASSED_BY_HARNESS = ("batch_size", "max_batch_size", "device")
_MAX_LISTED = 12
# Arguments of this package's models that name a folder or a repository on the Hub.
_CHECKPOINTS = ("model", "pretrained")
_OTHER_CHECKPOINTS = "merge_with"
_OWN_MODELS = "microbench_adapters."


def find_problems(model: str, model_args: str, force_simple: bool) -> Iterator[str]:
    """Yield what is wrong with a model's name and arguments.

    Args:
        model: its name in the harness.
        model_args: as typed.
        force_simple: the harness's option, which chooses among two classes of some models.
    """
    from lmms_eval import models

    known = models.list_available_models(include_aliases=True)
    if model not in known:
        yield (
            f"the model {model!r} is unknown. {did_you_mean(model, known)}lmms_eval models lists all. For weights "
            "of your own, the model is open_clip or transformers_clip, with the argument model=PATH."
        )
        return
    stray = next((part for part in _parts(model_args) if "=" not in part), None)
    if stray is not None:
        hint = (
            f"Write model={stray}"
            if model_args.startswith(stray)
            else "Commas separate arguments: rename a path that contains one"
        )
        yield f"model_args: expected NAME=VALUE, got {stray!r}. {hint}."
        return
    try:
        model_class = import_class(model, force_simple)
    # Modules of models import packages that may be missing, broken, or without a GPU.
    except Exception as error:
        cause = error.__cause__ or error
        yield f"the model {model} cannot be imported ({type(cause).__name__}: {cause})."
        return
    yield from _argument_problems(model, model_args, model_class)


def import_class(model: str, force_simple: bool) -> type:
    """Import the class of a model."""
    from lmms_eval import models

    # The harness logs the error, which the caller reports.
    logger.disable("lmms_eval")
    try:
        return models.get_model(model, force_simple)
    finally:
        logger.enable("lmms_eval")


def is_own(model_class: type) -> bool:
    """Tell whether a class is one of this package's models."""
    return model_class.__module__.startswith(_OWN_MODELS)


def _parts(model_args: str) -> list[str]:
    # The harness's own rule, which leaves commas in quotes and brackets alone.
    from lmms_eval.utils import _smart_comma_split

    return _smart_comma_split(model_args) if model_args.strip() else []


def _argument_problems(model: str, model_args: str, model_class: type) -> Iterator[str]:
    """Yield the arguments that the constructor of a model does not take, and those that it needs."""
    from lmms_eval.api.model import lmms
    from lmms_eval.utils import simple_parse_args_string

    stated: dict[str, Any] = simple_parse_args_string(model_args)
    is_harness_class = model_class.__module__.startswith("lmms_eval.")
    create = inspect.getattr_static(model_class, "create_from_arg_string")
    if is_harness_class and create is not inspect.getattr_static(lmms, "create_from_arg_string"):
        # Such a class may take other arguments than its constructor.
        return
    parameters = inspect.signature(model_class).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in stated:
        if name not in parameters and not (is_harness_class and name in _PASSED_BY_HARNESS):
            takes = f"It takes {_listed(list(parameters))}."
            yield f"model_args: {model} takes no {name}. {did_you_mean(name, parameters)}{takes}"
    for name, parameter in parameters.items():
        is_required = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
        if is_required and name not in stated and name not in _PASSED_BY_HARNESS:
            adds_weights = " pretrained= only adds weights to it." if name == "model" and "pretrained" in stated else ""
            yield f"model_args: {model} needs {name}. Write model_args: {name}=….{adds_weights}"
    if is_own(model_class):
        named = {name: str(stated[name]) for name in (*_CHECKPOINTS, _OTHER_CHECKPOINTS) if name in stated}
        problems = list(_path_problems({name: named[name] for name in _CHECKPOINTS if name in named}))
        yield from problems or _weight_problems(model_class, named)


def _path_problems(checkpoints: dict[str, str]) -> Iterator[str]:
    """Yield the arguments that are paths of nothing: no name on the Hub begins with ``.``, ``/`` or ``~``."""
    for name, value in checkpoints.items():
        if value.startswith((".", "/", "~")) and files.existing_path(value) is None:
            yield f"model_args: {name}={value}: there is no such file or folder here ({Path.cwd()})."


def _weight_problems(model_class: Any, checkpoints: dict[str, str]) -> Iterator[str]:
    """Yield why local weights cannot be opened, as the model's class says; the random model has none."""
    if hasattr(model_class, "check_files"):
        try:
            model_class.check_files(checkpoints)
        except ValueError as error:
            yield f"model_args: {error}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_MAX_LISTED] + (["…"] if len(names) > _MAX_LISTED else []))
