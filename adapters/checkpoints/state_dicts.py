"""Read checkpoint files, find the state dicts in them, and compare their weights."""

from __future__ import annotations

import itertools
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from microbench_adapters.checkpoints import fitting

State = dict[str, torch.Tensor]

# Parts that torch's wrappers add to weight names; no model uses them itself.
_WRAPPERS = frozenset(("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"))
# Keys of a training checkpoint that are not model weights.
_TRAINING_PARTS = re.compile(r"optim|sched|scaler|rng|param_groups|grad")
# The first bytes of files in small letters: torch.save writes a ZIP archive, before release 1.6 a pickle.
_ZIP_START = b"pk"
_TORCH_STARTS = (_ZIP_START, b"\x80")
_WEB_PAGE_STARTS = (b"<!doctype", b"<html")
# The content that git leaves in place of a file that it did not download.
_LFS_POINTER = b"version https://git-lfs"


def read_file(path: Path) -> Any:
    """Read a checkpoint file (safetensors, or written by ``torch.save``) without executing anything in it.

    Raises:
        ValueError: the file cannot be read.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    # Unpickling, safetensors and torch each have errors of their own.
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as a checkpoint: {_reading_fault(path, error)}") from error


def check_opens(path: Path) -> None:
    """Check that a checkpoint file opens: the header of safetensors, or the table of contents of ``torch.save``.

    Raises:
        ValueError: the file cannot be opened, is cut off, or is no checkpoint.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="pt"):
                return
        with path.open("rb") as file:
            start = file.read(2).lower()
        if start == _ZIP_START:
            zipfile.ZipFile(path).close()
        elif not start.startswith(_TORCH_STARTS):
            raise ValueError("unknown format")
    # The libraries have errors of their own.
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as a checkpoint: {_reading_fault(path, error)}") from error


def _reading_fault(path: Path, error: Exception) -> str:
    """Return why a file cannot be read and what to do, as sentences without the path."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_LFS_POINTER)).lower()
    except OSError as fault:
        return f"{fault.strerror or fault}."
    if start == _LFS_POINTER:
        return "it is a Git LFS pointer, not the file itself: run git lfs pull."
    if start.lstrip().startswith(_WEB_PAGE_STARTS):
        return "it is a web page, not a checkpoint. The download may need a login: download it again."
    if path.suffix != ".safetensors" and not start.startswith(_TORCH_STARTS):
        return "it is not a PyTorch checkpoint. Name a file that torch.save or safetensors wrote."
    if "weights_only" in str(error):
        # The rest of the library's message explains how to execute it.
        blocked = re.search(r"GLOBAL ([\w.]+)", str(error))
        objects = f"code or Python objects{f', such as {blocked[1]}' if blocked else ''}"
        return (
            f"it contains {objects}. Nothing in a checkpoint is executed. "
            f"Save the model's state_dict() alone, not the model itself or settings of the training script."
        )
    reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0].rstrip('.')}"
    return f"{reason}. It is cut off, damaged, or not a checkpoint: copy or download it again."


def is_training_part(name: str) -> bool:
    """Tell whether a key of a training checkpoint names something else than model weights."""
    return bool(_TRAINING_PARTS.search(name.lower()))


def iterate_states(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], State]]:
    """Yield each dictionary of tensors with its path, the outermost first."""
    if not isinstance(content, Mapping):
        return
    state = {name: values for name, values in named_items(content) if isinstance(values, torch.Tensor)}
    if state:
        yield path, _unwrapped(state)
    for name, value in named_items(content):
        if isinstance(value, Mapping) and not is_training_part(name):
            yield from iterate_states(value, (*path, name))


def named_items(content: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Return the items whose key is text."""
    return ((name, value) for name, value in content.items() if isinstance(name, str))


def _unwrapped(state: State) -> State:
    """Remove the parts of torch's wrappers from weight names, unless two names would become equal."""
    unwrapped = {without_wrappers(name): values for name, values in state.items()}
    return unwrapped if len(unwrapped) == len(state) else state


def without_wrappers(name: str) -> str:
    """Return a weight's name without the parts of torch's wrappers.

    >>> without_wrappers("visual._orig_mod.proj")
    'visual.proj'
    """
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def common_prefix(state: State) -> list[str]:
    """Return the parts that the names of all weights start with; never a whole name."""
    parts = [name.split(".")[:-1] for name in state]
    return [
        column[0] for column in itertools.takewhile(lambda column: len(set(column)) == 1, zip(*parts, strict=False))
    ]


def share_names(content: Any, other: Any) -> bool:
    """Tell whether weights of both have a name in common; scalars, such as a scale, are not counted."""
    return bool(shared_weights(content, other))


def shared_weights(content: Any, other: Any) -> list[tuple[State, State, set[str]]]:
    """Pair state dicts of both that have names in common, without their common prefixes."""
    pairs = []
    for (_, one), (_, two) in itertools.product(iterate_states(content), iterate_states(other)):
        one, two = _stripped(one), _stripped(two)
        if names := {name for name in one.keys() & two.keys() if one[name].ndim > 0}:
            pairs.append((one, two, names))
    return pairs


def _stripped(state: State) -> State:
    prefix = "".join(f"{part}." for part in common_prefix(state))
    return {name.removeprefix(prefix): values for name, values in state.items()}


def difference(content: Any, other: Any) -> str:
    """Name a weight that differs or that only ``other`` has; empty if all are equal or no name is shared."""
    for one, two, _ in shared_weights(content, other):
        if name := first_difference(one, two):
            return name
        if further := [name for name in two if name not in one and not name.endswith("position_ids")]:
            return f"{further[0]} is only in the second"
    adapters = [any(fitting.holds_adapter(state) for _, state in iterate_states(each)) for each in (content, other)]
    return "the second is an adapter that is not merged" if adapters == [False, True] else ""


def first_difference(one: State, other: State) -> str:
    """Name a weight in both that differs in shape, or in values after a cast to the coarser of the two types."""
    return next((name for name in one.keys() & other.keys() if not _is_same(one[name], other[name])), "")


def _is_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    coarser = min(one.dtype, other.dtype, key=lambda dtype: dtype.itemsize)
    if one.shape != other.shape or one.is_floating_point() != other.is_floating_point():
        return False
    return torch.equal(one.to(coarser), other.to(coarser))
