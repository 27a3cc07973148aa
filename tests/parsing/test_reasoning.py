"""Claims about what of a response is its answer: without reasoning, channels and chat tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microbench_tasks.parsing.cleaning.reasoning import TAGS, AnswerPart, answer_part

FINAL = "<|start|>assistant<|channel|>final<|message|>"


@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_every_tag_is_taken_off_closed_unclosed_and_without_an_opening(opening, closing):
    assert answer_part(f"{opening}It is A.{closing}\n\nB") == AnswerPart("B", False, ("reasoning",))
    assert answer_part(f"{opening}It is A") == AnswerPart("", True, ("reasoning",))
    assert answer_part(f"It is A.{closing}B") == AnswerPart("B", False, ("reasoning",))
    assert answer_part(f"B{opening}It is A") == AnswerPart("B", True, ("reasoning",))
    assert answer_part(f"{opening}a{closing}B{opening}b{closing}C").text == "B\nC"


@pytest.mark.parametrize(
    ("response", "text", "removed"),
    [
        # Tags as models vary them:
        ("<THINK>A</THINK>B", "B", "reasoning"),
        ("<think >A</ think>B", "B", "reasoning"),
        ('<think time="3">A</think>B', "B", "reasoning"),
        ("<think>I open <think> again.</think>B", "B", "reasoning"),
        ("<think>a<think>b</think>c</think>B", "B", "reasoning"),
        ("<unused94>thought\nA<unused95>B", "B", "reasoning"),
        ("<|channel>thought\nA<channel|>B<turn|>", "B", "end_token reasoning"),
        ("Here is my thought process:\nA\n\nHere is my response:\nB", "B", "reasoning"),
        # Tags that are only mentioned:
        ("The answer is B. I did not use <think> tags.", None, ""),
        ('The answer is B, without "<think>" or "</think>".', None, ""),
        ("Answer: B. No `<think>` block is needed.", None, ""),
        ("<think>I close with `</think>` later. A</think>B", "B", "reasoning"),
        # The channels of gpt-oss, and what a decoder leaves of them without special tokens:
        (f"<|channel|>analysis<|message|>A?<|end|>{FINAL}B<|return|>", "B", "channel end_token"),
        (f"analysis<|message|>A?<|end|>{FINAL}B", "B", "channel"),
        ("<|channel|>final<|message|>B<|end|>", "B", "channel end_token"),
        (f"{FINAL}{FINAL}B", "B", "channel"),
        # A model that goes on with a conversation of its own:
        (
            f"{FINAL}B<|return|><|start|>user<|message|>Next?<|end|>{FINAL}A<|return|>",
            "B",
            "channel end_token other_turn role_token",
        ),
        ("analysisA?assistantfinalB\nassistantfinalA", "B", "channel"),
        ("analysisWe need a letter. A?assistantfinalB", "B", "channel"),
        ("assistantfinalB", "B", "channel"),
        ("<|think|>A?<|end|><|begin|>assistant<|content|>B<|end|>", "B", "channel end_token"),
        ("The analysis is final.", None, ""),
        ("Finally, B.", None, ""),
        # Ends of turns and what follows them:
        ("B<|im_end|>", "B", "end_token"),
        ("B<|im_end|>\n<|endoftext|>", "B", "end_token"),
        ("B</s>", "B", "end_token"),
        ("B<|eot_id|>", "B", "end_token"),
        ("B<end_of_turn>", "B", "end_token"),
        ("B<eos>", "B", "end_token"),
        ("B<｜end▁of▁sentence｜>", "B", "end_token"),
        ("</s>B", "B", "end_token"),
        ("B<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>", "B", "end_token other_turn role_token"),
        # Roles and prompts in a template's own tokens:
        ("<|im_start|>assistant\nB<|im_end|>", "B", "end_token role_token"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nB<|eot_id|>", "B", "end_token role_token"),
        ("<start_of_turn>model\nB<end_of_turn>", "B", "end_token role_token"),
        ("<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\nB", "B", "end_token other_turn role_token"),
        ("<s>[INST] A? [/INST] B</s>", "B", "end_token other_turn role_token special_token"),
        ("B [/INST]", "B", "role_token"),
        ("assistant\nB", "B", "role_token"),
        ("<|START_THINKING|>A<|END_THINKING|><|START_TEXT|>B", "B", "reasoning special_token"),
        ("<s> A</s> B", "B", "struck_text"),
        ("<s>B</s>", "B", "end_token special_token"),
        # Nothing to take off; the response stays as it is, space included:
        (" B\n", None, ""),
        ("1 < 2 and [A]", None, ""),
        ("", None, ""),
    ],
)
def test_what_stands_beside_the_answer_is_taken_off(response, text, removed):
    assert answer_part(response) == AnswerPart(response if text is None else text, False, tuple(removed.split()))


@pytest.mark.parametrize(
    "response",
    [
        "<|channel|>analysis<|message|>It is A",
        "analysisIt is A",
        "<|think|>It is A",
        "◁think▷ it may lie at [10,10,50,50] or",
        "[THINK]It is A",
        "<think>A</thinking>B",
    ],
)
def test_reasoning_that_never_ends_is_truncated(response):
    part = answer_part(response)
    assert (part.text, part.truncated) == ("", True)


SHARES = '\n{"probabilities": {"A": 0.25, "B": 0.75}}'


@pytest.mark.parametrize("response", ["B", "<think>A</think>B", "B</s>", "<|im_start|>assistant\nB<|im_end|>", ""])
def test_a_last_line_of_probabilities_is_kept(response):
    assert answer_part(response + SHARES).text == answer_part(response).text + SHARES


FRAGMENTS = st.sampled_from(
    [*(tag for pair in TAGS for tag in pair), "B", " ", "\n", "analysis", "assistantfinal"]
    + ["<|channel|>final<|message|>", "<|im_end|>", "</s>", "<s>"]
    + ["<|im_start|>user", "<|im_start|>assistant", "[INST]", "[/INST]", '"', "`", " tags", "<", "|", "[", SHARES]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_any_text_has_an_answer_part(response):
    part = answer_part(response)
    assert part.removed or part == AnswerPart(response, False, ())
    # Blocks leave a line break behind; all else was there before.
    assert part.text.count("B") <= response.count("B")
