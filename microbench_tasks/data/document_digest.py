"""Compute a digest of the documents that a task asks about, images included.

Two runs with equal digests asked the same questions about the same images in the same order, whatever
the place and the format of their data. The digest is a SHA-256 over one line of JSON per
document. It covers every column but ``image_key``, which depends on the machine.

- A stored image enters as the SHA-256 of its encoded bytes. An image given by a path enters as the SHA-256 of
  that local file, or as the path itself if there is no such file. Nothing is downloaded.
- Other stored values enter as JSON; bytes as their SHA-256; dates, decimals and the like as type and text;
  values that Python cannot represent in their Arrow form.
- Documents that are changed on reading (a transform, a format, ``Image(mode="L")``, a subclass of
  ``datasets.Dataset``) are read row by row as a model reads them. Decoded images enter as mode, size and pixels.
- If reading fails, the error, the stored values and a description of the features enter instead.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microbench_tasks.util import untrusted
from microbench_tasks.util.cores import num_cores

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

# Goes up when the lines change: digests of different forms are not comparable.
_FORM = "microbench documents 1"
_MACHINE_COLUMNS = frozenset({"image_key"})
_BATCH = 1000
_HASHES_PER_JOB = 32

# SHA-256 of images by memory address and size. Keeping the buffer prevents reuse of its address; for a memory-mapped
# file this costs nothing.
_image_hashes: dict[tuple[int, int], tuple[pa.Buffer, str]] = {}


def digest(documents: datasets.Dataset) -> dict[str, Any]:
    """Return the SHA-256 over all documents in order and their number: ``{"sha256": hex, "num_documents": int}``."""
    total = hashlib.sha256(f"{_FORM}\n".encode())
    for line in _lines(documents):
        total.update(line.encode() + b"\n")
    return {"sha256": total.hexdigest(), "num_documents": len(documents)}


def _lines(documents: datasets.Dataset) -> Iterable[str]:
    if _are_shown_as_stored(documents):
        return _stored_lines(documents)
    try:
        return [_line(documents[index]) for index in range(len(documents))]
    # A user's transform or decoder may raise anything.
    except Exception as error:
        description = [
            f"{type(documents).__name__}: {type(error).__name__}",
            repr(getattr(documents, "features", None)),
        ]
        return [*description, *(_stored_lines(documents) if hasattr(documents, "data") else ())]


def _are_shown_as_stored(documents: datasets.Dataset) -> bool:
    import datasets

    if type(documents) is not datasets.Dataset or documents.format["type"] is not None:
        return False
    return set(documents.format["columns"]) == set(documents.column_names) and all(
        map(_is_plain, documents.features.values())
    )


def _is_plain(feature: Any) -> bool:
    """Tell whether reading returns a column as stored, or as the image in its stored bytes."""
    import datasets

    if isinstance(feature, datasets.Image):
        return feature.mode is None
    if isinstance(feature, dict):
        return all(map(_is_plain, feature.values()))
    if isinstance(feature, list):
        return all(map(_is_plain, feature))
    if isinstance(feature, datasets.List | datasets.LargeList):
        return _is_plain(feature.feature)
    return isinstance(feature, datasets.Value | datasets.ClassLabel)


def _stored_lines(documents: datasets.Dataset) -> Iterator[str]:
    """Yield the line of each document from the Arrow table, without decoding an image."""
    import numpy as np

    table = documents.data.table
    names = sorted(set(table.column_names) - _MACHINE_COLUMNS)
    rows = np.arange(len(table)) if documents._indices is None else documents._indices.column(0).to_numpy()
    images = {name: _stored_images(table[name], rows) for name in names if _is_image(table[name].type)}
    others = table.select([name for name in names if name not in images])
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        columns = {
            name: _values(column) for name, column in zip(others.column_names, others.take(batch).columns, strict=True)
        }
        columns |= {name: [hashes[row] for row in batch] for name, hashes in images.items()}
        for values in zip(*columns.values(), strict=True):
            yield _line(dict(zip(columns, values, strict=True)))


def _values(column: pa.ChunkedArray) -> list[Any]:
    import pyarrow as pa

    try:
        return column.to_pylist()
    # Python cannot represent the value: a date after the year 9999, a fraction of a microsecond.
    except (ValueError, OverflowError, NotImplementedError):
        rows = (pa.record_batch([column.slice(row, 1).combine_chunks()], ["value"]) for row in range(len(column)))
        return [{"type": str(column.type), "value": row.serialize().to_pybytes()} for row in rows]


def _is_image(stored: pa.DataType) -> bool:
    """Tell whether a column is bytes, or a struct of bytes and path as `datasets` stores images."""
    import pyarrow as pa

    if pa.types.is_struct(stored):
        names = {field.name for field in stored}
        return "bytes" in names and names <= {"bytes", "path"} and _is_image(stored.field("bytes").type)
    is_bytes = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(matches(stored) for matches in is_bytes)


def _stored_images(column: pa.ChunkedArray, rows: Iterable[int]) -> dict[int, dict[str, str] | None]:
    """Return the entry of each wanted row's image in the digest."""
    wanted = set(map(int, rows))
    contents: dict[int, pa.Buffer] = {}
    counted: dict[int, dict[str, str] | None] = {}
    first = 0
    for chunk in column.chunks:
        stored, paths = _image_parts(chunk)
        for row, content in enumerate(_contents(stored), first):
            if row in wanted and content is not None:
                contents[row] = content
            elif row in wanted:
                counted[row] = _image_of_path(None if paths is None else paths[row - first].as_py())
        first += len(chunk)
    hashes = _hashes(list(contents.values()))
    return counted | {row: {"sha256": sha256} for row, sha256 in zip(contents, hashes, strict=True)}


def _image_parts(chunk: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Return the bytes and the paths of a chunk; both null where the struct is."""
    import pyarrow as pa

    if not pa.types.is_struct(chunk.type):
        return chunk, None
    parts = dict(zip((field.name for field in chunk.type), chunk.flatten(), strict=True))
    return parts["bytes"], parts.get("path")


def _contents(stored: pa.Array) -> Iterator[pa.Buffer | None]:
    """Yield the bytes of each row without a copy, which an Arrow scalar would make."""
    import numpy as np
    import pyarrow as pa

    if not (pa.types.is_binary(stored.type) or pa.types.is_large_binary(stored.type)):
        stored = stored.cast(pa.large_binary())
    _, starts, content = stored.buffers()
    if content is None:
        content = pa.py_buffer(b"")
    width = np.int64 if pa.types.is_large_binary(stored.type) else np.int32
    offsets = np.frombuffer(starts, width)[stored.offset : stored.offset + len(stored) + 1] if len(stored) else ()
    for start, end, is_valid in zip(offsets[:-1], offsets[1:], stored.is_valid(), strict=True):
        yield content.slice(start, end - start) if is_valid.as_py() else None


def _image_of_path(path: Any) -> dict[str, str] | None:
    if path is None:
        return None
    try:
        return {"sha256": hashlib.sha256(untrusted.read_regular_file(Path(path))).hexdigest()}
    # No local file (a web address, a member of an archive, a named pipe), or no path at all.
    except (OSError, ValueError, TypeError):
        return {"path": str(path)}


def _hashes(buffers: list[pa.Buffer]) -> list[str]:
    """Return the SHA-256 of each buffer, computed once per process and memory address."""
    keys = [(buffer.address, buffer.size) for buffer in buffers]
    fresh = list({key: buffer for key, buffer in zip(keys, buffers, strict=True) if key not in _image_hashes}.items())
    jobs = [fresh[start : start + _HASHES_PER_JOB] for start in range(0, len(fresh), _HASHES_PER_JOB)]
    with ThreadPoolExecutor(num_cores()) as threads:
        for job, hashes in zip(jobs, threads.map(_hash_all, jobs), strict=True):
            _image_hashes.update((key, (buffer, sha256)) for (key, buffer), sha256 in zip(job, hashes, strict=True))
    return [_image_hashes[key][1] for key in keys]


def _hash_all(job: list[tuple[tuple[int, int], pa.Buffer]]) -> list[str]:
    return [hashlib.sha256(buffer).hexdigest() for _, buffer in job]


def _line(document: dict[str, Any]) -> str:
    counted = {name: value for name, value in document.items() if name not in _MACHINE_COLUMNS}
    return json.dumps(counted, sort_keys=True, default=_encode)


def _encode(value: Any) -> Any:
    """Encode values that JSON cannot represent."""
    import numpy as np
    from PIL import Image

    if isinstance(value, bytes | bytearray | memoryview):
        return {"sha256": hashlib.sha256(value).hexdigest()}
    if isinstance(value, Image.Image):
        palette = value.getpalette() if value.mode == "P" else None
        return {"mode": value.mode, "size": value.size, "palette": palette, "pixels": value.tobytes()}
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        content = array.tolist() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes()
        return {"dtype": str(array.dtype), "shape": array.shape, "values": content}
    return {"type": type(value).__name__, "value": str(value)}
