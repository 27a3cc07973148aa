"""The models that the harness learns of through its entry point."""

from __future__ import annotations

import sys
from typing import Any

_CLASS_PATHS = {
    "open_clip": "microbench_adapters.open_clip_adapter.OpenClip",
    "demo_clip": "microbench_adapters.open_clip_adapter.DemoClip",
}


def register() -> list[Any]:
    """Entry point of the group ``lmms_eval.models``: one manifest per model name."""
    from lmms_eval.models.registry_v2 import ModelManifest

    _list_names()
    return [ModelManifest(model_id=name, simple_class_path=path) for name, path in _CLASS_PATHS.items()]


def _list_names() -> None:
    """Add the names to the table that ``lmms_eval models`` prints, which holds no plugins by itself."""
    listed = getattr(sys.modules.get("lmms_eval.models"), "AVAILABLE_SIMPLE_MODELS", None)
    if isinstance(listed, dict):
        for name, path in _CLASS_PATHS.items():
            listed.setdefault(name, path)
