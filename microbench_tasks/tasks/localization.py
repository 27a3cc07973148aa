"""Provide the functions of the localization tasks' YAML: prompts, images and scores of boxes.

The prompt and the parsing of boxes depend on the model, which the harness passes to neither of these functions. So they
have a method ``for_model``; `microbench_tasks.harness.patches` replaces each of them by what it returns when the
harness builds a task for a model, and again when a loaded model states the family of its checkpoint. Functions that are
not bound to a model use the neutral format.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from microbench_tasks.data.table_images import to_rgb
from microbench_tasks.parsing.boxes.conventions import to_convention_units
from microbench_tasks.tasks.box_format_choice import ChosenFormat, LoadedFamily, choose_format
from microbench_tasks.tasks.box_formats import DetectionFormat
from microbench_tasks.tasks.results import score_boxes

if TYPE_CHECKING:
    from PIL.Image import Image

# The largest number of boxes that a model writes that answers at random.
MAX_RANDOM_BOXES = 8


class ModelBoundFunction:
    """Wrap a function of a document that also needs the detection format, which depends on the model of the run.

    Attributes:
        function: takes the format as the keyword argument ``detection_format``.
        random_answer: of ``doc_to_text``: how a model that answers at random writes an answer.
        when_empty: of ``doc_to_text``: the prompt for a second try after an empty answer.
    """

    random_answer: ModelBoundFunction
    when_empty: ModelBoundFunction

    def __init__(self, function: Callable[..., Any], chosen: ChosenFormat | None = None) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._chosen = chosen

    def for_model(
        self, model: str | None, options: Mapping[str, Any] | None, family: LoadedFamily | None = None
    ) -> ModelBoundFunction:
        """Return this function, and those that it has as attributes, bound to the format of a model.

        Args:
            model: id in the harness.
            options: the task's ``lmms_eval_specific_kwargs``.
            family: of the loaded checkpoint, if the model states it.
        """
        bound = ModelBoundFunction(self.function, choose_format(model, options, family))
        for name, value in vars(self).items():
            if isinstance(value, ModelBoundFunction):
                setattr(bound, name, value.for_model(model, options, family))
        return bound

    def record(self) -> dict[str, Any]:
        """Return the record of the detection format for results files."""
        return self.chosen.record()

    @property
    def chosen(self) -> ChosenFormat:
        """Return the format that was bound; without one, that of an unknown model."""
        return self._chosen or choose_format(None, None)

    def __call__(self, doc: dict[str, Any], *further: Any, **options: Any) -> Any:
        """Call the function with the format."""
        return self.function(doc, *further, detection_format=self.chosen.detection_format, **options)

    def __repr__(self) -> str:
        return self.function.__name__


@ModelBoundFunction
def microbench_localization_doc_to_text(
    doc: dict[str, Any], lmms_eval_specific_kwargs: dict[str, Any] | None = None, *, detection_format: DetectionFormat
) -> str:
    """Return the prompt for one class in the words of the model's family."""
    return detection_format.prompt(doc["expression"], (doc["width"], doc["height"]))


@ModelBoundFunction
def microbench_localization_doc_to_visual(
    doc: dict[str, Any], lmms_eval_specific_kwargs: dict[str, Any] | None = None, *, detection_format: DetectionFormat
) -> list[Image]:
    """Return the document's micrograph as 8-bit RGB.

    For models whose boxes refer to the resized image, it is resized here: the processor then changes nothing, and the
    size is known exactly.
    """
    from PIL.Image import Resampling

    image = to_rgb(doc["image"])
    size = detection_format.model_input_size(image.size)
    return [image if size == image.size else image.resize(size, Resampling.BICUBIC)]


def microbench_localization_doc_to_target(doc: dict[str, Any]) -> str:
    """Return the gold boxes, ``x1 y1 x2 y2`` each, in pixels, as JSON."""
    return json.dumps(doc["boxes"])


@ModelBoundFunction
def microbench_localization_process_results(
    doc: dict[str, Any], results: list[Any], *, detection_format: DetectionFormat, prompt: str | None = None
) -> dict[str, Any]:
    """Return the items of the responses to a document; see `score_boxes`.

    Args:
        doc: a document (see `microbench_tasks.data.documents`).
        results: the response, or the list of several (``--repeats``), in a list of one.
        detection_format: how the model was asked.
        prompt: the exact prompt of the model; None for the format's own.
    """
    size = (doc["width"], doc["height"])
    own_prompt = detection_format.prompt(doc["expression"], size) if prompt is None else prompt
    response = results[0] if results else ""
    return score_boxes(doc, response, detection_format.convention, detection_format.model_input_size(size), own_prompt)


@ModelBoundFunction
def random_boxes(doc: dict[str, Any], rng: np.random.Generator, *, detection_format: DetectionFormat) -> str:
    """Return a random answer: JSON objects of 1 to `MAX_RANDOM_BOXES` boxes with uniform corners.

    The boxes are in the unit of the convention.

    Raises:
        ValueError: the convention does not write plain numbers.
    """
    image_size = (doc["width"], doc["height"])
    corners = rng.random((rng.integers(1, MAX_RANDOM_BOXES + 1), 2, 2)) * image_size
    ordered = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    values = to_convention_units(
        ordered, detection_format.convention, image_size, detection_format.model_input_size(image_size)
    )
    return json.dumps([dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)) for box in values.round(4).tolist()])


@ModelBoundFunction
def prompt_when_empty(doc: dict[str, Any], *, detection_format: DetectionFormat) -> str | None:
    """Return the prompt for a second try after an empty answer; None if there is none."""
    return detection_format.prompt_when_empty(doc["expression"], (doc["width"], doc["height"]))


# Models of this package read these attributes.
microbench_localization_doc_to_text.random_answer = random_boxes
microbench_localization_doc_to_text.when_empty = prompt_when_empty
