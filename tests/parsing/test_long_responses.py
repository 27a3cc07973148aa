"""Long responses of one repeated piece are read to the end.

Reading takes linear time, a fraction of a second each. A quadratic step anywhere would take minutes.
"""

import pytest

from microbench_tasks.parsing.boxes.parser import parse_boxes
from microbench_tasks.parsing.cleaning.message_content import content_to_text
from microbench_tasks.parsing.cleaning.reasoning import answer_part
from microbench_tasks.parsing.letters.strict_rule import KINDS, strict_answer
from microbench_tasks.parsing.response import scored_text
from tests.support.responses import CELLS

PROMPT = "Answer with a single letter, no extra details.\nQuestion:Which cell is shown?\nA) platelet\nB) basophil"


TOKENS_OF_ANSWERS = [
    "B",
    " ",
    "\n",
    "A) ",
    "a)",
    "*",
    "_",
    "a_",
    "(",
    "{",
    "# ",
    "not ",
    "I can't ",
    "answer ",
    "answer is ",
    "The answer is A. ",
    "choice:A ",
    r"\boxed{",
    r"\boxed{A} ",
    "<think",
    "<think></think>",
    "<answer>",
    "\u0301\u0316",
    "\ufdfa",
    "é",
    "→",
    '{"probabilities": ',
]
TOKENS_OF_STATEMENTS = [
    "A\n",
    "A) basophil\n",
    "1. A) x\n",
    "B is correct. ",
    "Wait, ",
    "-> A",
    "so B ",
    "[[A]]",
    "答案是A。",
]
TOKENS_OF_STATEMENTS += ["'answer': 'A'"]
TOKENS_OF_STATEMENTS += [
    "<answer>A</answer>",
    "A) basophil: correct\n",
    "<|im_end|>",
    "if ",
    "~~",
    "<b>",
    "is A) basophil ",
]
TOKENS_OF_REASONING = ["<think>", "</think>", "<think></think>", "<think ", "<|im_end|>", "<|assistant|>", "[/INST]"]
TOKENS_OF_REASONING += ["<", "[", "<s>", "<s>a</s> ", "<|channel|>", "analysis"]
PIECES_OF_PROMPTS = ["USER: ", "<image>", " ", "system You are a ", PROMPT[:40], PROMPT, "[INST]", "\ud83d"]
PIECES_OF_PROMPTS += ["[{'type': 'text', 'text': "]
PIECES_OF_BOXES = [
    "[",
    "{",
    "[}",
    "(",
    "<",
    "<loc",
    "<loc_",
    "<loc0001>",
    "<|",
    "1",
    "-",
    "1e",
    '"',
    "'x",
    '\\"',
    " ",
    "\n",
]
PIECES_OF_BOXES += ["/*", "#", "a:", '"a":', "(1,2),", "[1;", "<think>", "<answer>", "</think>", "none ", "\u2028"]


@pytest.mark.parametrize(
    ("token", "num_bytes"),
    [*((token, 300_000) for token in TOKENS_OF_ANSWERS), *((token, 50_000) for token in TOKENS_OF_STATEMENTS)],
)
def test_the_strict_rule_reads_many_kilobytes_of_one_token(token, num_bytes):
    response = "Answer" + token * (num_bytes // len(token.encode()))
    assert strict_answer(response, CELLS).kind in KINDS


@pytest.mark.parametrize("token", TOKENS_OF_REASONING)
def test_reasoning_is_removed_from_many_kilobytes_of_one_token(token):
    response = token * (200_000 // len(token))
    assert len(answer_part(response).text) <= len(response)


@pytest.mark.parametrize("piece", PIECES_OF_PROMPTS)
def test_the_scored_text_of_a_hundred_kilobytes_is_found(piece):
    text = (piece * 100_000)[:100_000]
    assert len(scored_text(content_to_text(text), PROMPT).text) <= len(text)


@pytest.mark.parametrize("prefix", ["", "[", '["', "{x1:"])
@pytest.mark.parametrize("piece", PIECES_OF_BOXES)
def test_boxes_are_read_from_a_hundred_kilobytes(prefix, piece):
    text = prefix + (piece * 100_000)[:100_000]
    for convention in ("pixels_xyxy", "loc1024_yxyx", "bin1000_center_xyxy"):
        assert parse_boxes(text, convention, (1000, 1000)).boxes.shape[1] == 4
