"""Name the folder of a model's results, so that different models in one ``--output_path`` do not mix.

The harness takes the last two parts of one model argument. These may be the same for several checkpoints: local folders
of one name, architectures with one tag of weights, or merges.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

from microbench_tasks.runs.model_labels import CHECKPOINTS, CHOICES
from microbench_tasks.util import files

# Of a file's name; file systems take 255 bytes.
_MAX_BYTES = 150


def folder_name(model: str, model_args: str) -> str:
    """Return the name of the folder for the results of a model. Any value has a name: the run is complete by then.

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
    chosen = {name: str(value) for name, value in stated.items() if value not in ("", None)}
    parts = [_short_name(chosen[name]) for name in CHECKPOINTS if name in chosen] or [sanitize_model_name(model)]
    parts += [f"{name}_{_short_name(chosen[name])}" for name in CHOICES if name in chosen]
    name = "__".join(parts)
    encoded = name.encode(errors="replace")
    if len(encoded) <= _MAX_BYTES:
        return encoded.decode()
    return f"{encoded[:_MAX_BYTES].decode(errors='ignore')}__{_digest(name)}"


def _short_name(value: str) -> str:
    """Return the end of a path or of a name on the Hub, and a digest if the end does not tell it from others."""
    from lmms_eval.utils import sanitize_model_name

    place = files.existing_path(value)
    if place is not None:
        # A file in the cache of the Hub is a link to a file that is named by its hash.
        shown = os.path.basename(os.path.abspath(place))
        return f"{sanitize_model_name(shown)}__{_digest(str(place.resolve()))}"
    # The harness's own name has the last two parts.
    is_whole = value.count("/") <= 1
    return sanitize_model_name(value) + ("" if is_whole else f"__{_digest(value)}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]
