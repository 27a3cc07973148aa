"""Install the patches of this process, and compare them with the installed harness."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from microbench_tasks.harness.patches.patch import Installer, Patch, Replacement, harness_version
from microbench_tasks.harness.patches.table import PATCHES
from microbench_tasks.harness.patches.targets import Finding, Target


@dataclass(frozen=True)
class Row:
    """Record how one target of a patch fits the harness.

    Attributes:
        patch: the patch.
        replacement: one of its alternatives.
        target: what the replacement replaces or calls.
        finding: how the target fits.
    """

    patch: Patch
    replacement: Replacement
    target: Target
    finding: Finding


@functools.cache
def installer() -> Installer:
    """Return the installer of this process."""
    return Installer(PATCHES)


def install() -> None:
    """Install all patches that fit the harness; see `Installer.install`."""
    installer().install()


def examine() -> Iterator[Row]:
    """Compare every target of every patch with the harness that Python imports as ``lmms_eval``."""
    for patch in PATCHES:
        for replacement in patch.alternatives:
            for target, finding in replacement.examine(import_all=True):
                yield Row(patch, replacement, target, finding)


def lost_patches(rows: Iterable[Row]) -> list[Patch]:
    """Return the patches that cannot be installed: none of their replacements fits the harness."""
    rows = list(rows)
    patches = {row.patch.name: row.patch for row in rows}
    misfits = [(row.patch.name, row.replacement) for row in rows if not row.finding.is_ok]
    return [
        patch
        for name, patch in patches.items()
        if all((name, replacement) in misfits for replacement in patch.alternatives)
    ]


def as_list(rows: Iterable[Row]) -> str:
    """Name the patches that fit the harness on one line, and each that cannot be installed on its own."""
    rows = list(rows)
    missing = lost_patches(rows)
    names = dict.fromkeys(row.patch.name for row in rows)
    fitting = [name for name in names if name not in {patch.name for patch in missing}]
    lines = [_version_line(), f"fit this version ({len(fitting)} of {len(names)}): {'; '.join(fitting)}"]
    return "\n".join([*lines, *(f"cannot be installed: {patch.name}" for patch in missing)])


def as_table(rows: Iterable[Row]) -> str:
    """Render the table of patches: what each replaces, whether that fits the harness, why, and when it can go.

    Args:
        rows: from `examine`.

    Returns:
        Lines of text: the harness's version, a paragraph for each patch, and what a run lacks without the patches
        that cannot be installed.
    """
    rows = list(rows)
    patches = list({row.patch.name: row.patch for row in rows}.values())
    lines = [_version_line()]
    for patch in patches:
        lines += ["", *_describe(patch, [row for row in rows if row.patch is patch])]
    missing = lost_patches(rows)
    lines += ["", f"{len(missing)} of {len(patches)} patches cannot be installed."]
    return "\n".join([*lines, *(f"- {patch.name}: {patch.lost}" for patch in missing)])


def _describe(patch: Patch, rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines about one patch."""
    origin = [f"since lmms-eval {patch.since}"]
    origin += [patch.issue_url] if patch.issue is not None else []
    origin += [f"installed by {patch.elsewhere}"] if patch.elsewhere else []
    yield f"{patch.name} ({', '.join(origin)})"
    for row in rows:
        verb = "replaces" if row.target == row.replacement.target else "calls"
        verb = "or, " * (row.replacement is patch.fallback) + verb
        detail = f" ({row.finding.detail})" if row.finding.detail else ""
        yield f"  {row.finding.fit.value}: {verb} {row.target.path}{detail}"
    yield f"  Why: {patch.why}"
    yield f"  Can be removed when: {patch.removable}"


def _version_line() -> str:
    spec = importlib.util.find_spec("lmms_eval")
    folder = "no folder" if spec is None or spec.origin is None else Path(spec.origin).parent
    return f"lmms-eval {harness_version()} in {folder}"
