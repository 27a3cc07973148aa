from __future__ import annotations

import pytest

from microbench_tasks.harness import generation_settings
from microbench_tasks.util.errors import DataError


@pytest.mark.parametrize(
    "typed",
    [
        "min_new_tokens=1",
        "encoder_repetition_penalty=1.2",
        "max_tokens=20",
        "early_stopping=never",
        "stop='a,b'",
        "temperature=0,",
        'extra={"a":1,"b":2}',
    ],
)
def test_what_the_harness_and_transformers_accept_is_accepted(typed):
    generation_settings.check(typed, "transformers_vlm")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("temperature=hot", "expected a number"),
        ("do_sample=maybe", "expected True or False"),
        ("max_new_token=5", "Did you mean max_new_tokens?"),
        ("top_p=0.5,7", "expected NAME=VALUE, got '7'"),
    ],
)
def test_what_has_no_meaning_is_refused(typed, message):
    with pytest.raises(DataError, match=message.replace("?", r"\?")):
        generation_settings.check(typed, "transformers_vlm")


@pytest.mark.parametrize(("model", "is_warned"), [("demo_clip", True), ("microbench_random", False)])
def test_a_model_that_chooses_among_texts_is_warned_that_the_option_has_no_effect(model, is_warned, monkeypatch):
    said = []
    monkeypatch.setattr(generation_settings.logger, "warning", said.append)
    generation_settings.check("temperature=0", model)
    expected = "--gen_kwargs temperature=0: has no effect, since demo_clip only chooses among given texts."
    assert said == [expected] * is_warned
