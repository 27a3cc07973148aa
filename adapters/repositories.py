"""Download the files of a repository on the Hugging Face Hub into a folder of its cache."""

from __future__ import annotations

from pathlib import Path

from microbench_adapters import weight_files

# Optional files that decide how weights are read or used.
_FURTHER_FILES = ("adapter_config.json", "generation_config.json")


def snapshot(repository: str, revision: str | None) -> Path:
    """Return the folder with the weights that transformers would load; download what is not cached.

    Unlike transformers' own loading, this does not ask the Hub to convert weights to another format.

    Raises:
        ValueError: the repository has no weights, or they cannot be read.
    """
    where = f"model={repository}, revision={revision}"
    found = _first_weights(repository, revision, where)
    if found.name.endswith(".index.json"):
        for name in weight_files.shard_names(found, where):
            _download(repository, name, revision, where)
    for name in _FURTHER_FILES:
        _download(repository, name, revision, where, may_lack=True)
    return found.parent


def _first_weights(repository: str, revision: str | None, where: str) -> Path:
    for name in weight_files.TRANSFORMERS_FILES:
        if (path := _download(repository, name, revision, where, may_lack=True)) is not None:
            return path
    raise ValueError(
        f"{where}: contains no weights. Expected one of {', '.join(weight_files.TRANSFORMERS_FILES)} in the "
        "repository, or in the Hub's cache if the Hub cannot be reached."
    )


def _download(repository: str, name: str, revision: str | None, where: str, may_lack: bool = False) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repository, name, revision=revision))
    # The Hub's errors for no access, no network and a bad name have no common class.
    except Exception as error:
        if may_lack and isinstance(error, (EntryNotFoundError, LocalEntryNotFoundError)):
            return None
        raise ValueError(f"{where}: {name} cannot be loaded: {type(error).__name__}: {error}") from error
