"""Write the demo set to disk, in one step: two parquet shards and the cognition folder."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from microbench_tasks.catalog.release_columns import release_features
from microbench_tasks.demo.assembly import PICTURE, encode_png, rows, stream
from microbench_tasks.demo.cognition import IMAGES, metadata
from microbench_tasks.demo.dataset_table import DATASETS
from microbench_tasks.demo.manifest import MANIFEST, is_complete, manifest_of
from microbench_tasks.util.files import write_dir_atomically

SPLIT = "test"
NUM_SHARDS = 2
CONTENTS = frozenset({"perception", "cognition", MANIFEST})
# Row numbers of the cognition drawings; those of the perception rows are smaller.
COGNITION_FROM = 2_000_000


def write_demo_set(folder: Path, seed: int) -> Path:
    """Write the set unless it is there; see `demo_set.build`."""
    if is_complete(folder, seed):
        return folder
    _remove_leftover(folder, seed)
    return write_dir_atomically(folder, lambda draft: _fill(draft, seed))


def _remove_leftover(folder: Path, seed: int) -> None:
    """Move an incomplete or outdated set out of the way and delete it; other people's files are not touched."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"Expected a folder for the demo set, but {folder} is a file")
    foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in CONTENTS)
    if foreign:
        raise FileExistsError(
            f"Expected {folder} to be missing, empty or a demo set, but it contains {', '.join(foreign)}; "
            "choose another folder"
        )
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as aside:
        moved = Path(aside) / "leftover"
        # Not there: another process has moved it.
        with contextlib.suppress(FileNotFoundError):
            folder.rename(moved)
        if is_complete(moved, seed):
            # Another process had put a complete set there since we looked.
            moved.rename(folder)


def _fill(draft: Path, seed: int) -> None:
    _write_perception(draft / "perception", list(rows(seed)))
    _write_cognition(draft / "cognition" / SPLIT, seed)
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    sizes = {path.relative_to(draft).as_posix(): path.stat().st_size for path in files}
    (draft / MANIFEST).write_text(json.dumps(manifest_of(seed, sizes), indent=1) + "\n")


def _write_perception(folder: Path, table_rows: Sequence[dict]) -> None:
    """Write the rows as parquet shards that ``datasets`` loads with the release's features."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = release_features().arrow_schema
    folder.mkdir(parents=True)
    half = -(-len(table_rows) // NUM_SHARDS)
    for shard in range(NUM_SHARDS):
        table = pa.Table.from_pylist(list(table_rows[shard * half : (shard + 1) * half]), schema=schema)
        # Small row groups: a reader that wants a few rows decodes few images.
        pq.write_table(
            table, folder / f"{SPLIT}-{shard:05d}-of-{NUM_SHARDS:05d}.parquet", compression="zstd", row_group_size=100
        )


def _write_cognition(folder: Path, seed: int) -> None:
    """Write one PNG and one JSON document per image, in the layout of the paper's evaluation code."""
    folder.mkdir(parents=True)
    asked = 0
    for number, image in enumerate(IMAGES):
        source = image.source
        picture = source.paint(
            stream(seed, DATASETS.index(source), COGNITION_FROM + number, PICTURE), image.label, source.size
        )
        name = f"demo_{number:02d}.png"
        (folder / name).write_bytes(encode_png(picture.pixels, source.mode, source.full_scale))
        document = json.dumps(metadata(asked, image, name), indent=1) + "\n"
        (folder / f"demo_{number:02d}.json").write_text(document, encoding="utf-8")
        asked += len(image.questions)
