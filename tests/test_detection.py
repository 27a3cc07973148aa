"""Claims about how models are asked for boxes."""

import pytest

from microbench_tasks.boxes import CONVENTIONS, parse_boxes
from microbench_tasks.detection import CONVENTION_OF_MODEL, HUB_LIMITS, LMMS_EVAL_LIMITS, NEUTRAL_FORMAT, PixelLimits, detection_format, smart_resize

FORMATS = {"neutral": NEUTRAL_FORMAT} | CONVENTION_OF_MODEL


@pytest.mark.parametrize(
    ("image_size", "by_hub", "by_lmms_eval"),
    [
        ((224, 224), (224, 224), (448, 448)),
        ((256, 256), (252, 252), (448, 448)),
        ((512, 512), (504, 504), (504, 504)),
        ((640, 480), (644, 476), (644, 476)),
        ((1024, 1024), (1036, 1036), (1036, 1036)),
        ((2048, 1536), (2044, 1540), (1456, 1092)),
    ],
)
def test_smart_resize_gives_the_documented_sizes(image_size, by_hub, by_lmms_eval):
    assert smart_resize(image_size, HUB_LIMITS) == by_hub
    assert smart_resize(image_size, LMMS_EVAL_LIMITS) == by_lmms_eval
    assert smart_resize(image_size[::-1], LMMS_EVAL_LIMITS) == by_lmms_eval[::-1]


def test_an_image_of_the_resized_size_is_not_resized_again():
    for width in range(40, 2500, 61):
        for height in range(40, 2500, 67):
            resized = smart_resize((width, height))
            assert smart_resize(resized) == resized
            assert all(side % 28 == 0 for side in resized)


def test_halves_are_rounded_to_even():
    """42 = 1.5 x 28 and 70 = 2.5 x 28 are both nearest to two multiples; the even one is 56."""
    assert smart_resize((42, 70), PixelLimits(1, 10**6)) == (56, 56)


def test_no_side_is_rounded_to_nothing():
    """Shrinking 300,000 x 20 below the largest area leaves less than 28 pixels of its height."""
    assert smart_resize((300_000, 20))[1] == 28
    assert min(smart_resize((5, 3_000))) >= 28


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match=r"1 x 1 pixels, got \(0, 5\)"):
        smart_resize((0, 5))


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
    form = detection_format("a_model_of_tomorrow")
    assert form is NEUTRAL_FORMAT and form.convention == "pixels_xyxy"
    prompt = form.prompt("gland", (775, 522))
    assert all(part in prompt for part in ("gland", "775 pixels wide", "522 pixels high", '"x1"', '"y1"', '"x2"', '"y2"'))


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("paligemma", "detect nucleus"),
        ("qwen_vl", "Detect nucleus"),
        ("qwen2_5_vl", "Locate every instance that belongs to the following categories: 'nucleus'. Report bbox coordinates in JSON format."),
        ("gemini", "Detect the 2d bounding boxes of nucleus. Return a JSON array with labels, no masks, no code fence."),
    ],
)
def test_known_models_are_asked_in_their_own_words(model, prompt):
    assert detection_format(model).prompt("nucleus", (640, 480)) == prompt


def test_a_class_name_is_never_taken_for_a_place_to_fill_in():
    assert NEUTRAL_FORMAT.prompt("{W}", (640, 480)).startswith("Detect every {W} in this image. The image is 640 pixels")


def test_only_qwen2_5_vl_resizes_what_its_pixels_refer_to():
    assert detection_format("qwen2_5_vl").model_input_size((224, 224)) == (448, 448)
    assert detection_format("claude").model_input_size((224, 224)) == (224, 224)
