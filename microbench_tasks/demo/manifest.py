"""Tell which demo set a folder or its files belong to, by the manifest in the folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from microbench_tasks.demo.version import DEMO_VERSION

# Lists the files of the set. It is written last, so a folder without it is not complete.
MANIFEST = "demo.json"
# Folders from a file of the set up to the set's own.
_DEPTH = 3


def manifest_of(seed: int, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Return the manifest of a set with these sizes of files, in bytes."""
    return {"version": DEMO_VERSION, "seed": seed, "bytes": dict(sizes)}


def is_complete(folder: Path, seed: int) -> bool:
    """Tell whether ``folder`` contains the whole set of this seed and version."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        sizes = {name: (folder / name).stat().st_size for name in manifest["bytes"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return manifest == manifest_of(seed, sizes)


def origin(files: Sequence[Path]) -> dict[str, Any] | None:
    """Return ``version`` and ``seed`` of the demo set to which all of ``files`` belong; None if there is none.

    The folders above the first file are searched for the manifest. A file of another size is no part of the set.
    """
    # A relative path may begin inside the set, where its parents do not lead to the manifest.
    files = [Path(os.path.abspath(file)) for file in files]
    for folder in list(files[0].parents)[:_DEPTH] if files else ():
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
            listed = {folder / name: size for name, size in manifest["bytes"].items()}
            about = {"version": str(manifest["version"]), "seed": int(manifest["seed"])}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if all(listed.get(file) == file.stat().st_size for file in files):
            return about
    return None
