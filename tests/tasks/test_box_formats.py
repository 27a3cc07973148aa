"""Claims about how models are asked for boxes: the table of formats."""

import pytest

from microbench_tasks.parsing.boxes.conventions import CONVENTIONS
from microbench_tasks.parsing.boxes.parser import parse_boxes
from microbench_tasks.tasks.box_format_choice import choose_format
from microbench_tasks.tasks.box_formats import FORMAT_OF_MODEL, NEUTRAL_FORMAT

FORMATS = {"neutral": NEUTRAL_FORMAT} | FORMAT_OF_MODEL


def format_for(model, options=None):
    return choose_format(model, options).detection_format


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_names_a_convention_the_class_and_its_source(name):
    form = FORMATS[name]
    assert form.convention in CONVENTIONS and CONVENTIONS[form.convention].grammar is not None
    prompt = form.prompt("white blood cell", (640, 480))
    assert prompt.count("white blood cell") == 1
    assert not {"{class}", "{W}", "{H}"} & set(prompt.split()) and form.source


@pytest.mark.parametrize("name", FORMATS)
def test_a_model_that_repeats_its_prompt_has_found_no_box(name):
    form = FORMATS[name]
    echo = form.prompt("nucleus", (640, 480))
    assert len(parse_boxes(echo, form.convention, (640, 480), form.model_input_size((640, 480))).boxes) == 0


def test_an_unknown_model_is_asked_for_pixels_and_told_the_size():
    form = format_for("a_model_of_tomorrow")
    assert form is NEUTRAL_FORMAT and form.convention == "pixels_xyxy"
    prompt = form.prompt("gland", (775, 522))
    assert all(
        part in prompt for part in ("gland", "775 pixels wide", "522 pixels high", '"x1"', '"y1"', '"x2"', '"y2"')
    )


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("paligemma", "detect nucleus"),
        ("qwen_vl", "Detect nucleus"),
        (
            "qwen2_5_vl",
            "Locate every instance that belongs to the following categories: 'nucleus'. "
            "Report bbox coordinates in JSON format.",
        ),
        (
            "gemini",
            "Detect the 2d bounding boxes of nucleus. Return a JSON array with labels, no masks, no code fence.",
        ),
    ],
)
def test_known_models_are_asked_in_their_own_words(model, prompt):
    assert format_for(model).prompt("nucleus", (640, 480)) == prompt


def test_only_paligemma_is_asked_again_in_the_papers_words():
    assert format_for("paligemma").prompt_when_empty("nucleus", (640, 480)) == "segment nucleus; nucleus"
    assert {name for name, form in FORMATS.items() if form.prompt_when_empty("nucleus", (640, 480)) is not None} == {
        "paligemma"
    }


@pytest.mark.parametrize(
    ("fields", "prompt"),
    [
        ({"format": "paligemma"}, "segment gland; gland"),
        ({"format": "paligemma", "prompt": "detect {class}"}, None),
        ({"convention": "loc1024_yxyx", "prompt": "detect {class}"}, None),
    ],
    ids=str,
)
def test_with_a_prompt_of_the_users_nothing_else_is_asked(fields, prompt):
    assert format_for("paligemma", {"boxes": fields}).prompt_when_empty("gland", (775, 522)) == prompt


def test_a_class_name_is_never_taken_for_a_place_to_fill_in():
    assert NEUTRAL_FORMAT.prompt("{W}", (640, 480)).startswith(
        "Detect every {W} in this image. The image is 640 pixels"
    )


@pytest.mark.parametrize("model", ["qwen2_5_vl"])
@pytest.mark.parametrize(
    ("image_size", "told"),
    [
        # 224 x 224 = 50,176 pixels is a quarter of 200,704: both sides are doubled, to 16 times 28.
        ((224, 224), "448 wide, 448 high"),
        # 640 / 28 = 22.86 and 480 / 28 = 17.14: 23 and 17 times 28.
        ((640, 480), "644 wide, 476 high"),
        ((480, 640), "476 wide, 644 high"),
        # 448 = 16 times 28, and its square is within the limits.
        ((448, 448), "448 wide, 448 high"),
    ],
)
def test_a_prompt_tells_the_size_that_the_model_sees(model, image_size, told):
    form = format_for("vllm", {"boxes": {"format": model, "prompt": "{class}: {W} wide, {H} high"}})
    assert form.prompt("nucleus", image_size) == f"nucleus: {told}"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"format": "qwen2_5_vl", "limits": None}, "640 x 480"),
        # Both sides are divided by sqrt(307,200 / 100,000) = 1.7527, to 365.1 and 273.9, and rounded down to 13 and 9
        # times 28.
        ({"format": "qwen2_5_vl", "limits": [784, 100_000]}, "364 x 252"),
        ({"format": "qwen2_5_vl", "convention": "grid1000_xyxy"}, "640 x 480"),
        ({"convention": "pixels_xyxy_model_input"}, "640 x 480"),
        ({"format": "llava"}, "640 x 480"),
        ({"format": "claude"}, "640 x 480"),
    ],
    ids=str,
)
def test_a_prompt_tells_the_size_that_is_left_by_the_users_limits_and_convention(fields, told):
    assert (
        format_for("vllm", {"boxes": fields | {"prompt": "{class}, {W} x {H}"}}).prompt("gland", (640, 480))
        == f"gland, {told}"
    )


def test_only_qwen2_5_vl_resizes_what_its_pixels_refer_to():
    assert format_for("qwen2_5_vl").model_input_size((224, 224)) == (448, 448)
    assert format_for("claude").model_input_size((224, 224)) == (224, 224)
    assert {name for name, form in FORMATS.items() if form.model_input_size((224, 224)) != (224, 224)} == {"qwen2_5_vl"}
