"""Contrastive models from checkpoints: precision, merging, and the entry of the results file."""

from __future__ import annotations

import abc
import copy
import dataclasses
import functools
import importlib.metadata
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from loguru import logger
from PIL.Image import Image

from microbench_adapters.checkpoints import loading
from microbench_adapters.checkpoints.loading import Loaded
from microbench_adapters.checkpoints.merge_loaded import merge_loaded
from microbench_adapters.checkpoints.preprocessing import SplitPreprocessing
from microbench_adapters.checkpoints.registry import Checkpoint, Preprocessing
from microbench_adapters.libraries.encoder_smoke_test import SmokeTestedModel
from microbench_adapters.libraries.options import (
    check_context_length,
    check_merge,
    parse_folder,
    parse_merge_with,
    refused_as_merge_with,
)
from microbench_adapters.libraries.precision import autocast, check_precision, in_best_layout, input_dtype
from microbench_adapters.models import smoke_test
from microbench_adapters.models.dual_encoder import Tensors
from microbench_adapters.models.embeddings import Embeddings
from microbench_adapters.models.execution import fitting_batch_size
from microbench_adapters.models.pixel_store import PixelFiles

# Settings of preprocessing that change the values of pixels, and not the pixels.
_OF_VALUES = ("mean", "std", "image_mean", "image_std", "do_normalize", "do_rescale", "rescale_factor")
# Parts of the record that do not change embeddings: merged weights have a hash of their own, files may be anywhere.
_NOT_IDENTITY = ("checkpoint", "files", "merge")


class CheckpointModel(SmokeTestedModel):
    """A dual encoder with weights from a checkpoint, or merged from several.

    Args:
        precision: one of `PRECISIONS`.
        merge_with: another checkpoint, or several as ``[one,other]``: the base of ``merge=linear``
            and ``slerp``; the base and then further fine-tuned ones of ``task_arithmetic`` and
            ``ties``; all equal for ``soup``.
        merge: one of `merging.METHODS`.
        alpha: how much of the checkpoint itself, against the base; see `merging.merge`.
        density: of ``merge=ties``.
        cache_dir: folder in which embeddings are kept, so that a later run of the same model encodes
            only images and texts that are new; by default nothing is kept.
        pixels_dir: folder in which resized images are kept, so that a later run of any model that resizes in the
            same way decodes only images that are new; by default nothing is kept.
        compile: let ``torch.compile`` build the encoders, which takes a minute or more before the first answer.
        batch_size: see `DualEncoder`; on a GPU by default as many as fit into its memory, at most 256.
        device: see `ContrastiveModel`.
        max_batch_size: see `ContrastiveModel`.

    Raises:
        ValueError: an option does not exist or cannot work here, checkpoints cannot be loaded
            or cannot be merged.
    """

    # The row of the registry behind a named model.
    checkpoint: ClassVar[Checkpoint | None] = None
    # Read by `inspect.signature`.
    __signature__: ClassVar[inspect.Signature]
    # Packages whose version can change the embeddings.
    libraries: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        spec: dict[str, Any],
        precision: str = "fp32",
        merge_with: str | None = None,
        merge: str = "linear",
        alpha: float | None = None,
        density: float | None = None,
        cache_dir: str | None = None,
        pixels_dir: str | None = None,
        compile: bool = False,
        batch_size: int | str | None = None,
        device: str | None = None,
        max_batch_size: int | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, device=device, max_batch_size=max_batch_size)
        check_precision(precision, self.device)
        if not isinstance(compile, bool):
            raise ValueError(f"compile={compile}: expected True or False.")
        others = parse_merge_with(merge_with)
        check_merge(merge, alpha, density, others)
        check_context_length(spec.get("context_length"))
        self.precision = precision
        self.input_dtype = input_dtype(precision)
        self.autocast = autocast(precision, self.device)
        self.loaded = self.load_checked(spec)
        self._warn_of_other_settings()
        self._merge_record: dict[str, Any] | None = None
        if others:
            base, *further = [self._load_merge_with(other, spec) for other in others]
            self.loaded, self._merge_record = merge_loaded([base, self.loaded, *further], merge, alpha, density)
        # Before the module is cast: both are computed from its weights.
        self._scale, self._bias = loading.scale_and_bias(self.loaded.module)
        smoke_test.check_scale(self._scale, self._bias, self.loaded.name)
        self._sha256 = loading.weights_sha256(self.loaded.module.state_dict())
        self.module = in_best_layout(self.prepare_module(self.loaded, precision, self.device).eval())
        self._is_compiled = compile
        if compile:
            # For any batch size: the last batch is smaller.
            for encoder in ("encode_images", "encode_texts"):
                setattr(self, encoder, torch.compile(getattr(self, encoder), dynamic=True))
        if cache_dir is not None:
            self._keep_embeddings(str(cache_dir))
        if pixels_dir is not None:
            self._keep_pixels_on_disk(str(pixels_dir))
        # With both caches filled, this model has passed the test before.
        if not (self.kept_images and self.kept_texts):
            self._smoke_test()
        if batch_size is None and self.device.type == "cuda":
            self.batch_size = min(fitting_batch_size(encode, self.device) for encode in self._test_encoders())

    def __init_subclass__(cls) -> None:
        """Set the signature for the check of ``--model_args``: the adapter's own arguments and the shared ones."""
        shared = [
            parameter.replace(kind=parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(CheckpointModel.__init__).parameters.items()
            if name not in ("self", "spec")
        ]
        own = [
            parameter
            for name, parameter in inspect.signature(cls.__init__).parameters.items()
            if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
        ]
        cls.__signature__ = inspect.Signature([*own, *shared])

    @classmethod
    @abc.abstractmethod
    def check_files(cls, arguments: Mapping[str, str]) -> None:
        """Check that local weights exist and open, before anything is loaded; see `local_files.check`."""

    @classmethod
    @abc.abstractmethod
    def load(cls, spec: dict[str, Any]) -> Loaded:
        """Load the checkpoint of a specification, a subset of the constructor's arguments.

        Raises:
            ValueError: it does not exist, is incomplete, or is of another kind.
        """

    @classmethod
    @abc.abstractmethod
    def resolve(cls, name: str, like: dict[str, Any]) -> dict[str, Any]:
        """Return the specification of the checkpoint that ``merge_with`` calls ``name``, beside the model ``like``."""

    @classmethod
    def prepare_module(cls, loaded: Loaded, precision: str, device: torch.device) -> torch.nn.Module:
        """Return the module of ``loaded`` on its device and in its precision."""
        # Moving a module moves its weights, which other runs may share.
        module = copy.deepcopy(loaded.module) if loading.is_shared() else loaded.module
        return module.to(device, input_dtype(precision))

    @classmethod
    @abc.abstractmethod
    def save(cls, loaded: Loaded, folder: Path) -> None:
        """Write ``loaded`` into an existing folder, in the library's own layout."""

    @staticmethod
    @abc.abstractmethod
    def preprocessing_of(settings: dict[str, Any]) -> Preprocessing:
        """Convert the library's preprocessing settings to the common form."""

    @classmethod
    def load_checked(cls, spec: dict[str, Any]) -> Loaded:
        """Load a checkpoint in evaluation mode and check that its weights are finite.

        Within `loading.cache_checkpoints`, each is loaded once.
        """

        def load() -> Loaded:
            loaded = cls.load(spec)
            loaded.module.eval()
            loading.check_finite(loaded.module, loaded.name)
            return loaded

        return loading.load_cached((cls.load.__qualname__, repr(sorted(spec.items()))), load)

    @classmethod
    def _load_merge_with(cls, name: str, like: dict[str, Any]) -> Loaded:
        with refused_as_merge_with(name):
            return cls.load_checked(cls.resolve(name, like))

    def _keep_embeddings(self, cache_dir: str) -> None:
        folder = parse_folder("cache_dir", cache_dir)
        identity = {name: value for name, value in self.record().items() if name not in _NOT_IDENTITY} | {
            "adapter": type(self).load.__qualname__,
            "versions": self._versions(),
            "smoke_test": smoke_test.VERSION,
        }
        self.kept_images, self.kept_texts = (Embeddings(folder, identity, kind) for kind in ("images", "texts"))
        logger.info(
            f"cache_dir={cache_dir}: "
            f"{len(self.kept_images)} images and {len(self.kept_texts)} texts of this model are known"
        )

    def _keep_pixels_on_disk(self, pixels_dir: str) -> None:
        folder = parse_folder("pixels_dir", pixels_dir)
        if self.resizing is None:
            logger.warning(
                f"pixels_dir={pixels_dir}: not used, as the preprocessing of {self.loaded.name} returns "
                "something else than pixels of one size."
            )
            return
        self.kept_pixels = PixelFiles(folder, json.loads(self.resizing))
        logger.info(f"pixels_dir={pixels_dir}: {len(self.kept_pixels)} images are known that are resized as here")

    def resize(self, image: Image) -> Tensors:
        """Resize one RGB image to 8-bit pixels, where preprocessing can be split; else do all of it."""
        steps = self.loaded.steps
        return self.preprocess(image) if steps is None else {self.pixel_input: steps.resize(image)}

    def normalize(self, images: Tensors) -> Tensors:
        """Convert a batch of 8-bit pixels to the encoder's inputs, on their device."""
        steps = self._steps_on_device
        return images if steps is None else {self.pixel_input: steps.normalize(images[self.pixel_input])}

    @functools.cached_property
    def _steps_on_device(self) -> SplitPreprocessing | None:
        # To copy the values for each batch would wait for all that a GPU was given before.
        steps = self.loaded.steps
        return None if steps is None else dataclasses.replace(steps, values=steps.values.to(self.device))

    @functools.cached_property
    def resizing(self) -> str | None:  # type: ignore[override]  # a property that is worked out once
        """Return the adapter, its settings and the versions of its libraries, as JSON; see `DualEncoder.resizing`."""
        if self.loaded.steps is None:
            return None
        settings = {name: value for name, value in self.loaded.preprocessing.items() if name not in _OF_VALUES}
        identity = {
            "adapter": type(self).load.__qualname__,
            # Classes resize in ways of their own with the same settings.
            "processor": type(self.loaded.image_processor).__name__,
            "settings": settings,
            "versions": self._versions(),
        }
        return json.dumps(identity, sort_keys=True)

    @classmethod
    def _versions(cls) -> dict[str, str]:
        packages = ("torch", "torchvision", "pillow", *cls.libraries)
        return {package: importlib.metadata.version(package) for package in packages}

    def _warn_of_other_settings(self) -> None:
        """Warn if a named model's checkpoint has other settings than its row: another release, or a fine-tune."""
        if self.checkpoint is None or self.checkpoint.preprocessing is None:
            return
        actual = dataclasses.asdict(self.preprocessing_of(self.loaded.preprocessing))
        for setting, expected in dataclasses.asdict(self.checkpoint.preprocessing).items():
            if expected is not None and actual[setting] != expected:
                logger.warning(
                    f"{self.loaded.name}: preprocessing has {setting} {actual[setting]}, "
                    f"the model's published checkpoint {expected}."
                )

    @property
    def logit_scale(self) -> float:
        """Return the factor of cosine similarities."""
        return self._scale

    @property
    def logit_bias(self) -> float | None:
        """Return what is added to scaled similarities, if the model was trained with the sigmoid loss."""
        return self._bias

    def record(self) -> dict[str, Any]:
        """Describe checkpoint, settings and merge for the results file."""
        record = {
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
        if self._is_compiled:
            record["compiled"] = True
        if self._merge_record:
            record["merge"] = self._merge_record
        return record
