"""Choose how a model is asked for boxes: by the setting, the task's option or the model id, in this order."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microbench_tasks.tasks.box_format_setting import SETTING, format_of_setting, parse_format
from microbench_tasks.tasks.box_formats import FORMAT_OF_MODEL, NEUTRAL_FORMAT, DetectionFormat
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.notices import warn_once

# The name of the option among a task's lmms_eval_specific_kwargs, and how a record names a choice by it.
OPTION = "boxes"
CHOSEN_BY_OPTION = f"lmms_eval_specific_kwargs: {OPTION}"
# The model arguments that change the limits of Qwen2.5-VL.
LIMIT_ARGUMENTS = ("min_pixels", "max_pixels")


@dataclass(frozen=True)
class ChosenFormat:
    """Hold a format and why it was chosen.

    Args:
        detection_format: how the model is asked.
        chosen_by: the setting, the option or the model id that it was chosen by.
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


def choose_format(model: str | None, options: Mapping[str, Any] | None) -> ChosenFormat:
    """Return the format for a model: that of the environment, else of the task's option, else of the model.

    A model whose convention is not known gets the neutral format, and a warning says so.

    Args:
        model: id in lmms-eval or in our adapters; None if it is not known.
        options: the task's ``lmms_eval_specific_kwargs``.

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
    if model not in FORMAT_OF_MODEL:
        warn_once(
            f"How the model {model} writes boxes is not known: it is asked for JSON objects in pixels. "
            f"If it was trained to write them otherwise, set {SETTING} to one of {', '.join(FORMAT_OF_MODEL)}, "
            "or to a JSON object with convention and prompt."
        )
    return default_format(model)


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
