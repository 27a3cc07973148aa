"""Claims about the record of a box format, and whether it can be true."""

import dataclasses
import json

import pytest

from microbench_tasks.tasks import box_format_records, box_format_setting
from microbench_tasks.tasks.box_format_choice import LoadedFamily, choose_format
from microbench_tasks.tasks.box_formats import FORMAT_OF_MODEL, NEUTRAL_FORMAT
from microbench_tasks.util.errors import DataError

FORMATS = {"neutral": NEUTRAL_FORMAT} | FORMAT_OF_MODEL


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
        match="convention 'grid1000_xyxy' does not fit the prompt, which asks for pixels_xyxy. "
        "Leave out the convention",
    ):
        box_format_setting.format_of_setting()


def test_limits_must_be_those_of_the_models_arguments():
    record = recorded("qwen2_5_vl")
    assert box_format_records.record_problems(record, "qwen2_5_vl", {"max_pixels": "1605632"}) == []
    assert box_format_records.record_problems(record, "qwen2_5_vl", {"max_pixels": "5"}) == [
        "limits is [200704, 1605632], but the model's arguments min_pixels and max_pixels set [200704, '5']"
    ]


FAMILIES = [
    LoadedFamily("gemma3"),
    LoadedFamily("qwen2_5_vl", (3136, 7056), 28),
    LoadedFamily("qwen2_5_vl"),
    LoadedFamily("smolvlm"),
]


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_the_record_of_a_loaded_type_is_accepted_for_that_type_only(family):
    record = json.loads(json.dumps(choose_format("transformers_vlm", None, family).record()))
    assert box_format_records.record_problems(record, "transformers_vlm", {}, family.model_type) == []
    for other in ("paligemma", "llava", "idefics2", None):
        assert box_format_records.record_problems(record, "transformers_vlm", {}, other) != []
    assert box_format_records.record_problems(record, "qwen3_vl", {}, family.model_type) != []
    for field, value in {"convention": "grid999_xyxy", "prompt": "anything", "chosen_by": "model type x"}.items():
        changed = record | {field: value}
        assert box_format_records.record_problems(changed, "transformers_vlm", {}, family.model_type) != [], field
