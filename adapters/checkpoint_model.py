"""Contrastive models that come from checkpoints: precision, merging, and what the results file says of them."""

from __future__ import annotations

import abc
import copy
import importlib.metadata
import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from loguru import logger
from PIL import Image

from microbench_adapters import loading, merging, smoke_test
from microbench_adapters.base import DEFAULT_BATCH_SIZE, ContrastiveModel, Tensors
from microbench_adapters.checkpoints import Checkpoint, Preprocessing
from microbench_adapters.embeddings import Embeddings
from microbench_adapters.execution import keep_freed_memory
from microbench_adapters.loading import Loaded
from microbench_adapters.quantization import quantize_linear

# What the weights are cast to; amp keeps them and casts operations.
PRECISIONS = ("fp32", "fp16", "bf16", "amp", "amp_bf16")
# Linear layers in integers, the rest in single precision.
INT8 = "int8"
# A patch embedding is one convolution, and gains nothing from another layout.
_CONVOLUTIONS_OF_A_TOWER = 4


class CheckpointModel(ContrastiveModel):
    """A dual encoder with weights from a checkpoint, or merged from several.

    Args:
        precision: one of `PRECISIONS`, or `INT8` on the CPU.
        merge_with: another checkpoint, or several as ``[one,other]``: the base of ``merge=linear``
            and ``slerp``; the base and then further fine-tuned ones of ``task_arithmetic`` and
            ``ties``; all equal for ``soup``.
        merge: one of `merging.METHODS`.
        alpha: how much of the checkpoint itself, against the base; see `merging.merge`.
        density: of ``merge=ties``.
        cache_dir: folder in which embeddings are kept, so that a later run of the same model encodes
            only images and texts that are new; by default nothing is kept.
        compile: let ``torch.compile`` build the encoders, which takes a minute or more before the first answer.
        batch_size, device, max_batch_size: see `ContrastiveModel`.

    Raises:
        ValueError: an option does not exist or cannot work here, checkpoints cannot be loaded
            or cannot be merged.
    """

    # The row behind a model that has a name of its own.
    checkpoint: ClassVar[Checkpoint | None] = None
    # Packages whose version can change what the encoders give.
    libraries: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        specification: dict[str, Any],
        precision: str = "fp32",
        merge_with: str | None = None,
        merge: str = "linear",
        alpha: float | None = None,
        density: float | None = None,
        cache_dir: str | None = None,
        compile: bool = False,
        batch_size: int | str = DEFAULT_BATCH_SIZE,
        device: str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, device=device, max_batch_size=max_batch_size)
        check_precision(precision, self.device, also=(INT8,))
        _check_compile(compile)
        others = listed(merge_with)
        _check_merge(merge, alpha, density, others)
        _check_context(specification.get("context_length"))
        self.precision = precision
        self.input_dtype = input_dtype(precision)
        self.autocast = autocast(precision, self.device)
        self.loaded = self.loaded_checkpoint(specification)
        self._warn_of_other_settings()
        if others:
            bases = [self.loaded_checkpoint(self.resolve(other, specification)) for other in others]
            self.loaded, self._merged = merged([bases[0], self.loaded, *bases[1:]], merge, alpha, density)
        else:
            self._merged = None
        # Before the module is cast: they are worked out of its weights.
        self._scale, self._bias = loading.scale_and_bias(self.loaded.module)
        smoke_test.check_scale(self._scale, self._bias, self.loaded.name)
        self._sha256 = loading.weights_sha256(self.loaded.module.state_dict())
        self.module = _in_best_layout(self.prepared(self.loaded, precision, self.device).eval())
        self._compiled = compile
        if precision == INT8:
            quantize_linear(self.module, self._encode_two)
        if compile:
            # For any batch size: the last one is smaller.
            self.encode_images, self.encode_texts = (
                torch.compile(encode, dynamic=True) for encode in (self.encode_images, self.encode_texts)
            )
        if cache_dir is not None:
            self._keep_embeddings(str(cache_dir))
        # Not before: what loading freed would stay.
        if self.device.type == "cpu":
            keep_freed_memory()
        # A model that has filled both has been tried.
        if not (self.kept_images and self.kept_texts):
            self._try_out()

    def __init_subclass__(cls) -> None:
        """Let ``--model_args`` be checked against an adapter's own arguments and those of this class, which it passes on."""
        shared = [
            parameter.replace(kind=parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(CheckpointModel.__init__).parameters.items()
            if name not in ("self", "specification")
        ]
        own = [
            parameter
            for name, parameter in inspect.signature(cls.__init__).parameters.items()
            if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
        ]
        cls.__signature__ = inspect.Signature([*own, *shared])

    @classmethod
    @abc.abstractmethod
    def load(cls, specification: dict[str, Any]) -> Loaded:
        """The checkpoint of a specification, a subset of the constructor's arguments.

        Raises:
            ValueError: it does not exist, is not whole, or is not what it says.
        """

    @classmethod
    @abc.abstractmethod
    def resolve(cls, name: str, like: dict[str, Any]) -> dict[str, Any]:
        """The specification of the checkpoint that ``merge_with`` calls ``name``, beside the model ``like``."""

    @classmethod
    def prepared(cls, loaded: Loaded, precision: str, device: torch.device) -> torch.nn.Module:
        """The module of ``loaded`` on its device and in its precision."""
        # Moving a module moves its weights, which other runs may share.
        module = copy.deepcopy(loaded.module) if loading.is_kept() else loaded.module
        return module.to(device, input_dtype(precision))

    @classmethod
    @abc.abstractmethod
    def save(cls, loaded: Loaded, folder: Any) -> None:
        """Write ``loaded`` into an existing folder, in the library's own layout."""

    @staticmethod
    @abc.abstractmethod
    def preprocessing_of(settings: dict[str, Any]) -> Preprocessing:
        """The library's preprocessing settings in common words."""

    @classmethod
    def loaded_checkpoint(cls, specification: dict[str, Any]) -> Loaded:
        """What `load` gives, in evaluation mode, its weights finite; kept if `loading.kept_in_memory`."""

        def load() -> Loaded:
            loaded = cls.load(specification)
            loaded.module.eval()
            loading.check_finite(loaded.module, loaded.name)
            return loaded

        return loading.load_once((cls.load.__func__, repr(sorted(specification.items()))), load)

    def _keep_embeddings(self, cache_dir: str) -> None:
        if not cache_dir.strip():
            raise ValueError("cache_dir=: expected a folder.")
        # Weights that are merged have a hash of their own; files may be anywhere.
        identity = {
            name: value for name, value in self.record().items() if name not in ("checkpoint", "files", "merge")
        }
        versions = {
            package: importlib.metadata.version(package)
            for package in ("torch", "torchvision", "pillow", *self.libraries)
        }
        further = {"adapter": type(self).load.__qualname__, "versions": versions, "smoke_test": smoke_test.VERSION}
        folder, identity = Path(cache_dir).expanduser(), identity | further
        self.kept_images, self.kept_texts = (Embeddings(folder, identity, kind) for kind in ("images", "texts"))
        logger.info(
            f"cache_dir={cache_dir}: {len(self.kept_images)} images and {len(self.kept_texts)} texts of this model are known"
        )

    def _try_out(self) -> None:
        """Encode test images and texts, so that a model that cannot run or distinguish them fails now."""
        where = self.loaded.name
        # Each text alone: its tokens must not depend on the rest of a batch.
        rows = [self.tokenize([text]) for text in smoke_test.TEXTS]
        smoke_test.check_tokens(rows, self.unknown_token, where)
        smoke_test.check_pooling([self.pooled_tokens(row) for row in rows], where)
        pixels = [self.preprocess(image) for image in smoke_test.images()]
        smoke_test.check_pixels(pixels, where)
        batch = self.tokenize(list(smoke_test.TEXTS))
        unpadded = self.unpadded(smoke_test.TEXTS[0])
        try:
            stacked = {name: torch.stack([item[name] for item in pixels]) for name in pixels[0]}
            images = self._run(self.encode_images, stacked)
            texts = self._run(self.encode_texts, batch)
            alone = texts[0] if _is_as_long(unpadded, batch) else self._run(self.encode_texts, unpadded)[0]
        # Libraries, devices and precisions each have errors of their own.
        except Exception as error:
            advice = " Leave compile out to see whether the compiler is the reason." if self._compiled else ""
            advice += (
                ""
                if self.precision == "fp32"
                else " Use precision=fp32, or amp_bf16 (amp on older GPUs), which leaves the weights as they are."
            )
            reason = f"{type(error).__name__}: {error}.{advice}"
            raise ValueError(
                f"{where}: does not run with precision={self.precision} on {self.device}: {reason}"
            ) from error
        if images.shape[1] != texts.shape[1]:
            raise ValueError(
                f"{where}: images and texts are encoded as vectors of different lengths, {images.shape[1]} and {texts.shape[1]}; "
                f"they cannot be compared."
            )
        smoke_test.check_vectors(images, "images", where, self.precision)
        smoke_test.check_vectors(texts, "texts", where, self.precision)
        smoke_test.check_padding(alone, texts[0], texts[1:], self.precision, _is_as_long(rows[0], batch), where)

    def unpadded(self, text: str) -> Tensors:
        """Return the text encoder's inputs for one text with the least padding that the model allows."""
        return self.tokenize([text])

    def pooled_tokens(self, tokens: Tensors) -> torch.Tensor | None:
        """Return the number of the token at which each text is pooled, -1 if the text lacks it; None if no token decides."""
        return None

    @property
    def unknown_token(self) -> int | None:
        """Return the number of the token for unknown words."""
        tokenizer = getattr(self.loaded.tokenizer, "tokenizer", self.loaded.tokenizer)
        number = getattr(tokenizer, "unk_token_id", None)
        # Some tokenizers use the end token for unknown words, too.
        return None if number == getattr(tokenizer, "eos_token_id", None) else number

    def _encode_two(self) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of two images and of two texts; of two, as a compiler treats a batch of one by itself."""
        images = {
            name: torch.stack([values, values]) for name, values in self.preprocess(Image.new("RGB", (64, 48))).items()
        }
        return self._run(self.encode_images, images), self._run(
            self.encode_texts, self.tokenize(["a micrograph", "an image"])
        )

    def _warn_of_other_settings(self) -> None:
        """Say where a named model's checkpoint is not as its row has it: another release, or a fine-tune."""
        if self.checkpoint is None or self.checkpoint.preprocessing is None:
            return
        found = asdict(self.preprocessing_of(self.loaded.preprocessing))
        for setting, expected in asdict(self.checkpoint.preprocessing).items():
            if expected is not None and found[setting] != expected:
                logger.warning(
                    f"{self.loaded.name}: preprocessing has {setting} {found[setting]}, the model's published checkpoint {expected}."
                )

    @property
    def logit_scale(self) -> float:
        return self._scale

    @property
    def logit_bias(self) -> float | None:
        return self._bias

    def record(self) -> dict[str, Any]:
        found = {
            "checkpoint": self.loaded.name,
            "files": self.loaded.files,
            "architecture": self.loaded.architecture,
            "weights_sha256": self._sha256,
            "preprocessing": self.loaded.preprocessing,
            "context_length": self.loaded.context_length,
            "tokenizer": {"class": type(self.loaded.tokenizer).__name__, "sha256": self.loaded.tokenizer_sha256},
            "precision": self.precision,
            "device": self.device.type,
        }
        return (
            found | ({"compiled": True} if self._compiled else {}) | ({"merge": self._merged} if self._merged else {})
        )


def _is_as_long(tokens: Tensors, others: Tensors) -> bool:
    return all(values.shape[1] == others[name].shape[1] for name, values in tokens.items())


def _check_context(length: Any) -> None:
    # Start, end and one token between them.
    if length is not None and (type(length) is not int or length < 3):
        raise ValueError(f"context_length={length}: expected a number of tokens, at least 3.")


def given(**arguments: Any) -> dict[str, Any]:
    """The specification of a checkpoint by the arguments that were given, text but for numbers: the harness reads ``model=1`` as one."""
    return {
        name: value if name == "context_length" else str(value)
        for name, value in arguments.items()
        if value is not None
    }


def merged(
    parts: Sequence[Loaded], method: str, alpha: float | None, density: float | None
) -> tuple[Loaded, dict[str, Any]]:
    """Base, fine-tuned checkpoint and further ones as one, and how it was made.

    Architecture, preprocessing and tokenizer are those of the second, which are the others' too.

    Raises:
        ValueError: keys, shapes, preprocessing, tokenizers or context lengths differ.
    """
    states = {part.name: part.module.state_dict() for part in parts}
    if len(states) < len(parts):
        names = [part.name for part in parts]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"merge_with: {twice} cannot be merged with itself. Name another checkpoint.")
    hashes = {name: loading.weights_sha256(state) for name, state in states.items()}
    if len(set(hashes.values())) < len(hashes):
        logger.warning(f"merge_with: {', '.join(states)} contain the same weights more than once.")
    merging.check_same(states)
    base, tuned = parts[0], parts[1]
    for part in (base, *parts[2:]):
        for what in ("preprocessing", "tokenizer_sha256", "context_length"):
            if getattr(part, what) != getattr(tuned, what):
                difference = (
                    "they make other tokens of the same texts"
                    if what == "tokenizer_sha256"
                    else f"{getattr(part, what)} and {getattr(tuned, what)}"
                )
                raise ValueError(
                    f"merge_with: {part.name} and {tuned.name} differ in {what.removesuffix('_sha256')}: {difference}. Merge checkpoints of one kind only."
                )
        if part.architecture != tuned.architecture:
            # An activation has no weights: it would show in no key.
            logger.warning(
                f"merge_with: {part.name} and {tuned.name} have equal weights' shapes, but configurations that differ: {_differing(part.architecture, tuned.architecture)}."
            )
    state = merging.merge(method, states[base.name], [states[part.name] for part in parts[1:]], alpha, density)
    module = copy.deepcopy(tuned.module)
    module.load_state_dict(state)
    loading.check_finite(module, f"merge={method} of {', '.join(states)}")
    settings = {
        "method": method,
        "of": [{"checkpoint": part.name, "files": part.files, "weights_sha256": hashes[part.name]} for part in parts],
    }
    if method != "soup":
        settings["alpha"] = merging.DEFAULT_ALPHA[method] if alpha is None else alpha
    if method == "ties":
        settings["density"] = merging.DEFAULT_DENSITY if density is None else density
    return Loaded(**(vars(tuned) | {"module": module})), settings


def _differing(one: dict[str, Any], other: dict[str, Any]) -> str:
    names = [name for name in dict.fromkeys((*one, *other)) if one.get(name) != other.get(name)]
    return loading.named(f"{name} {one.get(name)} and {other.get(name)}" for name in names)


def check_precision(precision: str, device: torch.device, also: tuple[str, ...] = ()) -> None:
    """Refuse a precision that is neither in `PRECISIONS` nor in ``also``, or that the device does not compute in.

    Raises:
        ValueError: with what to use instead.
    """
    if precision not in (*PRECISIONS, *also):
        raise ValueError(f"precision={precision}: expected one of {', '.join((*PRECISIONS, *also))}.")
    if precision == INT8 and device.type != "cpu":
        raise ValueError(f"precision={precision}: integers are for the CPU. On a GPU use fp16 or bf16.")
    if device.type == "cpu" and precision in ("fp16", "amp"):
        raise ValueError(f"precision={precision}: half precision needs a GPU. On the CPU use fp32, bf16 or amp_bf16.")
    if device.type == "cuda" and "bf16" in precision and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ValueError(f"precision={precision}: this GPU has no bfloat16. Use fp32, fp16 or amp.")


def _check_compile(compile: bool) -> None:
    if not isinstance(compile, bool):
        raise ValueError(f"compile={compile}: expected True or False.")


def _in_best_layout(module: torch.nn.Module) -> torch.nn.Module:
    """The module with channels last where it convolves at length, which computes the same in less time."""
    convolutions = sum(isinstance(layer, torch.nn.Conv2d) for layer in module.modules())
    return module.to(memory_format=torch.channels_last) if convolutions >= _CONVOLUTIONS_OF_A_TOWER else module


def input_dtype(precision: str) -> torch.dtype:
    """What images are cast to: the weights' type; with amp single precision."""
    return {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)


def autocast(precision: str, device: torch.device) -> Callable[[], AbstractContextManager]:
    """Makes the context that a module runs in: with amp operations are cast, else nothing is."""
    if not precision.startswith("amp"):
        return nullcontext
    dtype = torch.bfloat16 if precision == "amp_bf16" else torch.float16
    return lambda: torch.autocast(device.type, dtype=dtype)


def listed(merge_with: str | None) -> list[str]:
    """The names in ``merge_with``: ``one`` or ``[one,other]``, the form that the harness does not split at commas.

    Raises:
        ValueError: a name is empty.
    """
    if merge_with is None:
        return []
    text = str(merge_with).strip()
    names = text[1:-1].split(",") if text.startswith("[") and text.endswith("]") else [text]
    names = [name.strip() for name in names]
    if not all(names):
        raise ValueError(f"merge_with={merge_with}: expected a checkpoint, or several as [one,other].")
    return names


def _check_merge(merge: str, alpha: float | None, density: float | None, others: list[str]) -> None:
    given = [f"{name}={value}" for name, value in (("alpha", alpha), ("density", density)) if value is not None]
    if merge != "linear":
        given.append(f"merge={merge}")
    if given and not others:
        raise ValueError(
            f"{', '.join(given)}: nothing to merge with. Name the base as merge_with=, or leave {'it' if len(given) == 1 else 'them'} out."
        )
    if others:
        merging.check_settings(merge, alpha, density, len(others))
