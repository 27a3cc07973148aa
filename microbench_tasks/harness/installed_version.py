"""Say which version of this package is installed, and of which commit, and which lmms-eval."""

from __future__ import annotations

from importlib.metadata import distribution

from microbench_tasks.harness.patches.patch import harness_version
from microbench_tasks.util.installed_commit import DISTRIBUTION, commit


def describe() -> str:
    """Return one line with the versions of this package and of lmms-eval, and the commit if pip or git knows it."""
    installed = commit()
    mark = f" (commit {installed})" if installed else ""
    return f"{DISTRIBUTION} {distribution(DISTRIBUTION).version}{mark}, lmms-eval {harness_version()}"
