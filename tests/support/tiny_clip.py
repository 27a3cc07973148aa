"""A CLIP with open_clip's true architecture and file layout, shrunk, with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

SIZES = {
    "vision_cfg": {"layers": 2, "width": 64, "head_width": 32, "image_size": 32, "patch_size": 16},
    "text_cfg": {"layers": 2, "width": 64, "heads": 2},
}


def architecture() -> dict:
    config = open_clip.get_model_config("ViT-B-32") | {"embed_dim": 32}
    for tower, sizes in SIZES.items():
        config[tower] |= sizes
    return config


def spread(model) -> None:
    """Weights large enough that images and texts differ visibly, as they do for a trained model."""
    for name, values in model.named_parameters():
        if values.ndim > 1:
            torch.nn.init.normal_(values, std=0.5 / values.shape[-1] ** 0.5 if values.ndim == 2 else 0.05)
        elif name.endswith("logit_bias"):
            torch.nn.init.constant_(values, -3.0)
        elif name.endswith("logit_scale"):
            torch.nn.init.constant_(values, 2.0)


def save(folder: Path, seed: int = 0) -> Path:
    """Write ``open_clip_config.json`` and weights, as open_clip's own ``local-dir:`` reads them."""
    config = architecture()
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    model = open_clip.CLIP(**config)
    spread(model)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}})
    )
    return folder
