"""Claims about the adapter of Qwen-VL-Chat, on a stand-in: answers are those of its own methods, called by hand."""

from __future__ import annotations

import hashlib
import json
import os
from types import SimpleNamespace

import pytest
import torch
import transformers
from datasets import Dataset
from lmms_eval.api.instance import Instance
from packaging.version import Version

from microbench_adapters.libraries import qwen_vl_chat_adapter
from microbench_adapters.libraries.qwen_vl_chat_adapter import NEWEST, OLDEST, QwenVLChat
from tests.support import questions, tiny_qwen

FITS = OLDEST <= Version(transformers.__version__) <= NEWEST
OPTIONS = [["neuron", "platelet"], ["light", "electron", "none of the above"]]
NEW_TOKENS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_qwen.save(tmp_path_factory.mktemp("qwen") / "checkpoint")


@pytest.fixture(autouse=True)
def any_transformers(request, monkeypatch):
    """The stand-in's code, unlike the published checkpoint's, runs with every release."""
    if "real_range" not in request.fixturenames:
        monkeypatch.setattr(qwen_vl_chat_adapter, "NEWEST", max(NEWEST, Version(transformers.__version__)))


@pytest.fixture
def real_range():
    """Keep the releases that the adapter states."""


class Task:
    """What the adapter uses of a harness task."""

    def __init__(self, count=3):
        self.images = questions.images(count)
        self.docs = [{"number": number} for number in range(count)]
        self.dataset_no_image = {"test": Dataset.from_list(self.docs)}
        self.dataset = {"test": self.docs}

        def doc_to_choice(doc):
            return OPTIONS[doc["number"] % 2]

        doc_to_choice.wants_probabilities = True
        self.config = SimpleNamespace(doc_to_text=self.prompt, doc_to_choice=doc_to_choice)

    def prompt(self, doc):
        return f"Question {doc['number']}: which?"

    def doc_to_visual(self, doc):
        return [self.images[doc["number"]]]

    def doc_to_choice(self, doc):
        return self.config.doc_to_choice(doc)

    def requests(self):
        settings = {"max_new_tokens": NEW_TOKENS, "until": [], "temperature": 0, "do_sample": False}
        return [
            Instance(
                "generate_until",
                (self.prompt(doc), dict(settings), self.doc_to_visual, doc["number"], "quiz", "test"),
                0,
                {"task": "quiz", "doc_id": doc["number"], "repeats": 1},
            )
            for doc in self.docs
        ]


def answers(model, task):
    return model.generate_until(task.requests())


def by_hand(folder, task, tmp_path, sample=False):
    """The texts of the checkpoint's own methods, and the probabilities of the first token by one forward pass."""
    place = os.getcwd()
    (tmp_path / "SimSun.ttf").touch()
    os.chdir(tmp_path)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True).eval()
    finally:
        os.chdir(place)
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=259, pad_token_id=259, max_new_tokens=NEW_TOKENS, do_sample=False
    )
    for doc in task.docs:
        path = tmp_path / f"{doc['number']}.png"
        task.images[doc["number"]].save(path)
        query = f"Picture 1: <img>{path}</img>\n{task.prompt(doc)}"
        text, _ = model.chat(tokenizer, query=query, history=None)
        context = (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            f"<|im_start|>user\n{query}<|im_end|>\n<|im_start|>assistant\n"
        )
        with torch.inference_mode():
            scores = model(torch.tensor([tokenizer(context)["input_ids"]])).logits[0, -1]
        shares = torch.softmax(scores.double(), dim=-1)
        yield text, {letter: float(shares[ord(letter)]) for letter in "ABC"[: len(OPTIONS[doc["number"] % 2])]}


def test_answers_are_those_of_the_checkpoints_own_methods(folder, tmp_path):
    task = Task()
    model = QwenVLChat(model=folder, trust_remote_code=True, device="cpu")
    for answer, (text, probabilities) in zip(answers(model, task), by_hand(folder, task, tmp_path), strict=True):
        written, _, line = answer.rpartition("\n")
        assert written == text
        assert json.loads(line)["probabilities"] == pytest.approx(probabilities, abs=1e-5)


def test_sampling_as_in_the_paper_depends_on_the_seed_alone(folder, monkeypatch):
    monkeypatch.setattr(qwen_vl_chat_adapter, "PAPER_NEW_TOKENS", NEW_TOKENS)
    task = Task()

    def texts(**options):
        model = QwenVLChat(model=folder, trust_remote_code=True, device="cpu", **options)
        return [answer.rpartition("\n")[0] for answer in answers(model, task)]

    sampled = texts(decoding="paper")
    assert texts(decoding="paper") == sampled
    assert texts(decoding="paper", seed=1) != sampled
    assert texts() != sampled


def test_sampling_gives_each_image_and_each_repeat_numbers_of_its_own(folder):
    model = QwenVLChat(model=folder, trust_remote_code=True, device="cpu", decoding="paper")
    one, other = questions.images(2)
    seeds = [model._seed_of(image, "Which?") for image in (one, other, one, other)]
    assert len(set(seeds)) == 4
    again = QwenVLChat(model=folder, trust_remote_code=True, device="cpu", decoding="paper")
    assert [again._seed_of(image, "Which?") for image in (other, one, other, one)] == [seeds[i] for i in (1, 0, 3, 2)]


def test_no_picture_is_left_behind(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = QwenVLChat(model=folder, trust_remote_code=True, device="cpu")
    answers(model, Task(1))
    assert list(tmp_path.iterdir()) == []


def test_the_results_file_says_which_code_and_weights_ran(folder):
    record = QwenVLChat(model=folder, trust_remote_code=True, device="cpu").record()
    code = (tiny_qwen.CODE / "modeling_stand_in.py").read_bytes()
    assert record["code_sha256"]["model"] == hashlib.sha256(code).hexdigest()
    assert record["decoding"] == "greedy"
    assert len(record["weights_sha256"]) == 64
    assert record["weights_dtypes"] == ["torch.float32"]


@pytest.mark.skipif(FITS, reason="the installed transformers is one that runs the checkpoint's code")
def test_other_releases_of_transformers_are_refused_with_the_way_out(folder, real_range):
    with pytest.raises(ValueError, match=r"4\.40 to 4\.51\.3.*pip install \. -c constraints/qwen_vl_chat\.txt"):
        QwenVLChat(model=folder, trust_remote_code=True, device="cpu")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "add trust_remote_code=True"),
        ({"trust_remote_code": "yes"}, "add trust_remote_code=True"),
        ({"trust_remote_code": True, "decoding": "beam"}, "decoding=beam: expected one of greedy, paper"),
        ({"trust_remote_code": True, "precision": "int4"}, "precision=int4: expected one of fp32, bf16, fp16"),
        ({"trust_remote_code": True, "batch_size": 2}, "one question at a time"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_loaded(options, problem):
    with pytest.raises(ValueError, match=problem):
        QwenVLChat(model="no/such-model", device="cpu", **options)


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_weights_of_another_architecture_are_refused(folder, tmp_path, change):
    copy = tiny_qwen.save(tmp_path / "copy")
    path = f"{copy}/pytorch_model.bin"
    state = torch.load(path)
    if change == "missing":
        del state["head.weight"]
    else:
        state["adapter.weight"] = torch.zeros(2)
    torch.save(state, path)
    with pytest.raises(ValueError, match=rf"1 {change} weights, such as (head|adapter)\.weight"):
        QwenVLChat(model=copy, trust_remote_code=True, device="cpu")


def test_a_model_that_ignores_its_image_is_refused(tmp_path):
    copy = tiny_qwen.save(tmp_path / "copy")
    state = torch.load(f"{copy}/pytorch_model.bin")
    state["pixels.weight"].zero_()
    torch.save(state, f"{copy}/pytorch_model.bin")
    with pytest.raises(ValueError, match="does not distinguish images"):
        QwenVLChat(model=copy, trust_remote_code=True, device="cpu")


def test_a_constraint_file_pins_the_newest_release_that_works():
    pins = (tiny_qwen.CODE.parents[2] / "constraints" / "qwen_vl_chat.txt").read_text()
    assert f"\ntransformers=={NEWEST}\n" in pins
