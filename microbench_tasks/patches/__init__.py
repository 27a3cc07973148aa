"""Changes to the harness's insides: one table, each installed by itself, none needed by the others.

`table` lists them, `targets` finds what they replace, `patch` installs them. Of a harness that differs, only what the
missing patches give is lost, and one warning says what that is.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from microbench_tasks.patches.patch import Installer, Patch
from microbench_tasks.patches.targets import Finding, Target


@dataclass(frozen=True)
class Row:
    """One target of a patch, and how it fits the installed harness."""

    patch: Patch
    target: Target
    finding: Finding


@functools.cache
def installer() -> Installer:
    """Return the installer of this process."""
    from microbench_tasks.patches.table import PATCHES

    return Installer(PATCHES)


def install() -> None:
    """Install all patches that fit the harness; see `Installer.install`."""
    installer().install()


def examine() -> Iterator[Row]:
    """Compare every target of every patch with the harness that Python imports as ``lmms_eval``."""
    from microbench_tasks.patches.table import PATCHES

    for patch in PATCHES:
        for way in patch.ways:
            for target, finding in way.findings(import_all=True):
                yield Row(patch, target, finding)
