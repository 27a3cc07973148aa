"""Contrastive models that the library open_clip loads."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import open_clip
import torch
from open_clip.factory import parse_model_name
from PIL.Image import Image

from microbench_adapters.base import DEFAULT_BATCH_SIZE, ContrastiveModel

# What open_clip casts the weights to; amp keeps them and casts operations.
PRECISIONS = ("fp32", "fp16", "bf16", "amp", "amp_bf16")


class OpenClip(ContrastiveModel):
    """Any open_clip checkpoint.

    Args:
        model: an architecture of open_clip (``ViT-B-32``), ``hf-hub:org/name`` or
            ``local-dir:/folder`` with ``open_clip_config.json`` and weights.
        pretrained: with an architecture, a tag of open_clip (``laion2b_s34b_b79k``) or a
            checkpoint file; with the other two forms weights come along.
        precision: one of `PRECISIONS`.
        batch_size, device, max_batch_size: see `ContrastiveModel`.

    Raises:
        ValueError: model, tag or precision do not exist, no weights are named, or the
            device cannot compute in this precision.
    """

    def __init__(
        self,
        model: str,
        pretrained: str | None = None,
        precision: str = "fp32",
        batch_size: int | str = DEFAULT_BATCH_SIZE,
        device: str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, device=device, max_batch_size=max_batch_size)
        model, pretrained = str(model), None if pretrained is None else str(pretrained)
        _check_names(model, pretrained)
        _check_precision(precision, self.device)
        # fp16 and bf16 weights get inputs of their own type, amp gets fp32.
        self._input_dtype = open_clip.get_input_dtype(precision)
        self._autocast = _autocast(precision, self.device)
        self._model, self._transform = _load(model, pretrained, precision, self.device)
        self._model.eval()
        self._tokenizer = open_clip.get_tokenizer(model)
        self._scale = float(self._model.logit_scale.detach().float().exp())

    def preprocess(self, image: Image) -> torch.Tensor:
        return self._transform(image)

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        with self._autocast():
            return self._model.encode_image(images.to(self.device, self._input_dtype), normalize=True)

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        with self._autocast():
            return self._model.encode_text(self._tokenizer(list(texts)).to(self.device), normalize=True)

    @property
    def logit_scale(self) -> float:
        return self._scale


class DemoClip(OpenClip):
    """The tiny CLIP that ships with the package, trained on other drawings of the demo set."""

    def __init__(
        self,
        precision: str = "fp32",
        batch_size: int | str = DEFAULT_BATCH_SIZE,
        device: str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        folder = Path(__file__).parent / "demo_clip"
        super().__init__(f"local-dir:{folder}", None, precision, batch_size, device, max_batch_size)


def _load(model: str, pretrained: str | None, precision: str, device: torch.device):
    """The model on its device and its preprocessing; open_clip's errors with the names of what was loaded."""
    options = {"precision": precision, "device": device, "force_quick_gelu": _needs_quick_gelu(model, pretrained)}
    try:
        return open_clip.create_model_from_pretrained(model, pretrained=pretrained, **options)
    # Unpickling, safetensors, JSON, torch and the Hub each have errors of their own.
    except Exception as error:
        raise ValueError(f"model={model}, pretrained={pretrained}: open_clip cannot load it: {type(error).__name__}: {error}") from error


def _check_names(model: str, pretrained: str | None) -> None:
    """Refuse what open_clip would answer with random weights or a bare stack trace."""
    schema, name = parse_model_name(model)
    if schema == "local-dir":
        folder = Path(name)
        if not (folder / "open_clip_config.json").is_file():
            raise ValueError(f"model={model}: expected a folder with open_clip_config.json and weights (safetensors, bin or pth); {folder} has no such file.")
    if schema is not None:
        if pretrained is not None:
            raise ValueError(f"pretrained={pretrained}: {model} brings its own weights. Leave pretrained out, or name an architecture as model.")
        return
    known = open_clip.list_models()
    if name.replace("/", "-") not in known:
        near = difflib.get_close_matches(name, known, n=3) or known[:3]
        raise ValueError(f"model={model}: open_clip has no such architecture. Near: {', '.join(near)}. Or use hf-hub:org/name or local-dir:/folder.")
    tags = open_clip.list_pretrained_tags_by_model(name.replace("/", "-"))
    if pretrained is None or not (pretrained in tags or Path(pretrained).is_file()):
        asked = "without pretrained the weights would be random" if pretrained is None else f"pretrained={pretrained} is neither a tag nor a file"
        raise ValueError(f"model={model}: {asked}. Expected a checkpoint file or one of the tags {', '.join(tags) or '(none)'}.")


def _check_precision(precision: str, device: torch.device) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision}: expected one of {', '.join(PRECISIONS)}.")
    if device.type == "cpu" and precision in ("fp16", "amp"):
        raise ValueError(f"precision={precision}: half precision needs a GPU. On the CPU use fp32, bf16 or amp_bf16.")


def _autocast(precision: str, device: torch.device):
    if not precision.startswith("amp"):
        return nullcontext
    dtype = torch.bfloat16 if precision == "amp_bf16" else torch.float16
    return lambda: torch.autocast(device.type, dtype=dtype)


def _needs_quick_gelu(model: str, pretrained: str | None) -> bool:
    """Whether the tag's weights were trained with another activation than the architecture's default."""
    if pretrained is None or Path(pretrained).is_file():
        return False
    return bool(open_clip.get_pretrained_cfg(model.replace("/", "-"), pretrained).get("quick_gelu", False))
