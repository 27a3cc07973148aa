"""Name the folder of a model's results, so that different models in one ``--output_path`` do not mix.

The harness takes the last two parts of one model argument. These may be the same for several checkpoints: local folders
of one name, architectures with one tag of weights, or merges.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

# Arguments that choose the weights. The harness names folders after one of the first ones, in another order.
_CHECKPOINT = (
    *("model", "pretrained", "peft", "delta", "model_version", "model_name", "model_id", "path", "engine"),
    *("revision", "merge_with", "merge", "alpha", "density"),
)
_FIRST = _CHECKPOINT[: _CHECKPOINT.index("revision")]
# Of a file's name; file systems take 255 bytes.
_MAX_LENGTH = 150


def folder_name(model: str, model_args: str) -> str:
    """Return the name of the folder for the results of a model.

    Args:
        model: its name in the harness.
        model_args: as typed.

    >>> folder_name("plip", ""), folder_name("qwen2_5_vl", "pretrained=Qwen/Qwen2.5-VL-3B-Instruct,device_map=auto")
    ('plip', 'Qwen__Qwen2.5-VL-3B-Instruct')
    >>> folder_name("open_clip", "model=ViT-B-32,pretrained=openai"), folder_name("clip", "merge_with=plip,alpha=0.5")
    ('ViT-B-32__openai', 'clip__merge_with_plip__alpha_0.5')
    """
    from lmms_eval.utils import sanitize_model_name, simple_parse_args_string

    stated: dict[str, Any] = simple_parse_args_string(model_args) if model_args else {}
    chosen = {name: str(stated[name]) for name in _CHECKPOINT if name in stated}
    parts = [_short_name(value) for name, value in chosen.items() if name in _FIRST] or [sanitize_model_name(model)]
    parts += [f"{name}_{_short_name(value)}" for name, value in chosen.items() if name not in _FIRST]
    name = "__".join(parts)
    return name if len(name) <= _MAX_LENGTH else f"{name[:_MAX_LENGTH]}__{_digest(name)}"


def _short_name(value: str) -> str:
    """Return the end of a path or of a name on the Hub, and a digest if the end does not tell it from others."""
    from lmms_eval.utils import sanitize_model_name

    place = Path(value).expanduser()
    if place.exists():
        return f"{sanitize_model_name(place.resolve().name)}__{_digest(str(place.resolve()))}"
    # The harness's own name has the last two parts.
    is_whole = value.count("/") <= 1
    return sanitize_model_name(value) + ("" if is_whole else f"__{_digest(value)}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
