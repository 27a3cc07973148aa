"""CONCH, which only its authors' own package loads."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image

from microbench_adapters.checkpoints import (
    fitting,
    folder_kinds,
    loading,
    repositories,
    selection,
    state_dicts,
    weight_files,
)
from microbench_adapters.checkpoints.loading import Loaded
from microbench_adapters.checkpoints.registry import CHECKPOINTS, Preprocessing
from microbench_adapters.libraries import local_files, split_preprocessing
from microbench_adapters.libraries.checkpoint_model import CheckpointModel
from microbench_adapters.libraries.options import build_spec
from microbench_adapters.libraries.precision import unit_vectors
from microbench_adapters.models.dual_encoder import Tensors

INSTALL = "pip install conch-fork"
ARCHITECTURE = "conch_ViT-B-16"
WEIGHTS_FILE = "pytorch_model.bin"
# The published weights come without the decoder, which writes captions and has no part in similarities.
_DECODER = "text_decoder."


class Conch(CheckpointModel):
    """CONCH (https://doi.org/10.1038/s41591-024-02856-4), or a fine-tune of it.

    Its package and weights are licensed CC-BY-NC-ND 4.0; the weights are gated on the Hub.

    Args:
        model: the repository on the Hub, a folder with ``pytorch_model.bin``, or a checkpoint file.
        revision: commit, branch or tag of the repository.
        context_length: in tokens; at most 127, as the architecture keeps the last of 128 for itself.
        options: those of `CheckpointModel`.

    Raises:
        ValueError: an option does not exist or cannot work here, or weights are missing or are
            not CONCH's.
        ModuleNotFoundError: the optional package is not installed; with the command that installs it.
    """

    libraries = ("conch-fork",)

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        context_length: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(build_spec(model=model, revision=revision, context_length=context_length), **options)

    @classmethod
    def load(cls, spec: dict[str, Any]) -> Loaded:
        """Load a checkpoint; see `CheckpointModel.load`."""
        package = _import_package()
        weights, files = _find_weights(spec)
        architecture = json.loads((Path(package.factory.CFG_DIR) / f"{ARCHITECTURE}.json").read_text())
        longest = architecture["text_cfg"]["context_length"] - 1
        length = spec.get("context_length", longest)
        if not 0 < length <= longest:
            raise ValueError(f"context_length={length}: CONCH reads 1 to {longest} tokens.")
        module, taken_from = _load_module(package, architecture, weights, files, spec["model"])
        tokenizer = package.get_tokenizer()
        settings = {
            "size": architecture["vision_cfg"]["image_size"],
            "mean": list(package.OPENAI_DATASET_MEAN),
            "std": list(package.OPENAI_DATASET_STD),
        }
        preprocess = package.transform.image_transform(settings["size"], mean=settings["mean"], std=settings["std"])
        return Loaded(
            name=spec["model"] + (f"@{spec['revision']}" if "revision" in spec else ""),
            architecture=architecture,
            module=module,
            preprocess=preprocess,
            steps=split_preprocessing.split_transforms(preprocess),
            preprocessing=settings,
            tokenizer=tokenizer,
            tokenizer_sha256=loading.json_sha256(sorted(tokenizer.get_vocab().items())),
            context_length=length,
            files=files | taken_from,
        )

    @classmethod
    def check_files(cls, arguments: Mapping[str, str]) -> None:
        """Check local weights before anything is loaded; see `CheckpointModel.check_files`."""
        local_files.check(arguments, lambda folder, where: [_find_weights({"model": str(folder)})[0]])

    @classmethod
    def resolve(cls, name: str, like: dict[str, Any]) -> dict[str, Any]:
        """Return the specification behind a name in ``merge_with``; see `CheckpointModel.resolve`."""
        shared = {setting: like[setting] for setting in ("context_length",) if setting in like}
        if name in CHECKPOINTS and CHECKPOINTS[name].adapter == "conch":
            return dict(CHECKPOINTS[name].arguments) | shared
        repository, _, revision = name.partition("@")
        if revision and not Path(name).exists():
            return {"model": repository, "revision": revision} | shared
        return {"model": name} | shared

    @classmethod
    def save(cls, loaded: Loaded, folder: Path) -> None:
        """Write the weights under the name of the published file."""
        torch.save(loaded.module.state_dict(), folder / WEIGHTS_FILE)

    @staticmethod
    def preprocessing_of(settings: dict[str, Any]) -> Preprocessing:
        """Convert the preprocessing settings to the common form."""
        return Preprocessing(settings["size"], "shortest", "bicubic", tuple(settings["mean"]), tuple(settings["std"]))

    def preprocess(self, image: Image) -> Tensors:
        """Convert one RGB image to the encoder's inputs."""
        return {"pixels": self.loaded.preprocess(image)}

    def encode_images(self, images: Tensors) -> torch.Tensor:
        """Return unit vectors, shape (N, D)."""
        module: Any = self.module
        with self.autocast():
            pixels = images["pixels"].to(self.input_dtype)
            return unit_vectors(module.encode_image(pixels, proj_contrast=True, normalize=False))

    def tokenize(self, texts: list[str]) -> Tensors:
        """Return tokens, shape (N, context length + 1)."""
        # As the package's own function does, which newer releases of transformers have broken.
        tokenizer, length = self.loaded.tokenizer, self.loaded.context_length
        tokens = tokenizer(texts, max_length=length, padding="max_length", truncation=True, return_tensors="pt")
        # The architecture puts a token of its own in the last place.
        return {"tokens": torch.nn.functional.pad(tokens["input_ids"], (0, 1), value=tokenizer.pad_token_id)}

    def encode_texts(self, tokens: Tensors) -> torch.Tensor:
        """Return unit vectors, shape (N, D)."""
        module: Any = self.module
        with self.autocast():
            return unit_vectors(module.encode_text(tokens["tokens"], normalize=False))

    def longer_than_context(self, texts: list[str]) -> list[str]:
        """Return the texts that are truncated."""
        ids_of_texts = self.loaded.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        return [text for text, ids in zip(texts, ids_of_texts, strict=True) if len(ids) > self.loaded.context_length]


def _load_module(
    package: Any, architecture: dict[str, Any], weights: Path, files: dict[str, Any], model: str
) -> tuple[torch.nn.Module, dict[str, str]]:
    """Build the encoders and load their weights; return them and the record of the weights' prefix."""
    settings = {name: value for name, value in architecture.items() if name != "custom_text"}
    module = package.CoCa(**copy.deepcopy(settings))
    content = state_dicts.read_file(weights)
    if "folder" in files:
        weight_files.refuse_adapters(weights.parent, f"model={model}")
        weight_files.refuse_others([weights], content, f"model={model}")
    # The decoder's weights are random: they belong to no model, and to no hash of one.
    module.text_decoder = None
    selected = selection.select(content, partial(_compare_encoders, module), len(module.state_dict()), str(weights))
    module.load_state_dict(selected.adapted)
    return module, selected.record


def _compare_encoders(module: torch.nn.Module, state: state_dicts.State) -> tuple[fitting.Faults, state_dicts.State]:
    """Compare the encoders' weights with the architecture, and return them without the decoder's."""
    encoders = {name: values for name, values in state.items() if not name.startswith(_DECODER)}
    return fitting.compare(encoders, module), encoders


def _import_package() -> Any:
    """Import CONCH's package; other packages are called ``conch`` too."""
    try:
        import conch.open_clip_custom as package
        from conch.open_clip_custom import factory, transform  # noqa: F401  # read as attributes of the package
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"CONCH needs a package that is not installed ({error}). "
            f"Install it with: {INSTALL} (licence CC-BY-NC-ND 4.0)."
        ) from error
    return package


def _find_weights(spec: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Return the file of the weights, and the entry of the results file about it."""
    model, revision = spec["model"], spec.get("revision")
    path = Path(model)
    if path.exists() and revision is not None:
        raise ValueError(f"revision={revision}: {model} is local and has none. Leave revision out.")
    if path.is_file():
        return path, {"weights": model}
    if path.is_dir():
        if not (path / WEIGHTS_FILE).is_file():
            raise ValueError(f"model={model}: expected a folder with {WEIGHTS_FILE}.{folder_kinds.suggest_model(path)}")
        return path / WEIGHTS_FILE, {"folder": model, "weights": WEIGHTS_FILE}
    from huggingface_hub import hf_hub_download

    try:
        weights = Path(hf_hub_download(model, WEIGHTS_FILE, revision=revision))
    # The Hub's errors for no access, no network and a bad name have no common class.
    except Exception as error:
        raise ValueError(
            f"model={model}: {repositories.explain(error)} CONCH's weights are gated: ask for access at "
            f"{CHECKPOINTS['conch'].source}, set HF_TOKEN, or name a folder that contains {WEIGHTS_FILE}."
        ) from error
    return weights, {"repository": model, "revision": weights.parent.name}
