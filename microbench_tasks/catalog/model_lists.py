"""Find the lists of models for ``microbench run`` that ship with the package."""

from __future__ import annotations

from pathlib import Path


def shipped() -> dict[str, Path]:
    """Return the file of each list by its name.

    >>> list(shipped())
    ['paper_contrastive']
    """
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}
