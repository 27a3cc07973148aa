"""CONCH, which only its authors' own package loads."""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image

from microbench_adapters import fitting, loading, state_dicts, weight_files
from microbench_adapters.base import Tensors
from microbench_adapters.checkpoint_model import CheckpointModel, given
from microbench_adapters.checkpoints import CHECKPOINTS, Preprocessing
from microbench_adapters.loading import Loaded

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
        ModuleNotFoundError: the optional package is not installed; with the command that does it.
    """

    libraries = ("conch-fork",)

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        context_length: int | None = None,
        **options: Any,
    ) -> None:
        specification = given(model=model, revision=revision, context_length=context_length)
        super().__init__(specification, **options)

    @classmethod
    def load(cls, specification: dict[str, Any]) -> Loaded:
        package = _package()
        weights, files = _find_weights(specification)
        architecture = json.loads((Path(package.factory.CFG_DIR) / f"{ARCHITECTURE}.json").read_text())
        longest = architecture["text_cfg"]["context_length"] - 1
        length = specification.get("context_length", longest)
        if not 0 < length <= longest:
            raise ValueError(f"context_length={length}: CONCH reads 1 to {longest} tokens.")
        module = package.CoCa(
            **copy.deepcopy({name: value for name, value in architecture.items() if name != "custom_text"})
        )
        content = state_dicts.read_file(weights)
        if "folder" in files:
            weight_files.refuse_adapters(weights.parent, f"model={specification['model']}")
            weight_files.refuse_others([weights], content, f"model={specification['model']}")
        # The decoder's weights are random: they belong to no model, and to no hash of one.
        module.text_decoder = None
        adapt = partial(_without_decoder, module)
        selection = state_dicts.select(content, adapt, len(module.state_dict()), str(weights))
        module.load_state_dict(selection.adapted)
        tokenizer = package.get_tokenizer()
        settings = {
            "size": architecture["vision_cfg"]["image_size"],
            "mean": list(package.OPENAI_DATASET_MEAN),
            "std": list(package.OPENAI_DATASET_STD),
        }
        return Loaded(
            name=specification["model"] + (f"@{specification['revision']}" if "revision" in specification else ""),
            architecture=architecture,
            module=module,
            preprocess=package.transform.image_transform(settings["size"], mean=settings["mean"], std=settings["std"]),
            preprocessing=settings,
            tokenizer=tokenizer,
            tokenizer_sha256=loading.sha256_of(sorted(tokenizer.get_vocab().items())),
            context_length=length,
            files=files | selection.record,
        )

    @classmethod
    def resolve(cls, name: str, like: dict[str, Any]) -> dict[str, Any]:
        shared = {setting: like[setting] for setting in ("context_length",) if setting in like}
        if name in CHECKPOINTS and CHECKPOINTS[name].adapter == "conch":
            return dict(CHECKPOINTS[name].arguments) | shared
        repository, _, revision = name.partition("@")
        if revision and not Path(name).exists():
            return {"model": repository, "revision": revision} | shared
        return {"model": name} | shared

    @classmethod
    def save(cls, loaded: Loaded, folder: Path) -> None:
        torch.save(loaded.module.state_dict(), folder / WEIGHTS_FILE)

    @staticmethod
    def preprocessing_of(settings: dict[str, Any]) -> Preprocessing:
        return Preprocessing(settings["size"], "shortest", "bicubic", tuple(settings["mean"]), tuple(settings["std"]))

    def preprocess(self, image: Image) -> Tensors:
        return {"pixels": self.loaded.preprocess(image)}

    def encode_images(self, images: Tensors) -> torch.Tensor:
        with self.autocast():
            vectors = self.module.encode_image(
                images["pixels"].to(self.input_dtype), proj_contrast=True, normalize=False
            )
        return torch.nn.functional.normalize(vectors.float(), dim=-1)

    def tokenize(self, texts: list[str]) -> Tensors:
        # As the package's own function does, which newer releases of transformers have broken.
        tokenizer, length = self.loaded.tokenizer, self.loaded.context_length
        ids = tokenizer(texts, max_length=length, padding="max_length", truncation=True, return_tensors="pt")[
            "input_ids"
        ]
        # The architecture puts a token of its own in the last place.
        return {"tokens": torch.nn.functional.pad(ids, (0, 1), value=tokenizer.pad_token_id)}

    def encode_texts(self, tokens: Tensors) -> torch.Tensor:
        with self.autocast():
            vectors = self.module.encode_text(tokens["tokens"], normalize=False)
        return torch.nn.functional.normalize(vectors.float(), dim=-1)

    def longer_than_context(self, texts: list[str]) -> list[str]:
        lengths = (len(ids) for ids in self.loaded.tokenizer(texts, truncation=False, verbose=False)["input_ids"])
        return [text for text, length in zip(texts, lengths) if length > self.loaded.context_length]


def _without_decoder(module: torch.nn.Module, state: state_dicts.State) -> tuple[fitting.Faults, state_dicts.State]:
    encoders = {name: values for name, values in state.items() if not name.startswith(_DECODER)}
    return fitting.compare(encoders, module), encoders


def _package() -> Any:
    """CONCH's package; other packages are called ``conch`` too."""
    try:
        import conch.open_clip_custom as package
        from conch.open_clip_custom import factory, transform  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"CONCH needs a package that is not installed ({error}). Install it with: {INSTALL} (licence CC-BY-NC-ND 4.0)."
        ) from error
    return package


def _find_weights(specification: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    model, revision = specification["model"], specification.get("revision")
    path = Path(model)
    if path.exists() and revision is not None:
        raise ValueError(f"revision={revision}: {model} is local and has none. Leave revision out.")
    if path.is_file():
        return path, {"weights": model}
    if path.is_dir():
        if not (path / WEIGHTS_FILE).is_file():
            raise ValueError(f"model={model}: expected a folder with {WEIGHTS_FILE}.")
        return path / WEIGHTS_FILE, {"folder": model, "weights": WEIGHTS_FILE}
    from huggingface_hub import hf_hub_download

    try:
        found = Path(hf_hub_download(model, WEIGHTS_FILE, revision=revision))
    # The Hub's errors for no access, no network and a bad name have no common class.
    except Exception as error:
        raise ValueError(
            f"model={model}: {type(error).__name__}: {error}. CONCH's weights are gated: ask for access at {CHECKPOINTS['conch'].source}, set HF_TOKEN, or name a folder that holds {WEIGHTS_FILE}."
        ) from error
    return found, {"repository": model, "revision": found.parent.name}
