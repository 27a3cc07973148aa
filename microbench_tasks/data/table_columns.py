"""Check that a table has the columns of the release in usable types.

Works on Arrow schemas: no image is decoded, and no column is copied.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from microbench_tasks.catalog.questions import caption_key
from microbench_tasks.catalog.release_columns import (
    CAPTION_FIELDS,
    IMAGE,
    IMAGE_COLUMNS,
    INSTANCE_COLUMNS,
    QUESTION_COLUMNS,
    QUESTION_FIELDS,
)
from microbench_tasks.data import arrow_types
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def check_columns(schema: pa.Schema, kind: str, where: str) -> None:
    """Raise `DataError` unless ``schema`` has what the questions of ``kind`` need, in usable types.

    Args:
        schema: Arrow schema of the table.
        kind: one of `QUESTION_KINDS`.
        where: name of the source, for the message.
    """
    import pyarrow as pa

    _check_image_columns(schema, QUESTION_COLUMNS, where)
    expect = functools.partial(_expect, where)
    question, caption = f"questions.{kind}", f"captions.{caption_key(kind)}"
    for prefix, fields in ((question, QUESTION_FIELDS), (caption, CAPTION_FIELDS)):
        expect(prefix, _nested(schema, prefix), pa.types.is_struct, f"a struct of {', '.join(fields)}")
    for name in (f"{question}.question", f"{question}.answer"):
        expect(name, _nested(schema, name), _is_text, "text")
    for prefix in (question, caption):
        expect(f"{prefix}.options", _nested(schema, f"{prefix}.options"), _is_list_of_text, "a list of text")
        # The release has integers in `questions` and text in `captions`: either will do.
        expect(
            f"{prefix}.answer_idx",
            _nested(schema, f"{prefix}.answer_idx"),
            lambda stored: _is_text(stored) or pa.types.is_integer(stored),
            "an integer or its decimal text",
        )


def check_box_columns(schema: pa.Schema, where: str) -> None:
    """Raise `DataError` unless ``schema`` has the images and instances that localization needs, in usable types."""
    _check_image_columns(schema, (), where)
    present = [name for name in INSTANCE_COLUMNS if name in schema.names]
    if not present:
        raise DataError(
            f"{where}: column(s) {' and '.join(INSTANCE_COLUMNS)} missing. Localization needs one of them; found "
            f"{', '.join(schema.names)}."
        )
    # The second column is read only in rows that the first leaves empty. How the release stores it is not documented.
    name = present[0]
    expected = "a list of structs of className (text) and points"
    _expect(where, name, schema.field(name).type, _is_null_or(_is_list_of_instances), expected)


def check_slice_column(schema: pa.Schema, name: str, where: str) -> None:
    """Raise `DataError` unless a column of `SLICE_COLUMNS` is null or of its usual type: numbers or text."""
    import pyarrow as pa

    stored = schema.field(name).type
    if not pa.types.is_null(stored):
        fits, expected = (_is_number, "numbers") if name == "microns_per_pixel" else (_is_text, "text")
        _expect(where, name, stored, fits, expected)


def _check_image_columns(schema: pa.Schema, further: tuple[str, ...], where: str) -> None:
    missing = [name for name in (*IMAGE_COLUMNS, *further) if name not in schema.names]
    if missing:
        raise DataError(
            f"{where}: column(s) {', '.join(missing)} missing. Expected the columns of the Micro-Bench release; found "
            f"{', '.join(schema.names)}."
        )
    _expect(where, "image_id", schema.field("image_id").type, _is_text, "text")
    for name in ("dataset", "stain"):
        _expect(where, name, schema.field(name).type, _is_null_or(_is_text), "text or null")
    expected = "an image: encoded bytes, or a struct of bytes and path"
    _expect(where, IMAGE, schema.field(IMAGE).type, arrow_types.is_image, expected)


def _expect(
    where: str, name: str, stored: pa.DataType | None, fits: Callable[[pa.DataType], bool], expected: str
) -> None:
    if stored is None or not fits(stored):
        actual = "nothing (missing)" if stored is None else stored
        raise DataError(f"{where}: column {name} is of type {actual}; expected {expected}.")


def _is_null_or(fits: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    import pyarrow as pa

    return lambda stored: pa.types.is_null(stored) or fits(stored)


def _is_list_of_instances(stored: pa.DataType) -> bool:
    import pyarrow as pa

    if not (pa.types.is_list(stored) or pa.types.is_large_list(stored)) or not pa.types.is_struct(stored.value_type):
        return False
    fields = {field.name: field.type for field in stored.value_type}
    return fields.keys() >= {"className", "points"} and _is_text(fields["className"])


def _nested(schema: pa.Schema, dotted: str) -> pa.DataType | None:
    import pyarrow as pa

    column, *fields = dotted.split(".")
    stored = schema.field(column).type
    for name in fields:
        if not pa.types.is_struct(stored) or stored.get_field_index(name) < 0:
            return None
        stored = stored.field(name).type
    return stored


def _is_text(stored: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(stored) or pa.types.is_large_string(stored)


def _is_number(stored: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_floating(stored) or pa.types.is_integer(stored)


def _is_list_of_text(stored: pa.DataType) -> bool:
    import pyarrow as pa

    return (pa.types.is_list(stored) or pa.types.is_large_list(stored)) and _is_text(stored.value_type)
