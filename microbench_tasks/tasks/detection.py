"""How each model is asked for boxes: one table of prompts and conventions, and one setting.

The convention belongs to the pair of model and prompt: it is what a family was trained to
write when asked in its own words. Models of unknown habits are asked for a neutral format.

The setting ``MICROBENCH_BOXES``, or ``boxes`` among a task's ``lmms_eval_specific_kwargs``,
chooses otherwise: the name of a format (a model id of the table, or ``neutral``), or a JSON
object (in YAML a mapping). That names either a ``format`` to change or both ``convention`` and
``prompt``, and may set ``limits``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microbench_tasks.parsing.boxes.conventions import CONVENTIONS
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.notices import warn_once
from microbench_tasks.util.untrusted import reject_duplicate_keys

Size = tuple[int, int]

# Sides of what Qwen2.5-VL receives are multiples of this, in pixels.
QWEN2_5_FACTOR = 28


@dataclass(frozen=True)
class PixelLimits:
    """The smallest and the largest area, in pixels, that an image processor lets through."""

    smallest: int
    largest: int


# Of the checkpoints on the Hub, and of lmms-eval's qwen2_5_vl, whose model arguments
# min_pixels and max_pixels change them.
HUB_LIMITS = PixelLimits(3_136, 12_845_056)
LMMS_EVAL_LIMITS = PixelLimits(200_704, 1_605_632)


def smart_resize(image_size: Size, limits: PixelLimits = LMMS_EVAL_LIMITS, *, factor: int = QWEN2_5_FACTOR) -> Size:
    """Width and height of the image that Qwen2.5-VL sees for an image of ``image_size``.

    Sides are rounded to multiples of ``factor`` (halves to even); an image outside the limits
    is scaled to the nearest one first, its sides rounded inwards.

    Raises:
        ValueError: a side is below 1 pixel.

    Source: ``smart_resize`` of ``transformers`` and ``qwen-vl-utils``.

    >>> smart_resize((640, 480))
    (644, 476)
    """
    if min(image_size) < 1:
        raise ValueError(f"Expected an image of at least 1 x 1 pixels, got {image_size}.")
    rounded = tuple(round(side / factor) * factor for side in image_size)
    if math.prod(rounded) > limits.largest:
        shrink = math.sqrt(math.prod(image_size) / limits.largest)
        return tuple(max(factor, math.floor(side / shrink / factor) * factor) for side in image_size)
    if math.prod(rounded) < limits.smallest:
        grow = math.sqrt(limits.smallest / math.prod(image_size))
        return tuple(math.ceil(side * grow / factor) * factor for side in image_size)
    return rounded


@dataclass(frozen=True)
class DetectionFormat:
    """How one model is asked for the boxes of a class, and how it writes them.

    Args:
        convention: a key of `microbench_tasks.parsing.boxes.conventions.CONVENTIONS`.
        template: of the prompt; ``{class}``, ``{W}`` and ``{H}`` are filled in.
        source: where the two come from, and how sure that is.
        limits: of the model's `smart_resize`, if it resizes so.
        template_when_empty: of the prompt for a second try, after an empty answer; None if there is none.
    """

    convention: str
    template: str
    source: str
    limits: PixelLimits | None = None
    template_when_empty: str | None = None

    def prompt(self, class_name: str, image_size: Size) -> str:
        """The prompt for one class in an image of this width and height; it speaks of the size that the model sees."""
        return self._filled(self.template, class_name, image_size)

    def prompt_when_empty(self, class_name: str, image_size: Size) -> str | None:
        """The prompt for a second try, after an empty answer; None if there is none."""
        return (
            None if self.template_when_empty is None else self._filled(self.template_when_empty, class_name, image_size)
        )

    def model_input_size(self, image_size: Size) -> Size:
        """Width and height of the image as the model sees it: its own, unless the model resizes it."""
        return image_size if self.limits is None else smart_resize(image_size, self.limits)

    def _filled(self, template: str, class_name: str, image_size: Size) -> str:
        width, height = self.model_input_size(image_size)
        return template.replace("{W}", str(width)).replace("{H}", str(height)).replace("{class}", class_name)


# The format of the paper's Figure 1.
NEUTRAL_FORMAT = DetectionFormat(
    "pixels_xyxy",
    "Detect every {class} in this image. The image is {W} pixels wide and {H} pixels high. Answer with a JSON array only, with one object per instance: "
    '{"x1": left, "y1": top, "x2": right, "y2": bottom}, in pixels from the top left corner. Answer [] if there is none.',
    "Micro-Bench, Figure 1 (boxes as objects, in pixels); the wording is ours",
)

# There are images in which it finds what it segments only.
_PALIGEMMA = DetectionFormat(
    "loc1024_yxyx",
    "detect {class}",
    "GitHub Ale9806/eVLLM and google-research/big_vision: code; the second try: eVLLM",
    template_when_empty="segment {class}; {class}",
)
_QWEN_VL = DetectionFormat("grid1000_xyxy", "Detect {class}", "GitHub Ale9806/eVLLM and QwenLM/Qwen-VL: code")
_QWEN2_VL = DetectionFormat(
    "grid1000_xyxy",
    "Detect the bounding box of <|object_ref_start|>{class}<|object_ref_end|>",
    "GitHub QwenLM/Qwen3-VL, issues 189, 721 and 866: maintainers on the scale; prompt inferred from the tokenizer",
)
_QWEN_JSON_PROMPT = (
    "Locate every instance that belongs to the following categories: '{class}'. Report bbox coordinates in JSON format."
)
_QWEN2_5_VL = DetectionFormat(
    "pixels_xyxy_model_input",
    _QWEN_JSON_PROMPT,
    "GitHub QwenLM/Qwen3-VL, evaluation/ODinW-13: code; issues 721, 830, 866 and 940: maintainers",
    limits=LMMS_EVAL_LIMITS,
)
_QWEN3_VL = DetectionFormat(
    "grid1000_xyxy", _QWEN_JSON_PROMPT, "GitHub QwenLM/Qwen3-VL, README and cookbooks: documentation"
)
_QWEN3_5 = DetectionFormat(
    "grid1000_xyxy",
    _QWEN_JSON_PROMPT,
    "as Qwen3-VL, by a maintainer's word for most cases: GitHub QwenLM/Qwen3.8-Flash-Next, issue 4",
)
_REGION_PROMPT = "Please provide the bounding box coordinate of the region this sentence describes: "
_INTERNVL = DetectionFormat(
    "grid1000_xyxy",
    _REGION_PROMPT + "<ref>{class}</ref>",
    "GitHub OpenGVLab/InternVL, eval/refcoco: code; inferred for versions 3 and 3.5",
)
_LLAVA = DetectionFormat(
    "norm1_xyxy_padded_square",
    _REGION_PROMPT + "{class}",
    "GitHub haotian-liu/LLaVA, issues 606 and 822: inferred, its users disagree about the padding",
)
_GEMINI_PROMPT = "Detect the 2d bounding boxes of {class}. Return a JSON array with labels, no masks, no code fence."
_GEMINI = DetectionFormat(
    "grid1000_yxyx", _GEMINI_PROMPT, "GitHub google-gemini/cookbook, Spatial_understanding: code and documentation"
)
_GEMMA3 = DetectionFormat(
    "grid1000_yxyx", _GEMINI_PROMPT, "inferred: staff call it likely in the Hub's discussion 38 of gemma-3-4b-it"
)
_CLAUDE = DetectionFormat(
    "pixels_xyxy_model_input",
    "Return the bounding box of each {class} as [x1, y1, x2, y2] (top-left and bottom-right corners) in pixel coordinates.",
    "platform.claude.com, vision: documentation; images within the service's limits are taken to keep their size",
)
_MINICPM = DetectionFormat(
    "grid1000_xyxy",
    _REGION_PROMPT + "<ref>{class}</ref>",
    "GitHub OpenBMB/MiniCPM-V, issues 185, 772 and 982: maintainers",
)
_GLM4V = DetectionFormat(
    "grid1000_xyxy",
    "Please pinpoint the bounding box [[x1,y1,x2,y2], …] in the image as per the given description. {class}",
    "GitHub zai-org/GLM-V, README and glmv_reward: code and documentation",
)
_SAM3 = DetectionFormat(
    "norm1_xyxy",
    "{class}",
    "lmms-eval, models/simple/sam3.py: code; it reads the phrase from the document, not from the prompt",
)

# Models whose habits are unknown, and those that serve any checkpoint (openai, vllm, huggingface, …), are left out.
FORMAT_OF_MODEL: dict[str | None, DetectionFormat] = {
    # Writes what it is asked for.
    "microbench_random": NEUTRAL_FORMAT,
    "paligemma": _PALIGEMMA,
    "qwen_vl": _QWEN_VL,
    "qwen2_vl": _QWEN2_VL,
    "qwen2_5_vl": _QWEN2_5_VL,
    "qwen3_vl": _QWEN3_VL,
    "qwen3_5": _QWEN3_5,
    "internvl": _INTERNVL,
    "internvl2": _INTERNVL,
    "internvl3": _INTERNVL,
    "internvl3_5": _INTERNVL,
    "internvl_hf": _INTERNVL,
    "llava": _LLAVA,
    "llava_hf": _LLAVA,
    "llava_sglang": _LLAVA,
    "gemini": _GEMINI,
    "gemini_api": _GEMINI,
    "gemma3": _GEMMA3,
    "claude": _CLAUDE,
    "minicpm_v": _MINICPM,
    "minicpm_o": _MINICPM,
    "glm4v": _GLM4V,
    "sam3": _SAM3,
}


SETTING = "MICROBENCH_BOXES"
# Its name among a task's lmms_eval_specific_kwargs.
OPTION = "boxes"
NEUTRAL = "neutral"
# How a record names a choice by the option, and a format that is not in the table.
_OPTION_LABEL = f"lmms_eval_specific_kwargs: {OPTION}"
_SET_BY_USER = "set by the user, from "
_LIMIT_ARGUMENTS = ("min_pixels", "max_pixels")
# No image is larger; beyond floating point areas have no root.
_MOST_PIXELS = 10**15
_FIELDS = ("format", "convention", "prompt", "limits")


@dataclass(frozen=True)
class ChosenFormat:
    """A format and why it is this one.

    Args:
        detection_format: how the model is asked.
        chosen_by: the setting, the option or the model id that it was chosen by.
    """

    detection_format: DetectionFormat
    chosen_by: str

    def record(self) -> dict[str, Any]:
        """What results files say about it."""
        chosen = self.detection_format
        limits = None if chosen.limits is None else dataclasses.astuple(chosen.limits)
        prompts = {"prompt": chosen.template, "prompt_when_empty": chosen.template_when_empty}
        return {
            "convention": chosen.convention,
            **prompts,
            "limits": limits,
            "source": chosen.source,
            "chosen_by": self.chosen_by,
        }


def choose_format(model: str | None, options: Mapping[str, Any] | None) -> ChosenFormat:
    """The format for a model id of lmms-eval or of our adapters; the environment's comes first, then the task's option.

    A model whose habits are unknown gets the neutral format, and a warning says so.

    Raises:
        DataError: the setting or the option names no format, or an incomplete one.
    """
    setting = check_setting()
    if setting is not None:
        return ChosenFormat(setting, SETTING)
    option = (options or {}).get(OPTION)
    if option is not None:
        return ChosenFormat(_named_format(option, f"lmms_eval_specific_kwargs, {OPTION}: {option}"), _OPTION_LABEL)
    if model not in FORMAT_OF_MODEL:
        warn_once(
            f"How the model {model} writes boxes is not known: it is asked for JSON objects in pixels. If it was trained to write them "
            f"otherwise, set {SETTING} to one of {', '.join(FORMAT_OF_MODEL)}, or to a JSON object with convention and prompt."
        )
    return _of_model(model)


def _of_model(model: str | None) -> ChosenFormat:
    """Return the format that a model gets if the user sets none."""
    known = FORMAT_OF_MODEL.get(model)
    if known is None:
        return ChosenFormat(NEUTRAL_FORMAT, f"default: how {model} writes boxes is not known")
    return ChosenFormat(known, f"model {model}")


def record_problems(record: Mapping[str, Any], model: str | None, model_args: Mapping[str, Any]) -> list[str]:
    """List where the record of a format (`ChosenFormat.record`) is not what `choose_format` returns for a model.

    Args:
        record: of a results file or a submission.
        model: the harness's id of the model that was run.
        model_args: the arguments that it was given.
    """
    chosen_by = record.get("chosen_by")
    if chosen_by in (SETTING, _OPTION_LABEL):
        problems = _pair_problems(record, model) or _set_by_hand_problems(record, chosen_by)
    else:
        # A task gets no model id if the harness did not create the model itself.
        is_unnamed = chosen_by == _of_model(None).chosen_by and model not in FORMAT_OF_MODEL
        problems = _differences(record, _of_model(None if is_unnamed else model))
    return problems or _limit_problems(record, model_args)


def _differences(record: Mapping[str, Any], expected: ChosenFormat) -> list[str]:
    stated, known = dict(record), _as_json(expected)
    names = [*known, *(name for name in stated if name not in known)]
    wrong = [name for name in names if stated.get(name) != known.get(name)]
    return [f"{name} is {stated.get(name)!r:.200}, expected {known.get(name)!r:.200}" for name in wrong]


def _pair_problems(record: Mapping[str, Any], model: str | None) -> list[str]:
    """Report a convention that contradicts the table's entry for this model and prompt."""
    known = FORMAT_OF_MODEL.get(model)
    if known is None or record.get("prompt") != known.template or record.get("convention") == known.convention:
        return []
    stated = record.get("convention")
    return [f"convention is {stated!r:.200}, but {model} asked with this prompt writes {known.convention}"]


def _set_by_hand_problems(record: Mapping[str, Any], chosen_by: str) -> list[str]:
    """Report a record that no setting can produce: neither a format of the table nor a changed one."""
    known = {NEUTRAL: NEUTRAL_FORMAT} | FORMAT_OF_MODEL
    if any(_as_json(ChosenFormat(known_format, chosen_by)) == record for known_format in known.values()):
        return []
    source = str(record.get("source"))
    name = source.removeprefix(_SET_BY_USER)
    if name not in known or not source.startswith(_SET_BY_USER):
        return [f"source is {source!r:.200}, which is not what {chosen_by} records with this convention and prompt"]
    # With limits alone, the prompt for a second try stays.
    base = {"format": name, "limits": record.get("limits")}
    settings = (base, base | {field: record.get(field) for field in ("convention", "prompt")})
    try:
        possible = [_as_json(ChosenFormat(_named_format(setting, chosen_by), chosen_by)) for setting in settings]
    except DataError as error:
        return [str(error).rstrip(".")]
    if record in possible:
        return []
    return [f"it differs from what {chosen_by} records for a format that was changed from {name}"]


def _limit_problems(record: Mapping[str, Any], model_args: Mapping[str, Any]) -> list[str]:
    limits = record.get("limits")
    if not limits:
        return []
    wanted = [model_args.get(name, limit) for name, limit in zip(_LIMIT_ARGUMENTS, limits)]
    same = list(map(str, wanted)) == list(map(str, limits))
    names = " and ".join(_LIMIT_ARGUMENTS)
    return [] if same else [f"limits is {limits}, but the model's arguments {names} set {wanted}"]


def _as_json(chosen: ChosenFormat) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.record().items()}


def check_setting() -> DetectionFormat | None:
    """The format that the environment sets, None if it sets none; raises `DataError` if it is no format."""
    setting = os.environ.get(SETTING)
    return None if setting is None else _named_format(_parsed(setting), f"{SETTING}={setting}")


def check_model_args(model: str, model_args: Mapping[str, Any]) -> None:
    """Refuse arguments that let the model resize images otherwise than its format says.

    Raises:
        DataError: ``min_pixels`` or ``max_pixels`` is not the format's limit; says how to set it.
    """
    limits = choose_format(model, None).detection_format.limits
    if limits is None:
        return
    wanted = [model_args.get("min_pixels", limits.smallest), model_args.get("max_pixels", limits.largest)]
    if wanted != list(dataclasses.astuple(limits)):
        setting = json.dumps({"format": model, "limits": wanted})
        raise DataError(
            f"--model_args: min_pixels and max_pixels change the size that the boxes of {model} refer to. Say so to the tasks too: {SETTING}='{setting}'."
        )


def _parsed(setting: str) -> Any:
    if not setting.lstrip().startswith("{"):
        return setting
    try:
        return json.loads(setting, object_pairs_hook=reject_duplicate_keys)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{SETTING}={setting}: expected a JSON object or the name of a format, got {error}.") from error


def _named_format(wanted: Any, place: str) -> DetectionFormat:
    """The format that a name or a mapping describes; ``place`` names it in messages."""
    fields = wanted if isinstance(wanted, Mapping) else {"format": wanted}
    unknown = [str(name) for name in fields if name not in _FIELDS]
    if unknown:
        raise DataError(f"{place}: {', '.join(unknown)} unknown. Expected {', '.join(_FIELDS)}.")
    if "format" not in fields and not fields.keys() >= {"convention", "prompt"}:
        raise DataError(
            f"{place}: expected a format to start from, or both convention and prompt: models write what the prompt asks for."
        )
    name = fields.get("format", NEUTRAL)
    known = {NEUTRAL: NEUTRAL_FORMAT} | FORMAT_OF_MODEL
    if not isinstance(name, str) or name not in known:
        raise DataError(
            f"{place}: {name!r} is not a format. Expected one of {', '.join(known)}, or a JSON object with convention and prompt."
        )
    base = known[name]
    if "convention" in fields and "prompt" not in fields:
        raise DataError(f"{place}: a convention without a prompt. Models write what the prompt asks for: give both.")
    convention, prompt = fields.get("convention", base.convention), fields.get("prompt", base.template)
    if not isinstance(convention, str) or convention not in CONVENTIONS:
        raise DataError(f"{place}: convention {convention!r} is unknown. Expected one of {', '.join(CONVENTIONS)}.")
    if not isinstance(prompt, str) or "{class}" not in prompt:
        raise DataError(
            f"{place}: prompt {prompt!r} does not say what to look for. Expected text with {{class}} in it ({{W}} and {{H}} stand for the image's size)."
        )
    if prompt == NEUTRAL_FORMAT.template and convention != NEUTRAL_FORMAT.convention:
        raise DataError(
            f"{place}: convention {convention!r} does not fit the prompt, which asks for {NEUTRAL_FORMAT.convention}. "
            "Leave out the convention, or give a prompt of your own."
        )
    source = base.source if fields.keys() <= {"format"} else f"{_SET_BY_USER}{name}"
    # What to ask after an empty answer depends on what has been asked.
    when_empty = None if "prompt" in fields else base.template_when_empty
    return DetectionFormat(
        convention, prompt, source, _limits(fields.get("limits", base.limits), convention, place), when_empty
    )


def _limits(limits: Any, convention: str, place: str) -> PixelLimits | None:
    if CONVENTIONS[convention].frame != "model_input":
        if limits is not None and not isinstance(limits, PixelLimits):
            raise DataError(
                f"{place}: limits {limits!r}: boxes of the convention {convention} do not refer to the image as the model resizes it."
            )
        return None
    if limits is None or isinstance(limits, PixelLimits):
        return limits
    if (
        not isinstance(limits, list)
        or len(limits) != 2
        or not all(type(limit) is int for limit in limits)
        or not 0 < limits[0] <= limits[1] <= _MOST_PIXELS
    ):
        raise DataError(
            f"{place}: limits {limits!r}: expected the smallest and the largest area in pixels that the model's image processor lets through, or null."
        )
    return PixelLimits(*limits)
