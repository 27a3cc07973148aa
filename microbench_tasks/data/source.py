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

What a setting names is resolved once per process, until its files change.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks import demo
from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import hub, tables
from microbench_tasks.data.data_folder import data_files_of
from microbench_tasks.data.dataset_setting import CHOICES, DEMO, SETTING, cache_hint
from microbench_tasks.data.source_identity import (
    combined_sha256,
    demo_identity,
    folder_identity,
    hub_identity,
    release_identity,
)
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import datasets

# The path of the release where it is not downloaded yet.
_NOT_DOWNLOADED = ""


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
            f"{source.label}: cannot be loaded: {type(cause).__name__}: {str(cause).rstrip('.')}. {CHOICES}."
        ) from error
    if not len(loaded[tables.SPLIT]):
        raise DataError(f"{source.label}: contains no rows.")
    return loaded[tables.SPLIT]


def release_on_hub() -> hub.PinnedFiles:
    """Return the release's shards with their hashes."""
    instead = f"To use a copy of the data instead, set {SETTING} to its folder, or to {DEMO} for the embedded demo set."
    return hub.PinnedFiles(
        pinned_release.HUB_ID,
        pinned_release.HUB_REVISION,
        dict(zip(pinned_release.RELEASE_FILES, pinned_release.RELEASE_SHARDS, strict=True)),
        pinned_release.RELEASE_SIZE,
        instead,
    )


def _hub_source(label: str, download: bool) -> Source:
    if not download and hub.missing(release_on_hub()):
        # Only the release's own bytes are accepted, so its identity is known before the download.
        return Source(label, _NOT_DOWNLOADED, release_identity())
    data_files = hub.local_paths(release_on_hub(), download)
    return _source_of_files(
        label,
        data_files,
        lambda sha256: hub_identity(pinned_release.HUB_CONFIG, pinned_release.HUB_REVISION) | folder_identity(sha256),
    )


def _demo_source(label: str) -> Source:
    return folder_source(str(demo_folder()), label, demo_identity)


def demo_folder() -> Path:
    """The demo set, drawn if it is not there yet."""
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
        raise DataError(f"{label}: no such folder. {CHOICES}.")
    if not folder.is_dir():
        raise DataError(f"{label}: is a file. {CHOICES}.")
    folder = folder.resolve()
    identify = identify or (lambda sha256: {"source": "folder", "path": str(folder)} | folder_identity(sha256))
    return _source_of_files(label, data_files_of(folder, label), identify)


def _source_of_files(label: str, data_files: list[Path], identify: Callable[[str], dict[str, Any]]) -> Source:
    key = (label, *((str(file), *files.file_stamp(file)) for file in data_files))
    if key not in _resolved:
        digest = combined_sha256(files.content_hashes(data_files))
        try:
            folder = tables.saved_folder(data_files, digest, label)
        except tables.UnreadableError as error:
            raise DataError(f"{label}: cannot be loaded: {error}. {CHOICES}.") from error
        _resolved[key] = Source(label, str(folder), identify(digest))
    return _resolved[key]
