"""Claims about boxes that are not finite or too many, bad arguments, and properties of any text."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microbench_tasks.parsing.boxes.conventions import CONVENTIONS
from microbench_tasks.parsing.boxes.parser import MAX_BOXES, ParsedBoxes, parse_boxes
from tests.support.box_cases import CASES, read_boxes


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "inf", "1e999", '"NaN"', "9" * 400, "-1e999"])
def test_boxes_that_are_not_finite_are_left_out_and_counted(value):
    found = read_boxes(
        f'[{{"bbox_2d": [1, 2, {value}, 4]}}, {{"bbox_2d": [5, 6, 7, 8]}}, '
        f'{{"x1": 1, "y1": {value}, "x2": 3, "y2": 4}}]'
    )
    assert (found.boxes.tolist(), found.status) == ([[5, 6, 7, 8]], "parsed")
    assert (found.num_non_finite, found.num_left_out) == (2, 2)


@pytest.mark.filterwarnings("error")
def test_a_value_that_leaves_floating_point_on_conversion_is_not_finite():
    assert read_boxes("[0, 0, 1, 1e308]", "norm1_xyxy").num_non_finite == 1


def test_an_answer_of_boxes_that_are_not_finite_is_parsed():
    assert read_boxes("[NaN, NaN, NaN, NaN]").status == "parsed"


def test_beyond_the_cap_the_first_boxes_are_kept_and_the_rest_counts():
    found = read_boxes("".join(f"[{number}, 0, 9, 9]" for number in range(25)), max_boxes=20)
    assert found.boxes[:, 0].tolist() == list(range(20))
    assert (found.num_beyond_cap, found.num_left_out) == (5, 5)
    looped = read_boxes("[1,2,3,4]" * (MAX_BOXES + 1))
    assert (len(looped.boxes), looped.num_beyond_cap, looped.num_duplicate) == (MAX_BOXES, 1, MAX_BOXES - 1)


@pytest.mark.parametrize(
    ("convention", "sizes", "options", "message"),
    [
        ("grid100", [(5, 5)], {}, "Expected one of the conventions loc1024_yxyx, .*'grid100'"),
        ("pixels_xyxy", [(0, 5)], {}, r"image_size of convention pixels_xyxy, got \(0, 5\)"),
        ("pixels_xyxy", [(5, float("nan"))], {}, "positive width and height"),
        ("pixels_xyxy_model_input", [(5, 5)], {}, "model_input_size of convention pixels_xyxy_model_input, got None"),
        ("pixels_xyxy", [(5, 5)], {"max_boxes": -1}, "at least 0, got -1"),
    ],
)
def test_bad_arguments_are_refused(convention, sizes, options, message):
    with pytest.raises(ValueError, match=message):
        parse_boxes("", convention, *sizes, **options)


PIECES = [
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "<",
    ">",
    ",",
    ";",
    ":",
    '"',
    "'",
    "`",
    "```",
    "\\",
    "/",
    "//",
    "/*",
    "*/",
    "#",
    "1",
    "20",
    "-3.5",
    "1e999",
    "NaN",
    "null",
    " ",
    "\n",
    "x1",
    "bbox_2d",
]


PIECES += [
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "<box>",
    "</box>",
    "<loc0001>",
    "<loc_12>",
    "<loc",
    "<patch_index_0044>",
    "[1,2,3,4]",
    "(1,2),",
    '{"x1":1,"y1":2,"x2":3,"y2":4}',
    "“",
    "（",
    "\u2028",
    "\ud800",
]


@settings(max_examples=600, deadline=None, database=None, derandomize=True)
@given(
    text=st.text() | st.lists(st.sampled_from(PIECES), max_size=60).map("".join),
    convention=st.sampled_from(sorted(CONVENTIONS)),
)
def test_any_text_gives_finite_boxes_and_a_status(text, convention):
    found = parse_boxes(text, convention, (640, 480), (644, 476))
    assert isinstance(found, ParsedBoxes)
    assert found.boxes.ndim == 2 and found.boxes.shape[1] == 4 and found.boxes.dtype == np.float64
    assert np.isfinite(found.boxes).all()
    assert found.status in ("parsed", "truncated", "unparsed")
    assert found.status != "unparsed" or len(found.boxes) + found.num_left_out == 0
    assert 0 <= found.num_degenerate <= len(found.boxes) and 0 <= found.num_duplicate <= max(0, len(found.boxes) - 1)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    quads=st.lists(st.tuples(*[st.integers(-50, 2000)] * 4), max_size=8),
    style=st.sampled_from(["json", "lists", "points", "tags", "keys"]),
)
def test_boxes_written_in_a_documented_form_are_read_back(quads, style):
    written = {
        "json": json.dumps([{"bbox_2d": quad, "label": "cell (2)"} for quad in quads], indent=1),
        "lists": json.dumps(quads),
        "points": "".join(f"cell({x1},{y1}),({x2},{y2})" for x1, y1, x2, y2 in quads),
        "tags": "".join(f"<ref>cell</ref><box>{x1} {y1} {x2} {y2}</box>" for x1, y1, x2, y2 in quads),
        "keys": ", ".join(
            json.dumps(dict(zip(("x1", "x2", "y1", "y2"), (x1, x2, y1, y2), strict=False))) for x1, y1, x2, y2 in quads
        ),
    }[style]
    found = read_boxes(written, "pixels_xyxy")
    assert found.boxes.tolist() == [list(quad) for quad in quads]
    assert not quads or found.status == "parsed"


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    cut=st.integers(0, 200),
    case=st.sampled_from([case for case in CASES if case["status"] == "parsed" and "<think>" not in case["text"]]),
)
def test_cutting_an_answer_only_takes_boxes_from_its_end(cut, case):
    arguments = case["convention"], case["image_size"], case.get("model_input_size")
    whole, part = (parse_boxes(text, *arguments).boxes for text in (case["text"], case["text"][:cut]))
    assert len(part) <= len(whole)
    np.testing.assert_array_equal(part, whole[: len(part)])
