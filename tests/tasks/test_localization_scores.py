"""Claims about the scores of boxes; gold boxes are written in each form by hand."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microbench_tasks.data import documents
from microbench_tasks.parsing.boxes.conventions import CONVENTIONS
from microbench_tasks.tasks import localization
from microbench_tasks.tasks.box_formats import FORMAT_OF_MODEL, NEUTRAL_FORMAT
from tests.support import release
from tests.support.box_documents import NEUTRAL, bound, doc, image, pixels, score


def set_to(convention):
    return {"boxes": {"convention": convention, "prompt": "{class}"}}


# Model, its options, size of the image, gold boxes and the response that gives them.
GIVEN = [
    # Pixels, named by keys.
    (
        NEUTRAL,
        None,
        (500, 400),
        [(50, 80, 150, 160), (1.5, 2.5, 11.5, 7.5)],
        '[{"x1": 50, "y1": 80, "x2": 150, "y2": 160}, {"x1": 1.5, "y1": 2.5, "x2": 11.5, "y2": 7.5}]',
    ),
    ("a_model_of_tomorrow", None, (500, 400), [(50, 80, 150, 160)], '{ "x1": 50, "y1": 80, "x2": 150, "y2": 160 }'),
    # Fractions of 1000: 50 / 500 = 100, 80 / 400 = 200, 150 / 500 = 300, 160 / 400 = 400.
    ("qwen_vl", None, (500, 400), [(50, 80, 150, 160)], "<ref>nucleus</ref><box>(100,200),(300,400)</box>"),
    (
        "qwen_vl",
        None,
        (500, 400),
        [(50, 80, 150, 160), (250, 240, 350, 320)],
        "nucleus(100,200),(300,400)(500,600),(700,800)",
    ),
    ("qwen2_vl", None, (500, 400), [(50, 80, 150, 160)], "nucleus(100,200),(300,400)"),
    (
        "qwen3_vl",
        None,
        (500, 400),
        [(50, 80, 150, 160)],
        '```json\n[{"bbox_2d": [100, 200, 300, 400], "label": "nucleus"}]\n```',
    ),
    (
        "internvl3",
        None,
        (500, 400),
        [(50, 80, 150, 160), (250, 240, 350, 320)],
        "nucleus[[100, 200, 300, 400], [500, 600, 700, 800]]",
    ),
    ("minicpm_v", None, (500, 400), [(50, 80, 150, 160)], "<ref>nucleus</ref><box>100 200 300 400</box>"),
    (
        "glm4v",
        None,
        (500, 400),
        [(50, 80, 150, 160)],
        "<think>[1,2,3,4]</think><answer><|begin_of_box|>[[100,200,300,400]]<|end_of_box|></answer>",
    ),
    # The same, y first.
    ("gemini", None, (500, 400), [(50, 80, 150, 160)], '[{"box_2d": [200, 100, 400, 300], "label": "nucleus"}]'),
    # Of 1024, y first: x is itself on 1024 pixels, y is doubled on 512.
    (
        "paligemma",
        None,
        (1024, 512),
        [(100, 40, 300, 200), (0, 128, 512, 256)],
        "<loc0080><loc0100><loc0400><loc0300> nucleus ; <loc0256><loc0000><loc0512><loc0512> nucleus",
    ),
    # Shown at 644 x 476: 160 and 320 of 640 are 161 and 322, 120 and 240 of 480 are 119 and 238.
    (
        "qwen2_5_vl",
        None,
        (640, 480),
        [(160, 120, 320, 240)],
        '```json\n[{"bbox_2d": [161, 119, 322, 238], "label": "nucleus"}]\n```',
    ),
    # Shown twice as large, at 448 x 448.
    (
        "qwen2_5_vl",
        None,
        (224, 224),
        [(10, 20, 110, 220), (0, 0, 8, 8)],
        '[{"bbox_2d": [20, 40, 220, 440]}, {"bbox_2d": [0, 0, 16, 16]}]',
    ),
    ("claude", None, (500, 400), [(50, 80, 150, 160)], "There is one nucleus: [50, 80, 150, 160]"),
    # The square is 400 x 400, with 100 rows above: y 0 and 200 are rows 100 and 300 of 400.
    ("llava", None, (400, 200), [(100, 0, 200, 200)], "[0.25, 0.25, 0.50, 0.75]"),
    # Fractions of 1: 50 / 500, 80 / 400, 150 / 500, 160 / 400.
    (
        "sam3",
        None,
        (500, 400),
        [(50, 80, 150, 160)],
        '{"masks": [], "boxes": [{"x_min": 0.1, "y_min": 0.2, "x_max": 0.3, "y_max": 0.4}], "scores": [0.9]}',
    ),
    # Of 999: x is itself on 999 pixels, y is tripled on 333.
    ("vllm", set_to("grid999_xyxy"), (999, 333), [(10, 20, 500, 300)], "[[10, 60, 500, 900]]"),
    # The centre of bin b lies at (b + 0.5) / 1000: on 1000 x 500 at b + 0.5 and b / 2 + 0.25.
    (
        "vllm",
        set_to("bin1000_center_xyxy"),
        (1000, 500),
        [(100.5, 50.25, 300.5, 100.25)],
        "nucleus<loc_100><loc_100><loc_300><loc_200>",
    ),
    # 32 x 32 cells of 20 x 10 pixels: 34 is row 1, column 2, with its centre at (50, 15); 166 is row 5, column 6, at
    # (130, 55).
    (
        "vllm",
        set_to("patch32_kosmos2"),
        (640, 320),
        [(50, 15, 130, 55)],
        "<object><patch_index_0034><patch_index_0166></object>",
    ),
]


@pytest.mark.parametrize(("model", "options", "size", "gold", "response"), GIVEN)
def test_gold_boxes_in_the_models_own_form_score_one(model, options, size, gold, response):
    items = score(doc(size, gold), response, model, options)
    # GRIT adds 1e-6 to every union.
    assert items["score"] == pytest.approx(1, rel=1e-6)
    assert items["grit"]["num_predicted"] == len(gold)
    assert items["boxes_unparsed"]["kind"] == "parsed"


def test_every_convention_with_boxes_is_scored_above():
    scored = {
        options["boxes"]["convention"] if options else FORMAT_OF_MODEL.get(model, NEUTRAL_FORMAT).convention
        for model, options, *_ in GIVEN
    }
    assert scored == set(CONVENTIONS) - {"points_only"}


def test_limits_of_the_users_are_those_that_answers_are_read_by():
    """At most 100,000 pixels leave 364 x 252 of 640 x 480: 320 of 640 is 182, 240 of 480 is 126."""
    options = {"boxes": {"format": "qwen2_5_vl", "limits": [784, 100_000]}}
    items = score(doc((640, 480), [(0, 0, 320, 240)]), "[[0, 0, 182, 126]]", "qwen2_5_vl", options)
    assert items["score"] == pytest.approx(1, rel=1e-6)
    assert bound("doc_to_visual", "qwen2_5_vl", options)(doc((640, 480), shown=image(640, 480)))[0].size == (364, 252)


def test_limits_of_a_format_do_not_resize_images_for_a_convention_of_the_users_in_another_frame():
    """The boxes are thousandths of 640 and 480: 250 is 160 and 120, 500 is 320 and 240."""
    options = {"boxes": {"format": "qwen2_5_vl", "convention": "grid1000_xyxy", "prompt": "{class}?"}}
    items = score(doc((640, 480), [(160, 120, 320, 240)]), "[[250, 250, 500, 500]]", "qwen2_5_vl", options)
    assert items["score"] == pytest.approx(1, rel=1e-6)
    assert bound("doc_to_visual", "qwen2_5_vl", options)(doc((640, 480), shown=image(640, 480)))[0].size == (640, 480)


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        # Half of the gold box: 50 / 100.
        ([(0, 0, 10, 10)], [(0, 0, 10, 5)], 1 / 2),
        # Shifted by half: 50 / 150.
        ([(0, 0, 10, 10)], [(5, 0, 15, 10)], 1 / 3),
        # One of two found: 1 / (1 prediction + 1 left unmatched).
        ([(0, 0, 10, 10), (20, 20, 30, 30)], [(0, 0, 10, 10)], 1 / 2),
        # One too many: 1 / 2 predictions.
        ([(0, 0, 10, 10)], [(0, 0, 10, 10), (50, 50, 60, 60)], 1 / 2),
        ([(0, 0, 10, 10)], [(50, 50, 60, 60)], 0),
        ([(0, 0, 10, 10)], [], 0),
    ],
)
def test_the_score_is_grits(gold, predicted, expected):
    assert score(doc((100, 100), gold), pixels(*predicted))["score"] == pytest.approx(expected, abs=1e-6)


GOOD, OTHER = (0, 0, 10, 10), (50, 50, 60, 60)


@pytest.mark.parametrize(
    ("response", "status", "counts", "num_predicted", "expected"),
    [
        (pixels(GOOD), "parsed", {}, 1, 1),
        ("[]", "parsed", {}, 0, 0),
        ("I cannot see any nucleus.", "unparsed", {}, 0, 0),
        ("", "unparsed", {}, 0, 0),
        # Complete boxes of an answer that breaks off count.
        ('[{"x1": 0, "y1": 0, "x2": 10, "y2": 10}, {"x1": 50, "y1"', "truncated", {}, 1, 1),
        ('[{"x1": 0, "y1"', "truncated", {}, 0, 0),
        # Corners swapped, and a box without width: predictions that match nothing.
        (pixels(GOOD, (60, 60, 50, 50), (5, 0, 5, 10)), "parsed", {"degenerate": 2}, 3, 1 / 3),
        # Each copy is a prediction.
        (pixels(GOOD, GOOD, GOOD, OTHER), "parsed", {"duplicate": 2}, 4, 1 / 4),
        # Dropped, and counted as predictions.
        (
            '[{"x1": 0, "y1": 0, "x2": 10, "y2": 10}, {"x1": NaN, "y1": 0, "x2": 10, "y2": 10}, '
            '{"x1": 0, "y1": 0, "x2": 1e999, "y2": 10}]',
            "parsed",
            {"dropped": 2},
            3,
            1 / 3,
        ),
        ("[[NaN, 0, 10, 10]]", "parsed", {"dropped": 1}, 1, 0),
        ("[[0, 0, Infinity, -Infinity]]", "parsed", {"dropped": 1}, 1, 0),
        # Beyond the cap of 10,000: dropped, the first ones are kept.
        (
            "[" + ", ".join(["[0, 0, 10, 10]"] * 10_003) + "]",
            "parsed",
            {"duplicate": 9_999, "dropped": 3},
            10_003,
            1 / 10_003,
        ),
    ],
)
def test_what_is_wrong_with_an_answer_is_counted_and_not_repaired(response, status, counts, num_predicted, expected):
    items = score(doc((100, 100), [GOOD]), response)
    assert (items["boxes_unparsed"], items["boxes_truncated"]) == ({"kind": status}, {"kind": status})
    assert {name: items[f"boxes_{name}"] for name in ("degenerate", "duplicate", "dropped")} == {
        name: {"count": counts.get(name, 0)} for name in ("degenerate", "duplicate", "dropped")
    }
    assert items["grit"]["num_predicted"] == num_predicted
    assert items["score"] == pytest.approx(expected, abs=1e-6)
    numbers = {"matched": int(expected > 0), "predicted": num_predicted, "gold": 1, "image": "opencell/17"}
    for name in ("precision", "recall", "f1", "count_error", "count_bias"):
        assert items[f"boxes_{name}"] == numbers


def test_silence_is_no_answer_but_paligemmas_no_object():
    assert score(doc((100, 100)), "", "qwen_vl")["boxes_unparsed"]["kind"] == "unparsed"
    assert score(doc((100, 100)), "", "paligemma")["boxes_unparsed"]["kind"] == "parsed"
    assert score(doc((100, 100)), "", "paligemma")["score"] == 0


@pytest.mark.parametrize("model", [NEUTRAL, "qwen2_5_vl", "qwen_vl"])
def test_a_response_that_never_came_is_scored_as_an_empty_one(model):
    function = bound("process_results", model)
    assert function(doc((100, 100)), []) == function(doc((100, 100)), [""])
    assert function(doc((100, 100)), [])["score"] == 0


def test_of_several_responses_the_first_counts():
    assert bound("process_results", NEUTRAL)(doc((100, 100), [GOOD]), ["[]", pixels(GOOD)])["score"] == 0


def test_an_item_carries_what_scoring_it_again_needs():
    items = score(doc((640, 480), [(160, 120, 320, 240)]), "[[161, 119, 322, 238], [0, 0, 1, 1]]", "qwen2_5_vl")
    assert items["grit"].pop("grit") == items["grit"].pop("score") == items["score"] == pytest.approx(1 / 2, rel=1e-6)
    assert items["grit"] == {
        "image": "opencell/17",
        "image_id": "17",
        "dataset": "opencell",
        "kind": "boxes",
        "expression": "nucleus",
        "width": 640,
        "height": 480,
        "boxes": [[160, 120, 320, 240]],
        "num_predicted": 2,
        "convention": "pixels_xyxy_model_input",
        "model_input_size": [644, 476],
    }
    assert items["grit_ci_low"] == items["grit_ci_high"] == {"score": items["score"], "image": "opencell/17"}


@pytest.mark.parametrize("response", ["", "[[161, 119, 322, 238]]", "[[NaN, 0, 1, 1]]", "no"])
@pytest.mark.parametrize("model", [NEUTRAL, "qwen2_5_vl"])
def test_items_are_json(model, response):
    items = score(doc((640, 480), [(160, 120, 320, 240)]), response, model)
    assert json.loads(json.dumps(items, allow_nan=False)) == items


def test_documents_of_the_release_are_scored_as_those_written_here():
    row = release.row(0, None, stain="H2B-mCherry", polygon=[release.instance("H2B-mCherry", [3, 8, 10, 1, 5, 5])])
    [document] = documents.microbench_localization_h2b_nuclei_docs(release.table([row]), "the source")
    items = score(document, "[[3, 1, 10, 8]]")
    assert items["score"] == pytest.approx(1, rel=1e-6)
    assert items["grit"]["image"] == "held_et_al_2010_h2b/00000000-0000-0000-0000-000000000000"
    json.dumps(items)


TOKENS = [
    "<loc0100>",
    "<loc_7>",
    "<patch_index_0034>",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ";",
    "<box>",
    "</box>",
    '"x1":',
    "bbox_2d:",
    " 5",
    "-3.5",
    "1e999",
    "NaN",
    "1e308",
    "</think>",
    "<think>",
    "null",
    "```",
    "'",
    "\n",
]


@pytest.mark.parametrize("convention", CONVENTIONS)
@given(
    text=st.text(max_size=60)
    | st.lists(st.sampled_from(TOKENS), max_size=40).map("".join)
    | st.lists(st.floats(), max_size=12).map(str)
)
@settings(max_examples=150, deadline=None)
def test_any_text_has_a_score_from_zero_to_one(convention, text):
    function = localization.microbench_localization_process_results.for_model("vllm", set_to(convention))
    items = function(doc((100, 60), [GOOD, (20, 10, 90, 55)]), [text])
    assert math.isfinite(items["score"]) and 0 <= items["score"] <= 1
    json.dumps(items, allow_nan=False)
