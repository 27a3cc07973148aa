"""What every model here does alike towards the harness: read its arguments, refuse what it cannot do."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from lmms_eval import utils

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance
    from lmms_eval.api.model import lmms


def checked_arguments(model: type[lmms], arg_string: str) -> dict[str, Any]:
    """``--model_args`` by name.

    Raises:
        ValueError: an argument is unknown to the constructor of ``model``, or one is missing.
    """
    options = utils.simple_parse_args_string(arg_string)
    known = inspect.signature(model).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    wrong = [] if takes_any else [f"{name} is unknown" for name in options if name not in known]
    required = [name for name, parameter in known.items() if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD]
    wrong += [f"{name} is missing" for name in required if name not in options]
    if wrong:
        raise ValueError(f"--model_args: {', '.join(wrong)}. {model.__name__} takes {', '.join(known)}.")
    return options


def refusal(requests: list[Instance], wanted: str, model: str) -> str:
    """The message that the tasks of ``requests`` ask for something that this kind of model does not do."""
    names = ", ".join(dict.fromkeys(request.task_name for request in requests))
    return f"{names}: asked for {wanted}, but a {model} only chooses among given texts. It runs tasks of output type generate_until with doc_to_choice, such as microbench_coarse."
