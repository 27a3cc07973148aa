"""CogVLM-chat through the harness's own class, on a stand-in checkpoint: answers are those of its own methods."""

from __future__ import annotations

import pytest
import torch
import transformers
from lmms_eval import evaluator
from PIL import Image

from tests.support import tiny_cogvlm
from tests.support.independent import protocol_prompt, protocol_score, raw_questions, raw_rows, shown

KIND = "modality"
TASK = f"microbench_coarse_{KIND}"
NUM_QUESTIONS, NEW_TOKENS = 6, 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_cogvlm.save(tmp_path_factory.mktemp("cogvlm") / "checkpoint")


def answers_by_hand(folder, asked):
    """What the checkpoint's own methods give, one token after the other."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    # The class's own precision.
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, trust_remote_code=True, torch_dtype=torch.bfloat16
    ).eval()
    for image, prompt in asked:
        inputs = model.build_conversation_input_ids(tokenizer, query=prompt, images=[Image.fromarray(image)])
        ids, written = inputs["input_ids"][None], []
        pixels = [[inputs["images"][0].to(torch.bfloat16)]]
        with torch.inference_mode():
            while len(written) < NEW_TOKENS and written[-1:] != [tokenizer.eos_token_id]:
                written.append(int(model(ids, images=pixels).logits[0, -1].argmax()))
                ids = torch.cat([ids, torch.tensor([[written[-1]]])], dim=1)
        yield tokenizer.decode(written).split("</s>")[0]


def test_answers_of_cogvlm_are_those_of_its_own_methods(folder, demo_folder, monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    results = evaluator.simple_evaluate(
        model="cogvlm2",
        model_args=f"pretrained={folder},device=cpu",
        tasks=[TASK],
        limit=NUM_QUESTIONS,
        gen_kwargs=f"max_new_tokens={NEW_TOKENS}",
        log_samples=True,
    )
    samples = results["samples"][TASK]
    questions = raw_questions(raw_rows(demo_folder), KIND)[:NUM_QUESTIONS]
    asked = [(shown(row), protocol_prompt(question)) for row, question in questions]
    answers = list(answers_by_hand(folder, asked))
    assert all(answers)
    assert [sample["filtered_resps"][0] for sample in samples] == answers
    expected = [protocol_score(answer, question) for answer, (_, question) in zip(answers, questions, strict=True)]
    assert [sample["acc"]["acc"] for sample in samples] == expected
    assert not any(sample["failed"]["failed"] for sample in samples)
