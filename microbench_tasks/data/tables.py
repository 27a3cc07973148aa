"""Turn data files into a folder that `datasets` and the harness load: a ``save_to_disk`` folder of Arrow streams.

Arrow streams of plain types (see `arrow_types`) stay where they lie and are memory-mapped there. Other files are
converted to such a stream once, in the folder where `datasets` keeps its tables.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from microbench_tasks.catalog.release_columns import IMAGE, READ_COLUMNS
from microbench_tasks.data import arrow_conversion, arrow_types
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

SPLIT = "test"
# The first bytes of an Arrow file in the random-access format, unlike a stream.
_ARROW_FILE_MAGIC = b"ARROW1"
# Goes up when the conversion changes.
_CONVERSION_VERSION = 1


class UnreadableError(ValueError):
    """Report that a file is damaged or that a column has a type that cannot be read."""


def saved_folder(data_files: list[Path], digest: str, label: str) -> Path:
    """Return a ``save_to_disk`` folder with the rows of ``data_files``.

    Args:
        data_files: Parquet files, Arrow files or Arrow streams, in order.
        digest: the hash of their content.
        label: their name in messages.

    Raises:
        UnreadableError: a file cannot be read.
        DataError: the converted rows cannot be written.
    """
    if not all(map(_can_be_mapped, data_files)):
        data_files = [_converted(data_files, digest, label)]
    return _view(data_files, digest, label)


def _can_be_mapped(file: Path) -> bool:
    """Tell whether a file can be read as it is: an Arrow stream of plain types."""
    import datasets
    import pyarrow as pa

    if file.suffix != ".arrow" or _is_random_access(file):
        return False
    try:
        columns = arrow_conversion.read_schema(file)
        # `datasets` must know the types of all columns, even of those that are not read.
        datasets.Features.from_arrow_schema(columns.remove_metadata())
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError):
        return False
    return all(_is_plain(column) for column in columns if column.name in READ_COLUMNS)


def _is_random_access(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_ARROW_FILE_MAGIC)) == _ARROW_FILE_MAGIC


def _is_plain(column: pa.Field) -> bool:
    if column.name == IMAGE and arrow_types.is_image(column.type):
        return arrow_types.is_plain_image(column.type)
    return arrow_types.is_plain(column.type)


def _converted(data_files: list[Path], digest: str, label: str) -> Path:
    """Write an Arrow stream with the same rows in plain types, once, and return its path."""
    import datasets
    import pyarrow as pa

    target = Path(datasets.config.HF_DATASETS_CACHE) / "microbench" / f"{_CONVERSION_VERSION}-{digest[:16]}"
    if not target.exists():
        logger.info(
            f"{label}: converting {len(data_files)} file(s) to Arrow in {target}, once (HF_DATASETS_CACHE moves it)"
        )
    try:
        return files.write_verified_file(
            target, f"{SPLIT}.arrow", lambda table: arrow_conversion.rewrite(data_files, table, READ_COLUMNS, IMAGE)
        )
    except files.ChangedFileError as error:
        raise DataError(f"{label}: {error}.") from error
    except (pa.ArrowException, OSError, TypeError, ValueError, KeyError) as error:
        # Arrow reports a damaged file as a system error without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(
                f"{label}: cannot be converted into {target}: {error}. Free some space there, or set "
                f"HF_DATASETS_CACHE to another folder."
            ) from error
        kind = "" if isinstance(error, arrow_conversion.DamagedFileError) else f"{type(error).__name__}: "
        raise UnreadableError(f"{kind}{str(error).rstrip('.')}") from error


def _view(data_files: list[Path], digest: str, label: str) -> Path:
    """Write a ``save_to_disk`` folder that refers to Arrow streams in their own place.

    ``datasets.load_from_disk`` memory-maps what it names, while ``load_dataset`` would first
    copy every byte into its cache.
    """
    paths_sha256 = hashlib.sha256("\n".join(map(str, data_files)).encode()).hexdigest()
    state: dict[str, Any] = {
        "_data_files": [{"filename": str(file)} for file in data_files],
        "_fingerprint": digest[:16],
        "_split": SPLIT,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
    }
    metadata = {
        "dataset_dict.json": {"splits": [SPLIT]},
        f"{SPLIT}/state.json": state,
        f"{SPLIT}/dataset_info.json": {},
    }
    contents = {name: json.dumps(content, indent=2).encode() for name, content in metadata.items()}
    view = files.write_dir(files.cache_dir() / "views" / f"{digest[:16]}-{paths_sha256[:16]}", contents)
    # A view that was edited would name other data.
    if any((view / name).read_bytes() != content for name, content in contents.items()):
        raise DataError(f"{label}: {view} has been changed since it was written. Delete that folder and run again.")
    return view
