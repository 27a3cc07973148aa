"""The functions of the localization tasks' YAML: asking one model for boxes, and reading them.

How a model is asked and read depends on the model, which the harness tells neither the
functions that make prompts nor those that score. So what the YAML names here has a method
``for_model``, and `microbench_tasks.harness.patches` puts what that returns in its place when the harness
makes a task for a model. Unbound, models are asked for the neutral format.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from microbench_tasks.data.table_images import to_rgb
from microbench_tasks.parsing.boxes.conventions import to_convention_units
from microbench_tasks.tasks.box_format_choice import ChosenFormat, choose_format
from microbench_tasks.tasks.box_formats import DetectionFormat
from microbench_tasks.tasks.results import score_boxes

if TYPE_CHECKING:
    from PIL.Image import Image

# Of a model that answers at random.
MAX_RANDOM_BOXES = 8


class ModelBoundFunction:
    """A function of a document whose last argument, the detection format, the run's model decides."""

    def __init__(self, function: Callable, chosen: ChosenFormat | None = None) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._chosen = chosen

    def for_model(self, model: str | None, options: Mapping[str, Any] | None) -> ModelBoundFunction:
        """This function for a model id and the task's ``lmms_eval_specific_kwargs``; see `choose_format`."""
        bound = ModelBoundFunction(self._function, choose_format(model, options))
        further = {name: value for name, value in vars(self).items() if name not in vars(bound)}
        vars(bound).update(
            {
                name: value.for_model(model, options) if isinstance(value, ModelBoundFunction) else value
                for name, value in further.items()
            }
        )
        return bound

    def record(self) -> dict[str, Any]:
        """The detection format as results files record it."""
        return self.chosen.record()

    @property
    def chosen(self) -> ChosenFormat:
        return self._chosen or choose_format(None, None)

    def __call__(self, doc: dict[str, Any], *further: Any, **options: Any) -> Any:
        return self._function(doc, *further, detection_format=self.chosen.detection_format, **options)

    def __repr__(self) -> str:
        return self._function.__name__


@ModelBoundFunction
def microbench_localization_doc_to_text(
    doc: dict[str, Any], lmms_eval_specific_kwargs: dict[str, Any] | None = None, *, detection_format: DetectionFormat
) -> str:
    """The prompt for one class in the words of the model's family."""
    return detection_format.prompt(doc["expression"], (doc["width"], doc["height"]))


@ModelBoundFunction
def microbench_localization_doc_to_visual(
    doc: dict[str, Any], lmms_eval_specific_kwargs: dict[str, Any] | None = None, *, detection_format: DetectionFormat
) -> list[Image]:
    """The document's one micrograph as 8-bit RGB.

    For models whose boxes refer to the image as their processor resizes it, it comes at that
    size already: every later resize then changes nothing, and the size is known exactly.
    """
    from PIL.Image import Resampling

    image = to_rgb(doc["image"])
    size = detection_format.model_input_size(image.size)
    return [image if size == image.size else image.resize(size, Resampling.BICUBIC)]


def microbench_localization_doc_to_target(doc: dict[str, Any]) -> str:
    """The gold boxes, ``x1 y1 x2 y2`` each, in pixels, as JSON."""
    return json.dumps(doc["boxes"])


@ModelBoundFunction
def microbench_localization_process_results(
    doc: dict[str, Any], results: list[Any], *, detection_format: DetectionFormat, prompt: str | None = None
) -> dict[str, Any]:
    """Return the items of the responses to a document. See `score_boxes`.

    ``prompt`` is the exact prompt of the model; None for the format's own.
    """
    size = (doc["width"], doc["height"])
    asked = detection_format.prompt(doc["expression"], size) if prompt is None else prompt
    response = results[0] if results else ""
    return score_boxes(doc, response, detection_format.convention, detection_format.model_input_size(size), asked)


@ModelBoundFunction
def random_boxes(doc: dict[str, Any], rng: np.random.Generator, *, detection_format: DetectionFormat) -> str:
    """A random answer: JSON objects of 1 to `MAX_RANDOM_BOXES` boxes with uniform corners, in the convention's unit.

    Raises:
        ValueError: the convention does not write plain numbers.
    """
    image_size = (doc["width"], doc["height"])
    corners = rng.random((rng.integers(1, MAX_RANDOM_BOXES + 1), 2, 2)) * image_size
    ordered = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    values = to_convention_units(
        ordered, detection_format.convention, image_size, detection_format.model_input_size(image_size)
    )
    return json.dumps([dict(zip(("x1", "y1", "x2", "y2"), box)) for box in values.round(4).tolist()])


@ModelBoundFunction
def prompt_when_empty(doc: dict[str, Any], *, detection_format: DetectionFormat) -> str | None:
    """What to ask where the prompt's answer was empty; None if nothing."""
    return detection_format.prompt_when_empty(doc["expression"], (doc["width"], doc["height"]))


# Lets a model that answers at random know what answers look like.
microbench_localization_doc_to_text.random_answer = random_boxes
# Lets a model of this package ask again.
microbench_localization_doc_to_text.when_empty = prompt_when_empty
