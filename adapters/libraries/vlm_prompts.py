"""Put an image and a question into the form that a vision-language model was trained on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from microbench_adapters.checkpoints.loading import json_sha256
from microbench_adapters.models.dual_encoder import Tensors

# Prompts of models without a chat template, by the type of the model; {image} is the processor's image token.
_PLAIN_FORMS = {
    # GitHub google-research/big_vision: code. The processor adds the line break at the end.
    "paligemma": "{image}{prompt}",
    # GitHub haotian-liu/LLaVA and the base checkpoints' pages: the image is a line of its own.
    "llava": "{image}\n{prompt}",
    "idefics2": "{image}{prompt}",
    "idefics3": "{image}{prompt}",
    "smolvlm": "{image}{prompt}",
}
# Types that have no chat template at all.
_ALWAYS_PLAIN = ("paligemma",)
# What messages and records show in the place of a question.
_EXAMPLE = "QUESTION"
_PADDING = {"padding": True, "padding_side": "left"}


@dataclass(frozen=True)
class Prompts:
    """How a model is asked.

    Attributes:
        record: describes it for the results file.
        inputs: returns the model's inputs for a batch of images and questions.
    """

    record: dict[str, Any]
    inputs: Callable[[list[Image.Image], list[str]], Any]


def choose_prompts(processor: Any, model_type: str, model: str, chat_template: str | None, plain: bool) -> Prompts:
    """Return how a model is asked: one user turn of its chat template, or without a template.

    Args:
        processor: of transformers.
        model_type: of the checkpoint's configuration.
        model: names the checkpoint in messages.
        chat_template: a file with a Jinja template that takes the place of the processor's own; None for that.
        plain: ask without a chat template.

    Raises:
        ValueError: there is no template and no other known way, or the template does not show the question.
    """
    if plain and chat_template is not None:
        raise ValueError("plain_prompt=True and chat_template=… cannot be used together: leave one out.")
    own = getattr(processor, "chat_template", None)
    if chat_template is not None:
        template = _read(chat_template)
    elif plain or (own is None and model_type in _ALWAYS_PLAIN):
        return _plain(processor, model_type, model)
    elif own is None:
        way_out = ", or plain_prompt=True for the image and the question alone" if model_type in _PLAIN_FORMS else ""
        raise ValueError(
            f"model={model}: its processor has no chat template, as base models that were not trained to answer. "
            f"Name the instruction-tuned checkpoint, or type chat_template=FILE (a Jinja template){way_out}."
        )
    else:
        template = own["default"] if isinstance(own, dict) and "default" in own else own
    return _chat(processor, template, model, "processor" if chat_template is None else Path(chat_template).name)


def _read(file: str) -> str:
    path = Path(os.path.expanduser(file))
    if not path.is_file():
        raise ValueError(f"chat_template={file}: there is no such file. Expected a file with a Jinja template.")
    return path.read_text(encoding="utf-8")


def _chat(processor: Any, template: str, model: str, origin: str) -> Prompts:
    def inputs(images: list[Image.Image], prompts: list[str]) -> Any:
        return processor.apply_chat_template(
            [_turn({"type": "image", "image": image}, prompt) for image, prompt in zip(images, prompts, strict=True)],
            chat_template=template,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs=dict(_PADDING),
        )

    try:
        example = processor.apply_chat_template(
            _turn({"type": "image"}, _EXAMPLE), chat_template=template, add_generation_prompt=True
        )
    # Templates are programs, which raise whatever they like.
    except Exception as error:
        raise ValueError(
            f"model={model}: its chat template cannot show an image and a question: {type(error).__name__}: {error}. "
            "Type chat_template=FILE (a Jinja template that does)."
        ) from error
    if _EXAMPLE not in example:
        raise ValueError(
            f"model={model}: its chat template leaves out the question: {example!r}. "
            "Type chat_template=FILE (a Jinja template that shows it)."
        )
    return Prompts({"template": origin, "sha256": json_sha256(template), "example": example}, inputs)


def _turn(image: dict[str, Any], prompt: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [image, {"type": "text", "text": prompt}]}]


def _plain(processor: Any, model_type: str, model: str) -> Prompts:
    form, token = _PLAIN_FORMS.get(model_type), getattr(processor, "image_token", None)
    if form is None or token is None:
        raise ValueError(
            f"plain_prompt=True: how models of type {model_type} are asked without a chat template is not known "
            f"(known: {', '.join(_PLAIN_FORMS)}). Type chat_template=FILE instead (a Jinja template), model={model}."
        )

    def fill(prompt: str) -> str:
        # The question comes last: it may contain a placeholder.
        return form.replace("{image}", str(token)).replace("{prompt}", prompt)

    def inputs(images: list[Image.Image], prompts: list[str]) -> Any:
        return processor(
            images=[[image] for image in images],
            text=[fill(prompt) for prompt in prompts],
            return_tensors="pt",
            **_PADDING,
        )

    return Prompts({"template": None, "example": fill(_EXAMPLE)}, inputs)


def tensors(inputs: Any) -> Tensors:
    """Return the inputs without those for training."""
    return {name: values for name, values in inputs.items() if name != "labels"}
