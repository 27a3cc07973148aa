"""Claims about the paper's rule, flaws included."""

import pytest

from microbench_tasks.parsing.letters.paper_rule import lettered_options, paper_letters
from microbench_tasks.parsing.letters.strict_rule import Answer, strict_answer
from tests.support.responses import CELLS

OPTIONS = CELLS[:7]


@pytest.mark.parametrize(
    ("response", "letters"),
    [
        ("B", ["B"]),
        ("B) basophil", ["B"]),
        ("B.", ["B"]),
        ("It is B) basophil.", ["B"]),
        # False negatives that the rule has:
        ("The answer is B", []),
        ("(B)", []),
        ("**B**", []),
        ("b", []),
        (r"\boxed{B}", []),
        (" B", []),
        ("<think>a smear</think>B", []),
        ("basophil", []),
        ("", []),
        # False positives that the rule has:
        ("Based on the image…", ["B"]),
        ("Cannot tell", ["C"]),
        ("As an AI…", ["A"]),
        ("DAPI", ["D"]),
        ("E. coli", ["E"]),
        ("G1 phase", ["G"]),
        # A letter that the question does not have:
        ("H&E staining", []),
        # Two letters are both right, were they gold:
        ("A, not B) basophil", ["A", "B"]),
    ],
)
def test_the_papers_rule(response, letters):
    assert paper_letters(response, OPTIONS) == letters


def test_an_echo_of_all_options_is_always_right():
    assert paper_letters("\n".join(lettered_options(OPTIONS)), OPTIONS) == list("ABCDEFG")


def test_letters_are_the_questions_own():
    assert paper_letters("C", ["one", "two"]) == []


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ("[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 500 - A) basophil. The answer is A.", "failed"),
        ("[LMMS_EVAL_REQUEST_FAILED after 1 retries] ", "failed"),
        ("[LMMS_EVAL_BUDGET_EXCEEDED]", "failed"),
        ('Error: can only concatenate str (not "NoneType") to str', "empty"),
    ],
)
def test_what_the_harness_writes_in_the_place_of_an_answer_is_none_by_either_rule(response, kind):
    options = ["basophil", "platelet", "neutrophil", "monocyte", "Error: can only"]
    assert paper_letters(response, options) == []
    assert strict_answer(response, options) == Answer(None, kind, None)
