"""The models that the harness learns of through its entry point."""

from __future__ import annotations

import sys
from typing import Any

from loguru import logger


def class_paths() -> dict[str, str]:
    """The class of each model, by the name that ``--model`` takes."""
    from microbench_adapters.checkpoints import CHECKPOINTS

    return {
        "open_clip": "microbench_adapters.open_clip_adapter.OpenClip",
        "transformers_clip": "microbench_adapters.transformers_adapter.TransformersClip",
        "paligemma": "microbench_adapters.paligemma_adapter.PaliGemma",
        **{name: f"microbench_adapters.systems.{name}" for name in CHECKPOINTS},
        "microbench_random": "microbench_adapters.random_adapter.RandomModel",
    }


def register() -> list[Any]:
    """Entry point of the group ``lmms_eval.models``: one manifest per model name.

    Never raises: the harness would drop every other plugin's models with ours.
    """
    paths = class_paths()
    try:
        from lmms_eval.models.registry_v2 import ModelManifest
    except ImportError as error:
        logger.warning(
            f"The models {', '.join(paths)} are not known to this version of lmms-eval ({error}); install lmms-eval 0.7.3 to use them."
        )
        return []
    _list_names(paths)
    return [ModelManifest(model_id=name, simple_class_path=path) for name, path in paths.items()]


def _list_names(paths: dict[str, str]) -> None:
    """Add the names to the table that ``lmms_eval models`` prints, which holds no plugins by itself."""
    listed = getattr(sys.modules.get("lmms_eval.models"), "AVAILABLE_SIMPLE_MODELS", None)
    if isinstance(listed, dict):
        for name, path in paths.items():
            listed.setdefault(name, path)
