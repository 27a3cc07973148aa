"""A class of the harness that returns the prompt with the answer, on a shrunk checkpoint: it is at chance."""

from __future__ import annotations

import pytest
import torch
import transformers
from lmms_eval import evaluator

from tests.support import tiny_instructblip
from tests.support.independent import protocol_prompt, protocol_score, raw_questions, raw_rows, shown

KIND = "modality"
TASK = f"microbench_coarse_{KIND}"
NEW_TOKENS = 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_instructblip.save(tmp_path_factory.mktemp("instructblip"))


def answers_of_transformers(folder, asked):
    """What the model writes after each prompt, by transformers alone."""
    processor = transformers.InstructBlipProcessor.from_pretrained(folder)
    model = transformers.InstructBlipForConditionalGeneration.from_pretrained(folder).eval()
    for image, prompt in asked:
        inputs = processor(images=image, text=prompt, return_tensors="pt")
        with torch.inference_mode():
            tokens = model.generate(**inputs, do_sample=False, max_new_tokens=NEW_TOKENS)[0]
        yield processor.tokenizer.decode(tokens[inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()


def test_instructblip_scores_its_answers_and_not_the_prompt_that_it_returns(folder, demo_folder, monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    results = evaluator.simple_evaluate(
        model="instructblip",
        model_args=f"pretrained={folder},device=cpu",
        tasks=[TASK],
        gen_kwargs=f"max_new_tokens={NEW_TOKENS}",
        log_samples=True,
    )
    samples = results["samples"][TASK]
    questions = raw_questions(raw_rows(demo_folder), KIND)
    asked = [(shown(row), protocol_prompt(question)) for row, question in questions]
    answers = list(answers_of_transformers(folder, asked))
    expected = [protocol_score(answer, question) for answer, (_, question) in zip(answers, questions, strict=True)]
    # Every right option is in what the class returns.
    for sample, (_, prompt) in zip(samples, asked, strict=True):
        assert sample["filtered_resps"][0].startswith(prompt)
        assert sample["failed"]["taken_off"] == ["prompt"]
    assert [sample["acc"]["acc"] for sample in samples] == expected
    # It writes A or C. Either is right in about a third, where the echoed options would be right in all.
    assert 0.25 < sum(expected) / len(expected) < 0.4
