"""Say which version of this package is installed, and of which commit, and which lmms-eval."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from microbench_tasks.harness.patches.patch import harness_version

DISTRIBUTION = "microbench-lmms"


def describe() -> str:
    """Return one line with the versions of this package and of lmms-eval, and the commit if pip or git knows it."""
    installed = commit()
    mark = f" (commit {installed})" if installed else ""
    return f"{DISTRIBUTION} {distribution(DISTRIBUTION).version}{mark}, lmms-eval {harness_version()}"


def commit() -> str:
    """Return the commit of an installation from git, or of the clone of an editable one; else an empty text."""
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
