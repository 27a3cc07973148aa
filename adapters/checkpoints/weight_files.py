"""Find the weights in a folder, and refuse a folder that contains more than one set of weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_adapters.checkpoints import state_dicts
from microbench_adapters.checkpoints.loading import summarize_names

# What transformers looks for in a folder, in its order.
TRANSFORMERS_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# File names of adapters in PEFT, the library adapters and diffusers. transformers applies the first by itself.
ADAPTER_FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "pytorch_adapter.bin",
    "pytorch_lora_weights.safetensors",
    "pytorch_lora_weights.bin",
)
_INDEX = ".index.json"
_ZERO = "DeepSpeed's ZeRO", "run zero_to_fp32.py, which DeepSpeed writes beside them, and name the file that it makes"
_READABLE = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
# Weight files of other frameworks, which cannot be compared.
_OTHER_FRAMEWORKS = (".h5", ".msgpack", ".gguf", ".onnx", ".npz", ".npy", ".tflite")
# What training scripts save beside weights.
_TRAINING_STATE = (
    "optimizer",
    "scheduler",
    "lr_scheduler",
    "training_args",
    "rng_state",
    "random_states",
    "scaler",
    "trainer_state",
)
# Weights saved in parts, which only the training library can join: name pattern, library, how to join them.
_IN_PARTS = (
    ("zero_pp_rank_*", *_ZERO),
    ("global_step*", *_ZERO),
    ("*.distcp", "torch's distributed checkpoint", "use torch.distributed.checkpoint.format_utils.dcp_to_torch_save"),
    ("shard-*-model-*.safetensors", "transformers' distributed checkpoint", "save_pretrained in the training script"),
    ("pytorch_model_fsdp_*", "FSDP", "run accelerate merge-weights, and name the folder that it makes"),
)


def refuse_adapters(folder: Path, where: str) -> None:
    """Refuse a folder with an adapter: transformers would apply it, even to weights that already contain it.

    Raises:
        ValueError: with the adapter's files.
    """
    adapters = [name for name in ADAPTER_FILES if (folder / name).exists()]
    if not adapters:
        return
    files = ", ".join(str(folder / name) for name in adapters)
    if not any(path.suffix in _READABLE for path in _others(folder, [])):
        raise ValueError(
            f"{where}: {folder} contains an adapter (LoRA, PEFT) and no model: {files}. "
            f"Merge it into its base model first: "
            f"call merge_and_unload() of peft, then save_pretrained into a new folder."
        )
    raise ValueError(
        f"{where}: the folder contains an adapter (LoRA, PEFT) beside the full weights: {files}. "
        f"transformers would apply it silently, even to weights that already contain it. "
        f"If the weights already contain it, or are to be evaluated without it, move these files out of the folder. "
        f"Otherwise merge it first: call merge_and_unload() of peft, then save_pretrained into a new folder."
    )


def find(folder: Path, where: str) -> list[Path]:
    """Return the weight files that transformers loads from ``folder``.

    They are the first of `TRANSFORMERS_FILES` that exists, or the shards that it names.

    Raises:
        ValueError: there is none, or a shard is missing.
    """
    for name in TRANSFORMERS_FILES:
        if (folder / name).is_file():
            return shards(folder / name, where) if name.endswith(_INDEX) else [folder / name]
    for pattern, library, advice in _IN_PARTS:
        if any(folder.glob(pattern)):
            raise ValueError(
                f"{where}: {folder} contains no complete weights. {library} saves them in parts: {advice}."
            )
    variants = [path.name for path in _others(folder, []) if path.suffix in (*_READABLE, *_OTHER_FRAMEWORKS)]
    there = f" It contains {summarize_names(variants)}: rename the file that you mean." if variants else ""
    expected = ", ".join(TRANSFORMERS_FILES)
    raise ValueError(
        f"{where}: transformers cannot load its weights: {folder} contains none. Expected one of {expected}.{there}"
    )


def shards(index: Path, where: str) -> list[Path]:
    """Return the files that an index names.

    Raises:
        ValueError: the index cannot be read, or names a file that is missing.
    """
    files = shard_names(index, where)
    missing = [name for name in files if Path(name).name != name or not (index.parent / name).is_file()]
    if missing:
        raise ValueError(
            f"{where}: {index} names {len(missing)} files that are missing beside it ({summarize_names(missing)}). "
            f"Copy them there."
        )
    return [index.parent / name for name in files]


def shard_names(index: Path, where: str) -> list[str]:
    """Return the names of the files that an index names.

    Raises:
        ValueError: the index cannot be read.
    """
    return sorted(set(_weight_map(index, where).values()))


def _weight_map(index: Path, where: str) -> dict[str, str]:
    try:
        weight_map = json.loads(index.read_text())["weight_map"]
        if not weight_map or not all(isinstance(name, str) for name in weight_map.values()):
            raise TypeError("weight_map is not a table of file names")
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{where}: {index} cannot be read. Expected an index of shards, JSON with weight_map ({reason})."
        ) from error
    return weight_map


def read(files: Sequence[Path], where: str) -> Any:
    """Read the file, or the shards together.

    Raises:
        ValueError: a file cannot be read, or the weights in the shards are not those that the index names.
    """
    parts = {path.name: state_dicts.read_file(path) for path in files}
    for index in files[0].parent.glob(f"*{_INDEX}"):
        weight_map = _weight_map(index, where)
        if set(weight_map.values()) == set(parts):
            _check_shards(parts, weight_map, f"{where}: the shards do not match {index}")
    if len(parts) == 1:
        return next(iter(parts.values()))
    return {key: values for part in parts.values() for key, values in part.items()}


def _check_shards(parts: Mapping[str, Mapping[str, Any]], weight_map: Mapping[str, str], fault: str) -> None:
    stale = [f"{key} in {name}" for name, part in parts.items() for key in part if weight_map.get(key) != name]
    absent = [f"{key} in {name}" for key, name in weight_map.items() if key not in parts[name]]
    lists = (("the index does not name there", stale), ("are missing", absent))
    mismatch = ", ".join(f"{len(keys)} weights that {what} ({summarize_names(keys)})" for what, keys in lists if keys)
    if mismatch:
        advice = "They belong to different saves: save the checkpoint again into an empty folder."
        raise ValueError(f"{fault}: {mismatch}. {advice}")


def refuse_others(chosen: Sequence[Path], content: Any, where: str) -> None:
    """Refuse other files in the folder whose weights have the same names but different values.

    Equal content in another format is accepted. Files that cannot be compared are named in a warning.

    Args:
        chosen: the files that are evaluated.
        content: what they contain.
        where: names the checkpoint in messages.

    Raises:
        ValueError: with the files and a weight that differs.
    """
    folder, evaluated, unread = chosen[0].parent, summarize_names(file.name for file in chosen), []
    for path in _others(folder, chosen):
        if path.suffix in _OTHER_FRAMEWORKS:
            unread.append(path.name)
        elif path.suffix in _READABLE:
            try:
                other = state_dicts.read_file(path)
            except ValueError:
                unread.append(path.name)
                continue
            if difference := state_dicts.difference(content, other):
                raise ValueError(
                    f"{where}: {folder} contains weights that differ: {evaluated} and {path.name} ({difference}). "
                    f"Leave the weights that you mean in the folder, and move the other files out of it."
                )
            if not state_dicts.share_names(content, other):
                unread.append(path.name)
    if unread:
        logger.warning(
            f"{where}: {evaluated} will be evaluated. "
            f"These files in the same folder were not read: {summarize_names(unread)}."
        )


def _others(folder: Path, chosen: Sequence[Path]) -> list[Path]:
    """List the files in ``folder`` that may be weights, without the ``chosen`` ones and adapters."""
    names = {path.name for path in chosen} | set(ADAPTER_FILES)
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in names]
    # Hidden files are no weights: macOS leaves a ``._name`` for each file that it copies.
    return [path for path in files if not path.name.startswith((".", *_TRAINING_STATE))]


def refuse_quantized(config: Mapping[str, Any], where: str) -> None:
    """Refuse a configuration with which a library would quantize the weights or treat them as quantized.

    Raises:
        ValueError: with the setting.
    """
    parts = {"": config} | {f"{name}.": part for name, part in config.items() if isinstance(part, Mapping)}
    for prefix, part in parts.items():
        for name in ("quantization_config", "compression_config"):
            if part.get(name):
                settings = part[name] if isinstance(part[name], Mapping) else {}
                method = settings.get("quant_method", "of an unnamed method")
                raise ValueError(
                    f"{where}: config.json has {prefix}{name} ({method}): "
                    f"transformers would evaluate quantized weights. Save the model in floating point without it."
                )
