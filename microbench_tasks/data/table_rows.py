"""Read ids, dataset names, slices and questions from the rows of a table in the release's columns, checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from microbench_tasks.catalog.questions import LETTERS, MIN_OPTIONS, caption_key
from microbench_tasks.catalog.release_columns import CAPTION_FIELDS, DATASET_OF_STAIN, QUESTION_FIELDS, SLICE_COLUMNS
from microbench_tasks.data.table_columns import check_slice_column
from microbench_tasks.util.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


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


def row_name(table: pa.Table, row: int) -> str:
    """Return the name of a row in errors: its index and image id."""
    return f"row {row} (image_id {table['image_id'][row].as_py()})"


def image_ids(table: pa.Table, where: str) -> list[str]:
    """Return the id of each row's image.

    Raises:
        DataError: an id is null; names the row.
    """
    ids = table["image_id"].to_pylist()
    if None in ids:
        raise DataError(f"{where}: {row_name(table, ids.index(None))}: column image_id: expected text, got null.")
    return ids


def dataset_names(table: pa.Table, where: str) -> list[str]:
    """Return the dataset of each row, with the names that the release leaves out filled in.

    Raises:
        DataError: a row has neither a dataset name nor a stain that implies one.
    """
    names = table["dataset"].to_pylist()
    stains = table["stain"].to_pylist()
    for row, (name, stain) in enumerate(zip(names, stains, strict=True)):
        if name is None:
            names[row] = DATASET_OF_STAIN.get(stain)
            if names[row] is None:
                expected = " or ".join(map(repr, DATASET_OF_STAIN))
                raise DataError(
                    f"{where}: {row_name(table, row)}: column dataset is null and column stain is {stain!r}; expected "
                    f"a dataset name, or one of the stains {expected}."
                )
    return names


def slice_values(table: pa.Table, where: str) -> dict[str, list[Any]]:
    """Return each of `SLICE_COLUMNS` that the table has, row by row; None where a row has no value.

    ``microns_per_pixel`` is a number, the others are text.

    Raises:
        DataError: a column is of another type.
    """
    present = [name for name in SLICE_COLUMNS if name in table.column_names]
    for name in present:
        check_slice_column(table.schema, name, where)
    return {name: table[name].to_pylist() for name in present}


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
    for row, (fields, caption) in enumerate(zip(asked, captioned, strict=True)):
        if fields["question"] is None:
            continue
        place = f"{where}: {row_name(table, row)}: column "
        answer_idx = _checked_answer(fields, place + question_column)
        _check_captions(caption, len(fields["options"]), answer_idx, place + caption_column)
        yield row, Question(fields["question"], fields["options"], answer_idx, caption["options"])


def _struct_rows(table: pa.Table, column: str, key: str, fields: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the wanted fields of one nested struct, row by row; all are None where a struct is null."""
    import pyarrow.compute as pc

    values = [pc.struct_field(table[column], [key, name]).to_pylist() for name in fields]
    return (dict(zip(fields, row, strict=True)) for row in zip(*values, strict=True))


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
        raise DataError(
            f"{place}.answer_idx: {index} points at {options[index]!r}, but the answer is {fields['answer']!r}."
        )
    return index


def _check_captions(caption: dict[str, Any], num_options: int, answer_idx: int, place: str) -> None:
    captions = caption["options"]
    if captions is None or len(captions) != num_options or not all(text and text.strip() for text in captions):
        raise DataError(
            f"{place}.options: expected one caption for each of the question's {num_options} options, got {captions!r}."
        )
    index = _as_index(caption["answer_idx"], num_options, f"{place}.answer_idx")
    if index != answer_idx:
        raise DataError(f"{place}.answer_idx: {index} does not match the question's answer_idx {answer_idx}.")


def _as_index(value: Any, length: int, place: str) -> int:
    """Convert ``value``, an integer or its decimal text, to an index below ``length``."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and int(text) < length):
        raise DataError(f"{place}: expected an index from 0 to {length - 1}, got {value!r}.")
    return int(text)
