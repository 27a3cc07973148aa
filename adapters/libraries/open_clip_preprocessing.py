"""The preprocessing settings of open_clip: parse, check and pick them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

_ALLOWED_WORDS = {"interpolation": ("bicubic", "bilinear"), "resize_mode": ("shortest", "longest", "squash")}
_SETTINGS = ("mean", "std", "interpolation", "resize_mode")
PREPROCESS_HINT = (
    'Say how the model was trained: preprocess={"mean":[…],"std":[…],"interpolation":"bicubic",'
    '"resize_mode":"shortest"}.'
)


def pick_preprocess(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the preprocessing settings among those of ``config``."""
    return {name: value for name, value in config.items() if name in _SETTINGS}


def parse_preprocess(text: str | None) -> dict[str, Any]:
    """Parse the option ``preprocess``.

    Raises:
        ValueError: it is not a JSON object with preprocessing settings.
    """
    if text is None:
        return {}
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise ValueError(f"preprocess={text}: expected a JSON object: {error}.") from error
    if not isinstance(settings, dict) or not set(settings) <= set(_SETTINGS):
        raise ValueError(f"preprocess={text}: expected an object with {', '.join(_SETTINGS)}.")
    check_preprocess(settings, "preprocess")
    return settings


def check_preprocess(settings: Mapping[str, Any], where: str) -> None:
    """Check the values of preprocessing settings.

    Raises:
        ValueError: a value is none that open_clip takes.
    """
    for name, value in settings.items():
        if name in _ALLOWED_WORDS:
            is_valid = value in _ALLOWED_WORDS[name]
        else:
            is_triple = isinstance(value, (list, tuple)) and len(value) == 3 and all(map(_is_number, value))
            is_valid = is_triple and (name == "mean" or min(value) > 0)
        if not is_valid:
            expected = " or ".join(_ALLOWED_WORDS.get(name, ("a list of three numbers, of std above 0",)))
            raise ValueError(f"{where}: {name} is {value}; expected {expected}.")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
