"""A CLIP with open_clip's true architecture and file layout, shrunk, with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

SIZES = {"vision_cfg": {"layers": 2, "width": 64, "head_width": 32, "image_size": 32, "patch_size": 16}, "text_cfg": {"layers": 2, "width": 64, "heads": 2}}


def architecture() -> dict:
    config = open_clip.get_model_config("ViT-B-32") | {"embed_dim": 32}
    for tower, sizes in SIZES.items():
        config[tower] |= sizes
    return config


def save(folder: Path, seed: int = 0) -> Path:
    """Write ``open_clip_config.json`` and weights, as open_clip's own ``local-dir:`` reads them."""
    config = architecture()
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    save_file(open_clip.CLIP(**config).state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}))
    return folder
