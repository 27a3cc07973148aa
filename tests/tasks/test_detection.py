"""Claims about how models are asked for boxes."""

import dataclasses
import json
import re

import pytest

from microbench_tasks.parsing.boxes.conventions import CONVENTIONS
from microbench_tasks.parsing.boxes.parser import parse_boxes
from microbench_tasks.tasks import box_format_records, box_format_setting, image_resizing
from microbench_tasks.tasks.box_format_choice import choose_format
from microbench_tasks.tasks.box_formats import FORMAT_OF_MODEL, NEUTRAL_FORMAT
from microbench_tasks.util.errors import DataError

# Of the checkpoints on the Hub.
HUB_LIMITS = image_resizing.PixelLimits(3_136, 12_845_056)
FORMATS = {"neutral": NEUTRAL_FORMAT} | FORMAT_OF_MODEL


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv("MICROBENCH_BOXES", raising=False)


@pytest.fixture
def use_boxes(monkeypatch):
    """Set MICROBENCH_BOXES for one test; anything but text as JSON."""
    return lambda value: monkeypatch.setenv("MICROBENCH_BOXES", value if isinstance(value, str) else json.dumps(value))


def format_for(model, options=None):
    return choose_format(model, options).detection_format


# --- sizes ---------------------------------------------------------------------------


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
    assert image_resizing.smart_resize(image_size, HUB_LIMITS) == by_hub
    assert image_resizing.smart_resize(image_size, image_resizing.LMMS_EVAL_LIMITS) == by_lmms_eval
    assert image_resizing.smart_resize(image_size[::-1], image_resizing.LMMS_EVAL_LIMITS) == by_lmms_eval[::-1]


def test_an_image_of_the_resized_size_is_not_resized_again():
    for width in range(40, 2500, 61):
        for height in range(40, 2500, 67):
            resized = image_resizing.smart_resize((width, height))
            assert image_resizing.smart_resize(resized) == resized
            assert all(side % 28 == 0 for side in resized)


def test_halves_are_rounded_to_even():
    """42 = 1.5 x 28 and 70 = 2.5 x 28 are both nearest to two multiples; the even one is 56."""
    assert image_resizing.smart_resize((42, 70), image_resizing.PixelLimits(1, 10**6)) == (56, 56)


def test_no_side_is_rounded_to_nothing():
    """Shrinking 300,000 x 20 below the largest area leaves less than 28 pixels of its height."""
    assert image_resizing.smart_resize((300_000, 20))[1] == 28
    assert min(image_resizing.smart_resize((5, 3_000))) >= 28


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match=r"1 x 1 pixels, got \(0, 5\)"):
        image_resizing.smart_resize((0, 5))


# --- formats -------------------------------------------------------------------------


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
            "Locate every instance that belongs to the following categories: 'nucleus'. Report bbox coordinates in JSON format.",
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
        # Both sides are divided by sqrt(307,200 / 100,000) = 1.7527, to 365.1 and 273.9, and rounded down to 13 and 9 times 28.
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


# --- choosing ------------------------------------------------------------------------

OWN = {"convention": "norm1_xyxy", "prompt": "Where is the {class}?"}


def test_the_environment_comes_before_the_option_the_model_and_the_neutral_format(use_boxes):
    options = {"boxes": "gemini"}
    assert choose_format("a_model_of_tomorrow", {}).detection_format is NEUTRAL_FORMAT
    by_model = choose_format("qwen_vl", {})
    assert (by_model.detection_format, by_model.chosen_by) == (FORMAT_OF_MODEL["qwen_vl"], "model qwen_vl")
    by_option = choose_format("qwen_vl", options)
    assert (by_option.detection_format, by_option.chosen_by) == (
        FORMAT_OF_MODEL["gemini"],
        "lmms_eval_specific_kwargs: boxes",
    )
    use_boxes("paligemma")
    by_setting = choose_format("qwen_vl", options)
    assert (by_setting.detection_format, by_setting.chosen_by) == (FORMAT_OF_MODEL["paligemma"], "MICROBENCH_BOXES")


@pytest.mark.parametrize("options", [None, {}, {"boxes": None}, {"pre_prompt": ""}])
def test_without_an_option_the_model_decides(options):
    assert format_for("glm4v", options) is FORMAT_OF_MODEL["glm4v"]


def test_a_known_model_can_be_asked_for_the_neutral_format(use_boxes):
    assert format_for("qwen_vl", {"boxes": "neutral"}) == NEUTRAL_FORMAT
    use_boxes("neutral")
    assert format_for("qwen_vl") == NEUTRAL_FORMAT


@pytest.mark.parametrize("model", ["vllm", "openai", "huggingface", "Qwen_VL", "", None])
def test_an_unknown_model_is_neutral_and_warned_of_with_the_way_out(model, warnings):
    chosen = choose_format(model, None)
    assert chosen.detection_format is NEUTRAL_FORMAT
    assert chosen.chosen_by == f"default: how {model} writes boxes is not known"
    [said] = warnings
    assert f"the model {model} writes" in said and "set MICROBENCH_BOXES to one of" in said and "paligemma" in said


def test_an_unknown_model_is_warned_of_once(warnings):
    for _ in range(3):
        choose_format("vllm", None)
    assert len(warnings) == 1


def test_who_is_told_how_or_known_is_not_warned_of(warnings, use_boxes):
    choose_format("qwen3_vl", None)
    choose_format("vllm", {"boxes": "qwen3_vl"})
    use_boxes("qwen3_vl")
    choose_format("openai", None)
    assert warnings == []


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("form", [lambda name: name, lambda name: {"format": name}], ids=["name", "object"])
def test_every_format_can_be_named(name, form, use_boxes):
    use_boxes(form(name))
    assert format_for("vllm") == FORMATS[name]


@pytest.mark.parametrize("text", [json.dumps(OWN), json.dumps(OWN, indent=2), "\n " + json.dumps(OWN)])
def test_a_convention_and_a_prompt_make_a_format(text, use_boxes):
    use_boxes(text)
    form = format_for("qwen2_5_vl")
    assert (form.convention, form.template, form.limits) == ("norm1_xyxy", "Where is the {class}?", None)
    assert form.prompt("gland", (775, 522)) == "Where is the gland?"


def test_the_option_is_a_mapping_of_the_same_fields():
    assert format_for("vllm", {"boxes": OWN}) == format_for("qwen_vl", {"boxes": json.loads(json.dumps(OWN))})
    assert format_for("vllm", {"boxes": OWN}).convention == "norm1_xyxy"


def test_a_prompt_alone_keeps_the_rest_of_the_format():
    form = format_for("vllm", {"boxes": {"format": "qwen2_5_vl", "prompt": "Find {class}, as JSON."}})
    assert (form.convention, form.limits, form.template) == (
        "pixels_xyxy_model_input",
        image_resizing.LMMS_EVAL_LIMITS,
        "Find {class}, as JSON.",
    )
    assert form.source == "set by the user, from qwen2_5_vl"


def test_limits_are_those_of_the_models_image_processor():
    # 640 x 480 rounds to 644 x 476 = 306,544 pixels. At most 100,000 are let through: both sides are divided by
    # sqrt(640 * 480 / 100,000) = 1.7527, which leaves 365.1 and 273.9; 13 and 9 times 28 are 364 and 252.
    form = format_for("vllm", {"boxes": {"format": "qwen2_5_vl", "limits": [784, 100_000]}})
    assert form.limits == image_resizing.PixelLimits(784, 100_000)
    assert form.model_input_size((640, 480)) == (364, 252)
    assert (form.convention, form.template) == ("pixels_xyxy_model_input", FORMAT_OF_MODEL["qwen2_5_vl"].template)


def test_limits_of_null_mean_that_nothing_is_resized(use_boxes):
    use_boxes('{"format": "qwen2_5_vl", "limits": null}')
    assert format_for("qwen2_5_vl").model_input_size((224, 224)) == (224, 224)


def test_limits_go_with_a_convention_of_the_users_that_refers_to_the_resized_image():
    # 640 x 480 is more than 100,000 pixels: 364 x 252, as above.
    form = format_for(
        "vllm", {"boxes": {"convention": "pixels_xyxy_model_input", "prompt": "{class}?", "limits": [784, 100_000]}}
    )
    assert form.limits == image_resizing.PixelLimits(784, 100_000)
    assert form.model_input_size((640, 480)) == (364, 252)


@pytest.mark.parametrize("convention", sorted(set(CONVENTIONS) - {"pixels_xyxy_model_input"}))
def test_a_convention_of_the_users_in_another_frame_leaves_the_limits_of_the_format_behind(convention):
    form = format_for("vllm", {"boxes": {"format": "qwen2_5_vl", "convention": convention, "prompt": "{class}?"}})
    assert (form.convention, form.limits) == (convention, None)
    assert form.model_input_size((640, 480)) == (640, 480)


@pytest.mark.parametrize("name", FORMATS)
def test_limits_of_null_fit_every_format(name, use_boxes):
    use_boxes({"format": name, "limits": None})
    form = format_for("vllm")
    assert (form.convention, form.template, form.limits) == (FORMATS[name].convention, FORMATS[name].template, None)


INCOMPLETE = "expected a format to start from, or both convention and prompt: models write what the prompt asks for"
# Any that would do, were the convention another.
LIMITS = [3_136, 12_845_056]
MALFORMED = [
    ("", r"'' is not a format\. Expected one of neutral, .*paligemma.*, or a JSON object with convention and prompt\."),
    ("a_model_of_tomorrow", "'a_model_of_tomorrow' is not a format"),
    ("Neutral", "'Neutral' is not a format"),
    ({"format": "a_model_of_tomorrow"}, "'a_model_of_tomorrow' is not a format"),
    ({"format": None}, "None is not a format"),
    ({"format": 3}, "3 is not a format"),
    ({"format": ["gemini"]}, r"\['gemini'\] is not a format"),
    ({"format": {"name": "gemini"}}, r"\{'name': 'gemini'\} is not a format"),
    ({"format": []}, r"\[\] is not a format"),
    ({}, INCOMPLETE),
    ({"convention": "norm1_xyxy"}, INCOMPLETE),
    ({"prompt": "Where is the {class}?"}, INCOMPLETE),
    ({"limits": LIMITS}, INCOMPLETE),
    ({"limits": None}, INCOMPLETE),
    ({"convention": "pixels_xyxy_model_input", "limits": LIMITS}, INCOMPLETE),
    ({"prompt": "Where is the {class}?", "limits": None}, INCOMPLETE),
    ({"format": "gemini", "convention": "norm1_xyxy"}, "a convention without a prompt"),
    ({"convention": "xyxy", "prompt": "{class}"}, r"convention 'xyxy' is unknown\. Expected one of .*grid1000_xyxy"),
    ({"convention": None, "prompt": "{class}"}, "convention None is unknown"),
    ({"convention": ["norm1_xyxy"], "prompt": "{class}"}, r"convention \['norm1_xyxy'\] is unknown"),
    ({"convention": {"norm1": "xyxy"}, "prompt": "{class}"}, r"convention \{'norm1': 'xyxy'\} is unknown"),
    (
        OWN | {"prompt": "Where is the nucleus?"},
        r"prompt 'Where is the nucleus\?' does not say what to look for\. Expected text with \{class\} in it",
    ),
    ({"format": "neutral", "prompt": ""}, "prompt '' does not say what to look for"),
    (OWN | {"prompt": None}, "prompt None does not say what to look for"),
    (OWN | {"prompt": ["{class}"]}, r"prompt \['\{class\}'\] does not say what to look for"),
    (OWN | {"order": "xyxy", "unit": 1}, r"order, unit unknown\. Expected format, convention, prompt, limits"),
    (
        {"format": "qwen2_5_vl", "limits": [1, 2, 3]},
        r"limits \[1, 2, 3\]: expected the smallest and the largest area in pixels",
    ),
    ({"format": "qwen2_5_vl", "limits": 3136}, "limits 3136: expected"),
    ({"format": "qwen2_5_vl", "limits": [0, 100]}, r"limits \[0, 100\]: expected"),
    ({"format": "qwen2_5_vl", "limits": [200, 100]}, r"limits \[200, 100\]: expected"),
    ({"format": "qwen2_5_vl", "limits": [1.5, 100]}, r"limits \[1\.5, 100\]: expected"),
    ({"format": "qwen2_5_vl", "limits": [True, 100]}, r"limits \[True, 100\]: expected"),
    ({"format": "qwen2_5_vl", "limits": ["1", "2"]}, r"limits \['1', '2'\]: expected"),
    ({"format": "qwen2_5_vl", "limits": {"smallest": 1, "largest": 2}}, "limits .*: expected"),
    (
        OWN | {"limits": LIMITS},
        r"limits \[3136, 12845056\]: boxes of the convention norm1_xyxy do not refer to the image as the model resizes it",
    ),
    (
        {"format": "gemini", "limits": LIMITS},
        "limits .*: boxes of the convention grid1000_yxyx do not refer to the image as the model resizes it",
    ),
    ({"format": "llava", "limits": LIMITS}, "limits .*: boxes of the convention norm1_xyxy_padded_square do not refer"),
    ({"format": "neutral", "limits": LIMITS}, "limits .*: boxes of the convention pixels_xyxy do not refer"),
    (OWN | {"format": "qwen2_5_vl", "limits": LIMITS}, "limits .*: boxes of the convention norm1_xyxy do not refer"),
]


@pytest.mark.parametrize(("value", "said"), MALFORMED)
def test_a_malformed_setting_is_refused_by_name(value, said, use_boxes):
    use_boxes(value)
    text = value if isinstance(value, str) else json.dumps(value)
    with pytest.raises(DataError, match=rf"^MICROBENCH_BOXES={re.escape(text)}: {said}"):
        choose_format("qwen_vl", None)


@pytest.mark.parametrize(("value", "said"), MALFORMED)
def test_a_malformed_option_is_refused_by_name(value, said):
    with pytest.raises(DataError, match=rf"^lmms_eval_specific_kwargs, boxes: {re.escape(str(value))}: {said}"):
        choose_format("qwen_vl", {"boxes": value})


@pytest.mark.parametrize("value", [["gemini"], [], [OWN], 3, 0, True, False])
def test_an_option_that_is_neither_a_name_nor_a_mapping_is_refused_by_name(value):
    with pytest.raises(
        DataError,
        match=rf"^lmms_eval_specific_kwargs, boxes: {re.escape(str(value))}: {re.escape(str(value))} is not a format\. Expected one of neutral, ",
    ):
        choose_format("qwen_vl", {"boxes": value})


@pytest.mark.parametrize("text", ['["gemini"]', "[]", "3", "null", "true", '"gemini"'])
def test_a_setting_of_other_json_than_an_object_is_refused_by_name(text, use_boxes):
    use_boxes(text)
    with pytest.raises(
        DataError,
        match=rf"^MICROBENCH_BOXES={re.escape(text)}: '{re.escape(text)}' is not a format\. Expected one of neutral, ",
    ):
        choose_format("qwen_vl", None)


@pytest.mark.parametrize("text", ["{", '{"format": "gemini"', "{'format': 'gemini'}", '{"format": "gemini"} or so'])
def test_a_setting_that_is_no_json_is_refused_by_name(text, use_boxes):
    use_boxes(text)
    with pytest.raises(
        DataError, match=rf"^MICROBENCH_BOXES={re.escape(text)}: expected a JSON object or the name of a format"
    ):
        choose_format("qwen_vl", None)


def test_a_setting_is_looked_at_even_where_the_model_is_known_and_the_option_fits(use_boxes):
    use_boxes("nonsense")
    with pytest.raises(DataError, match="MICROBENCH_BOXES=nonsense"):
        choose_format("qwen_vl", {"boxes": "gemini"})


def test_the_setting_can_be_checked_without_a_model(use_boxes, warnings):
    assert box_format_setting.format_of_setting() is None
    use_boxes("gemini")
    assert box_format_setting.format_of_setting() == FORMAT_OF_MODEL["gemini"]
    use_boxes("nonsense")
    with pytest.raises(DataError, match="^MICROBENCH_BOXES=nonsense: 'nonsense' is not a format"):
        box_format_setting.format_of_setting()
    assert warnings == []


# --- what results record -------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_every_record_is_json_and_states_what_was_asked(name):
    chosen = choose_format("vllm", {"boxes": name})
    form = FORMATS[name]
    limits = None if form.limits is None else list(dataclasses.astuple(form.limits))
    expected = {
        "convention": form.convention,
        "prompt": form.template,
        "prompt_when_empty": form.template_when_empty,
        "limits": limits,
        "source": form.source,
        "chosen_by": "lmms_eval_specific_kwargs: boxes",
    }
    assert json.loads(json.dumps(chosen.record())) == expected


def test_a_record_states_what_the_user_set(use_boxes):
    use_boxes(
        {
            "format": "qwen2_5_vl",
            "convention": "pixels_xyxy_model_input",
            "prompt": "{class}?",
            "limits": [3136, 12_845_056],
        }
    )
    assert json.loads(json.dumps(choose_format("vllm", None).record())) == {
        "convention": "pixels_xyxy_model_input",
        "prompt": "{class}?",
        "prompt_when_empty": None,
        "limits": [3136, 12_845_056],
        "source": "set by the user, from qwen2_5_vl",
        "chosen_by": "MICROBENCH_BOXES",
    }


# --- whether a record can be true ----------------------------------------------------


def recorded(model, options=None):
    """A record as it is read back from a file."""
    return json.loads(json.dumps(choose_format(model, options).record()))


@pytest.mark.parametrize("model", [*FORMAT_OF_MODEL, "openai", "vllm", None])
def test_the_record_of_a_run_is_accepted_for_its_own_model_only(model, warnings):
    record = recorded(model)
    assert box_format_records.record_problems(record, model, {}) == []
    for other in ("gpt4v", "paligemma", "qwen2_5_vl"):
        if other != model:
            # What the harness told no id of may have been any model that the table does not have.
            assert (box_format_records.record_problems(record, other, {}) == []) == (model is None and other == "gpt4v")


SETTINGS = [
    "neutral",
    "paligemma",
    {"format": "qwen2_5_vl", "limits": [1, 2]},
    {"format": "qwen2_5_vl", "limits": None},
    {"format": "paligemma", "prompt": "find {class}"},
    {"convention": "grid1000_xyxy", "prompt": "Where is {class}?"},
    {"format": "qwen2_5_vl", "convention": "grid1000_xyxy", "prompt": "{class}?", "limits": None},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("by_option", [True, False])
def test_every_setting_produces_a_consistent_record(setting, by_option, use_boxes):
    if not by_option:
        use_boxes(setting)
    record = recorded("vllm", {"boxes": setting} if by_option else None)
    assert box_format_records.record_problems(record, "vllm", {}) == []
    for field, value in {
        "convention": "none",
        "prompt": "anything",
        "prompt_when_empty": "again",
        "source": "the paper",
        "limits": [6, 5],
        "human_verified": True,
    }.items():
        assert box_format_records.record_problems(record | {field: value}, "vllm", {}) != [], field


def test_forged_reasons_are_named():
    record = recorded("microbench_random")
    assert box_format_records.record_problems(record | {"chosen_by": "model gpt-5"}, "microbench_random", {}) == [
        "chosen_by is 'model gpt-5', expected 'model microbench_random'"
    ]
    by_hand = record | {
        "chosen_by": "MICROBENCH_BOXES",
        "source": "set by the user, from neutral",
        "convention": "grid1000_xyxy",
    }
    [problem] = box_format_records.record_problems(by_hand, "microbench_random", {})
    assert problem == "convention is 'grid1000_xyxy', but microbench_random asked with this prompt writes pixels_xyxy"
    [problem] = box_format_records.record_problems(by_hand, "vllm", {})
    assert "does not fit the prompt, which asks for pixels_xyxy" in problem
    by_hand = recorded(
        "qwen_vl", {"boxes": {"convention": "pixels_xyxy", "prompt": FORMAT_OF_MODEL["qwen_vl"].template}}
    )
    assert box_format_records.record_problems(by_hand, "qwen_vl", {}) == [
        "convention is 'pixels_xyxy', but qwen_vl asked with this prompt writes grid1000_xyxy"
    ]
    assert box_format_records.record_problems(by_hand, "vllm", {}) == []


def test_a_convention_other_than_the_neutral_prompts_own_words_is_refused_at_the_start(use_boxes):
    use_boxes({"convention": "grid1000_xyxy", "prompt": NEUTRAL_FORMAT.template})
    with pytest.raises(
        DataError,
        match="convention 'grid1000_xyxy' does not fit the prompt, which asks for pixels_xyxy. Leave out the convention",
    ):
        box_format_setting.format_of_setting()


def test_limits_must_be_those_of_the_models_arguments():
    record = recorded("qwen2_5_vl")
    assert box_format_records.record_problems(record, "qwen2_5_vl", {"max_pixels": "1605632"}) == []
    assert box_format_records.record_problems(record, "qwen2_5_vl", {"max_pixels": "5"}) == [
        "limits is [200704, 1605632], but the model's arguments min_pixels and max_pixels set [200704, '5']"
    ]
