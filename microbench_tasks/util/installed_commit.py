"""Find the commit of this package's source that is installed."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

DISTRIBUTION = "microbench-lmms"


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
    try:
        described = subprocess.run(
            ["git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
        )
    # No git, or no such folder.
    except OSError:
        return ""
    return described.stdout.strip() if described.returncode == 0 else ""
