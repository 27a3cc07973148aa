"""Convert Arrow tables of any writer to the few types that the rest of the package reads.

Polars, DuckDB, pandas and pyarrow store the same values in different types: text as views or dictionaries, bytes
as lists of numbers, images as structs with other fields. An Arrow stream whose types `is_plain` accepts is used
in place. Other files are converted, batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 256
# The most bytes that 32-bit offsets can address.
_MAX_BYTES = (1 << 31) - 1


# --- which types are plain --------------------------------------------------------------


def is_plain(stored: pa.DataType) -> bool:
    """Tell whether a type is one that `datasets` and this package read as it is."""
    import pyarrow as pa

    if pa.types.is_struct(stored):
        return all(is_plain(field.type) for field in stored)
    if pa.types.is_list(stored) or pa.types.is_large_list(stored) or pa.types.is_fixed_size_list(stored):
        return is_plain(stored.value_type)
    return any(matches(stored) for matches in _plain_scalars())


def _plain_scalars() -> tuple[Callable[[pa.DataType], bool], ...]:
    from pyarrow import types

    texts_and_bytes = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return (*texts_and_bytes, types.is_boolean, types.is_integer, types.is_floating, types.is_null, types.is_temporal)


def is_image(stored: pa.DataType) -> bool:
    """Tell whether a type can contain encoded images: bytes in any form, or a struct with a field ``bytes`` of them."""
    import pyarrow as pa

    if pa.types.is_struct(stored):
        return stored.get_field_index("bytes") >= 0 and _is_content(stored.field("bytes").type)
    return _is_content(stored)


def is_plain_image(stored: pa.DataType) -> bool:
    """Tell whether `image_column` turns a type into the storage of ``datasets.Image`` without copying the images."""
    import pyarrow as pa

    content = stored.field("bytes").type if pa.types.is_struct(stored) and is_image(stored) else stored
    return is_plain(stored) and (pa.types.is_binary(content) or pa.types.is_large_binary(content))


def _is_content(stored: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(stored) or pa.types.is_run_end_encoded(stored):
        stored = stored.value_type
    if _is_any_list(stored):
        return pa.types.is_integer(stored.value_type)
    return (
        pa.types.is_binary(stored)
        or pa.types.is_large_binary(stored)
        or pa.types.is_binary_view(stored)
        or pa.types.is_fixed_size_binary(stored)
    )


def _is_any_list(stored: pa.DataType) -> bool:
    from pyarrow import types

    kinds = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view, types.is_large_list_view)
    return any(matches(stored) for matches in kinds)


# --- images -----------------------------------------------------------------------------


def image_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return images as ``struct<bytes, path>``, the storage of ``datasets.Image``.

    Images of a plain type (`is_plain_image`) are not copied. Other fields of a struct are dropped.
    """
    import pyarrow as pa

    stored = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    if column.type == stored:
        return column
    chunks = [part for chunk in column.chunks for part in _image_chunks(chunk)]
    return pa.chunked_array(chunks, stored)


def _image_chunks(chunk: pa.Array) -> Iterator[pa.StructArray]:
    import pyarrow as pa

    fields = {"bytes": chunk}
    if pa.types.is_struct(chunk.type):
        # Flattened fields are null where the struct is.
        fields = dict(zip((field.name for field in chunk.type), chunk.flatten()))
    path = fields.get("path")
    paths = pa.nulls(len(chunk), pa.string()) if path is None else _decoded(path).cast(pa.string())
    start = 0
    for content in _as_binary(_as_bytes(fields["bytes"])):
        part = paths.slice(start, len(content))
        start += len(content)
        yield pa.StructArray.from_arrays([content, part], ["bytes", "path"], mask=_both_null(content, part))


def _both_null(content: pa.Array, paths: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.and_(content.is_null(), paths.is_null())


def _as_bytes(content: pa.Array) -> pa.Array:
    """Return bytes as ``binary`` or ``large_binary``, whatever they are stored as."""
    import numpy as np
    import pyarrow as pa

    content = _decoded(content)
    if pa.types.is_binary(content.type) or pa.types.is_large_binary(content.type):
        return content
    if _is_any_list(content.type):
        # Raises `ValueError` or `ArrowInvalid` for numbers outside 0 to 255.
        lists = _as_large_list(content, pa.uint8())
        offsets = np.asarray(lists.offsets)
        values = pa.py_buffer(np.ascontiguousarray(lists.values.to_numpy(zero_copy_only=False)).tobytes())
        valid = None if not lists.null_count else pa.array(lists.is_valid().to_numpy(zero_copy_only=False)).buffers()[1]
        return pa.Array.from_buffers(pa.large_binary(), len(lists), [valid, pa.py_buffer(offsets), values])
    return content.cast(pa.large_binary())


def _as_binary(content: pa.Array) -> Iterator[pa.Array]:
    """Split ``content`` into arrays with 32-bit offsets, without copying the bytes."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_binary(content.type) or not len(content):
        yield content.cast(pa.binary())
        return
    offsets = np.frombuffer(content.buffers()[1], np.int64)[content.offset : content.offset + len(content) + 1]
    values = content.buffers()[2] or pa.py_buffer(b"")
    first = 0
    while first < len(content):
        last = int(np.searchsorted(offsets, offsets[first] + _MAX_BYTES, side="right")) - 1
        last = min(max(last, first + 1), len(content))
        part = content.slice(first, last - first)
        valid = None if not part.null_count else pa.array(part.is_valid().to_numpy(zero_copy_only=False)).buffers()[1]
        shifted = pa.py_buffer((offsets[first : last + 1] - offsets[first]).astype(np.int32))
        yield pa.Array.from_buffers(
            pa.binary(),
            last - first,
            [valid, shifted, values.slice(int(offsets[first]), int(offsets[last] - offsets[first]))],
        )
        first = last


# --- other columns ----------------------------------------------------------------------


def plain(column: pa.Array) -> pa.Array:
    """Return a column with every type in it replaced by a plain one."""
    import numpy as np
    import pyarrow as pa

    column = _decoded(column)
    stored = column.type
    if is_plain(stored):
        return column
    if isinstance(stored, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    if isinstance(stored, pa.BaseExtensionType):
        return plain(column.storage)
    if pa.types.is_struct(stored):
        fields = [plain(field) for field in column.flatten()]
        return pa.StructArray.from_arrays(fields, [field.name for field in stored], mask=column.is_null())
    if _is_any_list(stored):
        lists = _as_large_list(column, stored.value_type)
        # A null offset makes the list null; this also works for slices.
        absent = np.append(lists.is_null().to_numpy(zero_copy_only=False), False)
        return pa.LargeListArray.from_arrays(pa.array(np.asarray(lists.offsets), mask=absent), plain(lists.values))
    if pa.types.is_decimal(stored):
        return column.cast(pa.float64())
    if pa.types.is_string_view(stored):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(stored) or pa.types.is_fixed_size_binary(stored):
        return column.cast(pa.large_binary())
    raise TypeError(f"columns of type {stored} cannot be read")


def _as_large_list(column: pa.Array, value_type: pa.DataType) -> pa.LargeListArray:
    import pyarrow as pa

    wanted = pa.large_list(value_type)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return column.cast(wanted)
    # pyarrow's cast returns wrong offsets for list views in a struct and for fixed-size lists with nulls.
    return pa.array(column.to_pylist(), wanted)


def _decoded(column: pa.Array) -> pa.Array:
    """Decode dictionary and run-end encoding."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        return _decoded(column.dictionary.take(column.indices))
    return _decoded(pc.run_end_decode(column)) if pa.types.is_run_end_encoded(column.type) else column


# --- files ------------------------------------------------------------------------------


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
        pyarrow.ArrowException: a file cannot be read, or a value does not fit.
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
        return _one_array(image_column(pa.chunked_array([array])))
    try:
        return plain(array)
    except TypeError:
        if name in read:
            raise
        return None


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _batches(paths: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in paths:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path) as file:
                yield _no_rows(file.schema_arrow)
                yield from file.iter_batches(_BATCH_ROWS)
            continue
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
