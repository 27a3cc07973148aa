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


def watched_paths(folder: Path) -> list[Path]:
    """Return the files and folders on which the result of `data_files_of` depends."""
    is_saved = (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()
    root = folder if is_saved else _config_folder(folder)
    return [folder, *root.rglob("*")]


def data_files_of(folder: Path, label: str, choose: str = f"point {SETTING} at its folder") -> list[Path]:
    """Return the files of the split in order: all Arrow or all Parquet, complete.

    Args:
        folder: a folder of ``save_to_disk``, or one with data files at any depth.
        label: names the folder in messages.
        choose: what to do where files of several sets are mixed.

    Raises:
        DataError: there are no files of the split, shards are missing, or files of several sets are mixed.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = _read_saved(folder / "dataset_dict.json", lambda saved: list(saved["splits"]), label)
        if SPLIT not in splits:
            raise DataError(f"{label}: a saved DatasetDict without a {SPLIT!r} split; found {splits}.")
        folder = folder / SPLIT
    state = folder / "state.json"
    if state.is_file():
        data_files = _read_saved(
            state, lambda saved: [folder / entry["filename"] for entry in saved["_data_files"]], label
        )
    else:
        data_files = _search(_config_folder(folder), label)
    _check_kind(data_files, label, choose)
    absent = [str(file) for file in data_files if not file.is_file()]
    if absent:
        raise DataError(f"{label}: missing file(s) {', '.join(absent)}. Download the folder again.")
    _check_shards(data_files, label, choose)
    return data_files


def _config_folder(folder: Path) -> Path:
    """Return the folder of the release's config in ``folder``, or ``folder`` itself if it has none."""
    return folder / HUB_CONFIG if (folder / HUB_CONFIG).is_dir() else folder


def _search(root: Path, label: str) -> list[Path]:
    """Return the data files in ``root``: those named after the split, or all if none is."""
    data_files = sorted(
        file
        for file in root.rglob("*")
        # Systems leave hidden files beside data: macOS a ._name for each file that it copies to another system.
        if file.suffix in (".arrow", ".parquet") and not file.is_dir() and not file.name.startswith(("cache-", "."))
    )
    of_split = [file for file in data_files if _names_split(file, (SPLIT,))] or data_files
    if of_split and all(_names_split(file, _OTHER_SPLITS) for file in of_split):
        raise DataError(
            f"{label}: contains other splits only ({of_split[0].name}, …). Expected files of the split {SPLIT!r}."
        )
    return of_split


def _check_kind(data_files: list[Path], label: str, choose: str) -> None:
    if not data_files:
        raise DataError(f"{label}: contains no .arrow or .parquet files. {CHOICES}.")
    if len({file.suffix for file in data_files}) > 1:
        raise DataError(
            f"{label}: contains both Arrow and Parquet files ({data_files[0].name}, …, {data_files[-1].name}). "
            f"Expected one kind: {choose}."
        )


def _names_split(file: Path, splits: tuple[str, ...]) -> bool:
    """Tell whether one of ``splits`` is a word of the file's name."""
    return any(word in splits for word in re.split(r"[-_.]", file.name.lower()))


def _read_saved(path: Path, read: Callable[[Any], list[Any]], label: str) -> list[Any]:
    """Return what ``read`` takes from a JSON file that ``save_to_disk`` wrote."""
    try:
        return read(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{label}: {path.name}: expected a file of save_to_disk, got {type(error).__name__}: {error}. "
            "Save the data again."
        ) from error


def _check_shards(data_files: list[Path], label: str, choose: str) -> None:
    """Refuse a partial or mixed download: of shards ``-i-of-n``, each is needed once, and only one set."""
    shards: dict[tuple[str, int], set[int]] = {}
    for file in data_files:
        if match := _SHARD_NAME.match(str(file)):
            shards.setdefault((match["stem"], int(match["total"])), set()).add(int(match["index"]))
    if len(shards) > 1:
        sets = ", ".join(f"{stem} (of {total})" for stem, total in sorted(shards))
        raise DataError(f"{label}: contains several sets of shards: {sets}. Expected one: {choose}.")
    for (stem, total), indices in shards.items():
        wrong = {"missing": set(range(total)) - indices, "surplus": indices - set(range(total))}
        problems = [
            f"{problem} number(s) {', '.join(map(str, sorted(numbers)))}"
            for problem, numbers in wrong.items()
            if numbers
        ]
        if problems:
            raise DataError(
                f"{label}: {Path(stem).name} should have {total} shards; {'; '.join(problems)}. "
                "Download the folder again."
            )
