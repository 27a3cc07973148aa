"""Parse the user's choice of a box format: the setting ``MICROBENCH_BOXES``, or the option ``boxes`` of a task.

Both are the name of a format (a model id of the table, or ``neutral``), or a JSON object (in YAML a mapping). An object
has a ``format`` to start from, or both ``convention`` and ``prompt``; it may have ``limits``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from microbench_tasks.catalog import settings
from microbench_tasks.parsing.boxes.conventions import CONVENTIONS
from microbench_tasks.tasks.box_formats import FORMAT_BY_NAME, NEUTRAL, NEUTRAL_FORMAT, DetectionFormat
from microbench_tasks.tasks.image_resizing import PixelLimits
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.suggestions import did_you_mean
from microbench_tasks.util.untrusted import reject_duplicate_keys

SETTING = settings.BOXES
# What the source of a changed format starts with.
SET_BY_USER = "set by the user, from "
# No image is larger; the square root of a larger number may exceed the range of floating point.
_MOST_PIXELS = 10**15
_FIELDS = ("format", "convention", "prompt", "limits")


def format_of_setting() -> DetectionFormat | None:
    """Return the format that the environment sets; None if it sets none.

    Raises:
        DataError: the setting is not a format.
    """
    setting = os.environ.get(SETTING)
    return None if setting is None else parse_format(_parse_setting(setting), f"{SETTING}={setting}")


def _parse_setting(setting: str) -> Any:
    if not setting.lstrip().startswith("{"):
        return setting
    try:
        return json.loads(setting, object_pairs_hook=reject_duplicate_keys)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{SETTING}={setting}: expected a JSON object or the name of a format, got {error}.") from error


def parse_format(choice: Any, place: str) -> DetectionFormat:
    """Return the format that a name or a mapping describes.

    Args:
        choice: the name, or a mapping with some of the fields ``format``, ``convention``, ``prompt`` and ``limits``.
        place: where it was set, for messages.

    Raises:
        DataError: it names no format, or is incomplete.
    """
    fields = choice if isinstance(choice, Mapping) else {"format": choice}
    name = _base_name(fields, place)
    base = FORMAT_BY_NAME[name]
    convention, prompt = fields.get("convention", base.convention), fields.get("prompt", base.template)
    _check_convention_and_prompt(convention, prompt, place)
    return DetectionFormat(
        convention=convention,
        template=prompt,
        source=base.source if fields.keys() <= {"format"} else f"{SET_BY_USER}{name}",
        limits=_parse_limits(fields.get("limits", base.limits), convention, place),
        # What to ask after an empty answer depends on the first prompt.
        template_when_empty=None if "prompt" in fields else base.template_when_empty,
    )


def _base_name(fields: Mapping[str, Any], place: str) -> str:
    """Return the name of the format to start from; raise `DataError` if fields are unknown or missing."""
    unknown = [str(name) for name in fields if name not in _FIELDS]
    if unknown:
        raise DataError(f"{place}: {', '.join(unknown)} unknown. Expected {', '.join(_FIELDS)}.")
    if "format" not in fields and not fields.keys() >= {"convention", "prompt"}:
        raise DataError(
            f"{place}: expected a format to start from, or both convention and prompt: "
            "models write what the prompt asks for."
        )
    name = fields.get("format", NEUTRAL)
    if not isinstance(name, str) or name not in FORMAT_BY_NAME:
        raise DataError(
            f"{place}: {name!r} is not a format. {did_you_mean(str(name), FORMAT_BY_NAME)}"
            f"Expected one of {', '.join(FORMAT_BY_NAME)}, "
            "or a JSON object with convention and prompt."
        )
    if "convention" in fields and "prompt" not in fields:
        raise DataError(f"{place}: a convention without a prompt. Models write what the prompt asks for: give both.")
    return name


def _check_convention_and_prompt(convention: Any, prompt: Any, place: str) -> None:
    if not isinstance(convention, str) or convention not in CONVENTIONS:
        raise DataError(f"{place}: convention {convention!r} is unknown. Expected one of {', '.join(CONVENTIONS)}.")
    if not isinstance(prompt, str) or "{class}" not in prompt:
        raise DataError(
            f"{place}: prompt {prompt!r} does not say what to look for. "
            "Expected text with {class} in it ({W} and {H} stand for the image's size)."
        )
    if prompt == NEUTRAL_FORMAT.template and convention != NEUTRAL_FORMAT.convention:
        raise DataError(
            f"{place}: convention {convention!r} does not fit the prompt, which asks for {NEUTRAL_FORMAT.convention}. "
            "Leave out the convention, or give a prompt of your own."
        )


def _parse_limits(limits: Any, convention: str, place: str) -> PixelLimits | None:
    if CONVENTIONS[convention].frame != "model_input":
        if limits is not None and not isinstance(limits, PixelLimits):
            raise DataError(
                f"{place}: limits {limits!r}: boxes of the convention {convention} do not refer to the image "
                "as the model resizes it."
            )
        return None
    if limits is None or isinstance(limits, PixelLimits):
        return limits
    is_pair = isinstance(limits, list) and len(limits) == 2 and all(type(limit) is int for limit in limits)
    if not is_pair or not 0 < limits[0] <= limits[1] <= _MOST_PIXELS:
        raise DataError(
            f"{place}: limits {limits!r}: expected the smallest and the largest area in pixels "
            "of the images that the model's image processor returns, or null."
        )
    return PixelLimits(*limits)
