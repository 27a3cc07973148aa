"""Claims about forged records of how boxes were asked for: each is caught although all else matches."""

from __future__ import annotations

import pytest

from microbench_tasks.tasks import box_format_setting
from tests.support import tiny_runs
from tests.support.tamperings import (
    RECORD,
    SAMPLES,
    SCHEMA,
    Tampering,
    assert_caught,
    at,
    both,
    boxes,
    drop_task,
    in_every_box_sample,
)
from tests.support.tiny_runs import BOXES

RECORDED = "prompt for boxes (metadata.boxes): "
NEW_PROMPT = "Give the boxes of every {class} as numbers from 0 to 1000."

CAUGHT = (
    # Boxes.
    Tampering(
        "convention relabelled",
        boxes(convention="grid1000_xyxy"),
        RECORD,
        RECORDED + "convention is 'grid1000_xyxy', expected 'pixels_xyxy'",
    ),
    Tampering(
        "convention relabelled in the samples, too",
        both(boxes(convention="grid1000_xyxy"), in_every_box_sample(convention="grid1000_xyxy")),
        RECORD,
        RECORDED + "convention is",
    ),
    Tampering(
        "chosen by another model",
        boxes(chosen_by="model gpt-5"),
        RECORD,
        RECORDED + "chosen_by is 'model gpt-5', expected 'default: how open_clip",
    ),
    Tampering(
        "another model that the table has",
        at("model", harness_model="qwen2_5_vl"),
        RECORD,
        RECORDED + "convention is 'pixels_xyxy', expected 'pixels_xyxy_model_input'",
    ),
    Tampering(
        "convention set by hand against the prompt's own words",
        both(
            boxes(
                convention="grid1000_xyxy", chosen_by=box_format_setting.SETTING, source="set by the user, from neutral"
            ),
            in_every_box_sample(convention="grid1000_xyxy"),
        ),
        RECORD,
        "does not fit the prompt, which asks for pixels_xyxy",
    ),
    Tampering(
        "set by hand with the source of another",
        boxes(chosen_by=box_format_setting.SETTING, source="the paper"),
        RECORD,
        "source is 'the paper', which is not what MICROBENCH_BOXES records",
    ),
    Tampering(
        "a limit on the image's size", boxes(limits=[1, 2]), RECORD, RECORDED + "limits is [1, 2], expected None"
    ),
    Tampering(
        "a second prompt",
        boxes(prompt_when_empty="segment {class}"),
        RECORD,
        RECORDED + "prompt_when_empty is 'segment {class}', expected None",
    ),
    Tampering("another prompt", boxes(prompt=NEW_PROMPT), RECORD, RECORDED + "prompt is"),
    Tampering(
        "no prompt",
        at("settings", boxes=None),
        RECORD,
        "prompt for boxes (metadata.boxes): not recorded",
        tiny_runs.refreshed,
    ),
    Tampering("a prompt and no boxes", drop_task(BOXES), SCHEMA, "settings.boxes: no task asked for boxes"),
    Tampering(
        "another size of the image",
        in_every_box_sample(model_input_size=[640, 480]),
        SAMPLES,
        "unknown prompt in 2 of 2 samples",
    ),
)


@pytest.mark.parametrize("tampering", CAUGHT, ids=lambda tampering: tampering.name)
def test_a_tampering_with_all_digests_renewed_is_caught_with_its_reason(tampering, folder):
    assert_caught(tampering, folder)
