"""Patch internals of lmms-eval, the harness, where it has no hook for what the tasks need.

`table` lists the patches, `targets` finds what they replace, `patch` installs them. Patches are independent of each
other. In a version of the harness that differs, only those that do not fit are left out. One warning then says what a
run lacks without them.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from microbench_tasks.harness.patches.patch import Installer, Patch, harness_version
from microbench_tasks.harness.patches.targets import Finding, Fit, Target


@dataclass(frozen=True)
class Row:
    """Record how one target of a patch fits the harness; ``way`` is the index of the target's way in `Patch.ways`."""

    patch: Patch
    target: Target
    finding: Finding
    way: int


@functools.cache
def installer() -> Installer:
    """Return the installer of this process."""
    from microbench_tasks.harness.patches.table import PATCHES

    return Installer(PATCHES)


def install() -> None:
    """Install all patches that fit the harness; see `Installer.install`."""
    installer().install()


def examine() -> Iterator[Row]:
    """Compare every target of every patch with the harness that Python imports as ``lmms_eval``."""
    from microbench_tasks.harness.patches.table import PATCHES

    for patch in PATCHES:
        for number, way in enumerate(patch.ways):
            for target, finding in way.findings(import_all=True):
                yield Row(patch, target, finding, number)


def lost_patches(rows: Iterable[Row]) -> list[Patch]:
    """Return the patches that cannot be installed: none of their ways fits the harness."""
    fits: dict[str, dict[int, bool]] = {}
    by_name = {}
    for row in rows:
        ways = fits.setdefault(row.patch.name, {})
        ways[row.way] = ways.get(row.way, True) and row.finding.fit is Fit.OK
        by_name[row.patch.name] = row.patch
    return [by_name[name] for name, ways in fits.items() if not any(ways.values())]


def as_table(rows: Iterable[Row]) -> str:
    """Render a line for each target, and a summary of what a run lacks."""
    rows = list(rows)
    width = max(len(row.target.path) for row in rows)
    lines = [f"lmms-eval {harness_version()} in {_harness_folder()}", ""]
    for row in rows:
        detail = f" ({row.finding.detail})" if row.finding.detail else ""
        lines.append(f"{row.finding.fit.value:<16} {row.target.path:<{width}} {row.patch.name}{detail}")
    missing = lost_patches(rows)
    lines += ["", f"{len(missing)} of {len({row.patch.name for row in rows})} patches cannot be installed."]
    return "\n".join([*lines, *(f"- {patch.name}: {patch.lost}" for patch in missing)])


def _harness_folder() -> str:
    spec = importlib.util.find_spec("lmms_eval")
    return "no folder" if spec is None or spec.origin is None else str(Path(spec.origin).parent)
