"""Merge checkpoints into a new one on disk (``microbench merge``)."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from microbench_adapters.checkpoints import loading, merging
from microbench_adapters.checkpoints.merge_loaded import merge_loaded
from microbench_adapters.checkpoints.registry import CHECKPOINTS
from microbench_adapters.libraries.checkpoint_model import CheckpointModel
from microbench_adapters.named_models import ADAPTERS, adapter_class

# Written beside a merged checkpoint: what it was made of.
MERGE_FILE = "merge.json"
# The file by which a folder shows the library that loads it, in the order of the checks.
_FILE_OF_LIBRARY = {
    "open_clip": "open_clip_config.json",
    "transformers_clip": "config.json",
    "conch": "pytorch_model.bin",
}


def merge_checkpoints(
    names: Sequence[str],
    out: Path,
    method: str = "linear",
    alpha: float | None = None,
    density: float | None = None,
    library: str | None = None,
) -> dict[str, Any]:
    """Merge checkpoints and save the result as a new folder.

    Args:
        names: the base first, then the checkpoints that were fine-tuned from it.
        out: the folder to write; it must not exist.
        method: one of `merging.METHODS`.
        alpha: see `merging.merge`.
        density: see `merging.merge`.
        library: the adapter that loads the checkpoints; by default inferred from their names.

    Returns:
        The content of ``merge.json`` beside the checkpoint: method, settings, and the hashes of parts and result.

    Raises:
        ValueError: the folder exists or cannot be written, a checkpoint cannot be loaded, or they cannot be merged.
    """
    if out.exists():
        raise ValueError(f"--out {out}: exists already. Name a folder that does not exist yet.")
    if len(names) < 2:
        raise ValueError("Expected at least two checkpoints: the base first, then what was fine-tuned from it.")
    model = _common_adapter(names, library)
    merging.check_settings(method, alpha, density, len(names) - 1)
    # Checked before anything is loaded: loading takes minutes.
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {out}: cannot be written: {error}") from error
    parts = [model.load_checked(model.resolve(name, {"model": name})) for name in names]
    result, settings = merge_loaded(parts, method, alpha, density)
    settings["weights_sha256"] = loading.weights_sha256(result.module.state_dict())
    _save(model, result, settings, out)
    return settings


def _common_adapter(names: Sequence[str], library: str | None) -> type[CheckpointModel]:
    libraries = {name: library or infer_adapter(name) for name in names}
    if len(set(libraries.values())) > 1:
        pairs = ", ".join(f"{name} ({inferred})" for name, inferred in libraries.items())
        raise ValueError(
            f"Checkpoints of different libraries cannot be merged: {pairs}. Set --library if one was mistaken."
        )
    return adapter_class(libraries[names[0]])


def _save(model: type[CheckpointModel], result: loading.Loaded, settings: dict[str, Any], out: Path) -> None:
    """Write the checkpoint and its record; the folder ``out`` appears only when it is complete."""
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
            folder = Path(scratch) / "checkpoint"
            folder.mkdir()
            model.save(result, folder)
            (folder / MERGE_FILE).write_text(json.dumps(settings, indent=1) + "\n")
            shutil.move(folder, out)
    # safetensors has its own error for a full disk.
    except (OSError, SafetensorError) as error:
        raise ValueError(f"--out {out}: cannot be written: {error}") from error


def infer_adapter(name: str) -> str:
    """Infer the adapter that loads a checkpoint from its name and from the files in its folder.

    Raises:
        ValueError: neither decides.
    """
    if name in CHECKPOINTS:
        return CHECKPOINTS[name].adapter
    if name.startswith(("hf-hub:", "local-dir:")):
        return "open_clip"
    path = Path(name)
    if path.is_dir():
        for library, file in _FILE_OF_LIBRARY.items():
            if (path / file).is_file():
                return library
        raise ValueError(
            f"{name}: expected a folder with open_clip_config.json (open_clip) or config.json (transformers)."
        )
    if path.exists():
        raise ValueError(
            f"{name}: a checkpoint file does not say its architecture. Write ARCHITECTURE:{name} for open_clip; "
            "for transformers save a folder with its configuration."
        )
    if ":" in name:
        return "open_clip"
    if name.count("/") == 1:
        return "transformers_clip"
    raise ValueError(
        f"{name}: no such folder, repository or model. "
        f"Expected a folder, org/name, hf-hub:org/name, ARCHITECTURE:tag, or one of {', '.join(CHECKPOINTS)}. "
        f"Set --library ({', '.join(ADAPTERS)}) if it is right."
    )
