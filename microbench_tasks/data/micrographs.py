"""Resolve ``MICROBENCH_DATASET``, the setting that says where the micrographs are.

Unset
    The pinned release on the Hugging Face Hub: its seven shards from the Hub's own cache, downloaded
    once, verified by their hashes, then read like a folder.
A folder
    A Hub snapshot with its Arrow shards, a ``save_to_disk`` folder, Parquet or Arrow files.
    Arrow streams are memory-mapped where they lie; nothing is copied. Other files, and columns of
    types that `arrow_types` does not call plain, are converted once.
``demo``
    The demo set, generated on first use into the user's cache.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loguru import logger

from microbench_tasks.catalog import pinned_release
from microbench_tasks.data import hub, resolved_data, tables
from microbench_tasks.data.data_folder import data_files_of, watched_paths
from microbench_tasks.data.dataset_setting import CHOICES, DEMO, SETTING, cache_hint
from microbench_tasks.data.release_on_hub import release_files
from microbench_tasks.data.resolved_data import NOT_DOWNLOADED, ResolvedData
from microbench_tasks.data.source_identity import (
    combined_sha256,
    demo_identity,
    folder_identity,
    hub_identity,
    release_identity,
)
from microbench_tasks.demo import demo_set, manifest
from microbench_tasks.demo.version import DEMO_SEED, DEMO_VERSION
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

# Turns the content hash of data into the record for results files.
Identify = Callable[[str], dict[str, Any]]


def resolve(download: bool = False) -> ResolvedData:
    """Return the data that ``MICROBENCH_DATASET`` names now.

    Args:
        download: fetch the release from the Hub if the setting is unset and the Hub's cache lacks it. Only
            an evaluation does. Otherwise reading the rows raises an error that says how to get them.

    Raises:
        DataError: the setting names nothing that can be read.
    """
    setting = os.environ.get(SETTING)
    label = release_files().label if setting is None else f"{SETTING}={setting}"
    try:
        if setting is None:
            return _resolve_release(label, download)
        if setting == DEMO:
            return resolve_folder(str(demo_folder()), label, demo_identity)
        return resolve_folder(setting, label)
    # RuntimeError: a home folder (~) that does not exist.
    except (OSError, RuntimeError) as error:
        raise DataError(f"{label}: {str(error).rstrip('.')}. {cache_hint()}") from error


def demo_folder() -> Path:
    """Return the folder of the demo set, and generate the set if it is not there yet."""
    target = files.cache_dir() / f"demo-{DEMO_VERSION}-{DEMO_SEED}"
    if not target.exists():
        logger.info(f"Generating the demo set in {target}, once; this takes some seconds")
    return demo_set.build(target)


def resolve_folder(setting: str, label: str, identify: Identify | None = None) -> ResolvedData:
    """Resolve a folder of data files.

    Args:
        setting: the folder.
        label: names it in messages.
        identify: turns the content hash into the record for results files; by default with the folder's path.

    Raises:
        DataError: the folder is not usable.
    """
    folder = Path(setting).expanduser()
    if not setting.strip() or not folder.exists():
        hint = f"Did you mean {DEMO}? " if setting.strip().lower() == DEMO else ""
        raise DataError(f"{label}: no such folder. {hint}{CHOICES}.")
    if not folder.is_dir():
        raise DataError(f"{label}: is a file. {CHOICES}.")
    folder = folder.resolve()

    def read() -> ResolvedData:
        data_files = data_files_of(folder, label)
        return read_files(label, data_files, identify or identify_folder(folder, data_files, folder_identity))

    return resolved_data.resolve_once(label, folder, watched=lambda: watched_paths(folder), resolve=read)


def identify_folder(folder: Path, data_files: Sequence[Path], identify: Identify) -> Identify:
    """Return what turns a content hash into the record of a folder: that of the demo set if it is a copy of it.

    Args:
        folder: with the data.
        data_files: the files in it that are read.
        identify: turns the content hash into what is recorded of other data beside the folder's path.
    """
    if (origin := manifest.origin(data_files)) is not None:
        return lambda sha256: demo_identity(sha256, **origin)
    return lambda sha256: {"source": "folder", "path": str(folder)} | identify(sha256)


def _resolve_release(label: str, download: bool) -> ResolvedData:
    release = release_files()
    if hub.missing(release):
        if not download:
            # Only the release's own bytes are accepted, so its identity is known before the download.
            return ResolvedData(label, NOT_DOWNLOADED, release_identity())
        hub.download_missing(release)
    in_repository = hub_identity(pinned_release.HUB_CONFIG, pinned_release.HUB_REVISION)
    return resolved_data.resolve_once(
        label,
        hub.cache_dir(),
        watched=lambda: hub.cached_paths(release),
        resolve=lambda: read_files(
            label, hub.verified_paths(release), lambda sha256: in_repository | folder_identity(sha256)
        ),
    )


def read_files(label: str, data_files: list[Path], identify: Identify) -> ResolvedData:
    """Return the data of Arrow or Parquet files, of which some are converted once.

    Args:
        label: names the files in messages.
        data_files: in order.
        identify: turns their content hash into the record for results files.

    Raises:
        DataError: a file cannot be read or converted.
    """
    digest = combined_sha256(files.content_hashes(data_files))
    try:
        folder = tables.saved_folder(data_files, digest, label)
    except tables.UnreadableError as error:
        raise DataError(f"{label}: cannot be loaded: {error}. {CHOICES}.") from error
    return ResolvedData(label, str(folder), identify(digest))
