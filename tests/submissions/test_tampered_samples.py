"""Claims about forged answers, scores and questions: each is caught although all else matches."""

from __future__ import annotations

import pytest

from tests.support import forging
from tests.support.tamperings import (
    DATA,
    FIRST,
    SAMPLES,
    SCHEMA,
    SCORES,
    WHOLE,
    Tampering,
    assert_caught,
    at,
    drop_and_number_again,
    other_letter,
    samples,
    swap_images,
)
from tests.support.tiny_runs import BOXES

CAUGHT = (
    # Answers, scores and what was asked.
    Tampering(
        "a higher score",
        at("scores", FIRST, acc=1.0),
        SCORES,
        f"scores.{FIRST}.acc is 1.0; the samples give 0.75",
        forging.with_texts,
    ),
    Tampering(
        "a narrower interval",
        at("scores", FIRST, acc_ci_low=0.74),
        SCORES,
        f"scores.{FIRST}.acc_ci_low is 0.74",
        forging.with_texts,
    ),
    Tampering(
        "a narrower interval to quote",
        at("scores", FIRST, acc_image_ci_low=0.74),
        SCORES,
        f"scores.{FIRST}.acc_image_ci_low is 0.74",
        forging.with_texts,
    ),
    Tampering(
        "more images",
        at("scores", FIRST, "counts", images=400),
        SCORES,
        f"scores.{FIRST}.counts is",
        forging.with_texts,
    ),
    Tampering(
        "a lower majority answer",
        at("majority", **{FIRST: 0.01}),
        SCORES,
        f"majority.{FIRST} is 0.01",
        forging.with_texts,
    ),
    Tampering("a lower chance", at("chance", **{FIRST: 0.01}), SCORES, f"chance.{FIRST} is 0.01", forging.with_texts),
    Tampering(
        "scores of a group that is not whole",
        at("scores", microbench_fine={"acc": 1.0}),
        SCORES,
        "scores.microbench_fine.acc is 1.0; the samples give nothing",
        forging.with_texts,
    ),
    Tampering(
        "a kind of answer of one's own",
        at("scores", FIRST, unparsed_by_kind={"human": 1}),
        SCHEMA,
        "unparsed_by_kind: human is not a kind of answer",
        forging.with_texts,
    ),
    Tampering(
        "a score other than the answer's",
        samples(lambda found: found[2].update(score=1.0)),
        SCORES,
        "the score of 1 sample(s) is not that of the answer",
    ),
    Tampering("another right answer", samples(other_letter), DATA, f"{FIRST}: document 2: gold is"),
    Tampering(
        "a dropped sample",
        samples(drop_and_number_again),
        WHOLE,
        f"{FIRST}: 3 samples, but the release has 4 questions",
    ),
    Tampering("images in the place of others", samples(swap_images), DATA, f"{FIRST}: document 0: image_id is"),
    Tampering(
        "another question",
        samples(lambda found: found[0].update(input=found[0]["input"].replace("Question:", "Question:Look well. "))),
        DATA,
        "the prompt is not that of the data's question",
    ),
    Tampering(
        "more after the prompt",
        samples(lambda found: found[0].update(input=found[0]["input"] + "\nThink.")),
        SAMPLES,
        "unknown prompt in 1 of 4 samples",
    ),
    Tampering(
        "other gold boxes",
        samples(
            lambda found: (
                found[0]["grit"].update(boxes=[[0.0, 0.0, 5.0, 5.0]]),
                found[0].update(target="[[0.0, 0.0, 5.0, 5.0]]"),
            ),
            BOXES,
        ),
        DATA,
        f"{BOXES}: document 0: boxes is",
    ),
)


@pytest.mark.parametrize("tampering", CAUGHT, ids=lambda tampering: tampering.name)
def test_a_tampering_with_all_digests_renewed_is_caught_with_its_reason(tampering, folder):
    assert_caught(tampering, folder)
