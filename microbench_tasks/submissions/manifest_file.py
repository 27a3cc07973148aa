"""Read and write ``submission.json``, and compute its digest."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microbench_tasks.util import argument_text, untrusted
from microbench_tasks.util.errors import DataError

MANIFEST = "submission.json"
# Stands for what a run did not record.
UNKNOWN = "unknown"
DATE_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
# Names of model arguments that set the precision.
_PRECISION_ARGUMENTS = ("precision", "dtype", "torch_dtype")
_WHICH_FOLDER = "Name the folder that microbench submit wrote."
# Largest size in bytes. Most of it are lists of texts that a model cut.
_LARGEST = 2**26


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the content of ``submission.json``, which is not checked yet.

    Raises:
        DataError: the file is missing, or is not a JSON object.
    """
    path = folder / MANIFEST
    if not path.exists() and not path.is_symlink():
        if not folder.is_dir():
            raise DataError(f"{folder}: {'is a file' if folder.exists() else 'no such folder'}. {_WHICH_FOLDER}")
        raise DataError(f"{folder}: contains no {MANIFEST}. {_WHICH_FOLDER}")
    try:
        content = untrusted.parse_json(untrusted.read_regular_file(path, _LARGEST, follow_links=False))
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{path}: expected JSON, got {error}.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a JSON object, got {type(content).__name__}.")
    return content


def compute_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a JSON object without its ``digest``; the layout of the file does not matter."""
    rest = {name: value for name, value in content.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def find_digest_problems(content: Mapping[str, Any]) -> list[str]:
    """Report a manifest whose content does not match its digest."""
    if content["digest"] == compute_digest(content):
        return []
    return [f"{MANIFEST} has been changed: its digest is not that of its content."]


def find_precision(recorded: str | None, arguments: Any) -> str:
    """Return the precision of the weights.

    Args:
        recorded: precision that the model recorded, if it did.
        arguments: model arguments, a text or a mapping; they count if nothing is recorded.
    """
    by_name = argument_text.parse_arguments(arguments)
    requested = (by_name[name] for name in _PRECISION_ARGUMENTS if by_name.get(name))
    return str(recorded or next(requested, UNKNOWN))


def format_manifest(content: Mapping[str, Any]) -> str:
    """Return the text of ``submission.json``."""
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def figures_as_json(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures as plain JSON values; a value that is not a number, as no question counts, becomes null."""
    return {metric: _as_json(value) for metric, value in figures.items()}


def _as_json(value: Any) -> Any:
    if isinstance(value, float):
        # NumPy's floats are floats, too.
        return None if math.isnan(value) else float(value)
    return dict(value) if isinstance(value, Mapping) else value
