"""Claims about the strict rule: which responses state an answer, by kind.

The table in ``data/strict_cases.json`` was written for the rule: per kind the letter (null: none is stated) and the
responses, all to one question unless the kind has its own options. Claims that hold for any question are in
``test_strict_properties.py``.
"""

import json
from pathlib import Path

import pytest

from microbench_tasks.parsing.letters.english_forms import FORMS
from microbench_tasks.parsing.letters.foreign_form_table import MORE_FORMS
from microbench_tasks.parsing.letters.foreign_forms import LANGUAGE_FORMS
from microbench_tasks.parsing.letters.form import CONCLUSION, MARK, SENTENCE
from microbench_tasks.parsing.letters.strict_rule import strict_answer

CASES = json.loads((Path(__file__).parents[1] / "support" / "data" / "strict_cases.json").read_text(encoding="utf-8"))
CELLS = ["platelet", "basophil", "eosinophil", "none of the above"]
ITEMS = "A) Platelet - small.\nB) Basophil - dark granules.\nC) Eosinophil - orange granules.\nD) None of the above."


def letter(response, options=CELLS):
    return strict_answer(response, options).letter


@pytest.mark.parametrize("kind", CASES)
def test_responses_of_a_kind_state_the_letter_or_none(kind):
    case = CASES[kind]
    options = case.get("options", CELLS)
    read = {response: letter(response, options) for response in case["responses"]}
    assert read == dict.fromkeys(case["responses"], case["letter"])


# --- the table of forms ---


@pytest.mark.parametrize("form", [*FORMS, *LANGUAGE_FORMS, *MORE_FORMS], ids=lambda form: form.name)
def test_a_forms_example_states_b(form):
    assert letter(form.example, ["platelet", "basophil"]) == "B"


@pytest.mark.parametrize("form", [*FORMS, *LANGUAGE_FORMS, *MORE_FORMS], ids=lambda form: form.name)
def test_a_form_is_searched_where_the_words_that_it_needs_stand(form):
    assert not form.needs or any(word in form.example.lower() for word in form.needs)


def test_forms_stand_in_the_order_of_their_strength():
    strengths = [form.strength for form in FORMS]
    assert strengths == sorted(strengths, reverse=True)
    assert set(strengths) == {MARK, CONCLUSION, SENTENCE}


# --- reference rows ---


@pytest.mark.parametrize("end", ["", "\n\nTherefore, the answer is B.", "\n\n\\boxed{B}", "\n\nConclusion: B", "\n\nB"])
@pytest.mark.parametrize("header", ["Let's analyze each option:\n\n", "Analysis of each option:\n", "Options:\n"])
def test_a_list_under_a_header_states_nothing_until_its_conclusion(header, end):
    assert letter(header + ITEMS + end) == ("B" if end else None)


def test_a_list_that_is_cut_off_anywhere_states_nothing():
    response = f"Let's analyze each option:\n\n{ITEMS}"
    assert {response[:end]: letter(response[:end]) for end in range(len(response)) if letter(response[:end])} == {}


@pytest.mark.parametrize(
    "response",
    [
        "The answer is A, which is incorrect.",
        "Eliminated option: A",
        "The closest option is A, but it is not right.",
        "The correct answer would be A if it were small, but it is B.",
    ],
)
def test_a_denied_or_conditional_answer_is_not_read(response):
    assert letter(response) in (None, "B")


@pytest.mark.parametrize(
    "response",
    [
        "First guess: the answer is A. But granules.\n\nB",
        r"<answer>\boxed{B}</answer>",
        r"<answer>\boxed{\text{B}}</answer>",
        r"<answer>The final answer is $\boxed{B}$</answer>",
        r"<|begin_of_box|>\boxed{B}<|end_of_box|>",
        r"\boxed{\rm B}",
        "B\n\nThe granules are dark.",
        "**B) basophil**\n\nThe granules are dark.",
        "B<|im_end|>",
        "[THINK]So the answer is A.[/THINK]B",
        "<seed:think>The answer is A.</seed:think>B",
    ],
)
def test_marks_nest_and_an_explanation_may_follow(response):
    assert letter(response) == "B"


# --- which of several statements counts ---


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("The answer is A. Therefore, the answer is B.", "B"),
        (r"The answer is A. \boxed{B}", "B"),
        ("The answer is A.\n\nFinal answer: B", "B"),
        ("Answer: A\n\nFinal answer: B", "B"),
        ("The answer is A. Wait, no. The answer is B.", "B"),
        (r"\boxed{A} Actually, the granules are dark. The answer is B.", "B"),
        ("The answer is A. Let me double-check. The answer is B.", "B"),
        ("The answer is B. Let me double-check. Yes.", "B"),
        # Without a sign of revision, an answer as strong or a weaker one replaces none:
        ("The answer is A. The answer is B.", None),
        ("Answer: A\nAnswer: B", None),
        (r"\boxed{A} \boxed{B}", None),
        (r"\boxed{A}. The answer is B.", None),
        ("Final answer: A\n\nThe answer is B.", None),
        # A revision without a new answer takes the old one back:
        ("The answer is A. Wait, there is a nucleus.", None),
        (r"\boxed{A} Hmm, wait.", None),
    ],
)
def test_the_last_statement_counts_if_it_is_stronger_or_a_revision(response, outcome):
    assert letter(response) == outcome
