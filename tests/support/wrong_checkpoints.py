"""Make checkpoints that are subtly wrong, or right but packed unusually, with the libraries' own means.

The cases are in `wrong_folders`, `wrong_state_dicts` and `wrong_models`. Each function gets a copy of a small healthy
checkpoint, changes it, and returns the options that differ from ``model=<the folder>``. Its decorator states the
expected result.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
import transformers
from safetensors.torch import load_file, save_file

from tests.support import tiny_clip, tiny_models

LOADS = ""
PREPROCESS = json.dumps({"mean": [0.5] * 3, "std": [0.5] * 3})


@dataclass(frozen=True)
class Case:
    """``expected``: a pattern of the refusal, or `LOADS` if answers and weights must be the healthy checkpoint's."""

    base: str
    make: Callable[[Path], dict | None]
    expected: str

    @property
    def name(self) -> str:
        return f"{self.base}-{self.make.__name__.strip('_')}"


class CaseTable(list[Case]):
    """The cases of one module, in the order of its functions."""

    def case(self, base: str, expected: str):
        """Return a decorator that adds the function to the table."""

        def register(make):
            self.append(Case(base, make, expected))
            return make

        return register


# --- healthy checkpoints ---


def open_clip_vit(folder: Path) -> Path:
    return tiny_clip.save(folder, seed=3)


def clip_config() -> transformers.CLIPConfig:
    tower = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = tower | {"vocab_size": 400, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    vision = tower | {"image_size": 32, "patch_size": 16}
    return transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)


def clip_processor() -> transformers.CLIPProcessor:
    """With a vocabulary of few words, which loads faster than the true one."""
    images = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return transformers.CLIPProcessor(image_processor=images, tokenizer=tiny_models.word_tokenizer(77))


def transformers_clip(folder: Path) -> Path:
    torch.manual_seed(0)
    return tiny_models.save_transformers(folder, transformers.CLIPModel(clip_config()), clip_processor())


# --- means ---


def weights_of(folder: Path) -> Path:
    names = ("open_clip_model.safetensors", "model.safetensors", "pytorch_model.bin")
    return next(folder / name for name in names if (folder / name).exists())


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    path = weights_of(folder)
    return load_file(path) if path.suffix == ".safetensors" else torch.load(path)


def spoil(folder: Path, **changes) -> None:
    """Replace weights by name, ``__`` for a dot; None takes one away, a function gets the old values."""
    state = state_of(folder)
    for name, change in changes.items():
        name = name.replace("__", ".")
        old = state.pop(name, None)
        if change is not None:
            state[name] = change(old) if callable(change) else change
    path = weights_of(folder)
    save_file(state, path, metadata={"format": "pt"}) if path.suffix == ".safetensors" else torch.save(state, path)


def edit(path: Path, **changes) -> None:
    content = json.loads(path.read_text())
    for name, value in changes.items():
        *parents, last = name.split("__")
        part = content
        for parent in parents:
            part = part[parent]
        part[last] = value
    path.write_text(json.dumps(content))


def other_values(state):
    return {name: values * 1.01 if values.is_floating_point() else values for name, values in state.items()}


def prefixed(state, prefix):
    return {f"{prefix}{name}": values for name, values in state.items()}


def as_file(folder: Path, content) -> dict:
    """Options that load ``content`` from a file of a training script, with the architecture of ``folder``."""
    torch.save(content, folder.parent / "epoch_1.pt")
    if (folder / "open_clip_config.json").exists():
        return {"model": "tiny-vit", "pretrained": str(folder.parent / "epoch_1.pt"), "preprocess": PREPROCESS}
    return {"pretrained": str(folder.parent / "epoch_1.pt")}


def open_clip_module(folder: Path):
    return open_clip.create_model(f"local-dir:{folder}")


def zeros(values):
    return torch.zeros_like(values)
