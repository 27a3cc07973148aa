"""Contrastive models that the library transformers loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL.Image import Image

from microbench_adapters.checkpoints import folder_kinds, state_dicts
from microbench_adapters.checkpoints.loading import Loaded
from microbench_adapters.checkpoints.registry import CHECKPOINTS, Preprocessing
from microbench_adapters.libraries import local_files, transformers_preprocessing, transformers_tokenizers
from microbench_adapters.libraries.checkpoint_model import CheckpointModel
from microbench_adapters.libraries.options import build_spec
from microbench_adapters.libraries.precision import unit_vectors
from microbench_adapters.libraries.transformers_loading import (
    from_pretrained,
    image_settings,
    load_config,
    load_module,
    missing_files_hint,
    module_of,
)
from microbench_adapters.models.dual_encoder import Tensors

PADDINGS = ("context", "longest")
# Model types whose text encoder sees its padding, and was trained with texts padded to the context
# (transformers' documentation of SigLIP and SigLIP 2).
_PADDED_TYPES = ("siglip", "siglip2")
# eos_token_id in configurations from before transformers 4.32, with which these types pool at the highest token number.
_LEGACY_END = 2
_LEGACY_TYPES = ("clip", "clipseg", "groupvit", "xclip")


class TransformersClip(CheckpointModel):
    """A dual encoder that transformers loads: CLIP, SigLIP, SigLIP 2, ALIGN, AltCLIP, Chinese-CLIP and others.

    Args:
        model: a repository on the Hub (``openai/clip-vit-base-patch32``) or a local folder, with
            configuration, processor and weights.
        pretrained: a checkpoint file with other weights of the same architecture.
        revision: commit, branch or tag of the repository.
        context_length: in tokens, where it is not the tokenizer's.
        padding: ``context`` or ``longest``, where it is not the one of the model's type.
        options: those of `CheckpointModel`.

    Raises:
        ValueError: an option does not exist or cannot work here, files are missing, weights are
            not those of the architecture, or the model is no dual encoder.
    """

    libraries = ("transformers",)
    pixel_input = transformers_preprocessing.PIXELS

    def __init__(
        self,
        model: str,
        pretrained: str | None = None,
        revision: str | None = None,
        context_length: int | None = None,
        padding: str | None = None,
        **options: Any,
    ) -> None:
        if padding not in (None, *PADDINGS):
            raise ValueError(f"padding={padding}: expected one of {', '.join(PADDINGS)}.")
        spec = build_spec(model=model, pretrained=pretrained, revision=revision, context_length=context_length)
        self._padding_option = padding
        super().__init__(spec, **options)

    @classmethod
    def load(cls, spec: dict[str, Any]) -> Loaded:
        """Load a checkpoint; see `CheckpointModel.load`."""
        model, revision = spec["model"], spec.get("revision")
        config = load_config(model, revision)
        # Before the processor, which other kinds of models lack.
        model_class = _dual_encoder_class(config, model)
        processor = from_pretrained(transformers.AutoProcessor, model, revision, backend="pil")
        if not (hasattr(processor, "image_processor") and hasattr(processor, "tokenizer")):
            raise ValueError(
                f"model={model}: expected a processor of images and texts, got {type(processor).__name__}. "
                f"{missing_files_hint(Path(model))}"
            )
        module, files = _load_weights(spec, config, model_class)
        transformers_tokenizers.check_tokenizer(processor.tokenizer, config, model)
        version = f"@{revision}" if revision else ""
        other_weights = f":{spec['pretrained']}" if "pretrained" in spec else ""
        return Loaded(
            name=f"{model}{version}{other_weights}",
            architecture=json.loads(config.to_json_string(use_diff=False)),
            module=module,
            preprocess=partial(transformers_preprocessing.preprocess, processor.image_processor),
            steps=transformers_preprocessing.split(processor.image_processor),
            preprocessing=image_settings(processor.image_processor),
            tokenizer=processor.tokenizer,
            tokenizer_sha256=transformers_tokenizers.tokenizer_sha256(processor.tokenizer),
            context_length=transformers_tokenizers.context_length(processor, config, spec.get("context_length")),
            files={"model": model, "revision": getattr(config, "_commit_hash", None) or revision} | files,
            image_processor=processor.image_processor,
        )

    @classmethod
    def check_files(cls, arguments: Mapping[str, str]) -> None:
        """Check local weights before anything is loaded; see `CheckpointModel.check_files`."""
        local_files.check(arguments, _find_weights)

    @classmethod
    def resolve(cls, name: str, like: dict[str, Any]) -> dict[str, Any]:
        """Return the specification behind a name in ``merge_with``; see `CheckpointModel.resolve`."""
        shared = {setting: like[setting] for setting in ("context_length",) if setting in like}
        if name in CHECKPOINTS:
            row = CHECKPOINTS[name]
            if row.adapter != "transformers_clip":
                raise ValueError(
                    f"merge_with={name}: this name stands for a checkpoint of {row.adapter}, whose weights have "
                    "other names. Name one that transformers loads."
                )
            return dict(row.arguments) | shared
        if Path(name).is_file():
            base = {setting: like[setting] for setting in ("model", "revision") if setting in like}
            return base | shared | {"pretrained": name}
        repository, _, revision = name.partition("@")
        if revision and not Path(name).exists():
            return {"model": repository, "revision": revision} | shared
        return {"model": name} | shared

    @classmethod
    def save(cls, loaded: Loaded, folder: Path) -> None:
        """Write model, tokenizer and image processor in transformers' layout."""
        parts: tuple[Any, ...] = (loaded.module, loaded.tokenizer, loaded.image_processor)
        for part in parts:
            part.save_pretrained(folder)

    @staticmethod
    def preprocessing_of(settings: dict[str, Any]) -> Preprocessing:
        """Convert an image processor's settings to the common form."""
        return transformers_preprocessing.common_form(settings)

    def record(self) -> dict[str, Any]:
        """Describe checkpoint, settings and merge for the results file."""
        return super().record() | {"padding": self._padding}

    @property
    def _sees_padding(self) -> bool:
        return self.loaded.architecture["model_type"] in _PADDED_TYPES

    @property
    def _padding(self) -> str:
        return self._padding_option or ("context" if self._sees_padding else "longest")

    def preprocess(self, image: Image) -> Tensors:
        """Convert one RGB image to the encoder's inputs."""
        return self.loaded.preprocess(image)

    def encode_images(self, images: Tensors) -> torch.Tensor:
        """Return unit vectors, shape (N, D)."""
        module: Any = self.module
        inputs = {
            name: values.to(self.input_dtype) if values.is_floating_point() else values
            for name, values in images.items()
        }
        with self.autocast():
            return _pooled(module.get_image_features(**inputs))

    def tokenize(self, texts: list[str]) -> Tensors:
        """Return tokens and mask, each of shape (N, L)."""
        return self._tokens(texts, self._padding)

    def unpadded(self, text: str) -> Tensors:
        """Return the inputs of one text with the least padding that the model allows."""
        return self.tokenize([text]) if self._sees_padding else self._tokens([text], "longest")

    def _tokens(self, texts: list[str], padding: str) -> Tensors:
        tokens = self.loaded.tokenizer(
            texts,
            padding="max_length" if padding == "context" else "longest",
            max_length=self.loaded.context_length,
            truncation=True,
            return_tensors="pt",
        )
        return dict(tokens)

    def encode_texts(self, tokens: Tensors) -> torch.Tensor:
        """Return unit vectors, shape (N, D)."""
        module: Any = self.module
        with self.autocast():
            return _pooled(module.get_text_features(**tokens))

    def pooled_tokens(self, tokens: Tensors) -> torch.Tensor | None:
        """Return the token number at which each text is pooled; see `SmokeTestedModel.pooled_tokens`."""
        # CLIP's text model and those derived from it have the token as an attribute.
        ends = [vars(part)["eos_token_id"] for part in self.loaded.module.modules() if "eos_token_id" in vars(part)]
        if not ends:
            return None
        end = ends[0]
        if not isinstance(end, int):
            raise ValueError(
                f"{self.loaded.name}: its config.json gives eos_token_id as {end!r}. Expected the number of the token "
                f"that the tokenizer puts at the end: there its text encoder pools."
            )
        ids = tokens["input_ids"]
        if end == _LEGACY_END and self.loaded.architecture["model_type"] in _LEGACY_TYPES:
            return ids.amax(dim=1)
        return torch.where((ids == end).any(dim=1), end, -1)

    def longer_than_context(self, texts: list[str]) -> list[str]:
        """Return the texts that are truncated."""
        ids_of_texts = self.loaded.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        return [text for text, ids in zip(texts, ids_of_texts, strict=True) if len(ids) > self.loaded.context_length]


def _find_weights(folder: Path, where: str) -> list[Path]:
    folder_kinds.check_dual_encoder(folder, where)
    return local_files.transformers_weights(folder, where)


def _load_weights(
    spec: dict[str, Any], config: Any, model_class: type[torch.nn.Module]
) -> tuple[torch.nn.Module, dict[str, str]]:
    """Return the model with its weights, and the record of the weight files."""
    model, file = spec["model"], spec.get("pretrained")
    if file is None:
        return load_module(model_class, model, spec.get("revision"), config)
    if not Path(file).is_file():
        raise ValueError(
            f"pretrained={file}: no such file. "
            f"Name a checkpoint file with weights for the architecture of model={model}."
        )
    content = state_dicts.read_file(Path(file))
    module, taken_from = module_of(model_class, config, content, f"pretrained={file}, model={model}")
    return module, {"weights": file} | taken_from


def _dual_encoder_class(config: Any, model: str) -> type[torch.nn.Module]:
    """Return the class of a model of images and texts.

    Raises:
        ValueError: it is of another kind; with the model that loads it.
    """
    try:
        with torch.device("meta"):
            module = transformers.AutoModel.from_config(config, trust_remote_code=False)
    # Code of a model that its configuration does not fit.
    except Exception as error:
        raise ValueError(
            f"model={model}: transformers cannot build type {config.model_type}: {type(error).__name__}: {error}. "
            f"{_way_out(config, model)}"
        ) from error
    lacking = [name for name in ("get_image_features", "get_text_features") if not hasattr(module, name)]
    if lacking or not (hasattr(module, "logit_scale") or hasattr(module, "temperature")):
        reason = ", ".join(lacking) or "it has neither logit_scale nor temperature"
        raise ValueError(
            f"model={model}: {type(module).__name__} is not an image-text dual encoder ({reason}). "
            f"{_way_out(config, model)}"
        )
    return type(module)


def _way_out(config: Any, model: str) -> str:
    # transformers' types allow for several classes, which other tasks have.
    known: Any = transformers.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    if type(config) in known:
        return f"It writes answers: use --model transformers_vlm --model_args model={model}."
    return "Expected a model such as CLIP or SigLIP. For other generative models, see lmms_eval models."


def _pooled(output: Any) -> torch.Tensor:
    # Releases before 5 return the vectors themselves.
    return unit_vectors(output if isinstance(output, torch.Tensor) else output.pooler_output)
