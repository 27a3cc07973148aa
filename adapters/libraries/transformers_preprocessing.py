"""The image processors of transformers: apply them, split them into steps, and read their settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from loguru import logger
from PIL.Image import Image, Resampling

from microbench_adapters.checkpoints.preprocessing import SplitPreprocessing
from microbench_adapters.checkpoints.registry import Preprocessing
from microbench_adapters.libraries import split_preprocessing
from microbench_adapters.models.dual_encoder import Tensors

# What transformers calls the pixels among a model's inputs.
PIXELS = "pixel_values"


def preprocess(image_processor: Any, image: Image, **options: Any) -> Tensors:
    """Convert one RGB image to an encoder's inputs; ``options`` replace settings of the processor."""
    inputs = image_processor(images=[image], return_tensors="pt", **options)
    return {name: values[0] for name, values in inputs.items()}


def split(image_processor: Any) -> SplitPreprocessing | None:
    """Split preprocessing into steps; None if the processor has others, or makes more than pixels."""
    in_steps = {
        "whole": {},
        "resize": {"do_rescale": False, "do_normalize": False},
        "value": {"do_resize": False, "do_center_crop": False, "do_pad": False},
    }

    def pixels(options: dict[str, bool], image: Image) -> torch.Tensor:
        inputs = preprocess(image_processor, image, **options)
        if set(inputs) != {PIXELS}:
            raise ValueError(f"{type(image_processor).__name__} returns {', '.join(inputs)}")
        return inputs[PIXELS]

    try:
        return split_preprocessing.split(**{step: partial(pixels, options) for step, options in in_steps.items()})
    # Processors have errors of their own for options that they do not take.
    except Exception as error:
        logger.debug(f"Preprocessing is not split: {type(error).__name__}: {error}")
        return None


def common_form(settings: Mapping[str, Any]) -> Preprocessing:
    """Convert the settings of an image processor to the form that all libraries share."""
    size = settings.get("size") or {}
    crop = settings.get("crop_size") if settings.get("do_center_crop") else None
    side = (crop or {}).get("height") or size.get("shortest_edge") or size.get("height")
    is_normalized = settings.get("do_normalize", False)
    return Preprocessing(
        side,
        "shortest" if "shortest_edge" in size else "squash",
        Resampling(settings["resample"]).name.lower() if settings.get("resample") is not None else None,
        tuple(settings["image_mean"]) if is_normalized else None,
        tuple(settings["image_std"]) if is_normalized else None,
    )
