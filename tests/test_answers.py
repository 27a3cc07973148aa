"""Claims about the paper's rule, flaws included."""

import pytest

from microbench_tasks.answers import lettered, paper_letters, probabilities

OPTIONS = ["eosinophil", "basophil", "lymphocyte", "monocyte", "platelet", "erythroblast", "neutrophil"]


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
    assert paper_letters("\n".join(lettered(OPTIONS)), OPTIONS) == list("ABCDEFG")


def test_letters_are_the_questions_own():
    assert paper_letters("C", ["one", "two"]) == []


def test_probabilities_are_read_from_the_second_line():
    assert probabilities('B\n{"probabilities": {"A": 0.25, "B": 0.75}}', 2) == {"A": 0.25, "B": 0.75}


@pytest.mark.parametrize(
    "response",
    [
        "B",
        "B\nbecause",
        "B\n[1, 2]",
        'B\n{"probabilities": {"A": 1.0}}',
        'B\n{"probabilities": {"A": 0.5, "C": 0.5}}',
        'B\n{"probabilities": {"A": "0.5", "B": 0.5}}',
        'B\n{"probabilities": {"A": NaN, "B": 0.5}}',
        'B\n{"probabilities": {"A": 1.5, "B": 0.5}}',
        'B\n{"probabilities": {"A": true, "B": 0.5}}',
        'B\n{"probabilities": null}',
        "B\n" + "[" * 100_000,
    ],
)
def test_anything_else_on_the_second_line_is_no_probability(response):
    assert probabilities(response, 2) is None
