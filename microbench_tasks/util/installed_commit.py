"""Find the commit of this package's source that is installed."""

from __future__ import annotations

import json
import os
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

DISTRIBUTION = "microbench-lmms"
# In seconds; git answers within one, unless the file system hangs.
_TIMEOUT = 30


def commit() -> str:
    """Return the commit of an installation from git, or of the clone of an editable one; else an empty text.

    It has 40 hexadecimal digits, and ends in ``-dirty`` if a file of the clone was changed since.
    """
    try:
        # Written by pip, see https://packaging.python.org/specifications/direct-url/.
        origin = json.loads(distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except ValueError:
        return ""
    if "vcs_info" in origin:
        return str(origin["vcs_info"].get("commit_id", ""))
    if not origin.get("dir_info", {}).get("editable"):
        return ""
    return _commit_of_clone(Path(url2pathname(urlsplit(origin["url"]).path)))


def _commit_of_clone(folder: Path) -> str:
    """Return the commit that is checked out in a folder; an empty text unless the folder itself is a clone."""
    # git searches upwards: an unpacked archive may lie in a repository of something else.
    clone = _git(folder, "rev-parse", "--show-toplevel")
    if not clone or Path(clone).resolve() != folder.resolve():
        return ""
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints of a folder; an empty text if it fails."""
    # Such as GIT_DIR, which names a repository whatever the folder.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", folder, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            timeout=_TIMEOUT,
        )
    # No git, or a folder that is gone or answers too slowly.
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
