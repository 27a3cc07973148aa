"""Claims about the choice of a box format: by setting, option or model."""

import json

import pytest

from microbench_tasks.parsing.boxes.conventions import CONVENTIONS
from microbench_tasks.tasks import image_resizing
from microbench_tasks.tasks.box_format_choice import CHOSEN_BY_OPTION, LoadedFamily, choose_format
from microbench_tasks.tasks.box_formats import FORMAT_OF_MODEL, NEUTRAL_FORMAT

FORMATS = {"neutral": NEUTRAL_FORMAT} | FORMAT_OF_MODEL


def format_for(model, options=None):
    return choose_format(model, options).detection_format


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


# --- by the type of a loaded checkpoint ----------------------------------------------


@pytest.mark.parametrize(
    ("model_type", "model"),
    [("paligemma", "paligemma"), ("qwen2_vl", "qwen2_vl"), ("qwen3_vl", "qwen3_vl"), ("gemma3", "gemma3"),
     ("internvl", "internvl_hf"), ("llava_next", "llava_hf"), ("glm4v", "glm4v")],
)  # fmt: skip
def test_a_loaded_type_is_asked_as_its_family_whatever_the_id(model_type, model, warnings):
    chosen = choose_format("transformers_vlm", None, LoadedFamily(model_type))
    assert chosen.detection_format is FORMAT_OF_MODEL[model]
    assert chosen.chosen_by == f"model type {model_type}"
    assert warnings == []


def test_a_type_whose_boxes_refer_to_the_resized_image_takes_the_limits_of_its_processor(warnings):
    form = choose_format("transformers_vlm", None, LoadedFamily("qwen2_5_vl", (3136, 12_845_056), 28)).detection_format
    # 640 x 480 within these limits is rounded to multiples of 28, by hand: 22.86 -> 23, 17.14 -> 17.
    assert form.model_input_size((640, 480)) == (23 * 28, 17 * 28)
    assert (form.convention, form.template) == ("pixels_xyxy_model_input", FORMAT_OF_MODEL["qwen2_5_vl"].template)
    assert warnings == []


@pytest.mark.parametrize(
    "family",
    [LoadedFamily("smolvlm"), LoadedFamily("qwen2_5_vl"), LoadedFamily("qwen2_5_vl", (3136, 12_845_056), 32)],
    ids=["unknown type", "unknown limits", "another factor"],
)
def test_a_type_whose_boxes_cannot_be_read_surely_is_neutral_and_warned_of(family, warnings):
    chosen = choose_format("transformers_vlm", None, family)
    assert chosen.detection_format is NEUTRAL_FORMAT
    assert chosen.chosen_by == f"default: how models of type {family.model_type} write boxes is not known"
    [said] = warnings
    assert f"models of type {family.model_type} write" in said and "set MICROBENCH_BOXES to one of" in said


def test_settings_come_before_the_type(use_boxes):
    family = LoadedFamily("gemma3")
    assert choose_format("transformers_vlm", {"boxes": "qwen_vl"}, family).chosen_by == CHOSEN_BY_OPTION
    use_boxes("qwen3_vl")
    assert choose_format("transformers_vlm", None, family).detection_format == FORMAT_OF_MODEL["qwen3_vl"]


def test_until_the_type_is_known_nothing_is_warned_of(warnings):
    assert choose_format("transformers_vlm", None).detection_format is NEUTRAL_FORMAT
    assert warnings == []
