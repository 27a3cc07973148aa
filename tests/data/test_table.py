"""Claims about reading the release's columns."""

import io
import struct
import zlib

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageFile

from microbench_tasks.data import annotated_boxes, table_columns, table_images, table_rows
from microbench_tasks.util import errors
from tests.support import release

WHERE = "the source"
IMAGE_COLUMNS = ["image_id", "image", "dataset", "stain"]
QUESTION_COLUMNS = [*IMAGE_COLUMNS, "questions", "captions"]


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
            r"row 1 \(image_id 00000000-0000-0000-0000-000000000001\): column questions\.modality\.answer: 'polarised light' is not among the options",
        ),
        (
            {"answer_idx": 0},
            r"questions\.modality\.answer_idx: 0 points at 'fluorescence microscopy', but the answer is 'electron microscopy'",
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
            r"row 0 .*captions\.modality_1\.options: expected one caption for each of the question's 4 options, got \['one', 'two'\]",
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


# --- instances -----------------------------------------------------------------------


def boxes(row=0, **columns):
    """The gold boxes of a row; each column given replaces the table's, as Arrow infers its type."""
    table = arrow([release.row(0), release.row(1)])
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    return annotated_boxes.gold_boxes(table, row, WHERE)


def one(points, class_name="cell"):
    """A column whose row 1 has a good instance and one with these points."""
    good = {"x1": 1, "y1": 2, "x2": 3, "y2": 4} if isinstance(points, dict) else [1, 2, 3, 4]
    return [None, [release.instance("cell", good), release.instance(class_name, points)]]


@pytest.mark.parametrize("points", [[4, 7, 1, 9, 3, 2], [4.0, 7.0, 1.0, 9.0, 3.0, 2.0]])
def test_a_polygons_box_reaches_from_its_smallest_to_its_largest_coordinates(points):
    # x: 4, 1, 3; y: 7, 9, 2.
    assert boxes(polygon=[[release.instance("cell", points)], None]) == {"cell": [(1, 2, 4, 9)]}


def test_coordinates_are_neither_rounded_nor_clipped():
    points = [-3.25, 0.1, 1e4, 0.3]
    assert boxes(polygon=[[release.instance("cell", points)], None]) == {"cell": [(-3.25, 0.1, 1e4, 0.3)]}


def test_a_polygon_of_one_point_is_a_box_without_area():
    assert boxes(polygon=[[release.instance("cell", [5, 6])], None]) == {"cell": [(5, 6, 5, 6)]}


def test_boxes_are_gathered_by_class_in_the_order_of_annotation():
    instances = [
        release.instance(name, [number, 0, 9, 9]) for number, name in enumerate(["nucleus", "cell", "nucleus"])
    ]
    found = boxes(polygon=[instances, None])
    assert list(found.items()) == [("nucleus", [(0, 0, 9, 9), (2, 0, 9, 9)]), ("cell", [(1, 0, 9, 9)])]


@pytest.mark.parametrize(
    "points", [{"x1": 1, "x2": 3, "y1": 2, "y2": 4}, {"y2": 4, "y1": 2, "x2": 3, "x1": 1}, [1, 2, 3, 4]]
)
def test_a_stored_box_is_read_by_its_keys_or_in_order(points):
    assert boxes(bbox=[[release.instance("cell", points)], None]) == {"cell": [(1, 2, 3, 4)]}


@pytest.mark.parametrize("polygon", [[None, None], [[], None]])
def test_stored_boxes_count_only_in_rows_without_polygons(polygon):
    stored = [[release.instance("cell", [1, 2, 3, 4])], None]
    assert boxes(polygon=polygon, bbox=stored) == {"cell": [(1, 2, 3, 4)]}
    assert boxes(polygon=[[release.instance("nucleus", [5, 6, 7, 8])], None], bbox=stored) == {
        "nucleus": [(5, 6, 7, 8)]
    }


def test_a_row_without_instances_has_no_class():
    assert boxes() == {}
    assert boxes(polygon=[[], None], bbox=[[], None]) == {}
    table = arrow([release.row(0)]).drop_columns(["polygon", "bbox"])
    assert annotated_boxes.gold_boxes(table, 0, WHERE) == {}


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([1, 2, 3], r"\[1\.0, 2\.0, 3\.0\]"),
        ([1.5], r"\[1\.5\]"),
        ([], r"\[\]"),
        (None, "None"),
        ([1, 2, float("nan"), 4], "nan"),
        ([1, 2, 3, float("inf")], "inf"),
        ([1, 2, None, 4], "None"),
        ([float("-inf")] * 2, "-inf"),
    ],
    ids=["odd", "one", "empty", "null", "nan", "infinity", "null value", "negative infinity"],
)
def test_a_malformed_polygon_is_named_by_row_column_and_instance(points, said):
    column = pa.array(
        one(points), pa.list_(pa.struct([("className", pa.string()), ("points", pa.list_(pa.float64()))]))
    )
    message = rf"the source: row 1 \(image_id 00000000-0000-0000-0000-000000000001\): column polygon\[1\]\.points: expected finite numbers x1, y1, x2, y2, … in pairs, got .*{said}"
    with pytest.raises(errors.DataError, match=message):
        boxes(row=1, polygon=column)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        # 1e200 times 1e200 is 1e400, and 1e308 less -1e308 is 2e308: a float ends below 1.8e308.
        ([0, 0, 1e200, 1e200], r"\[0\.0, 0\.0, 1e\+200, 1e\+200\]"),
        ([-1e308, 0, 1e308, 1], r"\[-1e\+308, 0\.0, 1e\+308, 1\.0\]"),
        ([-1e308, 5, 1e308, 5], r"\[-1e\+308, 5\.0, 1e\+308, 5\.0\]"),
        ([1, -1e308, 2, 1e308, 3, 4], r"\[1\.0, -1e\+308, 2\.0, 1e\+308, 3\.0, 4\.0\]"),
    ],
    ids=["area", "width", "width without height", "height"],
)
def test_a_polygon_whose_box_has_no_finite_area_is_named_by_row_column_and_instance(points, said):
    message = rf"the source: row 1 \(image_id 00000000-0000-0000-0000-000000000001\): column polygon\[1\]\.points: expected pixels, got {said}"
    with pytest.raises(errors.DataError, match=message):
        boxes(row=1, polygon=one([*map(float, points)]))


@pytest.mark.parametrize(
    "points", [[0.0, 0.0, 1e200, 1e200], {"x1": -1e308, "y1": 0.0, "x2": 1e308, "y2": 1.0}], ids=["list", "struct"]
)
def test_a_stored_box_without_a_finite_area_is_named_by_row_column_and_instance(points):
    with pytest.raises(
        errors.DataError,
        match=r"the source: row 1 \(image_id 00000000-0000-0000-0000-000000000001\): column bbox\[1\]\.points: expected pixels, got ",
    ):
        boxes(row=1, bbox=one(points))


def test_a_large_box_of_finite_area_is_read():
    # 1e154 times 1e153 is 1e307.
    assert boxes(polygon=[[release.instance("cell", [0.0, 0.0, 1e154, 1e153])], None]) == {
        "cell": [(0, 0, 1e154, 1e153)]
    }


@pytest.mark.parametrize(
    "points",
    [[["1", "2"], ["3", "4"]], [[[1, 2], [3, 4]], [[1, 2], [3, 4]]], ["1,2,3,4", "5,6,7,8"]],
    ids=["text", "nested", "one text"],
)
def test_a_polygon_of_anything_but_numbers_is_refused(points):
    with pytest.raises(errors.DataError, match=r"row 1 .*column polygon\[0\]\.points: expected finite numbers"):
        boxes(row=1, polygon=[None, [release.instance("cell", entry) for entry in points]])


@pytest.mark.parametrize(
    "points",
    [
        [1, 2, 3],
        [1, 2, 3, 4, 5],
        [],
        None,
        [1, 2, 3, float("nan")],
        [1, 2, None, 4],
        {"x1": 1, "y1": 2, "x2": 3, "y2": None},
        {"x1": 1, "y1": 2, "x2": 3, "y2": float("inf")},
        {"left": 1, "top": 2, "right": 3, "bottom": 4},
        {"x1": 1, "y1": 2, "width": 3, "height": 4},
        {"x": 1, "y": 2},
        "1,2,3,4",
    ],
    ids=str,
)
def test_a_malformed_stored_box_is_named_by_row_column_and_instance(points):
    message = r"the source: row 1 \(image_id 00000000-0000-0000-0000-000000000001\): column bbox\[0\]\.points: expected a struct or a list of four finite numbers x1, y1, x2, y2, got "
    with pytest.raises(errors.DataError, match=message):
        boxes(row=1, bbox=[None, [release.instance("cell", points)]])


@pytest.mark.parametrize("column", ["polygon", "bbox"])
@pytest.mark.parametrize("class_name", [None, "", " "])
def test_an_instance_without_a_class_is_named_by_row_and_column(column, class_name):
    with pytest.raises(
        errors.DataError, match=rf"row 1 .*column {column}\[1\]\.className: expected the name of a class, got "
    ):
        boxes(row=1, **{column: one([1, 2, 3, 4], class_name)})


@pytest.mark.parametrize("column", ["polygon", "bbox"])
def test_a_null_instance_is_named_by_row_and_column(column):
    with pytest.raises(
        errors.DataError, match=rf"row 0 .*column {column}\[1\]\.className: expected the name of a class, got "
    ):
        boxes(**{column: [[release.instance("cell", [1, 2, 3, 4]), None], None]})


def test_a_long_polygon_is_quoted_in_part():
    with pytest.raises(errors.DataError) as error:
        boxes(polygon=[[release.instance("cell", [1.0] * 9_999)], None])
    assert len(str(error.value)) < 400


def without(columns):
    return arrow([release.row(0)]).drop_columns(columns).schema


@pytest.mark.parametrize("column", IMAGE_COLUMNS)
def test_boxes_need_the_columns_of_images(column):
    with pytest.raises(errors.DataError, match=rf"the source: column\(s\) {column} missing"):
        table_columns.check_box_columns(without([column]), WHERE)


@pytest.mark.parametrize("columns", [[], ["polygon"], ["bbox"], ["polygon", "questions", "captions"]])
def test_boxes_need_one_of_two_columns_and_no_questions(columns):
    table_columns.check_box_columns(without(columns), WHERE)


def test_data_without_instances_are_named():
    with pytest.raises(
        errors.DataError,
        match=r"the source: column\(s\) polygon and bbox missing\. Localization needs one of them; found .*image_id",
    ):
        table_columns.check_box_columns(without(["polygon", "bbox"]), WHERE)


@pytest.mark.parametrize("column", ["polygon", "bbox"])
@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["1,2,3,4"], "string"),
        ([[1.0, 2.0, 3.0, 4.0]], "list<.*double>"),
        ([{"className": "cell", "points": [1.0]}], "struct<.*>"),
        ([[{"label": "cell", "points": [1.0]}]], "list<.*struct<.*>>"),
        ([[{"className": "cell"}]], "list<.*struct<.*>>"),
        ([[{"className": 3, "points": [1.0, 2.0]}]], "list<.*struct<className: int64, .*>>"),
        ([[{"className": b"cell", "points": [1.0, 2.0]}]], "list<.*struct<className: binary, .*>>"),
        ([[{"className": ["cell"], "points": [1.0, 2.0]}]], "list<.*struct<className: list<.*>, .*>>"),
        ([[{"className": {"name": "cell"}, "points": [1.0, 2.0]}]], "list<.*struct<className: struct<.*>, .*>>"),
    ],
    ids=[
        "text",
        "numbers",
        "one instance",
        "other class field",
        "no points",
        "number as class",
        "bytes as class",
        "list as class",
        "struct as class",
    ],
)
def test_instances_of_another_type_are_named_with_the_expected_one(column, values, found):
    table = arrow([release.row(0)]).drop_columns(["polygon", "bbox"]).append_column(column, pa.array(values))
    with pytest.raises(
        errors.DataError,
        match=rf"the source: column {column} is of type {found}; expected a list of structs of className \(text\) and points",
    ):
        table_columns.check_box_columns(table.schema, WHERE)


@pytest.mark.parametrize(
    "stored",
    [
        "1,2,3,4",
        [1.0, 2.0],
        {"className": ["cell"], "points": [[1.0, 2.0, 3.0, 4.0]]},
        [{"className": 3, "points": [1.0, 2.0, 3.0, 4.0]}],
    ],
    ids=["text", "numbers", "struct of lists", "number as class"],
)
def test_boxes_in_a_form_of_their_own_matter_only_where_there_is_no_polygon(stored):
    table = arrow([release.row(0, polygon=[release.instance("cell", [1, 2, 3, 4])]), release.row(1)])
    table = table.drop_columns(["bbox"]).append_column("bbox", pa.array([stored, stored]))
    table_columns.check_box_columns(table.schema, WHERE)
    assert annotated_boxes.gold_boxes(table, 0, WHERE) == {"cell": [(1, 2, 3, 4)]}
    with pytest.raises(errors.DataError, match="the source: row 1 .*column bbox"):
        annotated_boxes.gold_boxes(table, 1, WHERE)


@pytest.mark.parametrize("column", ["polygon", "bbox"])
@pytest.mark.parametrize("text", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("list_of", [pa.list_, pa.large_list], ids=["list", "large_list"])
def test_class_names_may_be_text_of_either_size(column, text, list_of):
    table = arrow([release.row(0)])
    values = pa.array(
        [[release.instance("cell", [1.0, 2.0, 3.0, 4.0])]],
        list_of(pa.struct([("className", text), ("points", pa.list_(pa.float64()))])),
    )
    table = table.set_column(table.schema.get_field_index(column), column, values)
    table_columns.check_box_columns(table.schema, WHERE)
    assert annotated_boxes.gold_boxes(table, 0, WHERE) == {"cell": [(1, 2, 3, 4)]}


@pytest.mark.parametrize("column", ["polygon", "bbox"])
def test_a_column_of_nulls_only_will_do(column):
    table = arrow([release.row(0)])
    table = table.set_column(table.schema.get_field_index(column), column, pa.nulls(1))
    table_columns.check_box_columns(table.schema, WHERE)
    assert annotated_boxes.gold_boxes(table, 0, WHERE) == {}


# --- images --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"not an image",
        release.png(np.zeros((8, 8, 3), np.uint8))[:-20],
        None,
    ],
    ids=["no image", "cut off", "null"],
)
def test_an_unreadable_image_is_named_by_row(content):
    table = arrow([release.row(0), release.row(1, image=content and {"bytes": content, "path": None})])
    with pytest.raises(errors.DataError, match=r"row 1 \(image_id .*1\): column image: expected a readable image"):
        table_images.check_images(table, WHERE)


def test_a_flipped_bit_in_a_png_is_found():
    content = bytearray(release.png(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)))
    content[content.index(b"IDAT") + 10] ^= 1
    with pytest.raises(errors.DataError, match="row 0"):
        table_images.check_images(arrow([release.row(0, image={"bytes": bytes(content), "path": None})]), WHERE)


def test_images_may_be_bare_bytes():
    table = arrow([release.row(0)])
    bare = table.set_column(
        table.schema.get_field_index("image"), "image", pa.array([release.row(0)["image"]["bytes"]])
    )
    table_columns.check_columns(bare.schema, "modality", WHERE)
    table_images.check_images(bare, WHERE)


def test_an_image_beside_the_data_is_refused(tmp_path):
    """Its pixels would escape the content hash that results record."""
    path = tmp_path / "cell.png"
    path.write_bytes(release.png(np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(
        errors.DataError, match=r"row 0 .*column image: .*cell\.png'; save the data with the image bytes in it"
    ):
        table_images.check_images(arrow([release.row(0, image={"bytes": None, "path": str(path)})]), WHERE)


def test_a_truncated_jpeg_is_found_although_the_harness_lets_pillow_pad_it(monkeypatch):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "JPEG")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    table_images.check_images(arrow([release.row(0, image={"bytes": buffer.getvalue(), "path": None})]), WHERE)
    with pytest.raises(errors.DataError, match="row 0 .*truncated"):
        table_images.check_images(
            arrow([release.row(0, image={"bytes": buffer.getvalue()[:1500], "path": None})]), WHERE
        )
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_a_size_is_width_and_height():
    table = arrow(
        [release.row(0), release.row(1, image={"bytes": release.png(np.zeros((5, 9), np.uint8)), "path": None})]
    )
    assert [table_images.image_size(table, row, WHERE) for row in (0, 1)] == [(32, 24), (9, 5)]


@pytest.mark.parametrize("content", [b"not an image", None], ids=["no image", "null"])
def test_an_image_without_a_size_is_named_by_row(content):
    table = arrow([release.row(0), release.row(1, image=content and {"bytes": content, "path": None})])
    with pytest.raises(
        errors.DataError, match=r"the source: row 1 \(image_id .*1\): column image: expected a readable image, got: "
    ):
        table_images.image_size(table, 1, WHERE)


def size_of(content):
    return table_images.image_size(arrow([release.row(0, image={"bytes": content, "path": None})]), 0, WHERE)


def encoded(file_format):
    """An image of 40 x 24 whose pixels take more bytes than its head."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)).save(buffer, file_format)
    return buffer.getvalue()


def chunk(name, content):
    """A part of a PNG file: length, name, content, checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunk(added, place):
    """A PNG file with one chunk more. It starts with a signature of 8 bytes and a head of 25, and ends with a chunk of 12."""
    content = encoded("PNG")
    cut = 33 if place == "before the pixels" else len(content) - 12
    return content[:cut] + added + content[cut:]


# EXIF as the standard has it: big-endian, its one entry at byte 8 says that tag 0x0112, one short integer, is 6 (a quarter turn); no more follow.
QUARTER_TURN = b"MM\x00\x2a" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
PROFILE = f"\nexif\n      {len(QUARTER_TURN)}\n{QUARTER_TURN.hex()}\n".encode()
ORIENTATIONS = {
    "exif": chunk(b"eXIf", QUARTER_TURN),
    "profile": chunk(b"tEXt", b"Raw profile type exif\x00" + PROFILE),
    "compressed profile": chunk(b"zTXt", b"Raw profile type exif\x00\x00" + zlib.compress(PROFILE)),
    "xmp": chunk(
        b"iTXt", b'XML:com.adobe.xmp\x00\x00\x00\x00\x00<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    ),
}


@pytest.mark.parametrize("place", ["before the pixels", "behind the pixels"])
@pytest.mark.parametrize("form", ORIENTATIONS)
def test_the_size_of_a_png_that_lies_on_its_side_is_that_of_the_upright_image(form, place):
    content = with_chunk(ORIENTATIONS[form], place)
    assert size_of(content) == (24, 40)
    assert table_images.decode_image(content).size == (24, 40)


def test_another_chunk_does_not_turn_a_png():
    content = with_chunk(chunk(b"tEXt", b"Comment\x00Orientation 6"), "before the pixels")
    assert size_of(content) == table_images.decode_image(content).size == (40, 24)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_a_size_is_read_although_the_pixels_break_off(file_format, monkeypatch):
    content = encoded(file_format)
    content = content[: len(content) * 3 // 4]
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    with pytest.raises(OSError):
        table_images.decode_image(content)
    assert size_of(content) == (40, 24)


def test_a_size_is_read_from_the_head_of_a_png_alone(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    content = encoded("PNG")
    assert size_of(content[: content.index(b"IDAT") + 4]) == (40, 24)


def test_a_turned_size_is_read_although_the_pixels_break_off(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    content = with_chunk(ORIENTATIONS["exif"], "before the pixels")
    assert size_of(content[: len(content) * 3 // 4]) == (24, 40)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_a_size_costs_no_decoding(file_format, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    assert size_of(encoded(file_format)) == (40, 24)


# --- pixels --------------------------------------------------------------------------


def pixels(image: Image.Image) -> np.ndarray:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return np.asarray(table_images.decode_image(buffer.getvalue()))


def test_eight_bit_images_are_pillows_own_conversion():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    assert np.array_equal(pixels(Image.fromarray(values[..., :3])), values[..., :3])
    assert np.array_equal(pixels(Image.fromarray(values)), values[..., :3])
    assert np.array_equal(pixels(Image.fromarray(values[..., 0])), np.repeat(values[..., :1], 3, axis=2))


def test_deep_grayscale_is_scaled_to_its_maximum_instead_of_clipped():
    # 4095 becomes 255, so 2048 becomes round(2048 * 255 / 4095) = round(127.53) = 128.
    image = Image.fromarray(np.array([[0, 2048, 4095]], dtype=np.uint16))
    assert np.asarray(image.convert("RGB"))[0, :, 0].tolist() == [0, 255, 255]
    assert pixels(image)[0, :, 0].tolist() == [0, 128, 255]


def test_deep_grayscale_that_pillow_would_not_clip_is_left_alone():
    image = Image.fromarray(np.array([[0, 100, 200]], dtype=np.uint16))
    assert pixels(image)[0, :, 0].tolist() == [0, 100, 200]


def test_float_images_are_read_without_their_negative_and_missing_values():
    image = Image.fromarray(np.array([[-5, np.nan, 100, 510]], dtype=np.float32))
    # The maximum 510 becomes 255, so 100 becomes 50.
    assert np.asarray(table_images.to_rgb(image))[0, :, 0].tolist() == [0, 0, 50, 255]


def test_exif_orientation_is_applied_exactly_once():
    upright = np.zeros((2, 3, 3), np.uint8)
    upright[0, 0] = 255
    image = Image.fromarray(upright)
    exif = image.getexif()
    exif[0x0112] = 3  # turned by 180 degrees
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    once = table_images.decode_image(buffer.getvalue())
    assert np.asarray(once)[1, 2].tolist() == [255, 255, 255]
    assert np.array_equal(np.asarray(table_images.to_rgb(once)), np.asarray(once))
