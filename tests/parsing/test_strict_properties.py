"""Claims about the strict rule that hold for any response or question."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microbench_tasks.parsing.letters.paper_rule import lettered_options
from microbench_tasks.parsing.letters.strict_rule import KINDS, RULES, strict_answer
from tests.support.responses import BASES, CELLS, FOUR, HEART, ORGANISMS, QUESTIONS, STAINS, letter_or_kind

CLEAN = [
    "{letter}",
    "{letter}.",
    "({letter})",
    "[{letter}]",
    "Option {letter}",
    "{letter}) {text}",
    "{letter}. {text}.",
    "({letter}) {text}",
    "Answer: {letter}",
    "Answer: ({letter})",
    "Final answer: {letter}.",
    "The answer is {letter}",
    "The correct answer is {letter}) {text}.",
    "The best option is ({letter}).",
    "I would choose option {letter}.",
    "My choice: {letter}, because of its shape.",
    "Looking at the image, the answer is {letter}.\n\nExplanation: the other options do not fit.",
    r"\boxed{{{letter}}}",
    r"\boxed{{\text{{{letter}}}}}",
    "<answer>{letter}</answer>",
    "<think>Is it A? Is it B?</think>\n\nThe answer is {letter}.",
]


MARKDOWN = [
    "{}",
    "**{}**",
    "*{}*",
    "__{}__",
    "***{}***",
    "`{}`",
    "```\n{}\n```",
    "# {}",
    "> {}",
    "- {}",
    "  {}\n\n",
    "${}$",
]


@pytest.mark.parametrize("phrasing", CLEAN)
def test_every_letter_is_read_from_clean_phrasings_in_any_markdown_and_case(phrasing):
    for options in QUESTIONS:
        for letter, option in zip("ABCDEFGH", options, strict=False):
            for mark, cased in itertools.product(MARKDOWN, (letter, letter.lower())):
                response = mark.format(phrasing.format(letter=cased, text=option))
                assert letter_or_kind(response, options) == letter, response


FRAGMENTS = st.sampled_from(
    [*"ABCDEFGHabI", *CELLS, *STAINS, *HEART, *lettered_options(CELLS), *lettered_options(FOUR)]
    + [
        "answer",
        "The answer is",
        "Answer:",
        "option",
        "not",
        "isn't",
        "or",
        "and",
        "because",
        "I choose",
        "is wrong",
        "I cannot",
    ]
    + [
        r"\boxed{",
        r"\text{",
        "}",
        "<answer>",
        "</answer>",
        "<think>",
        "</think>",
        "<thinking>",
        '{"probabilities": {"A": 0.5, "B": 0.5}}',
    ]
    + [
        "\n",
        " ",
        "\n\n",
        ".",
        ",",
        ":",
        "(",
        ")",
        "[",
        "]",
        "*",
        "**",
        "_",
        "`",
        "$",
        "#",
        ">",
        "-",
        "?",
        "'",
        '"',
        "Ｂ",
        "\u0301",
        "\ufdfa",
        "✅",
        "\ud800",
    ]
)


RESPONSES = st.one_of(
    st.text(),
    st.lists(FRAGMENTS, max_size=12).map(" ".join),
    st.lists(FRAGMENTS, max_size=12).map("".join),
    st.lists(st.one_of(FRAGMENTS, st.text(max_size=5))).map("".join),
)


ANY_OPTIONS = st.one_of(
    st.sampled_from([*QUESTIONS, ORGANISMS, BASES]), st.lists(st.one_of(FRAGMENTS, st.text()), min_size=2, max_size=8)
)


@settings(max_examples=800, deadline=None)
@given(RESPONSES, ANY_OPTIONS)
def test_any_text_has_one_outcome(response, options):
    answer = strict_answer(response, options)
    assert answer.kind in KINDS
    if answer.kind == "parsed":
        assert answer.letter in "ABCDEFGH"[: len(options)]
        assert answer.rule in RULES
    else:
        assert (answer.letter, answer.rule) == (None, None)


@settings(max_examples=300, deadline=None)
@given(
    RESPONSES,
    ANY_OPTIONS,
    st.sampled_from(
        ["<think>The answer is A.</think>", "<reasoning>\nA\n</reasoning>\n\n", "I cannot say.</think>", "\n \t"]
    ),
)
def test_space_and_reasoning_before_a_response_change_nothing(response, options, before):
    # Reasoning of the response's own would join the block; probabilities count on a last line only.
    response = response.replace("think", "").replace("probabilities", "")
    assert strict_answer(before + response, options) == strict_answer(response, options)


@settings(max_examples=300, deadline=None)
@given(st.permutations(CELLS), st.sampled_from(CELLS), st.sampled_from(["{}", "**{}**", "{}.", "“{}”"]))
def test_an_options_text_is_followed_to_its_letter_in_any_order(options, option, form):
    assert letter_or_kind(form.format(option), options) == "ABCDEFGH"[options.index(option)]


NEUTRAL = [
    "The image shows a single cell.",
    "Its nucleus has two lobes, and A is too small.",
    "B and C do not fit; D) might.",
    "A smear was made at 100x.",
    "H&E is not the stain here.",
    "An E. coli cell would be smaller.",
    "Option C shows no granules.",
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from("ABCDEFGH"),
    st.sampled_from([phrasing for phrasing in CLEAN if "nswer" in phrasing or "boxed" in phrasing]),
    st.permutations(NEUTRAL),
    st.integers(0, len(NEUTRAL)),
    st.sampled_from([" ", "\n", "\n\n"]),
)
def test_text_around_a_stated_answer_changes_nothing(letter, phrasing, around, position, gap):
    said = phrasing.format(letter=letter, text=CELLS["ABCDEFGH".index(letter)])
    stated = said if said.endswith((".", ">", "}")) else f"{said}."
    assert letter_or_kind(gap.join([*around[:position], stated, *around[position:]])) == letter
    assert letter_or_kind(gap.join(around)) == "unparsed"


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from("ABCDEFGH"), st.sampled_from("ABCDEFGH"), st.sampled_from(CLEAN[8:]), st.sampled_from(CLEAN[8:-1])
)
def test_of_two_statements_the_second_counts_only_if_it_is_stronger(first, second, one, other):
    """A box, an answer tag and a final answer are marks; a label is a conclusion; the rest are sentences."""
    text = dict(zip("ABCDEFGH", CELLS, strict=False))
    response = "\n\n".join([one.format(letter=first, text=text[first]), other.format(letter=second, text=text[second])])
    replaces = strength(other) > strength(one)
    assert letter_or_kind(response) == (second if first == second or replaces else "ambiguous")


def strength(phrasing):
    if any(mark in phrasing for mark in ("boxed", "<answer>", "Final answer")):
        return 3
    return 2 if phrasing.startswith(("Answer:", "My choice:")) else 1
