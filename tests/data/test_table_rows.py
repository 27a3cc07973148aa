"""Claims about reading ids, datasets and questions from the release's columns."""

import pyarrow as pa
import pytest

from microbench_tasks.data import table_columns, table_rows
from microbench_tasks.util import errors
from tests.support import release

WHERE = "the source"
QUESTION_COLUMNS = ["image_id", "image", "dataset", "stain", "questions", "captions"]


def arrow(rows):
    return release.table(rows).data.table


def asked(rows, kind="modality"):
    return dict(table_rows.questions(arrow(rows), kind, WHERE))


def changed(index, kind, **fields):
    """Row ``index`` with some fields of one question replaced."""
    row = release.row(index)
    row["questions"][kind] |= fields
    return row


def test_a_released_row_gives_its_question_with_the_second_caption_set():
    [(row, question)] = asked([release.row(2)]).items()
    assert row == 0
    assert question.question == "What is the most likely microscopy modality used to acquire this image?"
    assert question.options == [
        "fluorescence microscopy",
        "electron microscopy",
        "light microscopy",
        "none of the above",
    ]
    assert question.answer_idx == 2
    assert question.captions == [
        "Acquired by fluorescence microscopy.",
        "Acquired by electron microscopy.",
        "Acquired by light microscopy.",
        "none of the above",
    ]


def test_null_questions_in_either_form_are_absent():
    whole = release.row(0)
    whole["questions"]["stain"] = None
    inner = changed(1, "stain", id=None, name=None, question=None, options=None, answer=None, answer_idx=None)
    assert list(asked([whole, inner, release.row(2)], "stain")) == [2]


@pytest.mark.parametrize("depth", ["all questions", "one kind", "its text"])
def test_a_null_at_any_depth_hides_what_arrow_stores_below_it(depth):
    """Arrow keeps values under a null struct; they must not be read as a question."""
    table = arrow([release.row(0), release.row(1)])
    mask = pa.array([True, False])
    outer = table["questions"].combine_chunks()
    kind = outer.field("modality")
    text = kind.field("question")
    if depth == "its text":
        text = pa.array([None, text[1].as_py()])
    fields = [text if field.name == "question" else kind.field(field.name) for field in kind.type]
    kind = pa.StructArray.from_arrays(fields, kind.type.names, mask=mask if depth == "one kind" else None)
    outer = pa.StructArray.from_arrays([kind], ["modality"], mask=mask if depth == "all questions" else None)
    table = table.set_column(table.schema.get_field_index("questions"), "questions", outer)
    assert [row for row, _ in table_rows.questions(table, "modality", WHERE)] == [1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"answer": "polarised light"},
            r"row 1 \(image_id 00000000-0000-0000-0000-000000000001\): column questions\.modality\.answer: "
            r"'polarised light' is not among the options",
        ),
        (
            {"answer_idx": 0},
            r"questions\.modality\.answer_idx: 0 points at 'fluorescence microscopy', but the answer is "
            r"'electron microscopy'",
        ),
        ({"answer_idx": 4}, r"questions\.modality\.answer_idx: expected an index from 0 to 3, got 4"),
        ({"answer_idx": None}, r"questions\.modality\.answer_idx: expected an index from 0 to 3, got None"),
        ({"answer": None}, r"questions\.modality\.answer: None is not among"),
        ({"options": ["a"] * 9}, r"questions\.modality\.options: expected 2 to 8 options"),
        ({"options": ["only"]}, r"questions\.modality\.options: expected 2 to 8 options, got \['only'\]"),
        ({"options": None}, r"questions\.modality\.options: expected 2 to 8 options, got None"),
        ({"options": ["", "electron microscopy"]}, r"questions\.modality\.options: expected text in every option"),
        ({"options": [" ", "electron microscopy"]}, r"questions\.modality\.options: expected text in every option"),
        ({"options": [None, "electron microscopy"]}, r"questions\.modality\.options: expected text in every option"),
        ({"question": " "}, r"questions\.modality\.question: expected text, got ' '"),
    ],
)
def test_a_malformed_question_is_named_by_row_and_column(fields, message):
    with pytest.raises(errors.DataError, match=message):
        asked([release.row(0), changed(1, "modality", **fields)])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"options": ["one", "two"]},
            r"row 0 .*captions\.modality_1\.options: expected one caption for each of the question's 4 options, "
            r"got \['one', 'two'\]",
        ),
        ({"options": None}, r"captions\.modality_1\.options: expected one caption"),
        ({"options": ["a", "b", "c", "d", "e"]}, r"captions\.modality_1\.options: expected one caption"),
        ({"options": ["a", "b", "c", " "]}, r"captions\.modality_1\.options: expected one caption"),
        ({"answer_idx": "\N{ARABIC-INDIC DIGIT THREE}"}, r"captions\.modality_1\.answer_idx: expected an index"),
        ({"answer_idx": "2"}, r"captions\.modality_1\.answer_idx: 2 does not match the question's answer_idx 0"),
        ({"answer_idx": "first"}, r"captions\.modality_1\.answer_idx: expected an index from 0 to 3, got 'first'"),
    ],
)
def test_captions_that_do_not_match_their_question_are_named(fields, message):
    row = release.row(0)
    row["captions"]["modality_1"] |= fields
    with pytest.raises(errors.DataError, match=message):
        asked([row])


def test_eight_options_are_read():
    options = [f"option {number}" for number in range(8)]
    row = changed(0, "modality", options=options, answer="option 7", answer_idx=7)
    row["captions"]["modality_1"] = {"question": "{class}", "options": options, "answer_idx": "7"}
    assert asked([row])[0].answer_idx == 7


def test_held_rows_are_named_by_their_stain():
    rows = [
        release.row(0, dataset=None, stain="H2B-mCherry"),
        release.row(1, dataset=None, stain="GalT\u2013EGFP"),
        release.row(2),
    ]
    assert table_rows.dataset_names(arrow(rows), WHERE) == [
        "held_et_al_2010_h2b",
        "held_et_al_2010_galt",
        "acevedo_et_al_2020",
    ]


def test_a_nameless_row_with_another_stain_is_refused():
    with pytest.raises(errors.DataError, match=r"row 0 .*column dataset is null and column stain is 'DAPI'"):
        table_rows.dataset_names(arrow([release.row(0, dataset=None, stain="DAPI")]), WHERE)


def test_a_null_image_id_is_named_by_row():
    with pytest.raises(errors.DataError, match="row 1 .*column image_id: expected text, got null"):
        table_rows.image_ids(arrow([release.row(0), release.row(1, image_id=None)]), WHERE)


@pytest.mark.parametrize("column", QUESTION_COLUMNS)
def test_a_missing_column_is_named(column):
    with pytest.raises(errors.DataError, match=rf"the source: column\(s\) {column} missing"):
        table_columns.check_columns(arrow([release.row(0)]).drop_columns([column]).schema, "modality", WHERE)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("image_id", pa.array([7]), "column image_id is of type int64; expected text"),
        ("dataset", pa.array([1.5]), "column dataset is of type double; expected text or null"),
        ("stain", pa.array([1.5]), "column stain is of type double; expected text or null"),
        ("image", pa.array(["cell.png"]), "column image is of type string; expected an image"),
        (
            "questions",
            pa.array(["What?"]),
            r"column questions\.modality is of type nothing \(missing\); expected a struct",
        ),
        (
            "captions",
            pa.array([{"modality_0": {"options": ["a"], "answer_idx": "0"}}]),
            r"column captions\.modality_1 is of type nothing",
        ),
        (
            "questions",
            pa.array([{"modality": {"question": "?", "options": "a,b", "answer": "a", "answer_idx": 0}}]),
            r"column questions\.modality\.options is of type string; expected a list of text",
        ),
        (
            "questions",
            pa.array([{"modality": {"question": "?", "options": ["a", "b"], "answer": "a", "answer_idx": 0.5}}]),
            r"column questions\.modality\.answer_idx is of type double; expected an integer",
        ),
    ],
)
def test_a_column_of_a_wrong_type_is_named_with_the_expected_type(column, values, message):
    table = arrow([release.row(0)])
    table = table.set_column(table.schema.get_field_index(column), column, values)
    with pytest.raises(errors.DataError, match=message):
        table_columns.check_columns(table.schema, "modality", WHERE)


def test_only_the_columns_of_the_asked_question_are_needed():
    table = arrow([release.row(0)]).select(QUESTION_COLUMNS)
    table_columns.check_columns(table.schema, "stain", WHERE)
