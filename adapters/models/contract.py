"""How every model behaves towards the harness: its arguments, the form of its answers, and what it refuses."""

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
CHOOSING_ONLY = (
    "only chooses among given texts. "
    "It runs tasks of output type generate_until with doc_to_choice, such as microbench_coarse."
)


def parse_options(model: type[lmms], arg_string: str, additional_config: dict[str, Any] | None) -> dict[str, Any]:
    """Return the constructor's arguments: ``--model_args``, which override the harness's own flags.

    The harness passes its default ``--batch_size``, the integer 1, to every model; it is ignored. A batch size that
    the user typed is text.

    Raises:
        ValueError: an argument is unknown or missing.
    """
    options = parse_model_args(model, arg_string)
    flags = {name: value for name, value in (additional_config or {}).items() if value is not None}
    if type(flags.get("batch_size")) is int and flags["batch_size"] == 1:
        del flags["batch_size"]
    return flags | options


def parse_model_args(model: type[lmms], arg_string: str) -> dict[str, Any]:
    """Parse ``--model_args`` and check the names against the constructor of ``model``.

    Raises:
        ValueError: an argument is unknown to the constructor, or one is missing.
    """
    options = utils.simple_parse_args_string(arg_string)
    known = inspect.signature(model).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    faults = [] if takes_any else [f"{name} is unknown" for name in options if name not in known]
    required = [
        name
        for name, parameter in known.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    faults += [f"{name} is missing" for name in required if name not in options]
    if faults:
        raise ValueError(f"--model_args: {', '.join(faults)}. {model.__name__} takes {', '.join(known)}.")
    return options


def unsupported(requests: Iterable[Instance], wanted: str, model: str, ability: str = CHOOSING_ONLY) -> str:
    """Return the message that tasks ask for something that this kind of model does not do.

    Args:
        requests: of the tasks.
        wanted: what they ask for.
        model: the kind of model.
        ability: what it does instead.
    """
    names = ", ".join(dict.fromkeys(request.task_name for request in requests))
    return f"{names}: asked for {wanted}, but a {model} {ability}"


def choice_letters(choices: Sized, task_name: str, doc_id: int) -> str:
    """Return a letter for each choice of a document.

    Raises:
        ValueError: there are no choices, or more than letters.
    """
    if not 1 <= len(choices) <= len(string.ascii_uppercase):
        raise ValueError(
            f"Task {task_name}, document {doc_id}: "
            f"expected 1 to {len(string.ascii_uppercase)} choices, got {len(choices)}."
        )
    return string.ascii_uppercase[: len(choices)]


def probability_line(probabilities: Iterable[float]) -> str:
    """Return the last line of an answer with probabilities: JSON by letter, in the order of the choices.

    >>> probability_line([0.25, 0.75])
    '{"probabilities": {"A": 0.25, "B": 0.75}}'
    """
    # There are more letters than choices.
    return json.dumps({"probabilities": dict(zip(string.ascii_uppercase, probabilities, strict=False))})


def round_significant(probability: float) -> float:
    """Round a probability that may be small to significant digits.

    >>> round_significant(0.000123456789)
    0.000123457
    """
    return float(f"{probability:.{PROBABILITY_DIGITS}g}")
