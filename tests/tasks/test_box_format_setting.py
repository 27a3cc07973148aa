"""Claims about box formats that cannot be used: each is refused by name."""

import json
import re

import pytest

from microbench_tasks.tasks import box_format_setting
from microbench_tasks.tasks.box_format_choice import choose_format
from microbench_tasks.tasks.box_formats import FORMAT_OF_MODEL
from microbench_tasks.util.errors import DataError

OWN = {"convention": "norm1_xyxy", "prompt": "Where is the {class}?"}
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
        r"limits \[3136, 12845056\]: boxes of the convention norm1_xyxy do not refer to the image "
        "as the model resizes it",
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
        match=rf"^lmms_eval_specific_kwargs, boxes: {re.escape(str(value))}: {re.escape(str(value))} is not a format\. "
        r"(Did you mean [\w ]+\? )?Expected one of neutral, ",
    ):
        choose_format("qwen_vl", {"boxes": value})


@pytest.mark.parametrize("text", ['["gemini"]', "[]", "3", "null", "true", '"gemini"'])
def test_a_setting_of_other_json_than_an_object_is_refused_by_name(text, use_boxes):
    use_boxes(text)
    with pytest.raises(
        DataError,
        match=rf"^MICROBENCH_BOXES={re.escape(text)}: '{re.escape(text)}' is not a format\. "
        r"(Did you mean [\w ]+\? )?Expected one of neutral, ",
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
