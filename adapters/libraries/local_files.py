"""Check the weights on this machine that a model's arguments name, before anything is loaded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from microbench_adapters.checkpoints import folder_kinds, state_dicts, weight_files
from microbench_adapters.checkpoints.registry import CHECKPOINTS
from microbench_adapters.libraries.options import parse_merge_with, refused_as_merge_with

# Returns the weights in a folder, which the second argument names in messages.
FindWeights = Callable[[Path, str], Sequence[Path]]
# Of open_clip: weights in a folder.
_LOCAL_FOLDER = "local-dir:"


def check(arguments: Mapping[str, str], find_weights: FindWeights) -> None:
    """Check that local weights exist and open; of their content only the table of contents is read.

    Args:
        arguments: of the model; ``model``, ``pretrained`` and ``merge_with`` name checkpoints. Names on the Hub and
            tags are passed over.
        find_weights: returns the weights in a folder as the model's library loads them.

    Raises:
        ValueError: weights are missing, or cannot be opened.
    """
    for argument, text in _checkpoints(arguments):
        path = Path(text.removeprefix(_LOCAL_FOLDER))
        try:
            is_folder, is_file = path.is_dir(), path.is_file()
        except OSError:
            # No path, such as a text that is too long.
            continue
        # It is a file or a tag, never a folder.
        if argument == "pretrained" and not is_file and ("/" in text or path.suffix):
            raise ValueError(f"pretrained={text}: no such file here ({Path.cwd()}).")
        is_checkpoint = is_folder and argument != "pretrained"
        with refused_as_merge_with(text) if argument == "merge_with" else contextlib.nullcontext():
            files = find_weights(path, f"{argument}={text}") if is_checkpoint else [path] if is_file else []
            for file in files:
                state_dicts.check_opens(file)


def transformers_weights(folder: Path, where: str) -> list[Path]:
    """Return the weight files that transformers loads from a folder.

    Raises:
        ValueError: there are none, some are missing, or the folder is of another library.
    """
    folder_kinds.check_transformers(folder, where)
    return weight_files.find(folder, where)


def _checkpoints(arguments: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the checkpoints that arguments name, each with the name of its argument."""
    for argument in ("model", "pretrained"):
        if argument in arguments:
            yield argument, arguments[argument]
    for text in parse_merge_with(arguments.get("merge_with")):
        # It is meant before a folder of this name.
        if text in CHECKPOINTS:
            continue
        # open_clip takes ARCHITECTURE:/file.
        file = text.rpartition(":")[2]
        yield "merge_with", file if Path(file).is_file() else text
