"""Where the micrographs come from: one setting, ``MICROBENCH_DATASET``.

Unset
    The pinned release on the Hugging Face Hub, through ``datasets``.
A folder
    A Hub snapshot with its Arrow shards, a ``save_to_disk`` folder, Parquet or Arrow files.
    Arrow streams are memory-mapped where they lie; nothing is copied.
``demo``
    The embedded demo set, drawn on first use into the user's cache.

The tasks' YAML names the module attributes ``DATASET_PATH``, ``DATASET_NAME``,
``DATASET_KWARGS`` and ``METADATA``; they are computed when asked for, so that importing
reads nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks import files
from microbench_tasks.schema import DataError

if TYPE_CHECKING:
    import datasets

    from microbench_tasks.catalog import Task

SETTING = "MICROBENCH_DATASET"
DEMO = "demo"
HUB_ID = "jnirschl/uBench"
HUB_CONFIG = "perception"
HUB_REVISION = "3f2c5b590bc7a208d5b60f3527ce4c76a331aa2b"
SPLIT = "test"

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

# The version of prompts and scores: goes up when either changes.
TASK_VERSION = 2.0

# Packages on which questions, answers and scores may depend: results files record their versions.
PACKAGES = ("lmms-eval", "datasets", "pillow", "numpy", "torch", "torchvision", "transformers", "open_clip_torch")

# What an Arrow file in the random-access format starts with; a stream does not.
_ARROW_FILE_MAGIC = b"ARROW1"
_SHARD_NAME = re.compile(r"(?P<stem>.*)-(?P<index>\d+)-of-(?P<total>\d+)\.\w+$")
_PATTERN_CHARACTERS = ("*", "?", "[", "]", "::")
_OTHER_SPLITS = ("train", "validation", "valid", "val", "dev")
_CHOICES = f"{SETTING} may be unset (the release on the Hub, {HUB_ID}), a folder with the release in Arrow or Parquet files or saved by save_to_disk, or {DEMO} (the embedded demo set)"


@dataclass(frozen=True)
class Source:
    """A resolved data source.

    Attributes:
        label: names it in messages.
        path, name, kwargs: how ``datasets`` loads it (``kwargs`` may hold the harness's own
            ``load_from_disk``).
        identity: what results files record: kind and revision or content hash.
    """

    label: str
    path: str
    name: str | None
    kwargs: Mapping[str, Any]
    identity: Mapping[str, Any]


def current() -> Source:
    """The source that ``MICROBENCH_DATASET`` names now.

    Raises:
        DataError: the setting names nothing that can be read.
    """
    setting = os.environ.get(SETTING)
    if setting is None:
        return _hub_source()
    try:
        return _demo_source() if setting == DEMO else folder_source(setting, f"{SETTING}={setting}")
    # RuntimeError: a home folder (~) that does not exist.
    except (OSError, RuntimeError) as error:
        raise DataError(f"{SETTING}={setting}: {str(error).rstrip('.')}. {cache_hint()}") from error


def cache_hint() -> str:
    """For errors of the file system, which may lie in the user's cache as well as in the data."""
    return f"(The plugin keeps its own files in {files.cache_dir()}; XDG_CACHE_HOME moves that.)"


def load(source: Source) -> datasets.Dataset:
    """The rows of ``source``, images still encoded, without decoding or copying them.

    Raises:
        DataError: ``datasets`` cannot load it.
    """
    import datasets

    kwargs = dict(source.kwargs)
    try:
        if kwargs.pop("load_from_disk", False):
            loaded = datasets.load_from_disk(source.path)
        else:
            loaded = datasets.load_dataset(source.path, source.name, cache_dir=_harness_cache_dir(), **kwargs)
    # Network, file system, Arrow and `datasets` each have errors of their own; all mean this.
    except Exception as error:
        # `datasets` wraps what happened in errors that do not say it.
        cause = error.__cause__ or error
        raise DataError(f"{source.label}: cannot be loaded: {type(cause).__name__}: {str(cause).rstrip('.')}. {_CHOICES}.") from error
    if not len(loaded[SPLIT]):
        raise DataError(f"{source.label}: holds no row.")
    return loaded[SPLIT]


def _harness_cache_dir() -> str | None:
    """Where the harness lets ``datasets`` keep its tables, so that they are made once."""
    from lmms_eval.api import task

    resolve = getattr(task, "_resolve_hf_datasets_cache_dir", None)
    return resolve() if resolve else None


def of_task(task: Task) -> Source:
    """The source that ``task`` asks about now.

    Raises:
        DataError: its setting names nothing that can be read.
    """
    from microbench_tasks import cognition

    return cognition.current() if task.subject == "cognition" else current()


def without_path(identity: Mapping[str, Any]) -> dict[str, Any]:
    """A data source's identity less where it lies on a machine."""
    return {name: value for name, value in identity.items() if name != "path"}


def __getattr__(name: str) -> Any:
    return yaml_value(name, current, __name__)


def yaml_value(name: str, resolve: Callable[[], Source], module: str) -> Any:
    """What the tasks' YAML gets for the attribute ``name`` of ``module``, whose source ``resolve`` finds."""
    read = _YAML_VALUES.get(name)
    if read is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return read(resolve())


def _metadata(source: Source) -> dict[str, Any]:
    """What every results file of our tasks says about their origin."""
    from importlib.metadata import version

    from microbench_tasks.aggregations import interval_settings

    packages = {name: version(name) for name in PACKAGES}
    return {"version": TASK_VERSION, "microbench_version": version("microbench-lmms"), "packages": packages, "dataset": dict(source.identity), "interval": interval_settings()}


_YAML_VALUES: dict[str, Callable[[Source], Any]] = {
    "DATASET_PATH": lambda source: source.path,
    "DATASET_NAME": lambda source: source.name,
    # The harness takes entries out of the mapping it is given.
    "DATASET_KWARGS": lambda source: dict(source.kwargs),
    "METADATA": _metadata,
}


def _hub_source() -> Source:
    return Source(
        label=f"{HUB_ID} (revision {HUB_REVISION[:8]})",
        path=HUB_ID,
        name=HUB_CONFIG,
        kwargs={"revision": HUB_REVISION},
        identity={"source": "hub", "id": HUB_ID, "config": HUB_CONFIG, "revision": HUB_REVISION},
    )


def _demo_source() -> Source:
    found = folder_source(str(demo_folder()), f"{SETTING}={DEMO}")
    return dataclasses.replace(found, identity=demo_identity(found.identity["sha256"]))


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


def folder_source(setting: str, label: str) -> Source:
    """The source in the folder ``setting``, which messages name ``label``; raises `DataError` where it is not usable."""
    folder = Path(setting).expanduser()
    if not setting.strip() or not folder.exists():
        raise DataError(f"{label}: no such folder. {_CHOICES}.")
    if not folder.is_dir():
        raise DataError(f"{label}: is a file. {_CHOICES}.")
    data_files = _data_files(folder.resolve(), label)
    hashes = files.content_hashes(data_files)
    digest = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    identity = {"source": "folder", "path": str(folder.resolve()), "sha256": digest, "is_release": tuple(hashes) == RELEASE_SHARDS}
    if data_files[0].suffix == ".arrow" and not any(map(_is_arrow_file, data_files)):
        view = _arrow_view(data_files, digest)
        return Source(label, str(view), None, {"load_from_disk": True}, identity)
    if any(character in str(file) for file in data_files for character in _PATTERN_CHARACTERS):
        raise DataError(f"{label}: `datasets` reads one of {' '.join(_PATTERN_CHARACTERS)} in a path as a pattern. Rename the folder or its files.")
    builder = data_files[0].suffix.removeprefix(".")
    # Named by its content, or `datasets` would serve what it once read at these paths.
    return Source(label, builder, digest[:16], {"data_files": {SPLIT: [str(file) for file in data_files]}}, identity)


def _data_files(folder: Path, label: str) -> list[Path]:
    """The files of the split, in order: all Arrow or all Parquet, complete."""
    if (folder / "dataset_dict.json").is_file():
        splits = _saved(folder / "dataset_dict.json", lambda saved: list(saved["splits"]), label)
        if SPLIT not in splits:
            raise DataError(f"{label}: a saved DatasetDict without a {SPLIT!r} split; found {splits}.")
        folder = folder / SPLIT
    if (folder / "state.json").is_file():
        found = _saved(folder / "state.json", lambda saved: [folder / entry["filename"] for entry in saved["_data_files"]], label)
    else:
        root = folder / HUB_CONFIG if (folder / HUB_CONFIG).is_dir() else folder
        found = sorted(file for file in root.rglob("*") if file.suffix in (".arrow", ".parquet") and not file.is_dir() and not file.name.startswith("cache-"))
        found = [file for file in found if _names_split(file, (SPLIT,))] or found
        if found and all(_names_split(file, _OTHER_SPLITS) for file in found):
            raise DataError(f"{label}: holds other splits only ({found[0].name}, …). Expected files of the split {SPLIT!r}.")
    if not found:
        raise DataError(f"{label}: holds no .arrow or .parquet file. {_CHOICES}.")
    if len({file.suffix for file in found}) > 1:
        raise DataError(f"{label}: holds both Arrow and Parquet files ({found[0].name}, …, {found[-1].name}). Expected one kind: point {SETTING} at the folder that holds it.")
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
        raise DataError(f"{label}: {path.name}: expected a file of save_to_disk, got {type(error).__name__}: {error}. Save the data again.") from error


def _check_shards(found: list[Path], label: str) -> None:
    """A partial or mixed download must not pass for the benchmark: of shards ``-i-of-n``, each is needed once."""
    shards: dict[tuple[str, int], set[int]] = {}
    for file in found:
        if match := _SHARD_NAME.match(str(file)):
            shards.setdefault((match["stem"], int(match["total"])), set()).add(int(match["index"]))
    if len(shards) > 1:
        sets = ", ".join(f"{stem} (of {total})" for stem, total in sorted(shards))
        raise DataError(f"{label}: holds several sets of shards: {sets}. Expected one: point {SETTING} at its folder.")
    for (stem, total), indices in shards.items():
        name, missing, surplus = Path(stem).name, sorted(set(range(total)) - indices), sorted(indices - set(range(total)))
        if missing or surplus:
            wrong = [f"{what} number(s) {', '.join(map(str, numbers))}" for what, numbers in (("missing", missing), ("surplus", surplus)) if numbers]
            raise DataError(f"{label}: {name} should have {total} shards; {'; '.join(wrong)}. Download the folder again.")


def _is_arrow_file(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_ARROW_FILE_MAGIC)) == _ARROW_FILE_MAGIC


def _arrow_view(data_files: list[Path], digest: str) -> Path:
    """A ``save_to_disk`` folder that names ``data_files`` where they lie.

    ``datasets.load_from_disk`` memory-maps what it names, while ``load_dataset`` would first
    copy every byte into its cache.
    """
    named = hashlib.sha256("\n".join(map(str, data_files)).encode()).hexdigest()
    state = {"_data_files": [{"filename": str(file)} for file in data_files], "_fingerprint": digest[:16], "_split": SPLIT}
    state |= {"_format_columns": None, "_format_kwargs": {}, "_format_type": None, "_output_all_columns": False}
    contents = {"dataset_dict.json": {"splits": [SPLIT]}, f"{SPLIT}/state.json": state, f"{SPLIT}/dataset_info.json": {}}
    view = files.cache_dir() / "views" / f"{digest[:16]}-{named[:16]}"
    return files.write_folder(view, {name: json.dumps(content, indent=2).encode() for name, content in contents.items()})
