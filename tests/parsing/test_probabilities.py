"""Claims about reading per-option probabilities from the last line of a response."""

import pytest

from microbench_tasks.parsing.probabilities import probabilities


@pytest.mark.parametrize(
    "said", ["B\n", "It is round.\n\nSo B.\n", "\n", "", 'B\n{"probabilities": {"A": 1.0, "B": 0.0}}\n']
)
def test_probabilities_are_read_from_the_last_line(said):
    """Text that was generated may have lines of its own; of an empty answer the harness strips the line break."""
    assert probabilities(f'{said}{{"probabilities": {{"A": 0.25, "B": 0.75}}}}', 2) == {"A": 0.25, "B": 0.75}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"probabilities": {"A": 0.9}, "absent": ["B", "C"]}', {"A": 0.9}),
        ('{"probabilities": {"A": 0.5, "C": 0.25}, "absent": ["B"]}', {"A": 0.5, "C": 0.25}),
        ('{"probabilities": {"A": 0.5, "B": 0.25, "C": 0}, "absent": []}', {"A": 0.5, "B": 0.25, "C": 0}),
        # Every letter is there once, in order; at least one has a probability.
        ('{"probabilities": {"A": 0.9}, "absent": ["C", "B"]}', None),
        ('{"probabilities": {"A": 0.9}, "absent": ["B"]}', None),
        ('{"probabilities": {"A": 0.9, "B": 0.1}, "absent": ["B", "C"]}', None),
        ('{"probabilities": {"A": 0.9}, "absent": ["B", "C", "D"]}', None),
        ('{"probabilities": {}, "absent": ["A", "B", "C"]}', None),
        ('{"probabilities": {"A": 0.9}, "absent": "BC"}', None),
        ('{"probabilities": {"A": 0.9}, "absent": [["B"], "C"]}', None),
    ],
)
def test_letters_that_a_server_did_not_tell_are_listed_as_absent(line, expected):
    assert probabilities(f"A\n{line}", 3) == expected


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
        'B\n{"probabilities": {"A": -0.5, "B": 0.5}}',
        'B\n{"probabilities": {"B": 0.5, "A": 0.5}}',
        'B\n{"probabilities": {"A": true, "B": 0.5}}',
        'B\n{"probabilities": null}',
        'B\n{"probabilities": {"A": 0.25, "B": 0.75}}\nbecause',
        'B {"probabilities": {"A": 0.25, "B": 0.75}}',
        "B\n" + "[" * 100_000,
    ],
)
def test_anything_else_on_the_last_line_is_no_probability(response):
    assert probabilities(response, 2) is None
