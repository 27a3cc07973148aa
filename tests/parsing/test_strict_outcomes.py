"""Claims about what the strict rule reads in single responses."""

import json

import pytest

from microbench_tasks.parsing.letters.paper_rule import lettered_options
from microbench_tasks.parsing.letters.strict_rule import Answer, strict_answer
from tests.support.responses import BASES, CELLS, FOUR, HEART, ORGANISMS, QUESTIONS, STAINS, letter_or_kind


@pytest.mark.parametrize(
    ("response", "options", "outcome"),
    [
        # Answers that the paper's rule misses:
        ("The answer is B", CELLS, "B"),
        ("(B)", CELLS, "B"),
        ("**B**", CELLS, "B"),
        ("b", CELLS, "B"),
        (r"\boxed{B}", CELLS, "B"),
        (" B", CELLS, "B"),
        ("<think>a smear</think>B", CELLS, "B"),
        # Letters that the paper's rule finds where no answer is given:
        ("Based on the image…", CELLS, "unparsed"),
        ("Cannot tell", CELLS, "refusal"),
        ("As an AI…", CELLS, "refusal"),
        ("DAPI", CELLS, "unparsed"),
        ("E. coli", CELLS, "unparsed"),
        ("G1 phase", CELLS, "unparsed"),
        ("\n".join(lettered_options(CELLS)), CELLS, "ambiguous"),
        # Answers that the harness's own extractor misreads, as A unless said otherwise:
        ("The answer is B, not A.", CELLS, "B"),
        ("The answer is **B**. A is wrong because…", CELLS, "B"),
        ("It is not A. Final answer: D) none of the above", FOUR, "D"),
        ("It is not A. Final answer: D) none of the above", CELLS, "ambiguous"),  # here D is monocyte
        ("A microscopy image of a cell. Answer: C", CELLS, "C"),
        ("As an AI model, I cannot help.", CELLS, "refusal"),
        ("Basophil", FOUR, "B"),  # by its text; its first letter would do for the extractor
        ("Basophil", ["basilar", "neutrophil", "basophil"], "C"),
        ("H&E staining", CELLS, "unparsed"),  # as H
        ("H&E", STAINS, "A"),
        ("answer: b", CELLS, "B"),  # as nothing
    ],
)
def test_the_strict_rule_does_better(response, options, outcome):
    assert letter_or_kind(response, options) == outcome


@pytest.mark.parametrize(
    ("response", "rule"),
    [
        ("B", "whole_letter"),
        ("B.", "whole_letter"),
        ("B:", "whole_letter"),
        ("B)", "whole_letter"),
        ("(b).", "whole_letter"),
        ("[B]", "whole_letter"),
        ("{B}", "whole_letter"),
        ('"B"', "whole_letter"),
        ("“B.”", "whole_letter"),
        ("__B__", "whole_letter"),
        ("`B`", "whole_letter"),
        ("```\nB\n```", "whole_letter"),
        ("### B", "whole_letter"),
        ("> **(B)**", "whole_letter"),
        ("- B", "whole_letter"),
        ("$B$", "whole_letter"),
        (r"\(\mathbf{B}\)", "whole_letter"),
        ("Option B", "whole_letter"),
        ("Answer (B)", "whole_letter"),
        ("Ｂ", "whole_letter"),
        ("（Ｂ）", "whole_letter"),
        ("Ⓑ", "whole_letter"),
        ("𝐁", "whole_letter"),
        ("\ufeffB\u200b", "whole_letter"),
        ("B) basophil", "letter_with_text"),
        ("b. Basophil.", "letter_with_text"),
        ("**B)** *basophil*", "letter_with_text"),
        ("(B) - “basophil”", "letter_with_text"),
        ("B basophil", "letter_with_text"),
        ("B (basophil)", "letter_with_text"),
        ("B\n\nbasophil", "letter_with_text"),
        ("Option B: basophil", "letter_with_text"),
        ("Answer: B", "declaration"),
        ("Answer:B", "declaration"),
        ("**Answer:** B", "declaration"),
        ("**Final Answer**: (B)", "declaration"),
        ("FINAL ANSWER: B", "declaration"),
        ("answer：Ｂ", "declaration"),
        ("Answer - B", "declaration"),
        ("Answer → B", "declaration"),
        ("Option: B", "declaration"),
        ("The correct option is (B).", "declaration"),
        ("My choice would be option B.", "declaration"),
        ("The answer’s B.", "declaration"),
        ("The answer is: “B”", "declaration"),
        ("The answer is most likely B", "declaration"),
        ("The answer to this question is B.", "declaration"),
        ("I would go with B.", "declaration"),
        ("I'll pick option B because of the granules.", "declaration"),
        ("The answer is:\n\n**B) basophil**", "declaration"),
        ('{"answer": "B"}', "declaration"),
        ('```json\n{"reason": "granules", "answer": "B"}\n```', "declaration"),
        (r"\boxed{B}", "boxed"),
        (r"\boxed{\text{B}}", "boxed"),
        (r"\boxed{\textbf{(B)}}", "boxed"),
        (r"\boxed{B) basophil}", "boxed"),
        (r"$$\boxed{ b }$$", "boxed"),
        (r"The final answer is \(\boxed{\mathrm{B}}\).", "boxed"),
        ("The cell has granules. <answer>B</answer>", "boxed"),
        ("<|begin_of_box|>B<|end_of_box|>", "boxed"),
        ("basophil", "option_text"),
        ("BASOPHIL.", "option_text"),
        ("**Basophil**", "option_text"),
        ("“basophil”", "option_text"),
    ],
)
def test_a_stated_answer_is_read_by_a_named_rule(response, rule):
    assert strict_answer(response, CELLS) == Answer("B", "parsed", rule)


@pytest.mark.parametrize(
    "response",
    [
        "Answer: B\n\nExplanation: a basophil has granules. A is an eosinophil, C) lymphocyte has none.",
        "Answer: B) basophil\n\nA) eosinophil: its granules are red.\nC) lymphocyte: it has none.",
        "Answer: B\n\nA) eosinophil\nIts granules would be red.",
        "The answer is B because A and C have no dark granules.",
        "The answer is B since it, unlike an eosinophil, is dark.",
        "The answer is B, a basophil.",
        "The answer is B and not A.",
        *(
            f"The answer is B {words}."
            for words in (
                "rather than A",
                "as its granules are dark",
                "given the granules",
                "based on the image",
                "due to its granules",
                "from the list",
                "in this image",
            )
        ),
        "Could it be A? No granules, so not D. The answer is B",
        "I am not certain, but the answer is B.",
        "It is not A, so the answer is B.",
        "It is not A so the answer is B.",
        "The answer is not A. The answer is B.",
        "Option A: no granules. Option C: no granules. Option: B",
        "Answer: B. The answer is B.",
        r"The answer is B. $\boxed{B}$",
        "✅ Answer: B",
        "Answer: B\nConfidence: 90%",
        "Answer: B (90%)",
        "Question: Which cell?\n" + "\n".join(lettered_options(CELLS)) + "\nAnswer: B",
        "I cannot be sure. My answer is B.",
        "\n".join(lettered_options(CELLS)) + "\nAnswer: B",
        "A) eosinophil\nIts granules would be red.\n\nB) basophil\nIts granules are dark.\n\nAnswer: B",
        "Eosinophil\nIts granules would be red.\n\nBasophil\nIts granules are dark.\n\nAnswer: B",
    ],
)
def test_a_declaration_stands_in_any_company(response):
    assert strict_answer(response, CELLS) == Answer("B", "parsed", "declaration")


@pytest.mark.parametrize(
    "response",
    [
        r"\boxed{A} or \boxed{B}",
        r"\boxed{A, B}",
        "The answer is A or B.",
        "The answer is (A) or possibly (B).",
        "The answer is A, B",
        "Answer: A/B",
        "Answer: A & B",
        "Answer: a or b",
        "Answer: a or b.",
        "ANSWER: A OR B",
        "The answer is A and/or B.",
        "The answer is B, maybe C.",
        "Answer: B) basophil and C) lymphocyte",
        "Answer: A, B, C, D, E, F, G or H?",
        "A or B",
        "A, B and C",
        "A B C D E F G H",
        "B) eosinophil",
        "A basophil",
        "B (eosinophil)",
        "Answer: B) eosinophil",
        "Answer: B. Eosinophil.",
        "Answer: B - eosinophil",
        "The answer is B (eosinophil).",
        r"\boxed{B. eosinophil}",
        "B\n\nThe cell is red, so the correct answer is A.",
        "B\nQuestion:Which cell?\nAnswer: C",
        "B) basophil\nQuestion:Which cell?\nAnswer: C",
        "\n".join(CELLS),
        ", ".join(CELLS),
        " ".join(lettered_options(CELLS)),
        "Answer: " + " ".join(lettered_options(CELLS)),
        "Answer:\n" + "\n".join(lettered_options(CELLS)),
        "Options: " + "; ".join(lettered_options(CELLS)).replace(")", "."),
        "A) eosinophil is red, B) basophil is dark.",
    ],
)
def test_more_than_one_answer_is_ambiguous(response):
    assert strict_answer(response, CELLS) == Answer(None, "ambiguous", None)


@pytest.mark.parametrize(
    "response",
    [
        "The answer is not B.",
        "The answer is NOT B",
        "The answer isn't B.",
        "I don’t think the answer is B.",
        "It is unlikely that the answer is B.",
        "I wonder whether the answer is B.",
        "I doubt that the answer is B.",
        "If it had granules the answer would be B.",
        "The wrong answer is B.",
        "The least likely option is B",
        "Another option is B.",
        "The other possible answer is B.",
        "The answer is neither A nor B.",
        "Option: B is wrong.",
        "Option: B cannot be seen.",
        "OPTION: B IS WRONG",
        "The answer is (B) is not right",
        r"The answer is not \boxed{B}.",
        r"\boxed{B} is incorrect.",
        "The answer is B?",
        "Is it the answer (B)?",
    ],
)
def test_what_is_denied_or_asked_is_no_answer(response):
    assert strict_answer(response, CELLS).letter is None


@pytest.mark.parametrize(
    "response",
    [
        "The cell in the middle of the smear is a basophil. It has granules.",
        "BB",
        "B B",
        "B2",
        "B-cell",
        "B?",
        "🅱",
        "not B",
        "...",
        "The answer is",
        r"\boxed{",
    ],
)
def test_what_states_no_answer_by_the_rules_is_unparsed(response):
    assert strict_answer(response, CELLS) == Answer(None, "unparsed", None)


@pytest.mark.parametrize(
    "name",
    [
        "a large cell",
        "A dark cell",
        "a basophil-like cell",
        "B cell lymphoma",
        "E. coli",
        "E.coli",
        "C elegans",
        "H&E",
        "B-cell",
        "G1 phase",
        "DAPI",
        "Both",
        "A549",
        "F-actin",
        "c++",
    ],
)
@pytest.mark.parametrize("lead", ["The answer is {}", "Answer: {}", "I choose {}", "**Option:** {}."])
def test_a_letter_that_starts_a_word_or_a_name_is_no_answer(lead, name):
    assert letter_or_kind(lead.format(name)) == "unparsed"


@pytest.mark.parametrize(
    ("options", "response", "outcome"),
    [
        # Texts that hold one another:
        (HEART, "chronic heart failure", "B"),
        (HEART, "Not chronic heart failure.", "A"),
        (HEART, "A) not chronic heart failure", "A"),
        (HEART, "A) chronic heart failure", "ambiguous"),
        (HEART, "Answer: A) not chronic heart failure", "A"),
        (HEART, "Answer: B) chronic heart failure, not A", "B"),
        (HEART, "Answer: B) not chronic heart failure", "ambiguous"),
        (HEART, "The answer is B, not chronic heart failure.", "ambiguous"),
        (["heart", "heart failure"], "Answer: A) heart failure", "ambiguous"),
        (["heart", "heart failure"], "Answer: A) heart", "A"),
        # Texts that start with a letter:
        (ORGANISMS, "C. elegans", "A"),
        (ORGANISMS, "Answer: A) C. elegans", "A"),
        (ORGANISMS, "The answer is C. elegans", "A"),
        (ORGANISMS, "Answer: E. coli", "D"),
        (ORGANISMS, "B cell", "B"),
        (ORGANISMS, "The answer is B cell.", "B"),
        (["B cell", "T cell"], "The answer is B cell.", "A"),
        (["B cell", "T cell"], "The answer is B (B cell).", "ambiguous"),
        (["B cell", "T cell"], "The answer is B cells.", "unparsed"),
        (ORGANISMS, "The answer is A549 cell", "C"),
        # Texts that are letters:
        (BASES, "A", "ambiguous"),
        (BASES, "B", "B"),
        (BASES, "G", "B"),
        (BASES, "T", "D"),
        (BASES, "A) C", "A"),
        (BASES, "The answer is A", "ambiguous"),
        (BASES, "The answer is (A) C.", "A"),
        (BASES, "The answer is D", "D"),
        (["A", "B", "C"], "B", "B"),
        (["A", "B", "A and B"], "A and B", "C"),
        (["one", "two", "A and B"], "Answer: C) A and B", "C"),
        (["one", "A) one"], "A) one", "ambiguous"),
        # Texts with signs:
        (STAINS, "IHC(HDab)", "E"),
        (STAINS, "E) IHC(HDab)", "E"),
        (STAINS, "(E) IHC(HDab).", "E"),
        (STAINS, "Answer: E (IHC(HDab))", "E"),
        (STAINS, "Answer: A) H&E", "A"),
        (STAINS, "Answer: A) PAS", "ambiguous"),
        (STAINS, "Answer: D, not H&E", "D"),
        (["H&E", *"bcdefgh"], "The answer is H&E", "A"),
        (["GalT–EGFP", "H2B-mCherry"], "GalT-EGFP", "A"),
        (["snake_case", "**"], "snake_case", "A"),
        (["snake_case", "**"], "B) **", "B"),
        (["snake_case", "**"], "Answer: A", "A"),
        (["snake_case", "**"], "**", "empty"),
        (["snake_case", "**"], "...", "unparsed"),
        # Texts that are nearly the same:
        (["yes", "yes", "no"], "yes", "ambiguous"),
        (["yes", "yes", "no"], "B) yes", "B"),
        (["yes", "yes", "no"], "no", "C"),
        (["pas", "PAS"], "PAS", "B"),
        (["pas", "PAS"], "Pas", "ambiguous"),
        (["-1", "1"], "-1", "A"),
        (["-1", "1"], "B) 1", "B"),
        (["ﬁbre", "café"], "fibre", "A"),
        (["ﬁbre", "café"], "cafe\u0301", "B"),
    ],
)
def test_options_of_any_kind_are_told_apart(options, response, outcome):
    assert letter_or_kind(response, options) == outcome


@pytest.mark.parametrize("options", QUESTIONS)
def test_an_options_text_is_its_answer_with_and_without_the_letter(options):
    for letter, option, both in zip("ABCDEFGH", options, lettered_options(options), strict=False):
        assert strict_answer(option, options) == Answer(letter, "parsed", "option_text")
        assert strict_answer(both, options) == Answer(letter, "parsed", "letter_with_text")
        assert strict_answer(f"Answer: {both}", options) == Answer(letter, "parsed", "declaration")


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("<think>It is A.</think>B", "B"),
        ("<think>\n\n</think>\n\nB", "B"),
        ("<THINKING>The answer is A.</THINKING>\nThe answer is B.", "B"),
        ("<reasoning>A?</reasoning><answer>B</answer>", "B"),
        ("◁think▷A?◁/think▷B", "B"),
        ("<think>A</think>B<think>C</think>", "B"),
        # A tag may be named or nested in the reasoning itself:
        ("<think>I close <think> later: A</think>B", "B"),
        ("<think>a<think>b</think>The answer is A</think>B", "B"),
        ("<think>a</thinking>The answer is A</think>B", "B"),
        # The prompt may have opened the block:
        ("The answer is A, or is it?\n</think>\n\nB", "B"),
        ("A</think>C</think>B", "B"),
        ("A<think>a<think>b</think>C</think>B", "B"),
        # What stands before the block is part of the answer:
        ("B<think>Was that right?</think>", "B"),
        ("The answer is <think>A?</think> B", "B"),
        ("Answer: A<think>No.</think>Answer: B", "ambiguous"),
        ("<think>It is A.</think>", "empty"),
        ("It is A.</think>", "empty"),
        ("<think>The answer is A.", "truncated"),
        ("The answer is A.<think>Is it", "truncated"),
        ("<think>A</think>B<think>Was that", "truncated"),
        ("<think>A</thinking>B", "truncated"),
    ],
)
def test_reasoning_is_no_answer(response, outcome):
    assert letter_or_kind(response) == outcome


@pytest.mark.parametrize(
    "tag", ["think", "Thinking", "thought", "thoughts", "reason", "REASONING", "reflection", "analysis", "scratchpad"]
)
def test_reasoning_goes_by_several_names(tag):
    assert letter_or_kind(f"<{tag}>The answer is A.</{tag}>B") == "B"
    assert letter_or_kind(f"<{tag}>The answer is A.") == "truncated"


def test_probabilities_are_no_part_of_the_answer():
    shares = json.dumps({"probabilities": dict.fromkeys("ABCD", 0.25)})
    assert strict_answer(f"B\n{shares}", FOUR) == Answer("B", "parsed", "whole_letter")
    assert strict_answer(f"basophil\n{shares}", FOUR) == Answer("B", "parsed", "option_text")
    assert letter_or_kind(f"\n{shares}", FOUR) == letter_or_kind(shares, FOUR) == "empty"
    assert letter_or_kind(f"It has two lobes.\nThe answer is B.\n{shares}", FOUR) == "B"
    # Of another question, so not a model's own probabilities, but text after an answer:
    assert letter_or_kind(f"B\n{shares}", CELLS) == "B"
    assert letter_or_kind(f"It is round.\n{shares}", CELLS) == "unparsed"


@pytest.mark.parametrize("response", ["", " ", "\n\t\n", "\u3000", "\u200b", "****", "``` ```"])
def test_nothing_but_space_and_marks_is_empty(response):
    assert strict_answer(response, CELLS) == Answer(None, "empty", None)


@pytest.mark.parametrize(
    "response",
    [
        "I cannot help with that.",
        "I can’t see an image.",
        "I'm sorry, but I am unable to identify the cell.",
        "**I apologize**, but no image came with the question.",
        "As an AI language model, I do not see images.",
        "It is not possible to tell from this image.",
        "The cell cannot be determined.",
        "I don't know.",
        "I am not sure.",
        "Sorry, no.",
    ],
)
def test_a_refusal_is_told_from_other_text_without_an_answer(response):
    assert strict_answer(response, CELLS) == Answer(None, "refusal", None)


def test_text_that_only_sounds_like_a_refusal_is_none():
    assert letter_or_kind("I cannot rule out a platelet in this image.") == "unparsed"
    assert letter_or_kind("I'm sorry for the delay. The answer is B.") == "B"


@pytest.mark.parametrize("num_options", range(2, 8))
def test_a_letter_that_the_question_does_not_have_is_no_answer(num_options):
    options, beyond = CELLS[:num_options], "ABCDEFGH"[num_options]
    for response in (beyond, f"The answer is {beyond}.", rf"\boxed{{{beyond}}}", f"{beyond}) {CELLS[num_options]}"):
        assert letter_or_kind(response, options) == "unparsed"
    assert letter_or_kind(f"The answer is A or {beyond}.", options) == "ambiguous"


@pytest.mark.parametrize("options", [[], ["one"], list("abcdefghi")])
def test_a_question_has_two_to_eight_options(options):
    with pytest.raises(ValueError, match=rf"Expected 2 to 8 options, got {len(options)}"):
        strict_answer("A", options)
