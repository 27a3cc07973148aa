"""Pinned files of a dataset repository on the Hugging Face Hub: found in the Hub's cache, or downloaded, and verified.

A file counts only with the commit and the SHA-256 that it is pinned to. Nothing in the working directory,
no other commit in a cache and no other bytes can stand in for it. ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``,
``HF_HOME`` and the rest of huggingface_hub's settings hold.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks import files
from microbench_tasks.schema import DataError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo

_LOGIN = "log in with `hf auth login` or set HF_TOKEN"
_AGAIN = "Run the same command again: files that have arrived are kept, and only the others are downloaded"


@dataclass(frozen=True)
class PinnedFiles:
    """Files of one commit of a dataset repository.

    Attributes:
        repo_id: of the repository.
        revision: the commit, 40 hexadecimal digits.
        hashes: SHA-256 by the file's path in the repository, in order.
        size: of all files, in words.
        instead: what the user can do without the Hub, as a sentence for messages.
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
    """Return where the files lie in the Hub's cache, verified by their hashes and in order.

    Args:
        pinned: the files.
        download: fetch those that are not in the cache; otherwise they are an error.

    Raises:
        DataError: a file cannot be had, or has other bytes; says why and what to do.
    """
    missing = _missing(pinned)
    if missing and download:
        _download(pinned, missing)
        missing = _missing(pinned)
    if missing:
        raise DataError(
            f"{pinned.label}: {len(missing)} of {len(pinned.hashes)} files are not in the Hub's cache "
            f"({cache_dir()}), such as {missing[0]}. {_other_commits(pinned)}{_how_to_get(pinned)}"
        )
    paths = [path for path in _cached(pinned).values() if path is not None]
    _verify(pinned, paths)
    return paths


def snapshot(repo_id: str, pattern: str, download: bool, instead: str) -> Path:
    """Return the folder, named by its commit, that the files of a repository's present state lie in.

    Args:
        repo_id: a dataset repository.
        pattern: which files are wanted; where none is there, the folder may not exist.
        download: ask the Hub for the present state and fetch it; otherwise take what the Hub's cache last saw.
        instead: what the user can do without the Hub.

    Raises:
        DataError: the Hub cannot be asked, or the cache has never seen the repository; says what to do.
    """
    import huggingface_hub

    try:
        if download:
            return Path(huggingface_hub.snapshot_download(repo_id, repo_type="dataset", allow_patterns=pattern))
    # As below.
    except Exception as error:
        raise DataError(f"{repo_id}: {pattern} cannot be had from the Hub: {explain(error)}. {instead}.") from error
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
    """Say what an error of huggingface_hub means and what to do, as sentences without a final full stop."""
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
        f"HF_ENDPOINT; HF_HUB_DOWNLOAD_TIMEOUT=60 waits longer on a slow line. {_AGAIN}"
    )


def _explanations() -> list[tuple[Callable[[Exception], bool], str]]:
    """Pair tests of an error with what it means; the first that fits counts."""
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
            f"the Hub did not accept who asks (401): the repository is private or not there, or the token is wrong. "
            f"Check HF_TOKEN, or {_LOGIN}",
        ),
        (has_status(403), f"the Hub refused access (403). Check the rights of your token, or {_LOGIN}"),
        (has_status(404), "the repository was not found (404). Check HF_ENDPOINT"),
        (
            has_status(429),
            f"the Hub limits how much is asked (429). Wait some minutes, or {_LOGIN} for a higher limit. {_AGAIN}",
        ),
        (has_status(500, 502, 503, 504), f"the Hub does not work at present (server error). {_AGAIN} later"),
        (
            has_number(errno.ENOSPC, errno.EDQUOT),
            f"the disk is full ({cache_dir()}). Make room, or set HF_HOME to a folder on a larger disk. {_AGAIN}",
        ),
        (
            has_number(errno.EACCES, errno.EPERM, errno.EROFS),
            f"the Hub's cache ({cache_dir()}) cannot be written. Set HF_HOME to a folder of yours",
        ),
        (lambda error: "Consistency check failed" in str(error), f"a file was cut off on the way. {_AGAIN}"),
    ]


def _cached(pinned: PinnedFiles) -> dict[str, Path | None]:
    """Return where each file of this very commit lies in the cache, None if it is not there."""
    import huggingface_hub

    found = {
        name: huggingface_hub.try_to_load_from_cache(
            pinned.repo_id, name, revision=pinned.revision, repo_type="dataset"
        )
        for name in pinned.hashes
    }
    return {name: Path(path) if isinstance(path, str) else None for name, path in found.items()}


def _missing(pinned: PinnedFiles) -> list[str]:
    return [name for name, path in _cached(pinned).items() if path is None]


def _download(pinned: PinnedFiles, names: list[str]) -> None:
    """Fetch files into the Hub's cache, after saying what it costs and checking that it can succeed."""
    import huggingface_hub

    try:
        _refuse_offline()
        info = huggingface_hub.HfApi().dataset_info(pinned.repo_id, revision=pinned.revision, files_metadata=True)
        num_bytes = _checked_size(pinned, names, info)
        _check_space(pinned, num_bytes)
        logger.info(
            f"Micro-Bench data {pinned.label}: downloading {len(names)} of {len(pinned.hashes)} files, "
            f"{num_bytes / 1e9:.2f} GB (all: {pinned.size}), into {cache_dir()}. This happens once. {pinned.instead} "
            f"A download that breaks off is continued by the next run."
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

    # A user who keeps only `datasets` off the network expects no download of data either.
    if datasets.config.HF_HUB_OFFLINE:
        raise errors.OfflineModeIsEnabled


def _checked_size(pinned: PinnedFiles, names: list[str], info: DatasetInfo) -> int:
    """Return the bytes of the named files; refuse what the Hub itself says are other files than the pinned ones."""
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
            f"{free / 1e9:.2f} GB free. Make room, or set HF_HOME to a folder on a larger disk. {pinned.instead}"
        )


def _verify(pinned: PinnedFiles, paths: list[Path]) -> None:
    """Refuse files whose bytes are not the pinned ones."""
    for (name, expected), path, found in zip(pinned.hashes.items(), paths, files.content_hashes(paths)):
        if found != expected:
            raise DataError(
                f"{pinned.label}: {name} has other bytes than the release: SHA-256 {found}, expected {expected}. It "
                f"was damaged on the way or in the cache. Delete the file and run again: {path.resolve()}"
            )


def _other_commits(pinned: PinnedFiles) -> str:
    """Name the commits of the repository that the cache holds and that are not taken."""
    snapshots = cache_dir() / f"datasets--{pinned.repo_id.replace('/', '--')}" / "snapshots"
    others = sorted(folder.name for folder in snapshots.glob("*") if folder.name != pinned.revision)
    return (
        f"The cache holds another state of the repository, which is not the release and is not taken: commit "
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
