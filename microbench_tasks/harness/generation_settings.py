"""Check ``--gen_kwargs`` before data or weights are read."""

from __future__ import annotations

from typing import Any

from loguru import logger

from microbench_tasks.harness import capabilities
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.suggestions import did_you_mean

_NUMBERS = ("temperature", "top_p", "top_k", "max_new_tokens", "num_beams", "repetition_penalty", "length_penalty")
_YES_OR_NO = ("do_sample", "use_cache")
# Models have settings of their own with similar names: max_tokens is none of transformers.
_LEAST_SIMILARITY = 0.9


def check(typed: str | None, model: str) -> None:
    """Check the names and the values of the settings of written answers.

    A model that only chooses among texts writes none: a warning says that the option has no effect. It is no error,
    since ``microbench run`` has one ``--gen_kwargs`` for all models of a list.

    Args:
        typed: the value of ``--gen_kwargs``.
        model: its name in the harness.

    Raises:
        DataError: a name is mistyped, a part is no ``NAME=VALUE``, or a value is not of the kind that the setting has.
    """
    # The private function knows which commas the harness splits at.
    from lmms_eval.utils import _smart_comma_split, simple_parse_args_string

    if not typed:
        return
    for part in _smart_comma_split(typed.strip()):
        if "=" not in part:
            raise DataError(f"--gen_kwargs {typed}: expected NAME=VALUE, got {part!r}. Write temperature=0.")
    for name, value in simple_parse_args_string(typed).items():
        _check_setting(name, value)
    if capabilities.needs_choices(model):
        logger.warning(f"--gen_kwargs {typed}: has no effect, since {model} only chooses among given texts.")


def _check_setting(name: str, value: Any) -> None:
    if name in _NUMBERS and value is not None and type(value) not in (int, float):
        raise DataError(f"--gen_kwargs {name}={value}: expected a number.")
    if name in _YES_OR_NO and value not in (True, False):
        raise DataError(f"--gen_kwargs {name}={value}: expected True or False.")
    suggestion = "" if name in _known_names() else did_you_mean(name, _known_names(), _LEAST_SIMILARITY)
    if suggestion:
        raise DataError(f"--gen_kwargs {name}={value}: {name} is unknown. {suggestion}")


def _known_names() -> set[str]:
    from transformers import GenerationConfig

    return {*vars(GenerationConfig()), *_NUMBERS, *_YES_OR_NO}
