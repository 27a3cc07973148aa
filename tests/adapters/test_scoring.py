"""Claims about similarities and probabilities of many questions at once: each is what it would be alone."""

import numpy as np
import pytest
import scipy.special

from microbench_adapters.models import scoring

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dimension", [3, 64, 513])
def test_each_question_gets_to_the_last_bit_what_it_would_get_alone(dimension):
    images, texts = RNG.normal(size=(50, dimension)), RNG.normal(size=(30, dimension))
    image_of = RNG.integers(0, 50, 700).tolist()
    texts_of = [RNG.integers(0, 30, RNG.integers(1, 12)).tolist() for _ in image_of]
    results = {
        position: row
        for positions, rows in scoring.similarities(images, texts, image_of, texts_of)
        for position, row in zip(positions, rows, strict=True)
    }
    assert sorted(results) == list(range(700))
    for position, row in results.items():
        alone = [(texts[text] * images[image_of[position]]).sum() for text in texts_of[position]]
        assert row.tolist() == alone


def test_equal_texts_tie():
    images, texts = RNG.normal(size=(1, 512)), RNG.normal(size=(9, 512))
    texts[8] = texts[0]
    ((_, similarities),) = scoring.similarities(images, texts, [0], [list(range(9))])
    assert similarities[0, 0] == similarities[0, 8]


def test_losses_and_shares_are_those_of_scipy():
    logits = RNG.normal(scale=20, size=(40, 6))
    assert scoring.softmax(logits) == pytest.approx(scipy.special.softmax(logits, axis=1), rel=1e-12)
    assert scoring.losses(logits) == pytest.approx(-scipy.special.log_softmax(logits, axis=1), rel=1e-12, abs=1e-12)
    assert scoring.sigmoid(logits) == pytest.approx(scipy.special.expit(logits), rel=1e-12)
