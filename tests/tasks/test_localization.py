"""Claims about the functions of localization tasks: prompts, binding to a model, answers at random."""

import json
import re

import numpy as np
import pytest

from microbench_tasks.parsing.boxes.parser import parse_boxes
from microbench_tasks.tasks import box_format_choice, image_resizing, localization
from microbench_tasks.tasks.box_formats import NEUTRAL_FORMAT
from microbench_tasks.util.errors import DataError
from tests.support.box_documents import bound, doc, image, score

# --- prompts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("paligemma", "detect gland"),
        ("qwen_vl", "Detect gland"),
        ("qwen2_vl", "Detect the bounding box of <|object_ref_start|>gland<|object_ref_end|>"),
        (
            "qwen2_5_vl",
            "Locate every instance that belongs to the following categories: 'gland'. "
            "Report bbox coordinates in JSON format.",
        ),
        (
            "qwen3_vl",
            "Locate every instance that belongs to the following categories: 'gland'. "
            "Report bbox coordinates in JSON format.",
        ),
        (
            "internvl3",
            "Please provide the bounding box coordinate of the region this sentence describes: <ref>gland</ref>",
        ),
        ("llava", "Please provide the bounding box coordinate of the region this sentence describes: gland"),
        ("gemini", "Detect the 2d bounding boxes of gland. Return a JSON array with labels, no masks, no code fence."),
        (
            "claude",
            "Return the bounding box of each gland as [x1, y1, x2, y2] (top-left and bottom-right corners) "
            "in pixel coordinates.",
        ),
        (
            "minicpm_v",
            "Please provide the bounding box coordinate of the region this sentence describes: <ref>gland</ref>",
        ),
        (
            "glm4v",
            "Please pinpoint the bounding box [[x1,y1,x2,y2], …] in the image as per the given description. gland",
        ),
        ("sam3", "gland"),
    ],
)
def test_a_document_is_asked_in_the_words_of_the_models_family(model, prompt):
    assert bound("doc_to_text", model)(doc((775, 522), expression="gland")) == prompt


@pytest.mark.parametrize(
    "function",
    [lambda: localization.microbench_localization_doc_to_text, lambda: bound("doc_to_text", "a_model_of_tomorrow")],
    ids=["no model", "unknown model"],
)
def test_other_models_are_told_the_size_and_the_form(function):
    prompt = function()(doc((775, 522), expression="gland"))
    assert all(
        part in prompt
        for part in (
            "gland",
            "775 pixels wide",
            "522 pixels high",
            '{"x1": left, "y1": top, "x2": right, "y2": bottom}',
        )
    )


def test_a_prompt_of_the_users_is_filled_in(monkeypatch):
    options = {"boxes": {"convention": "grid1000_xyxy", "prompt": "{class} in {W} x {H}?"}}
    assert bound("doc_to_text", "qwen_vl", options)(doc((775, 522), expression="gland")) == "gland in 775 x 522?"
    monkeypatch.setenv("MICROBENCH_BOXES", '{"convention": "grid1000_xyxy", "prompt": "Any {class}?"}')
    assert bound("doc_to_text", "qwen_vl", options)(doc((775, 522), expression="gland")) == "Any gland?"


def test_a_prompt_of_the_users_tells_the_size_of_the_image_that_is_shown():
    """Qwen2.5-VL is shown 224 x 224 at 448 x 448, and its boxes are in those pixels."""
    options = {"boxes": {"format": "qwen2_5_vl", "prompt": "{class} in {W} x {H}?"}}
    document = doc((224, 224), [(10, 20, 110, 220)], shown=image(224, 224))
    assert bound("doc_to_text", "qwen2_5_vl", options)(document) == "nucleus in 448 x 448?"
    assert bound("doc_to_visual", "qwen2_5_vl", options)(document)[0].size == (448, 448)
    assert score(document, "[[20, 40, 220, 440]]", "qwen2_5_vl", options)["score"] == pytest.approx(1, rel=1e-6)


def test_the_harness_may_pass_its_options_along():
    function = bound("doc_to_text", "paligemma")
    assert function(doc((9, 9)), {"boxes": "gemini"}) == function(doc((9, 9)), None) == "detect nucleus"


@pytest.mark.parametrize(
    "option",
    ["nonsense", ["gemini"], {}, {"prompt": "{class}?"}, {"format": "gemini", "limits": [3_136, 12_845_056]}],
    ids=str,
)
def test_a_malformed_option_is_refused_when_the_task_is_made(option):
    with pytest.raises(DataError, match=rf"^lmms_eval_specific_kwargs, boxes: {re.escape(str(option))}: "):
        bound("process_results", "qwen_vl", {"boxes": option})


def test_the_target_is_the_gold_boxes_as_json():
    assert json.loads(localization.microbench_localization_doc_to_target(doc((9, 9), [(1, 2, 3.5, 4)]))) == [
        [1, 2, 3.5, 4]
    ]


# --- a function for a model ---------------------------------------------------------


@pytest.mark.parametrize("name", ["doc_to_text", "doc_to_visual", "process_results"])
def test_a_function_for_a_model_leaves_the_original_as_it_is(name):
    original = getattr(localization, f"microbench_localization_{name}")
    for_model = original.for_model("paligemma", None)
    assert for_model.record()["convention"] == "loc1024_yxyx"
    assert original.record()["convention"] == "pixels_xyxy"
    assert for_model.for_model("gemini", None).record()["convention"] == "grid1000_yxyx"
    assert repr(for_model) == repr(original) == f"microbench_localization_{name}"


def test_the_prompt_for_a_second_try_is_that_of_the_chosen_format():
    assert bound("doc_to_text", "paligemma").when_empty(doc((100, 60))) == "segment nucleus; nucleus"
    assert bound("doc_to_text", "qwen_vl").when_empty(doc((100, 60))) is None
    assert localization.microbench_localization_doc_to_text.when_empty(doc((100, 60))) is None


def test_a_record_is_that_of_the_chosen_format():
    options = {"boxes": "gemini"}
    assert (
        bound("doc_to_text", "qwen_vl", options).record()
        == box_format_choice.choose_format("qwen_vl", options).record()
    )


# --- answers at random --------------------------------------------------------------


@pytest.mark.parametrize("size", [(32, 24), (775, 522), (1, 1)])
def test_random_boxes_lie_in_the_image_and_are_read_by_the_neutral_format(size):
    for seed in range(50):
        answer = localization.random_boxes(doc(size), np.random.default_rng(seed))
        found = parse_boxes(answer, NEUTRAL_FORMAT.convention, size)
        assert found.status == "parsed" and found.num_left_out == 0
        assert 1 <= len(found.boxes) <= localization.MAX_RANDOM_BOXES
        assert found.boxes.tolist() == [[box["x1"], box["y1"], box["x2"], box["y2"]] for box in json.loads(answer)]
        assert (found.boxes >= 0).all() and (found.boxes <= [*size, *size]).all()
        assert (found.boxes[:, 2:] >= found.boxes[:, :2]).all()


def test_random_boxes_differ_by_their_generator_alone():
    answers = [localization.random_boxes(doc((775, 522)), np.random.default_rng(seed)) for seed in (1, 2, 1)]
    assert answers[0] == answers[2] != answers[1]


def test_any_number_of_random_boxes_up_to_the_most_occurs():
    rng = np.random.default_rng(0)
    counts = {len(json.loads(localization.random_boxes(doc((775, 522)), rng))) for _ in range(300)}
    assert counts == set(range(1, localization.MAX_RANDOM_BOXES + 1))


def test_a_prompt_for_a_model_knows_what_random_answers_look_like():
    """Written as they will be read: the same boxes in pixels, whatever the convention's unit."""
    original = localization.microbench_localization_doc_to_text
    size = (775, 522)
    as_pixels = parse_boxes(original.random_answer(doc(size), np.random.default_rng(3)), "pixels_xyxy", size).boxes
    for model, convention in (
        ("qwen3_vl", "grid1000_xyxy"),
        ("llava", "norm1_xyxy_padded_square"),
        ("gemini", "grid1000_yxyx"),
    ):
        bound = original.for_model("a_model_of_tomorrow", None).for_model(model, None)
        read = parse_boxes(bound.random_answer(doc(size), np.random.default_rng(3)), convention, size).boxes
        assert read == pytest.approx(as_pixels, abs=0.1)
    bound = original.for_model("qwen2_5_vl", None)
    read = parse_boxes(
        bound.random_answer(doc(size), np.random.default_rng(3)),
        "pixels_xyxy_model_input",
        size,
        image_resizing.smart_resize(size),
    ).boxes
    assert read == pytest.approx(as_pixels, abs=0.1)


def test_random_boxes_are_not_written_where_they_could_not_be_read():
    with pytest.raises(ValueError, match="Expected a convention of plain numbers, got loc1024_yxyx"):
        localization.microbench_localization_doc_to_text.for_model("paligemma", None).random_answer(
            doc((10, 10)), np.random.default_rng(0)
        )


def test_random_boxes_are_scored_above_zero_now_and_then():
    document = doc((100, 100), [(10, 10, 90, 90)])
    rng = np.random.default_rng(0)
    assert any(score(document, localization.random_boxes(document, rng))["score"] for _ in range(50))
