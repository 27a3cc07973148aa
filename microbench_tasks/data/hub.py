"""Find pinned files of a Hugging Face dataset repository in the Hub's cache, or download them, and verify them.

A file is accepted only with the commit and the SHA-256 that it is pinned to. Files in the working directory,
other commits in the cache and other bytes are never used instead. The settings of huggingface_hub apply
(``HF_ENDPOINT``, ``HF_HUB_OFFLINE``, ``HF_HOME`` and others).
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo

_LOGIN = "log in with `hf auth login` or set HF_TOKEN"
_AGAIN = "Run the same command again: files that have arrived are kept, and only the others are downloaded"


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
        return f"{self.repo_id} (revision {self.revision[:8]})"


def local_paths(pinned: PinnedFiles, download: bool) -> list[Path]:
    """Return the paths of the files in the Hub's cache, verified by their hashes, in order.

    Args:
        pinned: the files.
        download: fetch those that are not in the cache; otherwise they are an error.

    Raises:
        DataError: a file cannot be obtained, or has other bytes; says why and what to do.
    """
    absent = missing(pinned)
    if absent and download:
        _download(pinned, absent)
    check_cached(pinned)
    paths = [path for path in _cached(pinned).values() if path is not None]
    _verify(pinned, paths)
    return paths


def missing(pinned: PinnedFiles) -> list[str]:
    """Return the files of this commit that are not in the Hub's cache."""
    return [name for name, path in _cached(pinned).items() if path is None]


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
        if download:
            return Path(huggingface_hub.snapshot_download(repo_id, repo_type="dataset", allow_patterns=pattern))
    # Network, Hub and file system each have errors of their own.
    except Exception as error:
        raise DataError(
            f"{repo_id}: {pattern} cannot be downloaded from the Hub: {explain(error)}. {instead}."
        ) from error
    try:
        return Path(
            huggingface_hub.snapshot_download(
                repo_id, repo_type="dataset", allow_patterns=pattern, local_files_only=True
            )
        )
    except OSError as error:
        raise DataError(f"{repo_id}: {pattern} is not in the Hub's cache ({cache_dir()}). {instead}.") from error


def cache_dir() -> Path:
    """Return the cache folder of huggingface_hub."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def explain(error: Exception) -> str:
    """Explain an error of huggingface_hub and what to do, as sentences without a final full stop."""
    cause = (
        error.__cause__
        if type(error).__name__ in ("LocalEntryNotFoundError", "IncompleteSnapshotError")
        and isinstance(error.__cause__, Exception)
        else error
    )
    for fits, explanation in _explanations():
        if fits(cause):
            return explanation
    from huggingface_hub import constants

    said = (str(cause).strip().splitlines() or [""])[0].rstrip(".")[:200]
    return (
        f"{type(cause).__name__}: {said} (asked: {constants.ENDPOINT}). Check the network, the proxy and "
        f"HF_ENDPOINT; on a slow connection set HF_HUB_DOWNLOAD_TIMEOUT=60. {_AGAIN}"
    )


def _explanations() -> list[tuple[Callable[[Exception], bool], str]]:
    """Pair tests of an error with explanations; the first test that matches counts."""
    from huggingface_hub import errors

    def has_type(*types: type) -> Callable[[Exception], bool]:
        return lambda error: isinstance(error, types)

    def has_status(*statuses: int) -> Callable[[Exception], bool]:
        return lambda error: getattr(getattr(error, "response", None), "status_code", None) in statuses

    def has_number(*numbers: int) -> Callable[[Exception], bool]:
        return lambda error: getattr(error, "errno", None) in numbers

    return [
        (
            has_type(errors.OfflineModeIsEnabled),
            "the Hub is switched off by HF_HUB_OFFLINE (or HF_DATASETS_OFFLINE). Unset it to download",
        ),
        (
            has_type(errors.GatedRepoError),
            f"access to the repository must be granted to you first (gated). Ask for it on the repository's page, "
            f"then {_LOGIN}",
        ),
        (
            has_type(errors.RevisionNotFoundError),
            "the repository has no such commit (404). Check HF_ENDPOINT: a mirror may lack it",
        ),
        (
            lambda error: isinstance(error, errors.EntryNotFoundError) and has_status(404)(error),
            "a file is missing there at this commit (404). Check HF_ENDPOINT: a mirror may lack it",
        ),
        (
            has_status(401),
            f"the Hub rejected the login (401): the repository is private or does not exist, or the token is wrong. "
            f"Check HF_TOKEN, or {_LOGIN}",
        ),
        (has_status(403), f"the Hub refused access (403). Check the rights of your token, or {_LOGIN}"),
        (has_status(404), "the repository was not found (404). Check HF_ENDPOINT"),
        (
            has_status(429),
            f"the Hub limits the number of requests (429). Wait some minutes, or {_LOGIN} for a higher limit. {_AGAIN}",
        ),
        (has_status(500, 502, 503, 504), f"the Hub has a server error. {_AGAIN} later"),
        (
            has_number(errno.ENOSPC, errno.EDQUOT),
            f"the disk is full ({cache_dir()}). Free some space, or set HF_HOME to a folder on a larger disk. {_AGAIN}",
        ),
        (
            has_number(errno.EACCES, errno.EPERM, errno.EROFS),
            f"the Hub's cache ({cache_dir()}) cannot be written. Set HF_HOME to a folder that you can write",
        ),
        (lambda error: "Consistency check failed" in str(error), f"a file was cut off on the way. {_AGAIN}"),
    ]


def _cached(pinned: PinnedFiles) -> dict[str, Path | None]:
    """Return the path in the cache of each file of this commit, None if it is missing."""
    import huggingface_hub

    found = {
        name: huggingface_hub.try_to_load_from_cache(
            pinned.repo_id, name, revision=pinned.revision, repo_type="dataset"
        )
        for name in pinned.hashes
    }
    return {name: Path(path) if isinstance(path, str) else None for name, path in found.items()}


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
    for (name, expected), path, found in zip(pinned.hashes.items(), paths, files.content_hashes(paths)):
        if found != expected:
            raise DataError(
                f"{pinned.label}: {name} has other bytes than the release: SHA-256 {found}, expected {expected}. It "
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
