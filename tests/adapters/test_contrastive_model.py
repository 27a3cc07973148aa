"""Claims about the contrastive request loop."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lmms_eval.api.instance import Instance
from PIL import Image

from microbench_adapters.libraries.open_clip_adapter import OpenClip
from microbench_adapters.models import contrastive, dual_encoder, truncation
from microbench_adapters.named_models import demo_clip
from tests.support import questions


@pytest.fixture
def warnings_of_loop(monkeypatch):
    warnings = []
    monkeypatch.setattr(truncation.logger, "warning", warnings.append)
    return warnings


COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


class ColourModel(contrastive.ContrastiveModel):
    """An encoder whose right answers are obvious: images and texts are their colour."""

    logit_scale = 2.0

    def __init__(self, **options):
        super().__init__(**options)
        self.image_batches, self.text_batches = [], []

    def preprocess(self, image):
        return {"mean": torch.from_numpy(np.asarray(image, dtype=np.float32).mean((0, 1)))}

    def encode_images(self, images):
        self.image_batches.append(len(images["mean"]))
        return torch.nn.functional.normalize(images["mean"], dim=1)

    def tokenize(self, texts):
        """A text is its last word, of which the context holds five letters."""
        return {"colour": torch.tensor([COLOURS[text.split()[-1][:5]] for text in texts], dtype=torch.float32)}

    def encode_texts(self, tokens):
        self.text_batches.append([tuple(row) for row in tokens["colour"].int().tolist()])
        return torch.nn.functional.normalize(tokens["colour"], dim=1)

    def longer_than_context(self, texts):
        return [text for text in texts if len(text.split()[-1]) > 5]

    def record(self):
        return {"checkpoint": "colours"}


class Task:
    """What the loop uses of a harness task."""

    def __init__(self, name, docs, doc_to_choice=lambda doc: doc["choices"], image_key=None):
        self.decoded = []

        def visual(doc):
            self.decoded.append(doc["colour"])
            return [Image.new("RGB", (4, 4), COLOURS[colour]) for colour in doc["colour"].split("+") if colour]

        if image_key:
            visual.image_key = image_key
        self.config = SimpleNamespace(doc_to_choice=doc_to_choice, doc_to_visual=visual)
        self.name = name
        self.dataset = {"test": docs}
        self.dataset_no_image = {"test": questions.Columns(docs)}

    def doc_to_visual(self, doc):
        return self.config.doc_to_visual(doc)

    def doc_to_choice(self, doc):
        return self.config.doc_to_choice(doc)

    def requests(self):
        return [
            Instance(
                "generate_until",
                ("", {}, self.doc_to_visual, doc_id, self.name, "test"),
                0,
                {"task": self.name, "doc_id": doc_id, "repeats": 1},
            )
            for doc_id in range(len(self.dataset["test"]))
        ]


def choices_with_probabilities(doc):
    return doc["choices"]


choices_with_probabilities.wants_probabilities = True


def doc(colour, *choices):
    return {"colour": colour, "choices": list(choices)}


DOCS = [
    doc("red", "blue", "red"),
    doc("blue", "blue", "red", "green"),
    doc("red", "red", "green"),
    doc("green", "red", "blue", "green"),
]


def test_the_answer_is_the_letter_of_the_nearest_text():
    assert questions.letters(ColourModel().generate_until(Task("t", DOCS).requests())) == ["B", "A", "A", "C"]


def test_the_second_line_holds_the_softmax_of_the_scaled_cosines():
    [answer] = ColourModel().generate_until(Task("t", [DOCS[0]], choices_with_probabilities).requests())
    # Cosines 0 and 1, scale 2: 1 / (1 + e**2) = 0.119203 and e**2 / (1 + e**2) = 0.880797.
    assert json.loads(answer.split("\n")[1]) == {"probabilities": {"A": 0.119203, "B": 0.880797}}


def test_a_task_that_does_not_ask_for_probabilities_gets_the_bare_letter():
    """Other benchmarks' parsers would take the letters of a second line for answers."""
    assert ColourModel().generate_until(Task("t", DOCS).requests()) == ["B", "A", "A", "C"]


def test_each_distinct_image_and_text_is_encoded_once():
    model = ColourModel(batch_size=2)
    model.generate_until(Task("one", DOCS).requests() + Task("two", DOCS).requests())
    model.generate_until(Task("three", DOCS).requests())
    assert sum(model.image_batches) == 3
    assert sorted(sum(model.text_batches, [])) == sorted(COLOURS.values())


def test_an_image_known_by_its_key_is_not_even_decoded():
    model = ColourModel()
    first, second = (Task(name, DOCS, image_key=lambda doc: doc["colour"]) for name in ("one", "two"))
    answers = model.generate_until(first.requests() + second.requests())
    assert sorted(first.decoded + second.decoded) == ["blue", "green", "red"]
    assert questions.letters(answers) == ["B", "A", "A", "C"] * 2


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
@pytest.mark.parametrize("image_key", [None, lambda doc: doc["colour"]], ids=["by pixels", "by key"])
def test_batch_size_and_order_do_not_matter(batch_size, image_key):
    requests = Task("t", DOCS * 3, image_key=image_key).requests()
    order = np.random.default_rng(0).permutation(len(requests))
    straight = ColourModel().generate_until(requests)
    shuffled = ColourModel(batch_size=batch_size).generate_until([requests[index] for index in order])
    assert [straight[index] for index in order] == shuffled


def test_no_request_is_no_work():
    model = ColourModel()
    assert model.generate_until([]) == []
    assert model.image_batches == []


def test_a_task_without_choices_is_refused_before_anything_is_encoded():
    model = ColourModel()
    boxes = Task("find_cells", DOCS, doc_to_choice=None)
    with pytest.raises(
        ValueError, match="find_cells: asked for free text, but a contrastive model only chooses.*microbench_coarse"
    ):
        model.generate_until(Task("t", DOCS).requests() + boxes.requests())
    assert model.image_batches == model.text_batches == []


def test_other_kinds_of_requests_are_refused_by_name():
    requests = Task("scienceqa", DOCS).requests()
    with pytest.raises(ValueError, match="scienceqa: asked for several rounds"):
        ColourModel().generate_until_multi_round(requests)


@pytest.mark.parametrize(("colour", "count"), [("red+blue", 2), ("", 0)])
def test_a_question_about_another_number_of_images_is_refused(colour, count):
    with pytest.raises(ValueError, match=f"Task pairs shows {count} images with one question"):
        ColourModel().generate_until(Task("pairs", [doc(colour, "red", "blue")]).requests())


@pytest.mark.parametrize("number", [0, 27])
def test_a_question_without_a_letter_for_every_choice_is_refused(number):
    with pytest.raises(ValueError, match=f"Task t, document 0: expected 1 to 26 choices, got {number}"):
        ColourModel().generate_until(Task("t", [doc("red", *["red"] * number)]).requests())


# --- texts that are cut ---


def test_texts_longer_than_the_context_are_counted_and_named(warnings_of_loop):
    model = ColourModel()
    model.generate_until(Task("t", [doc("red", "blue", "greenish"), doc("red", "greenish", "red")]).requests())
    assert model.truncation.texts == {"greenish"}
    assert any(
        "1 of 3 texts are longer than the model's context, which cuts them: 'greenish'." in warning
        for warning in warnings_of_loop
    )


def test_options_that_are_cut_to_the_same_tokens_tie_and_are_counted(warnings_of_loop):
    model = ColourModel()
    answers = model.generate_until(
        Task("t", [doc("green", "greenish", "greeny"), doc("green", "greeny", "red")]).requests()
    )
    assert answers == ["A", "A"]
    assert model.truncation.ambiguous == {("t", "test", 0)}
    assert any(
        "1 questions have options that are the same once cut to the context, such as document 0 of t" in warning
        for warning in warnings_of_loop
    )


def test_options_that_repeat_a_text_are_not_blamed_on_the_context():
    model = ColourModel()
    assert model.generate_until(Task("t", [doc("green", "red", "green", "green")]).requests()) == ["B"]
    assert model.truncation.texts == model.truncation.ambiguous == set()


# --- the sigmoid loss ---


def test_with_a_bias_each_probability_is_the_sigmoid_of_its_own_logit():
    class Sigmoid(ColourModel):
        logit_bias = -3.0

    [answer] = Sigmoid().generate_until(Task("t", [DOCS[0]], choices_with_probabilities).requests())
    # Cosines 0 and 1, scale 2, bias -3: 1 / (1 + e**3) = 0.0474259 and 1 / (1 + e**1) = 0.268941.
    assert answer.startswith("B\n")
    assert json.loads(answer.split("\n")[1]) == {"probabilities": {"A": 0.0474259, "B": 0.268941}}


# --- tasks of output type multiple_choice ---


def likelihood_requests(task, doc_id, context, texts):
    return [
        Instance(
            "loglikelihood",
            (context, f" {text}", task.doc_to_visual, doc_id, task.name, "test"),
            index,
            {"task": task.name, "doc_id": doc_id, "repeats": 1},
        )
        for index, text in enumerate(texts)
    ]


def test_the_likeliest_text_is_context_and_option_that_fit_the_image_best():
    task = Task("quiz", DOCS)
    requests = likelihood_requests(task, 0, "what?", ["blue", "red"]) + likelihood_requests(
        task, 3, "what?", ["red", "blue", "green"]
    )
    order = [3, 0, 4, 1, 2]
    results = ColourModel().loglikelihood([requests[index] for index in order])
    losses, best = zip(*(results[order.index(index)].text for index in range(5)), strict=False)
    # Cosines 1 for the right one and else 0, scale 2: -ln of the softmax shares.
    right, wrong = np.log(np.exp(2) + 1) - 2, np.log(np.exp(2) + 1)
    assert losses[:2] == pytest.approx((wrong, right))
    right, wrong = np.log(np.exp(2) + 2) - 2, np.log(np.exp(2) + 2)
    assert losses[2:] == pytest.approx((wrong, wrong, right))
    assert best == (False, True, False, False, True)


def test_a_likelihood_without_an_image_is_refused():
    request = Instance("loglikelihood", ("", "red"), 0, {"task": "hellaswag", "doc_id": 0, "repeats": 1})
    model = ColourModel()
    with pytest.raises(ValueError, match="hellaswag: asked for the likelihood of a text without an image"):
        model.loglikelihood([request])
    assert model.text_batches == []


def test_vectors_that_are_not_finite_end_the_run_instead_of_answering_a():
    class Broken(ColourModel):
        def encode_images(self, images):
            return super().encode_images(images) * float("nan")

    with pytest.raises(ValueError, match="Broken: encode_images returned vectors that are not finite"):
        Broken().generate_until(Task("t", DOCS).requests())


# --- options ---


@pytest.mark.parametrize("value", [0, -1, "auto", "2.5", ""])
def test_a_batch_size_that_is_no_positive_integer_is_refused_at_once(value):
    with pytest.raises(ValueError, match="batch_size: expected a positive integer"):
        ColourModel(batch_size=value)


@pytest.mark.parametrize(
    ("model_args", "flag", "expected"),
    [
        ("", 1, dual_encoder.DEFAULT_BATCH_SIZE),
        ("", None, dual_encoder.DEFAULT_BATCH_SIZE),
        ("", "1", 1),
        ("", "7", 7),
        ("batch_size=5", 1, 5),
        ("batch_size=5", "7", 5),
        ("batch_size=1", 1, 1),
    ],
)
def test_model_args_win_over_flags_and_the_harness_default_means_no_wish(model_args, flag, expected):
    assert ColourModel.create_from_arg_string(model_args, {"batch_size": flag, "device": None}).batch_size == expected


@pytest.mark.parametrize(
    ("model_class", "model_args", "message"),
    [
        (demo_clip, "modle=x", "--model_args: modle is unknown. demo_clip takes model, pretrained"),
        (OpenClip, "precision=bf16", "--model_args: model is missing. OpenClip takes model, pretrained"),
    ],
)
def test_model_args_that_do_not_exist_or_lack_are_named(model_class, model_args, message):
    with pytest.raises(ValueError, match=message):
        model_class.create_from_arg_string(model_args, {"batch_size": 1})


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_a_file_that_is_no_checkpoint_is_named(content, tmp_path):
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(ValueError, match=f"{tmp_path}/weights.pt: cannot be read as a checkpoint: it is not a PyTorch"):
        OpenClip(model="ViT-B-32", pretrained=str(tmp_path / "weights.pt"), device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="asked for a GPU that is not there")
def test_a_missing_gpu_is_said_at_once():
    with pytest.raises(ValueError, match="device=cuda:0: this installation of torch sees no GPU"):
        ColourModel(device="cuda")
