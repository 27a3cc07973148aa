"""Tell which Arrow types the rest of the package reads as they are, and decode the encodings of others.

Polars, DuckDB, pandas and pyarrow store the same values in different types: text as views or dictionaries, bytes
as lists of numbers, images as structs with other fields. An Arrow stream whose types `is_plain` accepts is used
in place. Other files are converted, batch by batch, by `arrow_conversion`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


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
    if is_any_list(stored):
        return pa.types.is_integer(stored.value_type)
    return (
        pa.types.is_binary(stored)
        or pa.types.is_large_binary(stored)
        or pa.types.is_binary_view(stored)
        or pa.types.is_fixed_size_binary(stored)
    )


def is_any_list(stored: pa.DataType) -> bool:
    """Tell whether a type is one of Arrow's five types of lists."""
    from pyarrow import types

    kinds = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view, types.is_large_list_view)
    return any(matches(stored) for matches in kinds)


def as_large_list(column: pa.Array, value_type: pa.DataType) -> pa.LargeListArray:
    """Convert a column of lists of any type to large lists of ``value_type``."""
    import pyarrow as pa

    wanted = pa.large_list(value_type)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return column.cast(wanted)
    # pyarrow's cast returns wrong offsets for list views in a struct and for fixed-size lists with nulls.
    return pa.array(column.to_pylist(), wanted)


def decode(column: pa.Array) -> pa.Array:
    """Decode dictionary and run-end encoding."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        return decode(column.dictionary.take(column.indices))
    return decode(pc.run_end_decode(column)) if pa.types.is_run_end_encoded(column.type) else column
