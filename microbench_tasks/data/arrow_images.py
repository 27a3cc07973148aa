"""Convert columns of images to the storage of ``datasets.Image``, mostly without copying the images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from microbench_tasks.data.arrow_types import as_large_list, decode, is_any_list

if TYPE_CHECKING:
    import pyarrow as pa

# The most bytes that 32-bit offsets can address.
_MAX_BYTES = (1 << 31) - 1


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
        fields = dict(zip((field.name for field in chunk.type), chunk.flatten(), strict=True))
    path = fields.get("path")
    paths = pa.nulls(len(chunk), pa.string()) if path is None else decode(path).cast(pa.string())
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

    content = decode(content)
    if pa.types.is_binary(content.type) or pa.types.is_large_binary(content.type):
        return content
    if is_any_list(content.type):
        # Raises `ValueError` or `ArrowInvalid` for numbers outside 0 to 255.
        lists = as_large_list(content, pa.uint8())
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
