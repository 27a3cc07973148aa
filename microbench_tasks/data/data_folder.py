"""Find the data files of a folder: all Arrow or all Parquet, of one split, with all their shards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from microbench_tasks.catalog.pinned_release import HUB_CONFIG
from microbench_tasks.data.dataset_setting import CHOICES, SETTING
from microbench_tasks.data.tables import SPLIT
from microbench_tasks.util.errors import DataError

_SHARD_NAME = re.compile(r"(?P<stem>.*)-(?P<index>\d+)-of-(?P<total>\d+)\.\w+$")
_OTHER_SPLITS = ("train", "validation", "valid", "val", "dev")


def data_files_of(folder: Path, label: str) -> list[Path]:
    """The files of the split, in order: all Arrow or all Parquet, complete."""
    if (folder / "dataset_dict.json").is_file():
        splits = _saved(folder / "dataset_dict.json", lambda saved: list(saved["splits"]), label)
        if SPLIT not in splits:
            raise DataError(f"{label}: a saved DatasetDict without a {SPLIT!r} split; found {splits}.")
        folder = folder / SPLIT
    if (folder / "state.json").is_file():
        found = _saved(
            folder / "state.json", lambda saved: [folder / entry["filename"] for entry in saved["_data_files"]], label
        )
    else:
        root = folder / HUB_CONFIG if (folder / HUB_CONFIG).is_dir() else folder
        found = sorted(
            file
            for file in root.rglob("*")
            if file.suffix in (".arrow", ".parquet") and not file.is_dir() and not file.name.startswith("cache-")
        )
        found = [file for file in found if _names_split(file, (SPLIT,))] or found
        if found and all(_names_split(file, _OTHER_SPLITS) for file in found):
            raise DataError(
                f"{label}: contains other splits only ({found[0].name}, …). Expected files of the split {SPLIT!r}."
            )
    if not found:
        raise DataError(f"{label}: contains no .arrow or .parquet files. {CHOICES}.")
    if len({file.suffix for file in found}) > 1:
        raise DataError(
            f"{label}: contains both Arrow and Parquet files ({found[0].name}, …, {found[-1].name}). Expected one kind: point {SETTING} at the folder that holds it."
        )
    unreadable = [str(file) for file in found if not file.is_file()]
    if unreadable:
        raise DataError(f"{label}: missing file(s) {', '.join(unreadable)}. Download the folder again.")
    _check_shards(found, label)
    return found


def _names_split(file: Path, splits: tuple[str, ...]) -> bool:
    """Whether one of ``splits`` stands in the file's name as a word of its own."""
    return any(word in splits for word in re.split(r"[-_.]", file.name.lower()))


def _saved(path: Path, read: Callable[[Any], list[Any]], label: str) -> list[Any]:
    """What ``read`` finds in a JSON file that ``save_to_disk`` wrote."""
    try:
        return read(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{label}: {path.name}: expected a file of save_to_disk, got {type(error).__name__}: {error}. Save the data again."
        ) from error


def _check_shards(found: list[Path], label: str) -> None:
    """A partial or mixed download must not pass for the benchmark: of shards ``-i-of-n``, each is needed once."""
    shards: dict[tuple[str, int], set[int]] = {}
    for file in found:
        if match := _SHARD_NAME.match(str(file)):
            shards.setdefault((match["stem"], int(match["total"])), set()).add(int(match["index"]))
    if len(shards) > 1:
        sets = ", ".join(f"{stem} (of {total})" for stem, total in sorted(shards))
        raise DataError(
            f"{label}: contains several sets of shards: {sets}. Expected one: point {SETTING} at its folder."
        )
    for (stem, total), indices in shards.items():
        name, missing, surplus = (
            Path(stem).name,
            sorted(set(range(total)) - indices),
            sorted(indices - set(range(total))),
        )
        if missing or surplus:
            wrong = [
                f"{what} number(s) {', '.join(map(str, numbers))}"
                for what, numbers in (("missing", missing), ("surplus", surplus))
                if numbers
            ]
            raise DataError(
                f"{label}: {name} should have {total} shards; {'; '.join(wrong)}. Download the folder again."
            )
