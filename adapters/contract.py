"""What every model here does alike towards the harness: read its arguments, write answers, refuse what it cannot do."""

from __future__ import annotations

import inspect
import json
import string
from collections.abc import Iterable, Sized
from typing import TYPE_CHECKING, Any

from lmms_eval import utils

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance
    from lmms_eval.api.model import lmms


# Rounding keeps the log small; models in single precision agree to about six digits.
PROBABILITY_DIGITS = 6
_CHOOSES = "only chooses among given texts. It runs tasks of output type generate_until with doc_to_choice, such as microbench_coarse."


def options_of(model: type[lmms], arg_string: str, additional_config: dict[str, Any] | None) -> dict[str, Any]:
    """The constructor's arguments: ``--model_args``, which win over the harness's own flags.

    The harness passes its default ``--batch_size``, the integer 1 (typed on the command line it is
    text), to every model; that means no wish.

    Raises:
        ValueError: an argument is unknown or missing.
    """
    options = checked_arguments(model, arg_string)
    flags = {name: value for name, value in (additional_config or {}).items() if value is not None}
    if type(flags.get("batch_size")) is int and flags["batch_size"] == 1:
        del flags["batch_size"]
    return flags | options


def checked_arguments(model: type[lmms], arg_string: str) -> dict[str, Any]:
    """``--model_args`` by name.

    Raises:
        ValueError: an argument is unknown to the constructor of ``model``, or one is missing.
    """
    options = utils.simple_parse_args_string(arg_string)
    known = inspect.signature(model).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    wrong = [] if takes_any else [f"{name} is unknown" for name in options if name not in known]
    required = [
        name
        for name, parameter in known.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    wrong += [f"{name} is missing" for name in required if name not in options]
    if wrong:
        raise ValueError(f"--model_args: {', '.join(wrong)}. {model.__name__} takes {', '.join(known)}.")
    return options


def refusal(requests: list[Instance], wanted: str, model: str, ability: str = _CHOOSES) -> str:
    """The message that the tasks of ``requests`` ask for something that this kind of model does not do, but only its ``ability``."""
    names = ", ".join(dict.fromkeys(request.task_name for request in requests))
    return f"{names}: asked for {wanted}, but a {model} {ability}"


def letters_of(choices: Sized, task_name: str, doc_id: int) -> str:
    """A letter for each choice of a document.

    Raises:
        ValueError: there are none, or more than letters.
    """
    if not 1 <= len(choices) <= len(string.ascii_uppercase):
        raise ValueError(
            f"Task {task_name}, document {doc_id}: expected 1 to {len(string.ascii_uppercase)} choices, got {len(choices)}."
        )
    return string.ascii_uppercase[: len(choices)]


def probability_line(shares: Iterable[float]) -> str:
    """The last line of an answer to a task that asks for probabilities: JSON by letter, in the order of the choices."""
    return json.dumps({"probabilities": dict(zip(string.ascii_uppercase, shares))})


def significant(share: float) -> float:
    """A probability that may be small, rounded to significant digits, not decimals."""
    return float(f"{share:.{PROBABILITY_DIGITS}g}")
