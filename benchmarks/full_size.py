"""Writes data of the release's size and columns: 17,315 rows in seven Arrow streams.

Rows and questions are the demo set's, each repeated until its dataset has the wanted number of rows.
How many the whole release, its two datasets outside the fine total, its datasets with boxes only and its
stain questions have is public; within that, datasets share evenly. Each image is noise of its own, so
that nothing can be computed once for several, and a PNG of about the release's mean size, 206 kB.
"""

from __future__ import annotations

import argparse
import io
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from microbench_tasks.catalog import (
    CLASSIFICATION_DATASETS,
    OUTSIDE_FINE_TOTAL,
    RELEASE_QUESTIONS,
    RELEASE_QUESTIONS_OUTSIDE_FINE_TOTAL,
    RELEASE_STAIN_QUESTIONS,
)
from microbench_tasks.catalog.release_columns import DATASET_OF_STAIN, release_features
from microbench_tasks.demo import demo_set

NUM_SHARDS = 7
BOXES_ONLY_ROWS = {"opencell": 1_105, "sirinukunwattana_et_al_2016": 80}
NUM_ROWS = RELEASE_QUESTIONS + sum(BOXES_ONLY_ROWS.values())
SIDE = 264
_TEMPLATES_PER_DATASET = 12


def sizes(num_rows: int) -> dict[str, int]:
    """Rows of each dataset, ``num_rows`` in total, in the release's proportions."""
    inside = sorted(set(CLASSIFICATION_DATASETS) - OUTSIDE_FINE_TOTAL)
    whole = (
        _shared(RELEASE_QUESTIONS - RELEASE_QUESTIONS_OUTSIDE_FINE_TOTAL, inside)
        | _shared(RELEASE_QUESTIONS_OUTSIDE_FINE_TOTAL, sorted(OUTSIDE_FINE_TOTAL))
        | BOXES_ONLY_ROWS
    )
    ends = np.round(np.cumsum(list(whole.values())) * num_rows / NUM_ROWS).astype(int)
    return dict(zip(whole, np.diff(ends, prepend=0).tolist(), strict=False))


def _shared(total: int, names: list[str]) -> dict[str, int]:
    return {name: total // len(names) + (position < total % len(names)) for position, name in enumerate(names)}


def rows(num_rows: int, side: int) -> Iterator[dict]:
    """Yield the rows, in an order that mixes datasets."""
    templates = defaultdict(list)
    for row in demo_set.rows(rows_per_dataset=_TEMPLATES_PER_DATASET, real_tiles=False):
        templates[row["dataset"] or DATASET_OF_STAIN[row["stain"]]].append(row)
    rng = np.random.default_rng(0)
    datasets = rng.permutation(np.repeat(list(templates), [sizes(num_rows)[name] for name in templates]))
    stains_left = round(RELEASE_STAIN_QUESTIONS * num_rows / NUM_ROWS)
    for index, dataset in enumerate(datasets.tolist()):
        row = dict(templates[dataset][index % len(templates[dataset])])
        row |= {"image_id": str(uuid.UUID(int=index)), "image": {"bytes": _png(rng, side), "path": None}}
        if (
            dataset in CLASSIFICATION_DATASETS
            and row["questions"]["stain"]
            and row["questions"]["stain"]["question"] is not None
        ):
            if not stains_left:
                row["questions"] = row["questions"] | {"stain": None}
            stains_left = max(0, stains_left - 1)
        yield row


def _png(rng: np.random.Generator, side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def write(folder: Path, num_rows: int = NUM_ROWS, side: int = SIDE) -> Path:
    """Write the set to ``folder/perception`` unless it is there; only the wanted part is ever in memory."""
    from datasets.arrow_writer import ArrowWriter

    target = folder / "perception"
    if target.exists():
        return folder
    draft = folder / "draft"
    draft.mkdir(parents=True)
    ends = np.linspace(0, num_rows, NUM_SHARDS + 1).round().astype(int)
    made = rows(num_rows, side)
    for shard in range(NUM_SHARDS):
        path = draft / f"u_bench-test-{shard:05d}-of-{NUM_SHARDS:05d}.arrow"
        with ArrowWriter(path=str(path), features=release_features(), writer_batch_size=200) as writer:
            for _ in range(ends[shard + 1] - ends[shard]):
                writer.write(next(made))
            writer.finalize()
    draft.rename(target)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="that gets the data: some 3.6 GB at full size")
    parser.add_argument(
        "--rows", type=int, default=NUM_ROWS, help="fewer, in the same proportions (default: %(default)s)"
    )
    parser.add_argument("--side", type=int, default=SIDE, help="of the square images, in pixels (default: %(default)s)")
    args = parser.parse_args()
    print(write(args.folder, args.rows, args.side))


if __name__ == "__main__":
    main()
