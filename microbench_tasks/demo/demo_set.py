"""Draw the demo set: its rows, or the files that a setting of the data can name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from microbench_tasks.demo.version import DEMO_SEED


def rows(seed: int = DEMO_SEED, rows_per_dataset: int | None = None, real_tiles: bool = True) -> Iterator[dict]:
    """Yield the rows of the demo set, in the columns of ``release_columns.release_features``, grouped by dataset.

    ``row["image"]`` is ``{"bytes": PNG, "path": None}``. Row i of a dataset depends on the seed and on i only.

    Args:
        seed: of all drawings and questions, 0 or more.
        rows_per_dataset: drawn rows of each dataset; by default at least 12, and 2 of every class.
        real_tiles: add the tiles of real micrographs at the end of their datasets.

    Raises:
        ValueError: the seed is negative, or there is less than one row per dataset.

    >>> row = next(rows(seed=1, rows_per_dataset=1, real_tiles=False))
    >>> row["dataset"], row["questions"]["classification"]["answer"]
    ('acevedo_et_al_2020', 'basophil')
    """
    from microbench_tasks.demo import assembly

    return assembly.rows(seed, rows_per_dataset, real_tiles)


def build(folder: Path, seed: int = DEMO_SEED) -> Path:
    """Write the demo set to ``folder`` and return it; a complete set of the same seed and version is not changed.

    ``folder/perception`` contains two parquet shards, ``folder/cognition/test`` the questions that need
    reasoning, one JSON file and one image each. The set appears in one step: a reader never sees half of it.

    Raises:
        FileExistsError: ``folder`` contains files that are not of a demo set.
    """
    from microbench_tasks.demo.writing import write_demo_set

    return write_demo_set(Path(folder), seed)
