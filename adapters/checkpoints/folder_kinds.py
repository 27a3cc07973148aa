"""Name the model that loads a folder, for messages about a folder that was given to another one."""

from __future__ import annotations

import json
from pathlib import Path

# Models that have a class of their own in this package.
_MODEL_OF_TYPE = {"paligemma": "paligemma", "qwen": "qwen_vl_chat"}


def suggest_model(folder: Path) -> str:
    """Return a sentence with the model that loads a folder, and a space before it; empty if its files do not tell."""
    if (folder / "open_clip_config.json").is_file():
        return _advice("open_clip", "open_clip", folder)
    return suggest_for_type(_model_type(folder), folder)


def check_dual_encoder(folder: Path, where: str) -> None:
    """Check that a folder of transformers is not known to be of another kind of model.

    Raises:
        ValueError: it is; with the model that loads it.
    """
    model_type = _model_type(folder)
    if _model_of_type(model_type) not in ("", "transformers_clip"):
        raise ValueError(f"{where} is not an image-text dual encoder.{suggest_for_type(model_type, folder)}")


def check_answers(folder: Path, where: str) -> None:
    """Check that a folder of transformers is not that of a dual encoder, which writes no answers.

    Raises:
        ValueError: it is; with the model that loads it.
    """
    from transformers.models.auto import modeling_auto

    model_type = _model_type(folder)
    writes = model_type in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    if not writes and _model_of_type(model_type) == "transformers_clip":
        raise ValueError(f"{where} compares images with texts.{suggest_for_type(model_type, folder)}")


def check_transformers(folder: Path, where: str) -> None:
    """Check that a folder is one of transformers.

    Raises:
        ValueError: it is not; with the model that loads it.
    """
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"{where}: expected a folder with transformers' config.json, processor and weights; "
            f"it has no config.json.{suggest_model(folder)}"
        )


def suggest_for_type(model_type: str, checkpoint: Path | str) -> str:
    """Return the same for a folder or repository of transformers whose configuration states ``model_type``."""
    model = _model_of_type(model_type)
    return _advice(f"transformers (of type {model_type})", model, checkpoint) if model else ""


def _advice(library: str, model: str, checkpoint: Path | str) -> str:
    return f" This looks like a checkpoint of {library}: use --model {model} --model_args model={checkpoint}."


def _model_type(folder: Path) -> str:
    try:
        stated = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return ""
    return str(stated.get("model_type", "")) if isinstance(stated, dict) else ""


def _model_of_type(model_type: str) -> str:
    return _MODEL_OF_TYPE.get(model_type) or _model_of_mapping(model_type)


def _model_of_mapping(model_type: str) -> str:
    from transformers.models.auto import modeling_auto

    # BLIP is in both tables.
    if model_type in modeling_auto.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES:
        return "transformers_clip"
    if model_type in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return "transformers_vlm"
    return ""
