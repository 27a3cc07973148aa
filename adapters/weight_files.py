"""Find the one set of weights in a folder, and refuse a folder that holds others beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_adapters import state_dicts
from microbench_adapters.loading import named

# What transformers looks for in a folder, in its order.
TRANSFORMERS_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# What PEFT, the library adapters and diffusers call an adapter; transformers applies the first by itself.
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
# Weights in the files of other frameworks, which cannot be compared.
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
# Weights in parts, which only their training library puts together: the parts' names, the library, how it is done.
_IN_PARTS = (
    ("zero_pp_rank_*", *_ZERO),
    ("global_step*", *_ZERO),
    ("*.distcp", "torch's distributed checkpoint", "use torch.distributed.checkpoint.format_utils.dcp_to_torch_save"),
    ("shard-*-model-*.safetensors", "transformers' distributed checkpoint", "save_pretrained in the training script"),
    ("pytorch_model_fsdp_*", "FSDP", "run accelerate merge-weights, and name the folder that it makes"),
)


def refuse_adapters(folder: Path, where: str) -> None:
    """Refuse a folder with an adapter: whether the weights contain it cannot be seen, and transformers would apply it.

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
            f"Merge it into its base first: merge_and_unload() of peft, then save_pretrained into a new folder."
        )
    raise ValueError(
        f"{where}: an adapter (LoRA, PEFT) lies beside whole weights: {files}. "
        f"transformers would apply it to them without a word, also where they contain it already. "
        f"If they do, or are meant without it, move these files out of the folder. "
        f"If they do not, merge them first: merge_and_unload() of peft, then save_pretrained into a new folder."
    )


def find(folder: Path, where: str) -> list[Path]:
    """The files of the weights that transformers loads from ``folder``.

    The first of `TRANSFORMERS_FILES` that is there, or the shards that it names.

    Raises:
        ValueError: there is none, or a shard is missing.
    """
    for name in TRANSFORMERS_FILES:
        if (folder / name).is_file():
            return shards(folder / name, where) if name.endswith(_INDEX) else [folder / name]
    for pattern, library, advice in _IN_PARTS:
        if any(folder.glob(pattern)):
            raise ValueError(f"{where}: {folder} contains no whole weights. {library} keeps them in parts: {advice}.")
    variants = [path.name for path in _others(folder, []) if path.suffix in (*_READABLE, *_OTHER_FRAMEWORKS)]
    there = f" It contains {named(variants)}: rename the file that is meant." if variants else ""
    expected = ", ".join(TRANSFORMERS_FILES)
    raise ValueError(
        f"{where}: transformers cannot load its weights: {folder} contains none. Expected one of {expected}.{there}"
    )


def shards(index: Path, where: str) -> list[Path]:
    """The files that an index names.

    Raises:
        ValueError: the index cannot be read, or names a file that is missing.
    """
    files = shard_names(index, where)
    missing = [name for name in files if Path(name).name != name or not (index.parent / name).is_file()]
    if missing:
        raise ValueError(
            f"{where}: {index} names {len(missing)} files that are missing beside it ({named(missing)}). "
            f"Copy them there."
        )
    return [index.parent / name for name in files]


def shard_names(index: Path, where: str) -> list[str]:
    """The names of the files that an index names.

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
        raise ValueError(f"{where}: {index} is no index of shards, JSON with weight_map ({reason}).") from error
    return weight_map


def read(files: Sequence[Path], where: str) -> Any:
    """What the file contains, or the shards together.

    Raises:
        ValueError: a file cannot be read, or shards contain other weights than their index says.
    """
    parts = {path.name: state_dicts.read_file(path) for path in files}
    for index in files[0].parent.glob(f"*{_INDEX}"):
        weight_map = _weight_map(index, where)
        if set(weight_map.values()) == set(parts):
            _check_shards(parts, weight_map, f"{where}: the shards are not those of {index}")
    if len(parts) == 1:
        return next(iter(parts.values()))
    return {key: values for part in parts.values() for key, values in part.items()}


def _check_shards(parts: Mapping[str, Mapping[str, Any]], weight_map: Mapping[str, str], fault: str) -> None:
    stale = [f"{key} in {name}" for name, part in parts.items() for key in part if weight_map.get(key) != name]
    absent = [f"{key} in {name}" for key, name in weight_map.items() if key not in parts[name]]
    lists = (("it does not name", stale), ("are missing", absent))
    found = ", ".join(f"{len(keys)} weights that {what} ({named(keys)})" for what, keys in lists if keys)
    if found:
        advice = "They belong to different saves: save the checkpoint again into an empty folder."
        raise ValueError(f"{fault}: {found}. {advice}")


def refuse_others(chosen: Sequence[Path], content: Any, where: str) -> None:
    """Refuse weights of the same names but other values beside the ``chosen`` files, whose content is ``content``.

    Equal content in another format is accepted. Files that cannot be compared are named in a warning.

    Raises:
        ValueError: with the files and a weight that differs.
    """
    folder, evaluated, unread = chosen[0].parent, named(file.name for file in chosen), []
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
                    f"Leave those that are meant in the folder and move the others out of it."
                )
            if not state_dicts.share_names(content, other):
                unread.append(path.name)
    if unread:
        logger.warning(f"{where}: evaluated are {evaluated}. Not read, though in the same folder: {named(unread)}.")


def _others(folder: Path, chosen: Sequence[Path]) -> list[Path]:
    """The files in ``folder`` that may be weights, apart from the ``chosen`` ones and from adapters."""
    names = {path.name for path in chosen} | set(ADAPTER_FILES)
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in names]
    return [path for path in files if not path.name.startswith(_TRAINING_STATE)]


def refuse_quantized(config: Mapping[str, Any], where: str) -> None:
    """Refuse a configuration by which a library would quantize the weights, or take them for quantized.

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
                    f"transformers would evaluate quantized weights. Save the model in floating point without it; precision=int8 quantizes contrastive models here."
                )
