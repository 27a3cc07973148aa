"""Claims about what clients of the harness return: nothing is lost, misread or asked twice."""

from __future__ import annotations

import collections
import json

import lmms_eval.models.simple.gpt4v as gpt4v
import numpy as np
import pytest
import torch
from lmms_eval import evaluator
from lmms_eval.api.model import lmms
from lmms_eval.loggers import EvaluationTracker
from lmms_eval.models.simple.cogvlm2 import CogVLM2
from lmms_eval.models.simple.instructblip import InstructBLIP
from lmms_eval.models.simple.minicpm_v import MiniCPM_V

from microbench_tasks.runs import found_runs, rescoring
from tests.support.chat_server import Reply, serving
from tests.support.independent import protocol_prompt, raw_questions, raw_rows, shown

KIND = "stain"
TASK = f"microbench_coarse_{KIND}"
CHANNELS = (
    "<|channel|>analysis<|message|>The answer is "
    "{wrong}.<|end|><|start|>assistant<|channel|>final<|message|>{right}<|return|>"
)
FAILING = ("error status", "no JSON")
# The content of a server's message; whether it is right by the paper's rule and by the strict one, its kind, and
# what is removed before it is read.
SCRIPT = {
    "a letter": ("{right}", 1, 1, "parsed", []),
    "another letter": ("{wrong}", 0, 0, "parsed", []),
    "parts": (
        [{"type": "thinking", "thinking": "The answer is {wrong}."}, {"type": "text", "text": "{right}"}],
        1,
        1,
        "parsed",
        ["reasoning"],
    ),
    "thoughts in parts": (
        [{"type": "thinking", "thinking": [{"type": "text", "text": "{wrong}"}]}, {"type": "text", "text": "{right}"}],
        1,
        1,
        "parsed",
        ["reasoning"],
    ),
    "parts in parts": ([[{"type": "text", "text": "{right}"}]], 1, 1, "parsed", []),
    "an object": ({"type": "text", "text": "{right}"}, 1, 1, "parsed", []),
    "null": (None, 0, 0, "empty", []),
    "a number": (5, 0, 0, "unparsed", []),
    "half a character": ("{right} \ud83d", 1, 1, "parsed", []),
    "error status": (
        Reply(status=500, raw=json.dumps({"error": {"message": "B) failed. The answer is A."}}).encode()),
        0,
        0,
        "failed",
        [],
    ),
    "no JSON": (Reply(raw=b'{"choices": [{"message"'), 0, 0, "failed", []),
    "nothing": ("", 0, 0, "empty", []),
    "an echo": ("{prompt} {right}", 1, 1, "parsed", ["prompt"]),
    "an echo and another letter": ("USER: {prompt}\nASSISTANT: {wrong}", 0, 0, "parsed", ["prompt"]),
    "thoughts": ("<think>The answer is {wrong}.</think>\n{right}", 1, 1, "parsed", ["reasoning"]),
    "thoughts without an end": ("<think>The answer is {right}", 0, 0, "truncated", ["reasoning"]),
    "channels": (CHANNELS, 1, 1, "parsed", ["channel", "end_token"]),
    "a token": ("{right}<|im_end|>", 1, 1, "parsed", ["end_token"]),
}
CLIENTS = {
    "openai": {"max_retries": 1, "retry_backoff_s": 0, "num_concurrent": 4},
    "async_openai": {"max_retries": 1, "retry_backoff_s": 0, "num_cpus": 4},
    "gpt4v": {},
}


@pytest.fixture(scope="module")
def questions(demo_folder):
    return raw_questions(raw_rows(demo_folder), KIND)[: len(SCRIPT)]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    monkeypatch.setenv("MICROBENCH_DATASET", "demo")
    monkeypatch.setattr(gpt4v, "NUM_SECONDS_TO_SLEEP", 0)


def filled(form, **words):
    """A form with its words filled in, in whatever it is made of."""
    if isinstance(form, str):
        for name, word in words.items():
            form = form.replace(f"{{{name}}}", word)
        return form
    if isinstance(form, list):
        return [filled(part, **words) for part in form]
    return {name: filled(part, **words) for name, part in form.items()} if isinstance(form, dict) else form


def words_of(question):
    gold = question["answer_idx"]
    return {"prompt": protocol_prompt(question), "right": "ABCDEFGH"[gold], "wrong": "B" if gold == 0 else "A"}


def evaluate(model, **settings):
    arguments = CLIENTS.get(model, {})
    options = ",".join(f"{name}={value}" for name, value in arguments.items())
    return evaluator.simple_evaluate(
        model=model,
        model_args=options,
        tasks=[TASK],
        limit=len(SCRIPT),
        bootstrap_iters=0,
        log_samples=True,
        **settings,
    )


def saved(results, folder):
    """The run's scores as `microbench rescore` computes them from the samples file that the harness writes."""
    tracker = EvaluationTracker(output_path=str(folder))
    tracker.general_config_tracker.model_name_sanitized = "model"
    tracker.date_id = "20260101_000000"
    tracker.save_results_samples(TASK, results["samples"][TASK])
    return rescoring.rescore(found_runs.find_run([folder]))


@pytest.mark.parametrize("client", CLIENTS)
def test_each_thing_that_a_server_sends_is_read_right_and_only_what_has_no_answer_is_asked_again(
    client, questions, tmp_path, monkeypatch
):
    keys = [(protocol_prompt(question), shown(row).tobytes()) for row, question in questions]
    words = {key: words_of(question) for key, (_, question) in zip(keys, questions, strict=True)}
    script = dict(zip(keys, SCRIPT.items(), strict=True))

    def answer(prompt, pixels):
        key = prompt, pixels.tobytes()
        content = script[key][1][0]
        return content if isinstance(content, Reply) else Reply(filled(content, **words[key]))

    with serving(answer) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setitem(
            CLIENTS,
            client,
            CLIENTS[client]
            | ({"model_version": "stand-in"} if client == "gpt4v" else {"model": "stand-in", "base_url": server.url}),
        )
        results = evaluate(client, use_cache=str(tmp_path / "cache"))
        server.asked.clear()
        server.answer = lambda prompt, pixels: Reply(words[prompt, pixels.tobytes()]["right"])
        again = evaluate(client, use_cache=str(tmp_path / "cache"))
        asked_again = collections.Counter(server.asked)
    assert server.faults == []
    read = [
        (sample["acc"]["acc"], sample["acc_strict"]["score"], sample["unparsed"]["kind"], sample["failed"]["taken_off"])
        for sample in results["samples"][TASK]
    ]
    assert dict(zip(SCRIPT, read, strict=True)) == {
        name: (paper, strict, kind, taken_off) for name, (_, paper, strict, kind, taken_off) in SCRIPT.items()
    }
    figures = results["results"][TASK]
    assert figures["acc,none"] == pytest.approx(sum(row[1] for row in SCRIPT.values()) / len(SCRIPT), abs=1e-12)
    assert figures["acc_strict,none"] == pytest.approx(sum(row[2] for row in SCRIPT.values()) / len(SCRIPT), abs=1e-12)
    assert figures["failed,none"] == len(FAILING)
    # The log has all of it, and reads the same again.
    rescored = saved(results, tmp_path / "results")
    assert rescored.num_samples[TASK] == len(SCRIPT)
    assert {
        metric: rescored.scores[TASK][metric] for metric in ("acc", "acc_strict", "failed", "unparsed_by_kind")
    } == {metric: figures[f"{metric},none"] for metric in ("acc", "acc_strict", "failed", "unparsed_by_kind")}
    assert any("8 of 18 responses: channel 1, end token 2, prompt 2, reasoning 4" in note for note in rescored.notes), (
        rescored.notes
    )
    # What failed, and the null, have no answer; all else is known.
    unanswered = [key for key, (name, _) in script.items() if name in (*FAILING, "null")]
    assert asked_again == collections.Counter(unanswered)
    assert again["results"][TASK]["acc,none"] == pytest.approx(
        (sum(row[1] for row in SCRIPT.values()) + len(unanswered)) / len(SCRIPT), abs=1e-12
    )


# --- classes that answer in the process ---

# Questions whose generation fails.
BROKEN = (1, 2, 6)


class Tokenizer:
    """Tokens are characters."""

    eos_token_id = 0

    def encode(self, text, add_special_tokens=False):
        return [ord(character) for character in text]

    def decode(self, tokens):
        return "".join(chr(int(token)) for token in np.ravel(tokens) if token)

    def batch_decode(self, rows, skip_special_tokens=True):
        return [self.decode(row) for row in rows]


class Inputs(dict):
    def to(self, device):
        return self


def built(kind, said, fails, **attributes):
    """Make a class of the harness with its own ``generate_until``; its model answers a prompt with ``said(prompt)``."""

    def generate(input_ids, **settings):
        prompt = Tokenizer().decode(input_ids[0])
        if fails(prompt):
            raise RuntimeError("CUDA out of memory")
        answer = Tokenizer().encode(said(prompt))
        return torch.tensor([answer if kind is InstructBLIP else [*input_ids[0].tolist(), *answer]])

    def chat(msgs, **settings):
        prompt = msgs[0]["content"]
        if fails(prompt):
            raise RuntimeError("CUDA out of memory")
        return said(prompt), None, None

    def conversation(tokenizer, query, history, images):
        tokens = torch.tensor(tokenizer.encode(query))
        return {"input_ids": tokens, "token_type_ids": tokens, "attention_mask": tokens, "images": [torch.zeros(1)]}

    model = object.__new__(kind)
    lmms.__init__(model)
    stand_in = torch.nn.Module()
    vars(stand_in).update(generate=generate, chat=chat, build_conversation_input_ids=conversation)
    vars(model).update(
        _model=stand_in, _tokenizer=Tokenizer(), _device=torch.device("cpu"), dtype=torch.float32, batch_size_per_gpu=1
    )
    vars(model)["_image_processor"] = lambda images, text, **settings: Inputs(
        input_ids=torch.tensor([Tokenizer().encode(text)])
    )
    return model


@pytest.mark.parametrize("kind", [CogVLM2, MiniCPM_V, InstructBLIP])
def test_a_class_that_swallows_an_error_answers_all_but_what_failed(kind, questions):
    prompts = {protocol_prompt(question): number for number, (_, question) in enumerate(questions)}
    words = [words_of(question) for _, question in questions]
    # A prompt may be asked about several images.
    fails = [prompts[protocol_prompt(question)] in BROKEN for _, question in questions]
    model = built(kind, lambda prompt: words[prompts[prompt]]["right"], lambda prompt: prompts[prompt] in BROKEN)
    results = evaluate(model)
    assert [sample["failed"]["failed"] for sample in results["samples"][TASK]] == fails
    assert [sample["acc"]["acc"] for sample in results["samples"][TASK]] == [float(not failed) for failed in fails]


def test_a_model_that_returns_the_prompt_before_its_answer_scores_its_answers_alone(questions):
    """Always A, after the prompt: as InstructBLIP with Vicuna. The echoed options hold every right one."""
    results = evaluate(built(InstructBLIP, lambda prompt: f"{prompt} A", lambda prompt: False))
    scores = [float(question["answer_idx"] == 0) for _, question in questions]
    assert 0 < sum(scores) < len(scores)
    assert [sample["acc"]["acc"] for sample in results["samples"][TASK]] == scores
    assert all(sample["failed"]["taken_off"] == ["prompt"] for sample in results["samples"][TASK])
