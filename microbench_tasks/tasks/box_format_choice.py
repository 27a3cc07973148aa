"""Choose how a model is asked for boxes.

The setting decides, else the task's option, else the type of the loaded checkpoint, else the model id.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microbench_tasks.tasks.box_format_setting import SETTING, format_of_setting, parse_format
from microbench_tasks.tasks.box_formats import (
    FORMAT_OF_MODEL,
    FORMAT_OF_MODEL_TYPE,
    LOADED_BY_TYPE,
    NEUTRAL_FORMAT,
    DetectionFormat,
)
from microbench_tasks.tasks.image_resizing import QWEN2_5_FACTOR, PixelLimits
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.notices import warn_once

# The name of the option among a task's lmms_eval_specific_kwargs, and how a record names a choice by it.
OPTION = "boxes"
CHOSEN_BY_OPTION = f"lmms_eval_specific_kwargs: {OPTION}"
# The model arguments that change the limits of Qwen2.5-VL.
LIMIT_ARGUMENTS = ("min_pixels", "max_pixels")


@dataclass(frozen=True)
class LoadedFamily:
    """Describe the family of a loaded checkpoint; a model states it as its attribute ``box_family``, a mapping.

    Args:
        model_type: of transformers.
        limits: smallest and largest area in pixels of the images that its processor returns; None if it has none.
        factor: of which the sides of these images are multiples, in pixels; None if there is none.
    """

    model_type: str
    limits: tuple[int, int] | None = None
    factor: int | None = None


@dataclass(frozen=True)
class ChosenFormat:
    """Hold a format and why it was chosen.

    Args:
        detection_format: how the model is asked.
        chosen_by: the setting, the option, the type or the id of the model that it was chosen by.
    """

    detection_format: DetectionFormat
    chosen_by: str

    def record(self) -> dict[str, Any]:
        """Return the record for results files."""
        chosen = self.detection_format
        return {
            "convention": chosen.convention,
            "prompt": chosen.template,
            "prompt_when_empty": chosen.template_when_empty,
            "limits": None if chosen.limits is None else dataclasses.astuple(chosen.limits),
            "source": chosen.source,
            "chosen_by": self.chosen_by,
        }


def choose_format(
    model: str | None, options: Mapping[str, Any] | None, family: LoadedFamily | None = None
) -> ChosenFormat:
    """Return the format for a model: that of the environment, else of the task's option, else of the model.

    A model whose convention is not known gets the neutral format, and a warning says so.

    Args:
        model: id in lmms-eval or in our adapters; None if it is not known.
        options: the task's ``lmms_eval_specific_kwargs``.
        family: of the loaded checkpoint, if the model states it; it decides instead of the id.

    Raises:
        DataError: the setting or the option names no format, or is incomplete.
    """
    by_setting = format_of_setting()
    if by_setting is not None:
        return ChosenFormat(by_setting, SETTING)
    option = (options or {}).get(OPTION)
    if option is not None:
        by_option = parse_format(option, f"lmms_eval_specific_kwargs, {OPTION}: {option}")
        return ChosenFormat(by_option, CHOSEN_BY_OPTION)
    if family is not None:
        chosen = format_of_family(family)
        if chosen.detection_format is NEUTRAL_FORMAT:
            _warn_of_neutral(f"models of type {family.model_type} write")
        return chosen
    if model not in FORMAT_OF_MODEL and model != LOADED_BY_TYPE:
        _warn_of_neutral(f"the model {model} writes")
    return default_format(model)


def _warn_of_neutral(who_writes: str) -> None:
    warn_once(
        f"How {who_writes} boxes is not known: it is asked for JSON objects in pixels. "
        f"If it was trained to write them otherwise, set {SETTING} to one of {', '.join(FORMAT_OF_MODEL)}, "
        "or to a JSON object with convention and prompt."
    )


def format_of_family(family: LoadedFamily) -> ChosenFormat:
    """Return the format that a checkpoint of a family gets if the user sets none."""
    known = FORMAT_OF_MODEL_TYPE.get(family.model_type)
    if known is not None and known.limits is not None:
        # The size of the image that the model sees must be known exactly.
        limits = family.limits if family.factor == QWEN2_5_FACTOR else None
        known = None if limits is None else dataclasses.replace(known, limits=PixelLimits(*limits))
    if known is None:
        return ChosenFormat(NEUTRAL_FORMAT, f"default: how models of type {family.model_type} write boxes is not known")
    return ChosenFormat(known, f"model type {family.model_type}")


def default_format(model: str | None) -> ChosenFormat:
    """Return the format that a model gets if the user sets none."""
    if model is None or model not in FORMAT_OF_MODEL:
        return ChosenFormat(NEUTRAL_FORMAT, f"default: how {model} writes boxes is not known")
    return ChosenFormat(FORMAT_OF_MODEL[model], f"model {model}")


def check_model_args(model: str, model_args: Mapping[str, Any]) -> None:
    """Reject arguments that let the model resize images in another way than its format states.

    Args:
        model: its id.
        model_args: the arguments that it will be given.

    Raises:
        DataError: ``min_pixels`` or ``max_pixels`` is not the format's limit.
    """
    limits = choose_format(model, None).detection_format.limits
    if limits is None:
        return
    stated = list(dataclasses.astuple(limits))
    given = [model_args.get(name, limit) for name, limit in zip(LIMIT_ARGUMENTS, stated, strict=True)]
    if given != stated:
        setting = json.dumps({"format": model, "limits": given})
        raise DataError(
            f"--model_args: min_pixels and max_pixels change the size that the boxes of {model} refer to. "
            f"Say so to the tasks too: {SETTING}='{setting}'."
        )
