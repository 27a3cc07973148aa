"""Where the micrographs come from: one setting, ``MICROBENCH_DATASET``.

Unset
    The pinned release on the Hugging Face Hub: its seven shards from the Hub's own cache, downloaded
    once, verified by their hashes, then read like a folder.
A folder
    A Hub snapshot with its Arrow shards, a ``save_to_disk`` folder, Parquet or Arrow files.
    Arrow streams are memory-mapped where they lie; nothing is copied. Other files, and columns of
    types that `arrow_types` does not take for plain, are converted once.
``demo``
    The embedded demo set, drawn on first use into the user's cache.

The tasks' YAML names the module attributes ``DATASET_PATH``, ``DATASET_NAME``,
``DATASET_KWARGS`` and ``METADATA``; they are computed when asked for, so that importing
reads nothing. What a setting names is resolved once per process, until its files change.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks.data import hub, tables
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import datasets

    from microbench_tasks.catalog import Task

SETTING = "MICROBENCH_DATASET"
DEMO = "demo"
HUB_ID = "jnirschl/uBench"
HUB_CONFIG = "perception"
HUB_REVISION = "3f2c5b590bc7a208d5b60f3527ce4c76a331aa2b"
SPLIT = tables.SPLIT

# SHA-256 of the release's Arrow shards, in order.
RELEASE_SHARDS = (
    "3d346134e6dffed41f74da64c1c173f5efd3a10200805796a030357297b630f1",
    "790591636ae679afa1161664d207c2bb2e3d583690d03967e38364ba0f31ccac",
    "c370cd84e6ed9b00483ef3d20f5c06d5ff2264733ea87f2df98cf9a22820bf74",
    "832cdd6f73a132028584b4e47ec1afe643e0490dd8ec9686eabbb9de3eb7f814",
    "e2741415cef1327ba243f21000ac43aab2d36b61a9c2c862a1d0e21f200f4a69",
    "89deae84ed2dab1bb1fc40be0aefe81b8d94590cec548d1950ff5ff853143d34",
    "534beca2084a250d4436340c78accc9fe7cc2d6063d4884302e7e7f141edad6c",
)

# The shards' paths in the repository, and their total size.
RELEASE_FILES = tuple(f"{HUB_CONFIG}/0.1.0/ubench-test-{number:05d}-of-00007.arrow" for number in range(7))
RELEASE_SIZE = "3.57 GB"

# The version of prompts and scores: goes up when either changes.
TASK_VERSION = 2.0

# Packages on which questions, answers and scores may depend: results files record their versions.
PACKAGES = ("lmms-eval", "datasets", "pillow", "numpy", "torch", "torchvision", "transformers", "open_clip_torch")

_SHARD_NAME = re.compile(r"(?P<stem>.*)-(?P<index>\d+)-of-(?P<total>\d+)\.\w+$")
_NOT_DOWNLOADED = ""
_OTHER_SPLITS = ("train", "validation", "valid", "val", "dev")
_CHOICES = f"{SETTING} may be unset (the release on the Hub, {HUB_ID}), a folder with the release in Arrow or Parquet files or saved by save_to_disk, or {DEMO} (the embedded demo set)"


@dataclass(frozen=True, eq=False)
class Source:
    """Describe a resolved data source; the same object is returned until the setting or its files change.

    Attributes:
        label: names it in messages.
        path: a ``save_to_disk`` folder of Arrow streams; empty for the release on the Hub where it is not
            downloaded yet, which `load` refuses.
        identity: what results files record: kind and revision or content hash.
    """

    label: str
    path: str
    identity: Mapping[str, Any]


# What settings were resolved to, by label and by path, size and times of the files; and the rows of each source.
_resolved: dict[tuple[Any, ...], Source] = {}
_loaded: dict[Source, datasets.Dataset] = {}


def current(download: bool = False) -> Source:
    """The source that ``MICROBENCH_DATASET`` names now.

    Args:
        download: fetch the release from the Hub if the setting is unset and the Hub's cache lacks it. Only
            an evaluation does; for others `load` is an error then, which says how to get it.

    Raises:
        DataError: the setting names nothing that can be read.
    """
    setting = os.environ.get(SETTING)
    label = release_on_hub().label if setting is None else f"{SETTING}={setting}"
    try:
        if setting is None:
            return _hub_source(label, download)
        return _demo_source(label) if setting == DEMO else folder_source(setting, label)
    # RuntimeError: a home folder (~) that does not exist.
    except (OSError, RuntimeError) as error:
        raise DataError(f"{label}: {str(error).rstrip('.')}. {cache_hint()}") from error


def cache_hint() -> str:
    """For errors of the file system, which may lie in the user's cache as well as in the data."""
    return f"(The plugin keeps its own files in {files.cache_dir()}; XDG_CACHE_HOME moves that.)"


def load(source: Source) -> datasets.Dataset:
    """Return the rows of ``source``, images still encoded, without decoding or copying them; read once per process.

    Raises:
        DataError: ``datasets`` cannot load it.
    """
    if source not in _loaded:
        _loaded[source] = _load(source)
    return _loaded[source]


def _load(source: Source) -> datasets.Dataset:
    import datasets

    if source.path == _NOT_DOWNLOADED:
        hub.check_cached(release_on_hub())
    try:
        loaded = datasets.load_from_disk(source.path)
    # File system, Arrow and `datasets` each have errors of their own; all mean this.
    except Exception as error:
        # `datasets` wraps what happened in errors that do not say it.
        cause = error.__cause__ or error
        raise DataError(
            f"{source.label}: cannot be loaded: {type(cause).__name__}: {str(cause).rstrip('.')}. {_CHOICES}."
        ) from error
    if not len(loaded[SPLIT]):
        raise DataError(f"{source.label}: contains no rows.")
    return loaded[SPLIT]


def of_task(task: Task, download: bool = False) -> Source:
    """Return the source that ``task`` asks about now; see `current` for ``download``.

    Raises:
        DataError: its setting names nothing that can be read.
    """
    from microbench_tasks.data import cognition

    return (cognition.current if task.subject == "cognition" else current)(download)


def without_path(identity: Mapping[str, Any]) -> dict[str, Any]:
    """A data source's identity less where it lies on a machine."""
    return {name: value for name, value in identity.items() if name != "path"}


def __getattr__(name: str) -> Any:
    return yaml_value(name, current, __name__)


def yaml_value(name: str, resolve: Callable[[bool], Source], module: str) -> Any:
    """What the tasks' YAML gets for the attribute ``name`` of ``module``, whose source ``resolve`` finds."""
    read = _YAML_VALUES.get(name)
    if read is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    # The harness asks for them to load what it is about to evaluate.
    return read(resolve(True))


def _metadata(source: Source) -> dict[str, Any]:
    """What every results file of our tasks says about their origin."""
    from importlib.metadata import version

    from microbench_tasks.tasks.aggregations import interval_settings

    packages = {name: version(name) for name in PACKAGES}
    return {
        "version": TASK_VERSION,
        "microbench_version": version("microbench-lmms"),
        "packages": packages,
        "dataset": dict(source.identity),
        "interval": interval_settings(),
    }


_YAML_VALUES: dict[str, Callable[[Source], Any]] = {
    "DATASET_PATH": lambda source: source.path,
    # A saved folder has no configs.
    "DATASET_NAME": lambda source: None,
    # A new mapping each time: the harness takes entries out of it.
    "DATASET_KWARGS": lambda source: {"load_from_disk": True},
    "METADATA": _metadata,
}


def release_on_hub() -> hub.PinnedFiles:
    """Return the release's shards with their hashes."""
    instead = f"To use a copy of the data instead, set {SETTING} to its folder, or to {DEMO} for the embedded demo set."
    return hub.PinnedFiles(HUB_ID, HUB_REVISION, dict(zip(RELEASE_FILES, RELEASE_SHARDS)), RELEASE_SIZE, instead)


def release_sha256() -> str:
    """Return the content hash of the release, which copies share."""
    return combined_sha256(RELEASE_SHARDS)


def combined_sha256(hashes: Iterable[str]) -> str:
    """Return the content hash of several files in order."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def release_identity() -> dict[str, Any]:
    """Return the record of the release on the Hub for results files."""
    return hub_identity(HUB_CONFIG, HUB_REVISION) | {"sha256": release_sha256(), "is_release": True}


def is_release(identity: Mapping[str, Any]) -> bool:
    """Tell whether the record of a source is that of the release, on the Hub or in a folder."""
    copied = {"source": "folder"} | _measured(release_sha256())
    return without_path(identity) in (release_identity(), copied)


def hub_identity(config: str, revision: str) -> dict[str, Any]:
    """Return the record of a config on the Hub for results files, without its content hash."""
    return {"source": "hub", "id": HUB_ID, "config": config, "revision": revision}


def _hub_source(label: str, download: bool) -> Source:
    if not download and hub.missing(release_on_hub()):
        # Only the release's own bytes are accepted, so its identity is known before the download.
        return Source(label, _NOT_DOWNLOADED, release_identity())
    data_files = hub.local_paths(release_on_hub(), download)
    return _source_of_files(
        label, data_files, lambda sha256: hub_identity(HUB_CONFIG, HUB_REVISION) | _measured(sha256)
    )


def _demo_source(label: str) -> Source:
    return folder_source(str(demo_folder()), label, demo_identity)


def demo_identity(sha256: str) -> dict[str, Any]:
    """What results files record of a part of the demo set with this content hash."""
    from microbench_tasks import demo

    return {"source": DEMO, "version": demo.DEMO_VERSION, "seed": demo.DEMO_SEED, "sha256": sha256}


def demo_folder() -> Path:
    """The demo set, drawn if it is not there yet."""
    from microbench_tasks import demo

    target = files.cache_dir() / f"demo-{demo.DEMO_VERSION}-{demo.DEMO_SEED}"
    if not target.exists():
        logger.info(f"Drawing the demo set into {target}, once; this takes some seconds")
    return demo.build(target)


def folder_source(setting: str, label: str, identify: Callable[[str], dict[str, Any]] | None = None) -> Source:
    """Resolve the folder ``setting``.

    Args:
        setting: the folder.
        label: names it in messages.
        identify: turns the content hash into the record for results files; by default with the folder's path.

    Raises:
        DataError: it is not usable.
    """
    folder = Path(setting).expanduser()
    if not setting.strip() or not folder.exists():
        raise DataError(f"{label}: no such folder. {_CHOICES}.")
    if not folder.is_dir():
        raise DataError(f"{label}: is a file. {_CHOICES}.")
    folder = folder.resolve()
    identify = identify or (lambda sha256: {"source": "folder", "path": str(folder)} | _measured(sha256))
    return _source_of_files(label, _data_files(folder, label), identify)


def _measured(sha256: str) -> dict[str, Any]:
    return {"sha256": sha256, "is_release": sha256 == release_sha256()}


def _source_of_files(label: str, data_files: list[Path], identify: Callable[[str], dict[str, Any]]) -> Source:
    key = (label, *((str(file), *files.stamp(file)) for file in data_files))
    if key not in _resolved:
        digest = combined_sha256(files.content_hashes(data_files))
        try:
            folder = tables.saved_folder(data_files, digest, label)
        except tables.UnreadableError as error:
            raise DataError(f"{label}: cannot be loaded: {error}. {_CHOICES}.") from error
        _resolved[key] = Source(label, str(folder), identify(digest))
    return _resolved[key]


def _data_files(folder: Path, label: str) -> list[Path]:
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
        raise DataError(f"{label}: contains no .arrow or .parquet files. {_CHOICES}.")
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
