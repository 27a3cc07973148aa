"""The models that the harness finds through its entry point."""

from __future__ import annotations

import sys
from typing import Any

from loguru import logger


def class_paths() -> dict[str, str]:
    """Return the class of each model, by the name that ``--model`` takes."""
    from microbench_adapters.checkpoints.registry import CHECKPOINTS

    return {
        "open_clip": "microbench_adapters.libraries.open_clip_adapter.OpenClip",
        "transformers_clip": "microbench_adapters.libraries.transformers_adapter.TransformersClip",
        "paligemma": "microbench_adapters.libraries.paligemma_adapter.PaliGemma",
        "transformers_vlm": "microbench_adapters.libraries.transformers_vlm_adapter.TransformersVlm",
        "qwen_vl_chat": "microbench_adapters.libraries.qwen_vl_chat_adapter.QwenVLChat",
        **{name: f"microbench_adapters.named_models.{name}" for name in CHECKPOINTS},
        "microbench_random": "microbench_adapters.models.random_model.RandomModel",
    }


def register() -> list[Any]:
    """Return one manifest per model name, for the entry point group ``lmms_eval.models``.

    Never raises: the harness would drop every other plugin's models with ours.
    """
    paths = class_paths()
    try:
        from lmms_eval.models.registry_v2 import ModelManifest
    except ImportError as error:
        logger.warning(
            f"The models {', '.join(paths)} are not known to this version of lmms-eval ({error}); "
            "install lmms-eval 0.7.3 to use them."
        )
        return []
    _list_names(paths)
    return [ModelManifest(model_id=name, simple_class_path=path) for name, path in paths.items()]


def _list_names(paths: dict[str, str]) -> None:
    """Add the names to the table that ``lmms_eval models`` prints, which lists no plugins by itself."""
    names = getattr(sys.modules.get("lmms_eval.models"), "AVAILABLE_SIMPLE_MODELS", None)
    if isinstance(names, dict):
        for name, path in paths.items():
            names.setdefault(name, path)
