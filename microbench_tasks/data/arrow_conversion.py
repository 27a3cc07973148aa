"""Convert table files of any writer to Arrow streams of the few types that the rest of the package reads."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from microbench_tasks.data import arrow_images
from microbench_tasks.data.arrow_types import as_large_list, decode, is_any_list, is_image, is_plain

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 256


class DamagedFileError(ValueError):
    """Report a file that cannot be read as a table; the message names it."""


@contextlib.contextmanager
def naming_damaged(path: Path) -> Iterator[None]:
    """Raise `DamagedFileError` for errors of Arrow within this context, which do not name the file that it reads."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        # Arrow reports a damaged file as a system error without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFileError(f"{path} is damaged or cut off ({str(error).rstrip('.')})") from error


def to_plain(column: pa.Array) -> pa.Array:
    """Return a column with every type in it replaced by a plain one."""
    import numpy as np
    import pyarrow as pa

    column = decode(column)
    stored = column.type
    if is_plain(stored):
        return column
    if isinstance(stored, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    if isinstance(stored, pa.BaseExtensionType):
        return to_plain(column.storage)
    if pa.types.is_struct(stored):
        fields = [to_plain(field) for field in column.flatten()]
        return pa.StructArray.from_arrays(fields, [field.name for field in stored], mask=column.is_null())
    if is_any_list(stored):
        lists = as_large_list(column, stored.value_type)
        # A null offset makes the list null; this also works for slices.
        absent = np.append(lists.is_null().to_numpy(zero_copy_only=False), False)
        return pa.LargeListArray.from_arrays(pa.array(np.asarray(lists.offsets), mask=absent), to_plain(lists.values))
    if pa.types.is_decimal(stored):
        return column.cast(pa.float64())
    if pa.types.is_string_view(stored):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(stored) or pa.types.is_fixed_size_binary(stored):
        return column.cast(pa.large_binary())
    raise TypeError(f"columns of type {stored} cannot be read")


def read_schema(path: Path) -> pa.Schema:
    """Return the schema of an Arrow file or an Arrow stream."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as mapped:
        return _open_arrow(mapped).schema


def rewrite(paths: Iterable[Path], target: Path, read: Collection[str], image: str) -> None:
    """Write table files as one Arrow stream of plain types.

    Args:
        paths: Parquet files, Arrow files or Arrow streams, in order.
        target: the new file.
        read: the columns that are read; others are left out where they have no plain type.
        image: the column of images.

    Raises:
        TypeError: a column that is read has no plain type.
        DamagedFileError: a file cannot be read.
        pyarrow.ArrowException: a value does not fit.
    """
    import pyarrow as pa

    writer = None
    with pa.OSFile(str(target), "wb") as sink:
        for batch in _batches(paths):
            converted = {
                name: array
                for name in batch.schema.names
                if (array := _converted(batch.column(name), name, read, image)) is not None
            }
            made = pa.RecordBatch.from_pydict(converted)
            if writer is None:
                plain_schema = made.schema
                writer = pa.ipc.new_stream(sink, plain_schema)
            # Another file may have another order of columns, or other plain types.
            writer.write_batch(made.select(plain_schema.names).cast(plain_schema))
        if writer is not None:
            writer.close()


def _converted(array: pa.Array, name: str, read: Collection[str], image: str) -> pa.Array | None:
    import pyarrow as pa

    if name == image and is_image(array.type):
        return _one_array(arrow_images.image_column(pa.chunked_array([array])))
    try:
        return to_plain(array)
    except TypeError:
        if name in read:
            raise
        return None


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _batches(paths: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    for path in paths:
        batches = _batches_of_parquet(path) if path.suffix == ".parquet" else _batches_of_arrow(path)
        while True:
            # Not around the yield: errors of whoever writes the batch are not of this file.
            with naming_damaged(path):
                batch = next(batches, None)
            if batch is None:
                break
            yield batch


def _batches_of_parquet(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        yield _no_rows(file.schema_arrow)
        yield from file.iter_batches(_BATCH_ROWS)


def _batches_of_arrow(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as mapped:
        opened = _open_arrow(mapped)
        yield _no_rows(opened.schema)
        stored = (
            (opened.get_batch(number) for number in range(opened.num_record_batches))
            if isinstance(opened, pa.ipc.RecordBatchFileReader)
            else opened
        )
        for batch in stored:
            yield from (batch.slice(start, _BATCH_ROWS) for start in range(0, len(batch), _BATCH_ROWS))


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """Return an empty batch, so that the columns are known even for a file without rows."""
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _open_arrow(mapped: pa.MemoryMappedFile) -> pa.ipc.RecordBatchFileReader | pa.ipc.RecordBatchStreamReader:
    import pyarrow as pa

    try:
        return pa.ipc.open_file(mapped)
    except pa.ArrowInvalid:
        mapped.seek(0)
        return pa.ipc.open_stream(mapped)
