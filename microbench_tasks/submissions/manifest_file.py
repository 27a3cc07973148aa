"""Read and write ``submission.json``, and compute its digest."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microbench_tasks.submissions import run_arguments
from microbench_tasks.util import untrusted
from microbench_tasks.util.errors import DataError

SCHEMA_VERSION = 3

MANIFEST = "submission.json"

UNKNOWN = "unknown"

DATE_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

# In bytes. Lists of texts that a model cut are the longest part.
_LARGEST = 2**26


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``submission.json``; raise `DataError` if it is missing or not a JSON object."""
    path = folder / MANIFEST
    if not path.exists() and not path.is_symlink():
        raise DataError(f"{folder}: contains no {MANIFEST}. Name the folder that microbench submit wrote.")
    content = untrusted.read_regular_file(path, _LARGEST, follow_links=False)
    try:
        manifest = untrusted.parse_json(content)
    except ValueError as error:
        raise DataError(f"{path}: expected JSON, got {error}.") from error
    if not isinstance(manifest, dict):
        raise DataError(f"{path}: expected a JSON object, got {type(manifest).__name__}.")
    return manifest


def compute_digest(manifest: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a manifest's content, whatever the layout of the file."""
    content = {name: value for name, value in manifest.items() if name != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def find_digest_problems(manifest: Mapping[str, Any]) -> list[str]:
    """Report a manifest whose content does not match its digest."""
    return (
        []
        if manifest["digest"] == compute_digest(manifest)
        else [f"{MANIFEST} has been changed: its digest is not that of its content."]
    )


def find_precision(loaded: Mapping[str, Any] | None, arguments: Any) -> str:
    """Return the precision of the weights as the model records it, or else as it was requested."""
    typed = run_arguments.parse_arguments(arguments)
    return str(
        (loaded or {}).get("precision")
        or next((typed[name] for name in _PRECISION_ARGUMENTS if typed.get(name)), UNKNOWN)
    )


_PRECISION_ARGUMENTS = ("precision", "dtype", "torch_dtype")


def format_manifest(manifest: Mapping[str, Any]) -> str:
    """A manifest as it stands in ``submission.json``."""
    return json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def figures_as_json(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as plain JSON values; what is no number (no question counts) is null."""
    return {
        metric: None
        if isinstance(value, float) and math.isnan(value)
        else dict(value)
        if isinstance(value, Mapping)
        else float(value)
        if isinstance(value, float)
        else value
        for metric, value in figures.items()
    }
