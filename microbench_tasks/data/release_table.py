"""The columns of the Micro-Bench release: the only module that knows them.

Source: the release ``jnirschl/uBench`` (config ``perception``, split ``test``) and public
code that reads it. Everything here works on Arrow tables, so no image is decoded and no
column is copied before it is known to be well-formed.
"""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from microbench_tasks.data import arrow_types
from microbench_tasks.util.text_safety import plain, printable

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa
    from PIL.Image import Image

COARSE_KINDS = ("domain", "subdomain", "modality", "submodality", "stain")
CLASSIFICATION_KIND = "classification"
QUESTION_KINDS = (CLASSIFICATION_KIND, *COARSE_KINDS)

CAPTION_SETS = (0, 1)
# The wording that the paper's tables use for contrastive models.
SCORED_CAPTION_SET = 1

LETTERS = "ABCDEFGH"
MIN_OPTIONS = 2

STRING_COLUMNS = (
    "image_id",
    "label_name",
    "dataset",
    "domain",
    "institution",
    "license",
    "modality",
    "ncbitaxon_id",
    "ncbitaxon_name",
    "pmid",
    "split",
    "stain",
    "subdomain",
    "submodality",
)
IMAGE = "image"
# What every task needs, and what questions need beside it; the release's other columns may be missing from a local copy.
IMAGE_COLUMNS = ("image_id", IMAGE, "dataset", "stain")
QUESTION_COLUMNS = ("questions", "captions")
# Where the instances of a class in an image are; one of the two will do.
INSTANCE_COLUMNS = ("polygon", "bbox")
# What a micrograph is of, how it was taken and at which scale; a copy may be without them.
SLICE_COLUMNS = ("modality", "domain", "microns_per_pixel")
# All that is read of a table.
READ_COLUMNS = (*IMAGE_COLUMNS, *QUESTION_COLUMNS, *INSTANCE_COLUMNS, *SLICE_COLUMNS)
QUESTION_FIELDS = ("question", "options", "answer", "answer_idx")
CAPTION_FIELDS = ("options", "answer_idx")

# Rows of Held et al. carry no dataset name; their stain tells them apart (the second with
# an en dash, as released).
DATASET_OF_STAIN = {
    "H2B-mCherry": "held_et_al_2010_h2b",
    "GalT\N{EN DASH}EGFP": "held_et_al_2010_galt",
}


# EXIF orientations that swap width and height.
_SIDEWAYS = range(5, 9)
# Names of the parts of a PNG file that can say which way it lies.
_PNG_EXIF_MARKERS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")


_NO_LIST_ITEM = re.compile(r"[\r\n]+(?!  - )")


class DataError(ValueError):
    """The data source is not what Micro-Bench needs; the message says where and what was expected.

    Messages quote files that strangers may have written: what does not print is made visible, and nothing quoted
    makes lines of its own. Lines are those of a list (``  - reason``).
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(_NO_LIST_ITEM.sub(" ", message)))


@dataclass(frozen=True)
class Question:
    """One multiple-choice question of one row, checked.

    ``answer_idx`` indexes ``options`` and ``captions`` alike; ``captions`` are the texts
    that contrastive models score, one per option.
    """

    question: str
    options: list[str]
    answer_idx: int
    captions: list[str]


def caption_key(kind: str, caption_set: int = SCORED_CAPTION_SET) -> str:
    """The field of ``captions`` that holds ``kind`` in wording ``caption_set`` (0 or 1)."""
    return f"{kind}_{caption_set}"


def release_features() -> datasets.Features:
    """The release's columns as ``datasets.Features``.

    Two types are not fixed by public documentation: ``bbox.points`` is the mapping
    ``{x1, x2, y1, y2}`` of the upstream annotations, ``tags`` (always null) a string.
    """
    from datasets import Features, Image, Value

    question = {
        "id": Value("string"),
        "name": Value("string"),
        "tags": Value("string"),
        "question": Value("string"),
        "options": [Value("string")],
        "answer": Value("string"),
        "answer_idx": Value("int64"),
    }
    # The release stores the index of a caption's answer as text.
    caption = {"question": Value("string"), "options": [Value("string")], "answer_idx": Value("string")}
    box = {side: Value("float64") for side in ("x1", "x2", "y1", "y2")}
    return Features(
        {name: Value("string") for name in STRING_COLUMNS}
        | {
            "image": Image(),
            "label": Value("int64"),
            "microns_per_pixel": Value("float64"),
            "synthetic": Value("bool"),
            "captions": {caption_key(kind, number): caption for kind in QUESTION_KINDS for number in CAPTION_SETS},
            "questions": {kind: question for kind in QUESTION_KINDS},
            "bbox": [{"className": Value("string"), "points": box}],
            "polygon": [{"className": Value("string"), "points": [Value("float64")]}],
        }
    )


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a mapping, for ``object_pairs_hook``; of a repeated key ``json`` would keep the last value alone.

    Raises:
        ValueError: a key is there twice.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(f"a key is there twice among {plain(', '.join(key for key, _ in pairs)):.300}")
    return content


# --- columns -------------------------------------------------------------------------


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
        expect(f"{prefix}.answer_idx", _nested(schema, f"{prefix}.answer_idx"), lambda found: _is_text(found) or pa.types.is_integer(found), "an integer or its decimal text")


def check_box_columns(schema: pa.Schema, where: str) -> None:
    """Raise `DataError` unless ``schema`` has the images and instances that localization needs, in usable types."""
    import pyarrow as pa

    _check_image_columns(schema, (), where)
    present = [name for name in INSTANCE_COLUMNS if name in schema.names]
    if not present:
        raise DataError(f"{where}: column(s) {' and '.join(INSTANCE_COLUMNS)} missing. Localization needs one of them; found {', '.join(schema.names)}.")
    # The second column is looked at only in rows that the first leaves empty: how the release stores it is not documented.
    name = present[0]
    fits = lambda found: pa.types.is_null(found) or _is_list_of_instances(found)  # noqa: E731
    _expect(where, name, schema.field(name).type, fits, "a list of structs of className (text) and points")


def _check_image_columns(schema: pa.Schema, further: tuple[str, ...], where: str) -> None:
    import pyarrow as pa

    missing = [name for name in (*IMAGE_COLUMNS, *further) if name not in schema.names]
    if missing:
        raise DataError(f"{where}: column(s) {', '.join(missing)} missing. Expected the columns of the Micro-Bench release; found {', '.join(schema.names)}.")
    _expect(where, "image_id", schema.field("image_id").type, _is_text, "text")
    for name in ("dataset", "stain"):
        _expect(where, name, schema.field(name).type, lambda found: _is_text(found) or pa.types.is_null(found), "text or null")
    expected = "an image: encoded bytes, or a struct of bytes and path"
    _expect(where, IMAGE, schema.field(IMAGE).type, arrow_types.is_image, expected)


def _expect(where: str, name: str, found: pa.DataType | None, fits: Callable[[pa.DataType], bool], expected: str) -> None:
    if found is None or not fits(found):
        raise DataError(f"{where}: column {name} is of type {found if found is not None else 'nothing (missing)'}; expected {expected}.")


def _is_list_of_instances(found: pa.DataType) -> bool:
    import pyarrow as pa

    if not (pa.types.is_list(found) or pa.types.is_large_list(found)) or not pa.types.is_struct(found.value_type):
        return False
    fields = {field.name: field.type for field in found.value_type}
    return fields.keys() >= {"className", "points"} and _is_text(fields["className"])


def _nested(schema: pa.Schema, dotted: str) -> pa.DataType | None:
    import pyarrow as pa

    column, *fields = dotted.split(".")
    found = schema.field(column).type
    for name in fields:
        if not pa.types.is_struct(found) or found.get_field_index(name) < 0:
            return None
        found = found.field(name).type
    return found


def _is_text(found: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(found) or pa.types.is_large_string(found)


def _is_number(found: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_floating(found) or pa.types.is_integer(found)


def _is_list_of_text(found: pa.DataType) -> bool:
    import pyarrow as pa

    return (pa.types.is_list(found) or pa.types.is_large_list(found)) and _is_text(found.value_type)


# --- rows ----------------------------------------------------------------------------


def row_name(table: pa.Table, row: int) -> str:
    """How an error names a row: its index and image id."""
    return f"row {row} (image_id {table['image_id'][row].as_py()})"


def image_ids(table: pa.Table, where: str) -> list[str]:
    """The id of each row's image; raises `DataError` where it is null."""
    ids = table["image_id"].to_pylist()
    if None in ids:
        raise DataError(f"{where}: {row_name(table, ids.index(None))}: column image_id: expected text, got null.")
    return ids


def dataset_names(table: pa.Table, where: str) -> list[str]:
    """The dataset of each row, with the names that the release leaves out filled in.

    Raises:
        DataError: a row has neither a dataset name nor a stain that implies one.
    """
    names = table["dataset"].to_pylist()
    stains = table["stain"].to_pylist()
    for row, (name, stain) in enumerate(zip(names, stains)):
        if name is None:
            names[row] = DATASET_OF_STAIN.get(stain)
            if names[row] is None:
                expected = " or ".join(map(repr, DATASET_OF_STAIN))
                raise DataError(f"{where}: {row_name(table, row)}: column dataset is null and column stain is {stain!r}; expected a dataset name, or one of the stains {expected}.")
    return names


def slice_values(table: pa.Table, where: str) -> dict[str, list[Any]]:
    """Each of `SLICE_COLUMNS` that is there, row by row: text, for ``microns_per_pixel`` a number; None where a row says nothing.

    Raises:
        DataError: a column is of another type.
    """
    import pyarrow as pa

    found = {name: table[name] for name in SLICE_COLUMNS if name in table.column_names}
    for name, column in found.items():
        expected = (_is_number, "numbers") if name == "microns_per_pixel" else (_is_text, "text")
        if not pa.types.is_null(column.type):
            _expect(where, name, column.type, *expected)
    return {name: column.to_pylist() for name, column in found.items()}


def questions(table: pa.Table, kind: str, where: str) -> Iterator[tuple[int, Question]]:
    """Yield ``(row, question)`` for every row that has a question of ``kind``.

    A question is absent where its struct, or the struct's ``question``, is null.

    Raises:
        DataError: a question is malformed, its answer is not among its options, or its
            captions do not match it; names the row and the column.
    """
    question_column, caption_column = f"questions.{kind}", f"captions.{caption_key(kind)}"
    asked = _struct_rows(table, "questions", kind, QUESTION_FIELDS)
    captioned = _struct_rows(table, "captions", caption_key(kind), CAPTION_FIELDS)
    for row, (fields, caption) in enumerate(zip(asked, captioned)):
        if fields["question"] is None:
            continue
        place = f"{where}: {row_name(table, row)}: column "
        answer_idx = _checked_answer(fields, place + question_column)
        _check_captions(caption, len(fields["options"]), answer_idx, place + caption_column)
        yield row, Question(fields["question"], fields["options"], answer_idx, caption["options"])


def _struct_rows(table: pa.Table, column: str, key: str, fields: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The wanted fields of one nested struct, row by row; all None where a struct is null."""
    import pyarrow.compute as pc

    values = [pc.struct_field(table[column], [key, name]).to_pylist() for name in fields]
    return (dict(zip(fields, row)) for row in zip(*values))


def _checked_answer(fields: dict[str, Any], place: str) -> int:
    options = fields["options"]
    if not fields["question"].strip():
        raise DataError(f"{place}.question: expected text, got {fields['question']!r}.")
    if not options or not MIN_OPTIONS <= len(options) <= len(LETTERS):
        raise DataError(f"{place}.options: expected {MIN_OPTIONS} to {len(LETTERS)} options, got {options!r}.")
    if not all(option and option.strip() for option in options):
        raise DataError(f"{place}.options: expected text in every option, got {options!r}.")
    index = _as_index(fields["answer_idx"], len(options), f"{place}.answer_idx")
    if fields["answer"] not in options:
        raise DataError(f"{place}.answer: {fields['answer']!r} is not among the options {options!r}.")
    if options[index] != fields["answer"]:
        raise DataError(f"{place}.answer_idx: {index} points at {options[index]!r}, but the answer is {fields['answer']!r}.")
    return index


def _check_captions(caption: dict[str, Any], num_options: int, answer_idx: int, place: str) -> None:
    captions = caption["options"]
    if captions is None or len(captions) != num_options or not all(text and text.strip() for text in captions):
        raise DataError(f"{place}.options: expected one caption for each of the question's {num_options} options, got {captions!r}.")
    index = _as_index(caption["answer_idx"], num_options, f"{place}.answer_idx")
    if index != answer_idx:
        raise DataError(f"{place}.answer_idx: {index} does not match the question's answer_idx {answer_idx}.")


def _as_index(value: Any, length: int, place: str) -> int:
    """``value``, an integer or its decimal text, as an index below ``length``."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and int(text) < length):
        raise DataError(f"{place}: expected an index from 0 to {length - 1}, got {value!r}.")
    return int(text)


# --- instances -----------------------------------------------------------------------

Box = tuple[float, float, float, float]


def gold_boxes(table: pa.Table, row: int, where: str) -> dict[str, list[Box]]:
    """The boxes ``(x1, y1, x2, y2)``, in pixels, of each annotated class of a row, in the order of annotation.

    A box is the smallest that holds its polygon (``points`` as ``x1, y1, x2, y2, …``); only a row
    without polygons has those of its ``bbox`` column (``points`` as a struct or a list of ``x1 y1 x2 y2``).

    Raises:
        DataError: an instance has no class or malformed points; names the row and the column.
    """
    found: dict[str, list[Box]] = {}
    for column in INSTANCE_COLUMNS:
        instances = (table[column][row].as_py() if column in table.column_names else None) or []
        if not isinstance(instances, list):
            raise DataError(f"{where}: {row_name(table, row)}: column {column}: expected a list of structs of className and points, got {_shortened(instances)}.")
        for number, instance in enumerate(instances):
            place = f"{where}: {row_name(table, row)}: column {column}[{number}]"
            class_name = instance.get("className") if isinstance(instance, dict) else None
            if not isinstance(class_name, str) or not class_name.strip():
                raise DataError(f"{place}.className: expected the name of a class, got {class_name!r}.")
            x1, y1, x2, y2 = (_polygon_box if column == "polygon" else _stored_box)(instance.get("points"), f"{place}.points")
            if not math.isfinite((x2 - x1) * (y2 - y1)):
                raise DataError(f"{place}.points: expected pixels, got {_shortened(instance['points'])}.")
            found.setdefault(class_name, []).append((x1, y1, x2, y2))
        if found:
            break
    return found


def _polygon_box(points: Any, place: str) -> Box:
    if not isinstance(points, list) or not points or len(points) % 2 or not _are_finite(points):
        raise DataError(f"{place}: expected finite numbers x1, y1, x2, y2, … in pairs, got {_shortened(points)}.")
    horizontal, vertical = points[::2], points[1::2]
    return min(horizontal), min(vertical), max(horizontal), max(vertical)


def _stored_box(points: Any, place: str) -> Box:
    sides = ("x1", "y1", "x2", "y2")
    values = [points.get(side) for side in sides] if isinstance(points, dict) else points
    if not isinstance(values, list) or len(values) != len(sides) or not _are_finite(values):
        raise DataError(f"{place}: expected a struct or a list of four finite numbers {', '.join(sides)}, got {_shortened(points)}.")
    return tuple(values)


def _are_finite(values: list[Any]) -> bool:
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


# --- images --------------------------------------------------------------------------


def check_images(table: pa.Table, where: str) -> None:
    """Raise `DataError` at the first image that cannot be read, or is not in the table itself.

    PNG files (the release holds nothing else) are proved as written by their checksums,
    without decoding a pixel; other formats are decoded.
    """
    from PIL import ImageFile

    # The harness tells Pillow to pad truncated images with grey; here they are an error.
    padding, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        for row, image in enumerate(image_contents(table)):
            problem = _image_problem(image)
            if problem:
                raise DataError(f"{where}: {row_name(table, row)}: column image: expected a readable image, got: {problem}")
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = padding


def _image_problem(stored: dict[str, Any]) -> str | None:
    from PIL import Image, UnidentifiedImageError

    if stored["bytes"] is None:
        # A file beside the data would escape its content hash.
        return f"the path {stored['path']!r}; save the data with the image bytes in it" if stored["path"] else "no image"
    try:
        with Image.open(io.BytesIO(stored["bytes"])) as image:
            image.verify() if image.format == "PNG" else image.load()
    except UnidentifiedImageError:
        return f"{len(stored['bytes'])} bytes in no known image format"
    # Pillow's decoders raise whatever their format's parser meets: SyntaxError, struct.error, …
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def image_column(table: pa.Table) -> pa.ChunkedArray:
    """The images as ``struct<bytes, path>``, the storage of ``datasets.Image``, without copying them."""
    return arrow_types.image_column(table[IMAGE])


def image_contents(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The stored image of each row, ``{"bytes": …, "path": …}``, both None where there is none."""
    for chunk in image_column(table).chunks:
        for value in chunk:
            yield value.as_py() or {"bytes": None, "path": None}


def image_size(table: pa.Table, row: int, where: str) -> tuple[int, int]:
    """Width and height of a row's image as `to_rgb` turns it, mostly without decoding a pixel.

    Raises:
        DataError: it is no image; names the row.
    """
    from PIL import ExifTags, Image

    stored = table["image"][row].as_py()
    content = stored["bytes"] if isinstance(stored, dict) else stored
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.format == "TIFF" or (image.format == "PNG" and not any(marker in content for marker in _PNG_EXIF_MARKERS)):
                # Pillow has turned the first by itself, and would decode the second's pixels to look for the tag behind them.
                return image.size
            lies_on_its_side = image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
            return image.size[::-1] if lies_on_its_side else image.size
    # Pillow's parsers raise whatever they meet.
    except Exception as error:
        raise DataError(f"{where}: {row_name(table, row)}: column image: expected a readable image, got: {type(error).__name__}: {error}") from error


def to_rgb(image: Image) -> Image:
    """``image`` as 8-bit RGB, as the reference sees it, turned upright by its EXIF tag.

    Grayscale deeper than 8 bits is scaled so that its own maximum becomes 255 if it lies
    above (a deviation: Pillow's conversion, which the reference uses, clips to white).
    """
    import numpy as np
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode not in ("I", "F") and not upright.mode.startswith("I;16"):
        return upright.convert("RGB")
    values = np.nan_to_num(np.asarray(upright, dtype=np.float64)).clip(min=0)
    scaled = values * 255 / max(255, values.max(initial=0))
    return Image.fromarray(np.rint(scaled).astype(np.uint8)).convert("RGB")


def decode_image(content: bytes) -> Image:
    """An encoded image as the models see it: 8-bit RGB (see `to_rgb`)."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return to_rgb(image)
