"""Download the files of a repository on the Hugging Face Hub into a folder of its cache."""

from __future__ import annotations

import os
from pathlib import Path

from loguru import logger

from microbench_adapters.checkpoints import weight_files

# Settings that forbid huggingface_hub to download.
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
# Optional files that decide how weights are read or used.
_FURTHER_FILES = ("adapter_config.json", "generation_config.json")


def snapshot(repository: str, revision: str | None) -> Path:
    """Return the folder with the weights that transformers would load; download what is not cached.

    Unlike transformers' own loading, this does not ask the Hub to convert weights to another format.

    Raises:
        ValueError: the repository has no weights, or they cannot be read.
    """
    where = f"model={repository}, revision={revision}"
    weights = _first_weights(repository, revision, where)
    if weights.name.endswith(".index.json"):
        for name in weight_files.shard_names(weights, where):
            _download(repository, name, revision, where)
    for name in _FURTHER_FILES:
        _download(repository, name, revision, where, is_optional=True)
    return weights.parent


def _first_weights(repository: str, revision: str | None, where: str) -> Path:
    for name in weight_files.TRANSFORMERS_FILES:
        if (path := _download(repository, name, revision, where, is_optional=True)) is not None:
            return path
    raise ValueError(
        f"{where}: contains no weights. Expected one of {', '.join(weight_files.TRANSFORMERS_FILES)} in the "
        "repository, or in the Hub's cache if the Hub cannot be reached."
    )


def _download(repository: str, name: str, revision: str | None, where: str, is_optional: bool = False) -> Path | None:
    try:
        return download_optional(repository, name, revision) if is_optional else _hub_file(repository, name, revision)
    # The Hub's errors for no access, no network and a bad name have no common class.
    except Exception as error:
        raise ValueError(f"{where}: {name} cannot be loaded: {explain(error)}") from error


def explain(error: Exception) -> str:
    """Return the cause of an error of the Hub as sentences; the libraries do not name the setting that forbids it."""
    from huggingface_hub import constants
    from huggingface_hub.errors import OfflineModeIsEnabled

    # The libraries report what a cache lacks by an OSError, too.
    if not constants.HF_HUB_OFFLINE or not isinstance(error, (OSError, OfflineModeIsEnabled)):
        return f"{type(error).__name__}: {str(error).rstrip('.')}."
    setting = next((name for name in _OFFLINE if os.environ.get(name)), _OFFLINE[0])
    return (
        f"{setting} is set, and the Hub's cache ({constants.HF_HUB_CACHE}) lacks a file. Unset {setting} to download "
        "it, or name a local folder."
    )


def download_optional(repository: str, name: str, revision: str | None) -> Path | None:
    """Download a file into the Hub's cache; return None if the repository does not have it."""
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return _hub_file(repository, name, revision)
    except (EntryNotFoundError, LocalEntryNotFoundError):
        logger.debug(f"{repository} has no {name}")
        return None


def _hub_file(repository: str, name: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repository, name, revision=revision))
