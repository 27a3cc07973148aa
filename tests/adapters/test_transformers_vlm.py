"""Claims about transformers_vlm: answers, probabilities and boxes are those of a plain loop of transformers."""

from __future__ import annotations

import importlib.util
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from microbench_adapters.libraries import answer_lengths, transformers_vlm_adapter
from microbench_adapters.libraries.generative_smoke_test import Together
from microbench_adapters.libraries.paligemma_adapter import PaliGemma
from microbench_adapters.libraries.transformers_vlm_adapter import TransformersVlm
from microbench_tasks.parsing.boxes.parser import parse_boxes
from microbench_tasks.tasks import localization
from microbench_tasks.tasks.box_format_choice import LoadedFamily
from tests.support import questions, tiny_paligemma, tiny_vlm
from tests.support.vision_tasks import SETTINGS, Task, asked

pytestmark = pytest.mark.usefixtures("quiet_transformers")

OPTIONS = [["neuron", "platelet"], ["light microscopy", "electron microscopy", "none of the above"]]
# Images of four shapes.
SIZES = [(150, 60), (70, 160)]
WRITES = SETTINGS | {"max_new_tokens": tiny_vlm.NEW_TOKENS}


def images():
    rng = np.random.default_rng(1)
    noise = [Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for width, height in SIZES]
    return [*questions.images(5), *noise]


def prompt_of(number):
    return "Which?\n" + "\n".join(OPTIONS[number % 2]) + number % 3 * " really"


def quiz(**options):
    """Questions of several lengths about images of several shapes, with letters to choose from."""
    return Task(
        "quiz", prompt_of, lambda number: OPTIONS[number % 2], images=images(), **{"settings": WRITES} | options
    )


@pytest.fixture(scope="module", params=tiny_vlm.FAMILIES)
def family(request):
    if request.param == "smolvlm" and importlib.util.find_spec("num2words") is None:
        pytest.skip("transformers' processor of SmolVLM needs num2words")
    return request.param


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    return tiny_vlm.save(tmp_path_factory.mktemp("vlm") / family, family)


@pytest.fixture(scope="module")
def plain(folder):
    return tiny_vlm.Plain(folder)


@pytest.fixture(scope="module")
def model(folder):
    return TransformersVlm(model=str(folder), device="cpu")


@pytest.fixture(scope="module")
def qwen_folder(tmp_path_factory):
    return tiny_vlm.save(tmp_path_factory.mktemp("vlm") / "qwen", "qwen2_5_vl")


@pytest.fixture(scope="module")
def qwen(qwen_folder):
    return TransformersVlm(model=str(qwen_folder), device="cpu")


# --- every family --------------------------------------------------------------------


def test_answers_and_probabilities_are_those_of_one_image_at_a_time(model, plain, monkeypatch):
    task = quiz()
    assert model._together is Together.ALL
    for batch_size in (1, 3, 8):
        monkeypatch.setattr(model, "batch_size", batch_size)
        answers = asked(model, task)
        for number, (answer, image) in enumerate(zip(answers, task.images, strict=True)):
            text, _, line = answer.rpartition("\n")
            assert text == plain.text(image, prompt_of(number))
            letters = "ABC"[: len(OPTIONS[number % 2])]
            shares = json.loads(line)["probabilities"]
            assert list(shares) == list(letters)
            assert list(shares.values()) == pytest.approx(plain.shares(image, prompt_of(number), letters), abs=1e-5)
        # Not one answer to all.
        assert len(set(answers)) > 4


# What the rows of the table of formats say of each family, in numbers: order of the sides, and what they are parts of.
UNITS = {
    "qwen2_vl": 1000, "qwen3_vl": 1000, "internvl": 1000, "glm4v": 1000, "gemma3": 1000,
    "llava": "square", "llava_next": "square", "qwen2_5_vl": "seen",
}  # fmt: skip


def by_hand(numbers, family, image, plain):
    """The corners in pixels of a box that is written as these four numbers."""
    width, height = image.size
    unit = UNITS.get(family)
    if family == "gemma3":
        numbers = [numbers[index] for index in (1, 0, 3, 2)]
    if unit == 1000:
        return [value / 1000 * side for value, side in zip(numbers, (width, height) * 2, strict=True)]
    if unit == "square":
        side = max(width, height)
        offsets = ((side - width) // 2, (side - height) // 2) * 2
        return [value * side - offset for value, offset in zip(numbers, offsets, strict=True)]
    if unit == "seen":
        _, rows, columns = plain.processor.image_processor(image, return_tensors="pt")["image_grid_thw"][0].tolist()
        scale = (width / columns / tiny_vlm.PATCH, height / rows / tiny_vlm.PATCH) * 2
        return [value * factor for value, factor in zip(numbers, scale, strict=True)]
    return numbers


def test_boxes_are_those_that_the_written_tokens_mean(model, plain, family):
    doc_to_text, doc_to_visual = (
        function.for_model("transformers_vlm", None, LoadedFamily(**model.box_family))
        for function in (
            localization.microbench_localization_doc_to_text,
            localization.microbench_localization_doc_to_visual,
        )
    )
    chosen = doc_to_text.chosen.detection_format
    docs = [
        {"image": image, "width": image.width, "height": image.height, "expression": ("cell", "nucleus")[number % 2]}
        for number, image in enumerate(images())
    ]
    shown = [doc_to_visual(doc)[0] for doc in docs]
    task = Task("boxes", lambda number: doc_to_text(docs[number]), images=shown, settings=WRITES)
    numbers_of = tiny_vlm.box_tokens(tiny_vlm.FAMILIES[family].box_scale)
    num_boxes = 0
    for doc, image, answer, request in zip(docs, shown, asked(model, task), task.requests(), strict=True):
        written = [plain.processor.tokenizer.decode(token) for token in plain.tokens(image, request.args[0])]
        assert answer == plain.text(image, request.args[0])
        size = doc["image"].size
        expected = [by_hand(numbers_of[token], family, doc["image"], plain) for token in written if token in numbers_of]
        read = parse_boxes(answer, chosen.convention, size, chosen.model_input_size(size)).boxes
        np.testing.assert_allclose(read, np.reshape(expected, (-1, 4)), atol=1e-9)
        num_boxes += len(expected)
    assert num_boxes >= 5


# --- one family stands for all -------------------------------------------------------


def test_what_several_lines_say_is_kept_and_the_last_line_is_the_probabilities(qwen, qwen_folder):
    plain, task = tiny_vlm.Plain(qwen_folder), quiz()
    texts = [plain.text(image, prompt_of(number)) for number, image in enumerate(task.images)]
    assert any("\n" in text.strip() for text in texts)
    assert [answer.rpartition("\n")[0] for answer in asked(qwen, task)] == texts


def test_an_answer_ends_before_the_strings_of_the_task(qwen):
    whole = asked(qwen, Task("t", prompt_of, images=images(), settings=WRITES))
    cut = asked(qwen, Task("t", prompt_of, images=images(), settings=WRITES | {"until": ["]", "e"]}))
    assert cut == [min(text.split("]")[0], text.split("e")[0], key=len) for text in whole]
    assert cut != whole


def test_paligemma_is_asked_as_by_its_own_adapter(tmp_path):
    folder = tiny_paligemma.save(tmp_path / "tiny")
    task = Task("t", lambda number: "detect cell", images=images(), settings=SETTINGS)
    assert asked(TransformersVlm(model=str(folder), device="cpu"), task) == asked(
        PaliGemma(model=str(folder), device="cpu"), task
    )


@pytest.mark.parametrize("precision", ["bf16", "amp_bf16"])
def test_half_precision_runs_and_stays_near(qwen_folder, qwen, precision):
    rough = asked(TransformersVlm(model=str(qwen_folder), device="cpu", precision=precision), quiz())
    shares = [
        np.concatenate([list(json.loads(answer.rpartition("\n")[2])["probabilities"].values()) for answer in answers])
        for answers in (rough, asked(qwen, quiz()))
    ]
    assert 0 < np.abs(shares[0] - shares[1]).mean() < 0.02


def _without_mask(inputs):
    """The inputs of a processor that does not say what is padding."""
    return dict(inputs) | {"attention_mask": torch.ones_like(inputs["attention_mask"])}


def test_questions_are_asked_alone_where_a_batch_changes_answers(qwen_folder, qwen, monkeypatch):
    expected, warnings = [text.rpartition("\n")[0] for text in asked(qwen, quiz())], []
    monkeypatch.setattr(transformers_vlm_adapter.logger, "warning", warnings.append)
    monkeypatch.setattr(transformers_vlm_adapter, "tensors", _without_mask)
    model = TransformersVlm(model=str(qwen_folder), device="cpu")
    assert model._together is Together.NONE
    assert ["a batch of different images changes its answers" in line for line in warnings] == [True]
    assert [text.rpartition("\n")[0] for text in asked(model, quiz())] == expected
    # The wrong mask matters where questions are answered together.
    assert [text.rpartition("\n")[0] for text in asked(qwen, quiz())] != expected


def test_images_of_one_size_are_asked_about_together_where_unlike_ones_cannot(qwen_folder, qwen, monkeypatch):
    batches = []
    inputs = TransformersVlm._inputs

    def only_equal(self, shown, prompts):
        if len({image.size for image in shown}) > 1:
            raise ValueError("unlike sizes")
        batches.append([image.size for image in shown])
        return inputs(self, shown, prompts)

    monkeypatch.setattr(TransformersVlm, "_inputs", only_equal)
    model = TransformersVlm(model=str(qwen_folder), device="cpu")
    assert model._together is Together.SAME_SIZE
    batches.clear()
    answers = asked(model, quiz())
    assert sorted(map(len, batches)) == [1, 1, 2, 3]
    monkeypatch.setattr(TransformersVlm, "_inputs", inputs)
    assert [text.rpartition("\n")[0] for text in answers] == [text.rpartition("\n")[0] for text in asked(qwen, quiz())]


def _warnings(monkeypatch):
    lines = []
    monkeypatch.setattr(answer_lengths.logger, "warning", lines.append)
    return lines


def test_answers_that_break_off_are_named_once_and_counted(qwen, qwen_folder, monkeypatch):
    lines, plain = _warnings(monkeypatch), tiny_vlm.Plain(qwen_folder)
    end = plain.processor.tokenizer.eos_token_id
    written = [plain.tokens(image, prompt_of(number)) for number, image in enumerate(images())]
    asked(qwen, Task("short", prompt_of, images=images(), settings=WRITES))
    num_cut = sum(end not in tokens for tokens in written)
    assert num_cut > 0
    assert ["Task short, document" in line and "max_new_tokens=12 tokens" in line for line in lines] == [True]
    qwen.run_record()
    # The model has answered other tests' tasks, too.
    assert f"short {num_cut}" in lines[-1] and "answers broke off: " in lines[-1]


def test_a_prompt_longer_than_the_context_is_named(qwen_folder, tmp_path, monkeypatch):
    shutil.copytree(qwen_folder, tmp_path / "short")
    config = json.loads((tmp_path / "short/config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 40
    (tmp_path / "short/config.json").write_text(json.dumps(config))
    lines = _warnings(monkeypatch)
    asked(TransformersVlm(model=str(tmp_path / "short"), device="cpu"), quiz())
    assert any("more than the 40 that the model was trained on" in line for line in lines)
