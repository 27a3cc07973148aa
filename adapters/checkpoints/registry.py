"""The registry of named models: one row of data each.

To add a model, add a row: ``lmms_eval --model <name>`` then knows it. The paper's systems are those
of Table 1 of Micro-Bench (https://arxiv.org/abs/2407.01791); their checkpoints, context lengths
and paddings are those of its evaluation code (GitHub ``Ale9806/eVLLM``), preprocessing that of
the checkpoints' own configurations. Revisions are commits of the Hugging Face Hub that other
public projects pin too; where none could be found the newest is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing settings that decide what an encoder sees. None: not known.

    Attributes:
        size: side of the square that the encoder gets, in pixels.
        resize: how an image of another shape becomes that square: ``shortest`` (the shorter side to size, then a
            centre crop) or ``squash``.
        interpolation: name of the interpolation.
        mean: of the normalization, by channel.
        std: of the normalization, by channel.
    """

    size: int | None
    resize: str
    interpolation: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


# The folder of the checkpoint that ships with the package.
DEMO_CLIP = Path(__file__).parents[1] / "demo_clip"
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_CLIP_224 = Preprocessing(224, "shortest", "bicubic", _CLIP_MEAN, _CLIP_STD)
_HALVES = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Checkpoint:
    """One named model.

    Attributes:
        adapter: the adapter that loads it, by its model name.
        arguments: that adapter's arguments, which ``--model_args`` override.
        context_length: in tokens; longer texts are truncated and counted.
        padding: ``context`` (texts are padded to the context length) or ``longest`` (to the longest
            text of a run, which a mask or causal attention makes invisible).
        preprocessing: as published; a checkpoint with another one causes a warning.
        source: the page that describes it.
    """

    adapter: str
    arguments: Mapping[str, Any]
    context_length: int
    padding: str
    preprocessing: Preprocessing | None
    source: str


CHECKPOINTS: Mapping[str, Checkpoint] = {
    "clip": Checkpoint(
        "transformers_clip",
        {"model": "openai/clip-vit-base-patch32", "revision": "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"},
        77,
        "longest",
        _CLIP_224,
        "https://huggingface.co/openai/clip-vit-base-patch32",
    ),
    "openclip": Checkpoint(
        "open_clip",
        {
            "model": "ViT-B-32",
            "pretrained": "laion2b_s34b_b79k",
            "revision": "1a25a446712ba5ee05982a381eed697ef9b435cf",
        },
        77,
        "context",
        _CLIP_224,
        "https://huggingface.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    ),
    "align": Checkpoint(
        "transformers_clip",
        {"model": "kakaobrain/align-base"},
        64,
        "context",
        Preprocessing(289, "squash"),
        "https://huggingface.co/kakaobrain/align-base",
    ),
    "biomedclip": Checkpoint(
        "open_clip",
        {
            "model": "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
            "revision": "9f341de24bfb00180f1b847274256e9b65a3a32e",
        },
        256,
        "context",
        _CLIP_224,
        "https://huggingface.co/microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
    ),
    "plip": Checkpoint(
        "transformers_clip",
        {"model": "vinid/plip", "revision": "67ade53ddd32195868f422585f72698ef5d15094"},
        77,
        "longest",
        _CLIP_224,
        "https://huggingface.co/vinid/plip",
    ),
    "quiltnet": Checkpoint(
        "open_clip",
        {"model": "hf-hub:wisdomik/QuiltNet-B-32", "revision": "8ce77289ce35a90b2f1db1137dfa4bc2df175e33"},
        77,
        "context",
        _CLIP_224,
        "https://huggingface.co/wisdomik/QuiltNet-B-32",
    ),
    "conch": Checkpoint(
        "conch",
        {"model": "MahmoodLab/conch"},
        127,
        "context",
        Preprocessing(448, "shortest", "bicubic", _CLIP_MEAN, _CLIP_STD),
        "https://huggingface.co/MahmoodLab/conch",
    ),
    "coca": Checkpoint(
        "open_clip",
        {
            "model": "coca_ViT-B-32",
            "pretrained": "laion2b_s13b_b90k",
            "revision": "47aff38863cd40aa76d915bb04e4a3d8edf5824c",
        },
        76,
        "context",
        _CLIP_224,
        "https://huggingface.co/laion/CoCa-ViT-B-32-laion2B-s13B-b90k",
    ),
    "siglip": Checkpoint(
        "transformers_clip",
        {"model": "google/siglip-base-patch16-224", "revision": "7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed"},
        64,
        "context",
        Preprocessing(224, "squash", "bicubic", _HALVES, _HALVES),
        "https://huggingface.co/google/siglip-base-patch16-224",
    ),
    "demo_clip": Checkpoint(
        "open_clip",
        {"model": f"local-dir:{DEMO_CLIP}"},
        96,
        "context",
        Preprocessing(128, "shortest", "bicubic", _HALVES, _HALVES),
        "adapters/demo_clip/README.md",
    ),
}
