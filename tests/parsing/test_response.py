"""Claims about reading a response: which part is scored, and what is removed first."""

from __future__ import annotations

import pytest

from microbench_tasks.parsing.cleaning.message_content import logged_parts
from microbench_tasks.parsing.cleaning.prompt_echo import without_prompt
from microbench_tasks.parsing.failures import failure_mark
from microbench_tasks.parsing.letters.strict_rule import Answer
from microbench_tasks.parsing.response import parse_answer, parse_box_answer, scored_text
from microbench_tasks.tasks.prompts import microbench_doc_to_text
from microbench_tasks.tasks.results import microbench_process_results, score_boxes

OPTIONS = ["platelet", "basophil", "eosinophil", "none of the above"]
PROMPT = microbench_doc_to_text({"question": "Which cell is shown?", "options": OPTIONS})
BOX_PROMPT = "Detect every nucleus in this image. Answer [] if there is none."
VICUNA = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)

# What a client may return around the prompt it was given; {prompt} and then the answer B.
ECHOES = [
    "{prompt} B",
    "{prompt}\nB",
    "{prompt}B",
    " \n{prompt}\n\nB",
    "<s> {prompt} B",
    "<image>\n{prompt}\nB",
    "<|image_pad|><|image_pad|>\n{prompt}\nB",
    "USER: <image>\n{prompt} ASSISTANT: B",
    "USER: {prompt}\nASSISTANT:B",
    "Human: {prompt}\nAssistant: B",
    "### Human: {prompt}\n### Assistant: B",
    f"{VICUNA} USER: <image>\n{{prompt}} ASSISTANT: B</s>",
    f"{VICUNA}###Human: {{prompt}}###Assistant: B",
    "[INST] <image>\n{prompt} [/INST] B",
    "<s>[INST] <<SYS>>\nYou are a helpful assistant.\n<</SYS>>\n\n{prompt} [/INST] B</s>",
    "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\nB<|im_end|>",
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|><|image_pad|><|vision_end|>{prompt}<|im_end|>\n<|im_start|>assistant\nB",
    "system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.\nuser\n{prompt}\nassistant\nB",
    "user\n\n\n\n{prompt}\nmodel\nB",
    "<bos><start_of_turn>user\n{prompt}<end_of_turn>\n<start_of_turn>model\nB<end_of_turn>",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{prompt}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nB<|eot_id|>",
    "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n<think>\nIs it A?\n</think>\n\nB",
    "<|user|>\n{prompt}<|end|>\n<|assistant|>\nB<|end|>",
    "<|User|>: {prompt}\n\n<|Assistant|>: B",
    "[gMASK]<sop><|user|>\n{prompt}<|assistant|>\nB",
    "<用户>{prompt}<AI>B",
    "User:<image>{prompt}<end_of_utterance>\nAssistant: B",
    "Question: {prompt} Answer: B",
    "Question: {prompt}\nShort answer: B",
    "### Instruction:\n{prompt}\n\n### Response:\nB",
    "Below is an instruction that describes a task. Write a response that completes it.\n\n"
    "### Instruction:\n{prompt}\n\n### Response:B",
    "GPT4 Correct User: {prompt}<|end_of_turn|>GPT4 Correct Assistant: B",
    "[|Human|]{prompt}[|AI|]B",
    "<human>: {prompt}\n<bot>: B",
    "Human: {prompt}\nAI: B",
    "Q: {prompt}\nA: B",
    "Prompt: {prompt}\nResponse: B",
    "**Question:** {prompt}\n\n**Answer:** B",
    "[Round 1]\n\n问：{prompt}\n\n答：B",
    # The places of an image, each a token.
    f"{'<image>' * 1500}\n{{prompt}}\nB",
    # Twice: by the client and by the model.
    "USER: {prompt} ASSISTANT: {prompt} B",
]


@pytest.mark.parametrize("form", ECHOES)
def test_a_prompt_that_comes_back_is_taken_off(form):
    said = scored_text(form.format(prompt=PROMPT), PROMPT)
    assert (said.text, said.status) == ("B", "answered")
    assert said.removed[0] == "prompt"


@pytest.mark.parametrize("form", ECHOES)
def test_a_prompt_whose_white_space_changed_is_the_same(form):
    said = scored_text(form.format(prompt=" ".join(PROMPT.split())), PROMPT)
    assert (said.text, said.status) == ("B", "answered")


@pytest.mark.parametrize("form", ECHOES)
def test_boxes_after_an_echo_are_read(form):
    """The last B of each form is its answer. The prompt by itself says that there is no nucleus."""
    response = "[[1, 2, 3, 4]]".join(form.format(prompt=BOX_PROMPT).rsplit("B", 1))
    parsed = parse_box_answer(response, "pixels_xyxy", (9, 9), prompt=BOX_PROMPT)
    assert (parsed.boxes.boxes.tolist(), parsed.boxes.status, parsed.scored.removed[0]) == (
        [[1, 2, 3, 4]],
        "parsed",
        "prompt",
    )


@pytest.mark.parametrize(
    "response",
    [
        "B",
        "Answer with a single letter, no extra details. B",
        "Which cell is shown? It is B) basophil.",
        "A) platelet\nB) basophil\nC) eosinophil\nD) none of the above",
        # The prompt after the answer, or in it.
        f"B\n{PROMPT}",
        f"B\n\nUSER: {PROMPT} ASSISTANT: C",
        f'You asked "{PROMPT}", and I say C.',
        # All but the last word, and one word more.
        PROMPT.removesuffix("above"),
        PROMPT.replace("basophil", "basophils") + "\nB",
    ],
)
def test_a_response_that_only_quotes_the_prompt_is_unchanged(response):
    said = scored_text(response, PROMPT)
    assert (said.text, said.removed) == (response.strip(), ())


def test_nothing_but_the_prompt_is_an_empty_answer():
    parsed = parse_answer(f"USER: {PROMPT} ASSISTANT:", OPTIONS, PROMPT)
    assert (parsed.scored.status, parsed.paper_letters, parsed.strict) == ("empty", (), Answer(None, "empty", None))


@pytest.mark.parametrize(
    ("text", "prompt"),
    [("nucleus(1,2),(3,4)", "nucleus"), ("detect cells <loc0001>", "detect cell"), ("", PROMPT), (PROMPT, "")],
)
def test_the_beginning_of_an_answer_is_no_prompt(text, prompt):
    assert without_prompt(text, prompt) is None


def test_an_echoing_model_scores_what_it_answers_not_what_it_was_asked():
    """An echo holds the right option, by which the paper's rule would call every answer right."""
    doc = {
        "dataset": "d",
        "image_id": "1",
        "kind": "domain",
        "question": "Which cell is shown?",
        "options": OPTIONS,
        "answer_idx": 2,
    }
    scores = [microbench_process_results(doc, [f"{PROMPT} {letter}"])["score"] for letter in "ABCD"]
    assert scores == [0, 0, 1, 0]
    around = {"pre_prompt": "You are an expert.\n", "post_prompt": "\nAnswer:"}
    asked = microbench_doc_to_text(doc, around)
    items = microbench_process_results(doc, [f"{asked} B"], prompt=asked)
    assert (
        items["score"],
        items["acc"]["predicted"],
        items["acc_strict"]["predicted"],
        items["failed"]["taken_off"],
    ) == (0, "B", "B", ["prompt"])


# --- reasoning, tokens and parts ---


@pytest.mark.parametrize(
    ("response", "text", "status", "taken_off"),
    [
        ("B", "B", "answered", ()),
        ("  B \n", "B", "answered", ()),
        ("B<|im_end|>", "B", "answered", ("end_token",)),
        ("<think>It is A.</think>B", "B", "answered", ("reasoning",)),
        ("[THINK]the answer is A[/THINK]B", "B", "answered", ("reasoning",)),
        ("<seed:think>the answer is A</seed:think>B", "B", "answered", ("reasoning",)),
        ("It is A.</think>B", "B", "answered", ("reasoning",)),
        ("<think>It is A", "", "truncated", ("reasoning",)),
        ("◁think▷ it is A or", "", "truncated", ("reasoning",)),
        ("<think>It is A.</think>", "", "empty", ("reasoning",)),
        (
            "<|channel|>analysis<|message|>A?<|end|><|start|>assistant<|channel|>final<|message|>B<|return|>",
            "B",
            "answered",
            ("channel", "end_token"),
        ),
        ("<|channel|>analysis<|message|>A?", "", "truncated", ("channel",)),
        ("B \ufffd", "B", "answered", ()),
        ("", "", "empty", ()),
        ("[{'type': 'thinking', 'thinking': 'A?'}, {'type': 'text', 'text': 'B'}]", "B", "answered", ("reasoning",)),
        ('[{"type": "text", "text": "B"}]', "B", "answered", ()),
        ("[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 500 B) basophil", "", "failed", ()),
        ("[LMMS_EVAL_REQUEST_TIMEOUT] A", "", "failed", ()),
        ("[LMMS_EVAL_BUDGET_EXCEEDED]", "", "failed", ()),
        ("[GENERATION_FAILED] CUDA out of memory", "", "failed", ()),
        ('Error: can only concatenate str (not "list") to str', "", "failed", ()),
        ('Error: can only concatenate str (not "NoneType") to str', "", "empty", ()),
        ('can only concatenate str (not "dict") to str', "", "failed", ()),
        ("Error code: 401 - {'error': {'message': 'A'}}", "", "failed", ()),
        ("Traceback (most recent call last):\n A", "", "failed", ()),
        ("[SAFETY_BLOCKED:finish_reason=SAFETY]", "", "empty", ()),
        (failure_mark("out\nof memory"), "", "failed", ()),
    ],
)
def test_what_is_scored_and_what_is_taken_off(response, text, status, taken_off):
    said = scored_text(response, PROMPT)
    assert (said.text, said.status, said.removed) == (text, status, taken_off)
    parsed = parse_answer(response, OPTIONS, PROMPT)
    # Both rules read the same text; of a response without one neither reads a letter.
    assert parsed.paper_letters == (("B",) if text == "B" else ())
    assert parsed.strict.letter == (text or None)
    assert status == "answered" or parsed.strict.kind == status


@pytest.mark.parametrize(
    "text",
    [
        '[{"type": "box", "text": "B"}]',
        "[{'type': 'text', 'text': __import__('os')}]",
        '[{"bbox_2d": [1, 2, 3, 4]}]',
        "[{" * 5_000 + "}]" * 5_000,
        "[{}]x",
    ],
)
def test_text_that_is_not_a_list_of_parts_is_unchanged(text):
    assert logged_parts(text) == text


def test_boxes_and_letters_agree_on_what_failed_or_never_ended():
    doc = {
        "dataset": "d",
        "image_id": "1",
        "kind": "boxes",
        "expression": "nucleus",
        "width": 9,
        "height": 9,
        "boxes": [[1, 2, 3, 4]],
    }
    read = {
        text: score_boxes(doc, text, "pixels_xyxy", (9, 9))
        for text in (failure_mark("[1,2,3,4]"), "<think>[1,2,3,4]", "<think>a</think>[1,2,3,4]", "")
    }
    assert [items["boxes_unparsed"]["kind"] for items in read.values()] == [
        "unparsed",
        "truncated",
        "parsed",
        "unparsed",
    ]
    assert [items["failed"]["failed"] for items in read.values()] == [True, False, False, False]
    assert [items["score"] for items in read.values()] == pytest.approx([0, 0, 1, 0], abs=1e-5)
