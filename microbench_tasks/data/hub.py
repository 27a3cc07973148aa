"""Find pinned files of a Hugging Face dataset repository in the Hub's cache, or download them, and verify them.

A file is accepted only with the commit and the SHA-256 that it is pinned to. Files in the working directory,
other commits in the cache and other bytes are never used instead. The settings of huggingface_hub apply
(``HF_ENDPOINT``, ``HF_HUB_OFFLINE``, ``HF_HOME`` and others).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks.data.hub_errors import explain
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo


@dataclass(frozen=True)
class PinnedFiles:
    """Name files of one commit of a dataset repository.

    Attributes:
        repo_id: the repository, ``owner/name``.
        revision: the commit, 40 hexadecimal digits.
        hashes: SHA-256 by the file's path in the repository, in order.
        size: of all files together, as text for messages.
        instead: a sentence for messages: what the user can do without the Hub.
    """

    repo_id: str
    revision: str
    hashes: Mapping[str, str]
    size: str
    instead: str

    @property
    def label(self) -> str:
        """The repository and the start of the commit, for messages."""
        return f"{self.repo_id} (revision {self.revision[:8]})"


def missing(pinned: PinnedFiles) -> list[str]:
    """Return the names of the files of this commit that are not in the Hub's cache."""
    return [name for name, path in _cached(pinned).items() if path is None]


def cached_paths(pinned: PinnedFiles) -> list[Path]:
    """Return the paths of the files of this commit that are in the Hub's cache, in order."""
    return [path for path in _cached(pinned).values() if path is not None]


def download_missing(pinned: PinnedFiles) -> None:
    """Download the files that are not in the Hub's cache.

    Raises:
        DataError: a file cannot be downloaded; says why and what to do.
    """
    if absent := missing(pinned):
        _download(pinned, absent)


def verified_paths(pinned: PinnedFiles) -> list[Path]:
    """Return the paths of the files in the Hub's cache, verified by their hashes, in order.

    Raises:
        DataError: a file is not in the cache, or has other bytes; says what to do.
    """
    check_cached(pinned)
    paths = cached_paths(pinned)
    _verify(pinned, paths)
    return paths


def check_cached(pinned: PinnedFiles) -> None:
    """Raise `DataError`, with how to get them, if files are not in the Hub's cache."""
    absent = missing(pinned)
    if absent:
        raise DataError(
            f"{pinned.label}: {len(absent)} of {len(pinned.hashes)} files are not in the Hub's cache "
            f"({cache_dir()}), such as {absent[0]}. {_other_commits(pinned)}{_how_to_get(pinned)}"
        )


def snapshot(repo_id: str, pattern: str, download: bool, instead: str) -> Path:
    """Return the folder of a repository's latest commit, which is also the folder's name.

    Args:
        repo_id: a dataset repository.
        pattern: which files are wanted; if there are none, the folder may not exist.
        download: ask the Hub for the latest commit and fetch it; otherwise take the latest one in the Hub's cache.
        instead: what the user can do without the Hub.

    Raises:
        DataError: the Hub cannot be reached, or the cache does not have the repository; says what to do.
    """
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.snapshot_download(
                repo_id, repo_type="dataset", allow_patterns=pattern, local_files_only=not download
            )
        )
    # Network, Hub and file system each have errors of their own.
    except Exception as error:
        if download:
            problem = f"cannot be downloaded from the Hub: {explain(error)}"
        elif isinstance(error, OSError):
            problem = f"is not in the Hub's cache ({cache_dir()})"
        else:
            raise
        raise DataError(f"{repo_id}: {pattern} {problem}. {instead}.") from error


def cache_dir() -> Path:
    """Return the cache folder of huggingface_hub."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _cached(pinned: PinnedFiles) -> dict[str, Path | None]:
    """Return the path in the cache of each file of this commit, None if it is missing."""
    import huggingface_hub

    paths = {
        name: huggingface_hub.try_to_load_from_cache(
            pinned.repo_id, name, revision=pinned.revision, repo_type="dataset"
        )
        for name in pinned.hashes
    }
    return {name: Path(path) if isinstance(path, str) else None for name, path in paths.items()}


def _download(pinned: PinnedFiles, names: list[str]) -> None:
    """Fetch files into the Hub's cache, after logging their size and checking that the download can succeed."""
    import huggingface_hub

    try:
        _refuse_offline()
        info = huggingface_hub.HfApi().dataset_info(pinned.repo_id, revision=pinned.revision, files_metadata=True)
        num_bytes = _checked_size(pinned, names, info)
        _check_space(pinned, num_bytes)
        logger.info(
            f"Micro-Bench data {pinned.label}: downloading {len(names)} of {len(pinned.hashes)} files, "
            f"{num_bytes / 1e9:.2f} GB (all: {pinned.size}), into {cache_dir()}. This happens once. {pinned.instead} "
            f"If the download breaks off, the next run continues it."
        )
        huggingface_hub.snapshot_download(
            pinned.repo_id, repo_type="dataset", revision=pinned.revision, allow_patterns=names
        )
    except DataError:
        raise
    # Network, Hub, file system and the answer's form each have errors of their own; all mean that nothing was fetched.
    except Exception as error:
        raise DataError(
            f"{pinned.label}: cannot be downloaded: {explain(error)}. {_other_commits(pinned)}{pinned.instead}"
        ) from error


def _refuse_offline() -> None:
    import datasets
    from huggingface_hub import errors

    # A user who sets only `datasets` offline expects no download of data either.
    if datasets.config.HF_HUB_OFFLINE:
        raise errors.OfflineModeIsEnabled


def _checked_size(pinned: PinnedFiles, names: list[str], info: DatasetInfo) -> int:
    """Return the size of the named files in bytes; refuse files that the Hub lists with other hashes."""
    if info.sha != pinned.revision:
        raise DataError(
            f"{pinned.label}: the Hub answers with another commit, {info.sha}. Check HF_ENDPOINT. {pinned.instead}"
        )
    stated: dict[str, Any] = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    absent = [name for name in names if name not in stated]
    if absent:
        raise DataError(
            f"{pinned.label}: {len(absent)} of {len(pinned.hashes)} files are missing on the Hub: "
            f"{', '.join(absent)}. Check HF_ENDPOINT: a mirror may lack them. {pinned.instead}"
        )
    for name in names:
        lfs = stated[name].lfs
        if lfs is not None and lfs.sha256 != pinned.hashes[name]:
            raise DataError(
                f"{pinned.label}: {name} has other bytes on the Hub: SHA-256 {lfs.sha256}, expected "
                f"{pinned.hashes[name]}. Nothing was downloaded. Check HF_ENDPOINT. {pinned.instead}"
            )
    return sum(stated[name].size or 0 for name in names)


def _check_space(pinned: PinnedFiles, num_bytes: int) -> None:
    folder = cache_dir().absolute()
    nearest = next(above for above in (folder, *folder.parents) if above.exists())
    free = shutil.disk_usage(nearest).free
    if num_bytes > free:
        raise DataError(
            f"{pinned.label}: the download needs {num_bytes / 1e9:.2f} GB, and the disk of {cache_dir()} has "
            f"{free / 1e9:.2f} GB free. Free some space, or set HF_HOME to a folder on a larger disk. {pinned.instead}"
        )


def _verify(pinned: PinnedFiles, paths: list[Path]) -> None:
    """Refuse files whose hash is not the pinned one."""
    hashes = files.content_hashes(paths)
    for (name, expected), path, measured in zip(pinned.hashes.items(), paths, hashes, strict=True):
        if measured != expected:
            raise DataError(
                f"{pinned.label}: {name} has other bytes than the release: SHA-256 {measured}, expected {expected}. It "
                f"was damaged during the download or in the cache. Delete the file and run again: {path.resolve()}"
            )


def _other_commits(pinned: PinnedFiles) -> str:
    """Name the other commits of the repository in the cache, which are not used."""
    snapshots = cache_dir() / f"datasets--{pinned.repo_id.replace('/', '--')}" / "snapshots"
    others = sorted(folder.name for folder in snapshots.glob("*") if folder.name != pinned.revision)
    return (
        f"The cache contains another commit of the repository, which is not the release and is not used: "
        f"{', '.join(others)}. "
        if others
        else ""
    )


def _how_to_get(pinned: PinnedFiles) -> str:
    folder = next(iter(pinned.hashes)).split("/")[0]
    return (
        f"An evaluation downloads them ({pinned.size}), or: hf download {pinned.repo_id} --repo-type dataset "
        f'--revision {pinned.revision} --include "{folder}/*". {pinned.instead}'
    )
