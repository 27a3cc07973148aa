"""Claims about reading annotated boxes from the release's columns."""

import pyarrow as pa
import pytest

from microbench_tasks.data import annotated_boxes, table_columns
from microbench_tasks.util import errors
from tests.support import release

WHERE = "the source"
IMAGE_COLUMNS = ["image_id", "image", "dataset", "stain"]


def arrow(rows):
    return release.table(rows).data.table


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
    message = (
        r"the source: row 1 \(image_id 00000000-0000-0000-0000-000000000001\): column polygon\[1\]\.points: "
        rf"expected finite numbers x1, y1, x2, y2, … in pairs, got .*{said}"
    )
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
    message = (
        r"the source: row 1 \(image_id 00000000-0000-0000-0000-000000000001\): column polygon\[1\]\.points: "
        rf"expected pixels, got {said}"
    )
    with pytest.raises(errors.DataError, match=message):
        boxes(row=1, polygon=one([*map(float, points)]))


@pytest.mark.parametrize(
    "points", [[0.0, 0.0, 1e200, 1e200], {"x1": -1e308, "y1": 0.0, "x2": 1e308, "y2": 1.0}], ids=["list", "struct"]
)
def test_a_stored_box_without_a_finite_area_is_named_by_row_column_and_instance(points):
    with pytest.raises(
        errors.DataError,
        match=(
            r"the source: row 1 \(image_id 00000000-0000-0000-0000-000000000001\): column bbox\[1\]\.points: "
            r"expected pixels, got "
        ),
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
    message = (
        r"the source: row 1 \(image_id 00000000-0000-0000-0000-000000000001\): column bbox\[0\]\.points: expected a "
        r"struct or a list of four finite numbers x1, y1, x2, y2, got "
    )
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
        match=(
            rf"the source: column {column} is of type {found}; expected a list of structs of className \(text\) and "
            r"points"
        ),
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
