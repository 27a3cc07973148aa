"""Explain errors of huggingface_hub: what happened, and what the user can do."""

from __future__ import annotations

import errno
from collections.abc import Callable

_LOGIN = "log in with `hf auth login` or set HF_TOKEN"
_AGAIN = "Run the same command again: files that have arrived are kept, and only the others are downloaded"


def explain(error: Exception) -> str:
    """Explain an error of huggingface_hub and what to do, as sentences without a final full stop."""
    cause = (
        error.__cause__
        if type(error).__name__ in ("LocalEntryNotFoundError", "IncompleteSnapshotError")
        and isinstance(error.__cause__, Exception)
        else error
    )
    for matches, explanation in _explanations():
        if matches(cause):
            return explanation
    from huggingface_hub import constants

    first_line = (str(cause).strip().splitlines() or [""])[0].rstrip(".")[:200]
    return (
        f"{type(cause).__name__}: {first_line} (asked: {constants.ENDPOINT}). Check the network, the proxy and "
        f"HF_ENDPOINT; on a slow connection set HF_HUB_DOWNLOAD_TIMEOUT=60. {_AGAIN}"
    )


def _explanations() -> list[tuple[Callable[[Exception], bool], str]]:
    """Pair tests of an error with explanations; the first test that matches counts."""
    from huggingface_hub import constants, errors

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
            f"the disk is full ({constants.HF_HUB_CACHE}). Free some space, or set HF_HOME to a folder on a larger "
            f"disk. {_AGAIN}",
        ),
        (
            has_number(errno.EACCES, errno.EPERM, errno.EROFS),
            f"the Hub's cache ({constants.HF_HUB_CACHE}) cannot be written. Set HF_HOME to a folder that you can write",
        ),
        (lambda error: "Consistency check failed" in str(error), f"a file was cut off on the way. {_AGAIN}"),
    ]
