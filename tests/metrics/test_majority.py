"""Claims about the accuracy of a model that never looks."""

import collections
import math

import numpy as np
import pytest

from microbench_tasks.metrics.majority import majority_accuracy
from tests.support.independent import raw_questions, raw_rows

STAINS = ["H&E", "PAS", "none"]


def of_one_kind(options, right):
    return majority_accuracy(["k"] * len(right), options, right)


def test_the_most_frequent_right_answer_is_given_to_every_question():
    assert of_one_kind([STAINS] * 5, ["PAS", "H&E", "PAS", "none", "PAS"]) == 3 / 5


def test_each_kind_of_question_has_an_answer_of_its_own():
    """2 of 3 and 3 of 4."""
    right = ["H&E", "H&E", "PAS", "none", "none", "PAS", "none"]
    assert majority_accuracy(["a"] * 3 + ["b"] * 4, [STAINS] * 7, right) == 5 / 7


def test_a_text_is_wrong_where_it_is_not_offered():
    """H&E is right in 3 of 6, its place in 3 as well, and no other text or place more often."""
    options = [STAINS, STAINS[::-1], STAINS, ["PAS", "none"], ["none", "PAS"], ["PAS", "none"]]
    assert of_one_kind(options, ["H&E", "H&E", "H&E", "PAS", "PAS", "none"]) == 3 / 6


def test_of_answers_that_are_right_equally_often_the_same_is_given_in_every_order():
    options = [["b", "a"], ["b", "a"]]
    assert of_one_kind(options, ["a", "b"]) == of_one_kind(options, ["b", "a"]) == 1 / 2


def test_always_the_same_letter_counts_where_it_is_right_more_often_than_any_text():
    """The second option is right in 2 of 3 questions. Each text is right in only 1 of 3."""
    assert of_one_kind([["p", "q"], ["r", "s"], ["t", "u"]], ["q", "s", "t"]) == 2 / 3


def test_without_a_question_there_is_none():
    assert math.isnan(majority_accuracy([], [], []))


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="got 1 kinds, 1 lists of options and 2 answers"):
        majority_accuracy(["k"], [STAINS], ["PAS", "H&E"])


def test_it_is_never_below_the_share_of_any_constant_answer():
    rng = np.random.default_rng(0)
    options = [list(rng.permutation(list("abcdef"))[: rng.integers(2, 7)]) for _ in range(200)]
    right = [str(rng.choice(offered)) for offered in options]
    assert of_one_kind(options, right) >= max(collections.Counter(right).values()) / 200


def test_on_the_demo_set_a_model_that_never_looks_is_far_above_chance(demo_folder):
    """Counted by hand in the raw rows: domain is biology in 187 of 315, modality light microscopy in 171 of 315."""
    rows = raw_rows(demo_folder)
    for kind, answer, count in (("domain", "biology", 187), ("modality", "light microscopy", 171)):
        asked = [question for _, question in raw_questions(rows, kind)]
        right = [question["answer"] for question in asked]
        assert (len(right), right.count(answer)) == (315, count)
        assert majority_accuracy([kind] * 315, [question["options"] for question in asked], right) == count / 315
