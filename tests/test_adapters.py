"""Claims about the contrastive request loop and the open_clip adapter."""

import io
import json
from types import SimpleNamespace

import numpy as np
import open_clip
import pytest
import release
import tiny_clip
import torch
from lmms_eval.api.instance import Instance
from PIL import Image

from microbench_adapters import base
from microbench_adapters.open_clip_adapter import DemoClip, OpenClip

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


class ColourModel(base.ContrastiveModel):
    """An encoder whose right answers are obvious: images and texts are their colour."""

    logit_scale = 2.0

    def __init__(self, **options):
        super().__init__(**options)
        self.image_batches, self.text_batches = [], []

    def preprocess(self, image):
        return torch.from_numpy(np.asarray(image, dtype=np.float32).mean((0, 1))).reshape(3, 1, 1)

    def encode_images(self, images):
        self.image_batches.append(len(images))
        return torch.nn.functional.normalize(images.flatten(1), dim=1)

    def encode_texts(self, texts):
        self.text_batches.append(list(texts))
        return torch.nn.functional.normalize(torch.tensor([COLOURS[text] for text in texts], dtype=torch.float32), dim=1)


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
        self.dataset_no_image = {"test": Columns(docs)}

    def doc_to_visual(self, doc):
        return self.config.doc_to_visual(doc)

    def doc_to_choice(self, doc):
        return self.config.doc_to_choice(doc)

    def requests(self):
        return [
            Instance("generate_until", ("", {}, self.doc_to_visual, doc_id, self.name, "test"), 0, {"task": self.name, "doc_id": doc_id, "repeats": 1})
            for doc_id in range(len(self.dataset["test"]))
        ]


class Columns:
    """A split as ``datasets`` hands out a selection: a list per column."""

    def __init__(self, docs):
        self.docs = docs

    def __getitem__(self, indices):
        return {name: [self.docs[index][name] for index in indices] for name in self.docs[0]}


def choices_with_probabilities(doc):
    return doc["choices"]


choices_with_probabilities.wants_probabilities = True


def doc(colour, *choices):
    return {"colour": colour, "choices": list(choices)}


def letters(answers):
    return [answer.split("\n")[0] for answer in answers]


DOCS = [doc("red", "blue", "red"), doc("blue", "blue", "red", "green"), doc("red", "red", "green"), doc("green", "red", "blue", "green")]


def test_the_answer_is_the_letter_of_the_nearest_text():
    assert letters(ColourModel().generate_until(Task("t", DOCS).requests())) == ["B", "A", "A", "C"]


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
    assert sorted(sum(model.text_batches, [])) == ["blue", "green", "red"]


def test_an_image_known_by_its_key_is_not_even_decoded():
    model = ColourModel()
    first, second = (Task(name, DOCS, image_key=lambda doc: doc["colour"]) for name in ("one", "two"))
    answers = model.generate_until(first.requests() + second.requests())
    assert sorted(first.decoded + second.decoded) == ["blue", "green", "red"]
    assert letters(answers) == ["B", "A", "A", "C"] * 2


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
    with pytest.raises(ValueError, match="find_cells: asked for free text, but a contrastive model only chooses.*microbench_coarse"):
        model.generate_until(Task("t", DOCS).requests() + boxes.requests())
    assert model.image_batches == model.text_batches == []


def test_other_kinds_of_requests_are_refused_by_name():
    requests = Task("scienceqa", DOCS).requests()
    with pytest.raises(ValueError, match="scienceqa: asked for log-likelihoods"):
        ColourModel().loglikelihood(requests)
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


# --- options ---


@pytest.mark.parametrize("value", [0, -1, "auto", "2.5", "", None])
def test_a_batch_size_that_is_no_positive_integer_is_refused_at_once(value):
    with pytest.raises(ValueError, match="batch_size: expected a positive integer"):
        ColourModel(batch_size=value)


@pytest.mark.parametrize(
    ("model_args", "flag", "expected"),
    [("", 1, base.DEFAULT_BATCH_SIZE), ("", None, base.DEFAULT_BATCH_SIZE), ("", "1", 1), ("", "7", 7), ("batch_size=5", 1, 5), ("batch_size=5", "7", 5), ("batch_size=1", 1, 1)],
)
def test_model_args_win_over_flags_and_the_harness_default_means_no_wish(model_args, flag, expected):
    assert ColourModel.create_from_arg_string(model_args, {"batch_size": flag, "device": None}).batch_size == expected


@pytest.mark.parametrize(
    ("model_class", "model_args", "message"),
    [
        (DemoClip, "modle=x", "--model_args: modle is unknown. DemoClip takes precision, batch_size, device, max_batch_size"),
        (DemoClip, "model=ViT-B-32", "--model_args: model is unknown"),
        (OpenClip, "precision=bf16", "--model_args: model is missing. OpenClip takes model, pretrained"),
    ],
)
def test_model_args_that_do_not_exist_or_lack_are_named(model_class, model_args, message):
    with pytest.raises(ValueError, match=message):
        model_class.create_from_arg_string(model_args, {"batch_size": 1})


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_a_file_that_is_no_checkpoint_is_named(content, tmp_path):
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(ValueError, match=f"model=ViT-B-32, pretrained={tmp_path}/weights.pt: open_clip cannot load it: [A-Za-z]+Error"):
        OpenClip(model="ViT-B-32", pretrained=str(tmp_path / "weights.pt"), device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="asked for a GPU that is not there")
def test_a_missing_gpu_is_said_at_once():
    with pytest.raises(ValueError, match="device=cuda:0: this installation of torch sees no GPU"):
        ColourModel(device="cuda")


# --- open_clip ---


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory):
    return tiny_clip.save(tmp_path_factory.mktemp("clip") / "tiny")


def captioned_task():
    rows = [release.row(index) for index in range(12)]

    def choices(doc):
        return release.caption("submodality", 1, 0)["options"]

    choices.wants_probabilities = True
    task = Task("t", [{"colour": "red", "row": index} for index in range(12)], choices)
    task.config.doc_to_visual = lambda doc: [Image.open(io.BytesIO(rows[doc["row"]]["image"]["bytes"]))]
    return task


def plain_loop(task, name, pretrained=None):
    """One image and one text at a time, by open_clip's documented calls."""
    model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=pretrained)
    model.eval()
    tokenizer = open_clip.get_tokenizer(name)
    found = []
    for document in task.dataset["test"]:
        with torch.no_grad():
            image = model.encode_image(preprocess(task.doc_to_visual(document)[0].convert("RGB")).unsqueeze(0))
            image = image / image.norm(dim=-1, keepdim=True)
            logits = []
            for text in task.doc_to_choice(document):
                vector = model.encode_text(tokenizer([text]))
                logits.append(float(model.logit_scale.exp() * (vector / vector.norm(dim=-1, keepdim=True)) @ image.T))
        found.append(np.exp(logits) / np.exp(logits).sum())
    return found


def assert_agree(answers, expected):
    for answer, shares in zip(answers, expected, strict=True):
        letter, line = answer.split("\n")
        assert letter == "ABCD"[int(np.argmax(shares))]
        assert list(json.loads(line)["probabilities"].values()) == pytest.approx(list(shares), abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_letters_and_probabilities_are_those_of_a_plain_open_clip_loop(tiny_folder, batch_size):
    task, name = captioned_task(), f"local-dir:{tiny_folder}"
    assert_agree(OpenClip(model=name, batch_size=batch_size, device="cpu").generate_until(task.requests()), plain_loop(task, name))


def test_a_checkpoint_file_loads_with_its_architecture(tiny_folder, tmp_path):
    (tmp_path / "tiny-vit.json").write_text(json.dumps(tiny_clip.architecture()))
    open_clip.add_model_config(tmp_path)
    task, weights = captioned_task(), str(tiny_folder / "open_clip_model.safetensors")
    assert_agree(OpenClip(model="tiny-vit", pretrained=weights, device="cpu").generate_until(task.requests()), plain_loop(task, "tiny-vit", weights))


@pytest.mark.parametrize("precision", ["bf16", "amp_bf16"])
def test_lower_precision_runs_and_stays_near(tiny_folder, precision):
    task = captioned_task()
    exact, rough = (OpenClip(model=f"local-dir:{tiny_folder}", precision=name, device="cpu").generate_until(task.requests()) for name in ("fp32", precision))
    for one, other in zip(exact, rough):
        shares = [list(json.loads(answer.split("\n")[1])["probabilities"].values()) for answer in (one, other)]
        assert shares[0] == pytest.approx(shares[1], abs=0.1)


def test_a_model_answers_new_questions_after_the_harness_has_cleaned_up(tiny_folder):
    name, (first, second) = f"local-dir:{tiny_folder}", (captioned_task().requests()[:6], captioned_task().requests()[6:])
    model = OpenClip(model=name, device="cpu")
    answers = model.generate_until(first)
    model.clean()
    assert_agree(answers + model.generate_until(second), plain_loop(captioned_task(), name))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "ViT-B-33", "pretrained": "openai"}, "model=ViT-B-33: open_clip has no such architecture. Near: ViT-B-32"),
        ({"model": "ViT-B-32"}, "model=ViT-B-32: without pretrained the weights would be random.*laion2b_s34b_b79k"),
        ({"model": "ViT-B-32", "pretrained": "laion3b"}, "pretrained=laion3b is neither a tag nor a file.*laion2b_s34b_b79k"),
        ({"model": "local-dir:/no/such/folder"}, "expected a folder with open_clip_config.json and weights.*; /no/such/folder has no such file"),
        ({"model": "hf-hub:org/name", "pretrained": "openai"}, "pretrained=openai: hf-hub:org/name brings its own weights"),
        ({"model": "ViT-B-32", "pretrained": "openai", "precision": "int4"}, "precision=int4: expected one of fp32, fp16, bf16, amp, amp_bf16"),
        ({"model": "ViT-B-32", "pretrained": "openai", "precision": "fp16", "device": "cpu"}, "precision=fp16: half precision needs a GPU"),
    ],
)
def test_options_that_cannot_work_are_refused_before_loading(options, message):
    with pytest.raises(ValueError, match=message):
        OpenClip(**options)


def test_a_folder_without_weights_is_refused(tmp_path):
    folder = tiny_clip.save(tmp_path / "tiny")
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises((ValueError, RuntimeError), match="pretrained|weights"):
        OpenClip(model=f"local-dir:{folder}", device="cpu")


def test_openai_weights_get_the_activation_they_were_trained_with():
    from microbench_adapters.open_clip_adapter import _needs_quick_gelu

    assert _needs_quick_gelu("ViT-B-32", "openai")
    assert not _needs_quick_gelu("ViT-B-32", "laion2b_s34b_b79k")
    assert not _needs_quick_gelu("hf-hub:org/name", None)
