"""Claims about PaliGemma: its answers are those of a plain loop of transformers, and nothing that was not meant is ever evaluated."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from lmms_eval.api.instance import Instance
from PIL import Image
from safetensors.torch import load_file, save_file

from microbench_adapters.libraries import paligemma_adapter, paligemma_checkpoint
from microbench_adapters.libraries.paligemma_adapter import PaliGemma
from tests.support import questions, tiny_paligemma

SETTINGS = {"max_new_tokens": tiny_paligemma.NEW_TOKENS, "until": [], "temperature": 0, "do_sample": False}
OPTIONS = [["neuron", "platelet"], ["light microscopy", "electron microscopy", "none of the above"]]


class Task:
    """What the adapter uses of a harness task: drawn images, a prompt about each."""

    def __init__(self, name, prompt_of, choices_of=None, when_empty=None, count=questions.COUNT, settings=SETTINGS):
        self.name, self.settings = name, settings
        self.images = questions.images(count)
        self.docs = [{"number": number} for number in range(count)]
        self.dataset_no_image = {"test": self}
        self.dataset = {"test": self.docs}

        def doc_to_text(doc):
            return prompt_of(doc["number"])

        def doc_to_choice(doc):
            return choices_of(doc["number"])

        if when_empty is not None:
            doc_to_text.when_empty = when_empty
        doc_to_choice.wants_probabilities = True
        self.config = SimpleNamespace(doc_to_text=doc_to_text, doc_to_choice=doc_to_choice if choices_of else None)
        self.decoded = []

    def __getitem__(self, places):
        """Without images: one document, or a list per column."""
        return {
            "number": [self.docs[place]["number"] for place in places]
            if isinstance(places, list)
            else self.docs[places]["number"]
        }

    def doc_to_visual(self, doc):
        self.decoded.append(doc["number"])
        return [self.images[doc["number"]]]

    def doc_to_choice(self, doc):
        return self.config.doc_to_choice(doc)

    def requests(self):
        return [
            Instance(
                "generate_until",
                (
                    self.config.doc_to_text(doc),
                    dict(self.settings),
                    self.doc_to_visual,
                    doc["number"],
                    self.name,
                    "test",
                ),
                0,
                {"task": self.name, "doc_id": doc["number"], "repeats": 1},
            )
            for doc in self.docs
        ]


def quiz():
    """Prompts of two lengths, with letters to choose from."""
    return Task("quiz", lambda number: "Which?\n" + "\n".join(OPTIONS[number % 2]), lambda number: OPTIONS[number % 2])


NAMES = ["gland", "cell", "nucleus of a cell", "mitochondria", "nucleus"]


def detect(number):
    return f"detect {NAMES[number % len(NAMES)]}"


def segment(doc):
    name = NAMES[doc["number"] % len(NAMES)]
    return f"segment {name}; {name}"


def boxes():
    return Task("boxes", detect, when_empty=segment)


def asked(model, *tasks, order=None):
    """The answers to the tasks' requests, asked in ``order``, in their own order."""
    requests = [request for task in tasks for request in task.requests()]
    order = range(len(requests)) if order is None else order
    found = dict(zip(order, model.generate_until([requests[index] for index in order]), strict=True))
    return [found[index] for index in range(len(requests))]


@pytest.fixture(scope="module", autouse=True)
def quiet():
    """Transformers remarks on every prompt without the image's place, which its processor then adds."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    yield
    transformers.logging.set_verbosity(before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    where = tmp_path_factory.mktemp("paligemma")
    return {variant: tiny_paligemma.save(where / variant, variant) for variant in tiny_paligemma.VARIANTS}


@pytest.fixture(scope="module", params=tiny_paligemma.VARIANTS)
def variant(request):
    return request.param


@pytest.fixture(scope="module")
def plain(folders, variant):
    return tiny_paligemma.Plain(folders[variant])


@pytest.fixture(scope="module")
def model(folders, variant):
    return PaliGemma(model=str(folders[variant]), device="cpu")


@pytest.fixture
def folder(folders, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(folders["paligemma"], tmp_path / "tiny")


# --- what is written -----------------------------------------------------------------


@pytest.mark.parametrize(("batch_size", "shuffled"), [(1, False), (7, False), (64, False), (7, True)])
def test_answers_are_those_of_one_image_at_a_time(folders, variant, plain, batch_size, shuffled):
    tasks = quiz(), boxes()
    order = np.random.default_rng(0).permutation(2 * questions.COUNT).tolist() if shuffled else None
    found = asked(PaliGemma(model=str(folders[variant]), device="cpu", batch_size=batch_size), *tasks, order=order)
    for answer, image, request in zip(found, tasks[0].images, tasks[0].requests(), strict=False):
        text, _, line = answer.rpartition("\n")
        letters = "ABC"[: len(OPTIONS[request.doc_id % 2])]
        shares = json.loads(line)["probabilities"]
        assert text == plain.text(image, request.args[0])
        assert list(shares) == list(letters)
        assert list(shares.values()) == pytest.approx(plain.shares(image, request.args[0], letters), abs=1e-5)
        assert sum(shares.values()) < 1
    for answer, image, request in zip(found[questions.COUNT :], tasks[1].images, tasks[1].requests(), strict=False):
        text = plain.text(image, request.args[0])
        again = request.args[0].replace("detect ", "")
        assert answer == (text if text else plain.text(image, f"segment {again}; {again}"))
    # Not one answer to all, and not all one kind of answer.
    assert len(set(found[: questions.COUNT])) > 5 and len(set(found[questions.COUNT :])) > 5


def test_the_tokens_of_places_and_segments_survive_decoding(model, plain):
    written = ["<loc0000>", "<pad>", "<loc1023>", "<seg000>", "<seg127>", "<eos>", "<bos>"]
    assert (
        plain.processor.decode(plain.processor.tokenizer.convert_tokens_to_ids(written), skip_special_tokens=True)
        == "<loc0000><loc1023><seg000><seg127>"
    )
    found = "".join(asked(model, quiz(), boxes()))
    assert found.count("<loc") > 20
    assert not any(token in found for token in ("<pad>", "<eos>", "<bos>", "<image>"))


def test_just_the_empty_answers_are_asked_again(model, plain, monkeypatch):
    prompts = []
    inputs = PaliGemma._inputs
    monkeypatch.setattr(
        PaliGemma, "_inputs", lambda self, images, texts: (prompts.extend(texts), inputs(self, images, texts))[1]
    )
    task = boxes()
    found = asked(model, task)
    empty = [
        request.args[0].removeprefix("detect ")
        for image, request in zip(task.images, task.requests(), strict=False)
        if plain.text(image, request.args[0]) == ""
    ]
    assert 0 < len(empty) < questions.COUNT
    assert sorted(prompts) == sorted(
        [request.args[0] for request in task.requests()] + [f"segment {name}; {name}" for name in empty]
    )
    # The second try is no third: what it leaves empty stays so.
    assert found.count("") < len(empty)


def test_a_task_that_offers_no_second_prompt_keeps_its_empty_answers(model):
    none, nothing = Task("boxes", detect), Task("boxes", detect, when_empty=lambda doc: None)
    found, again = asked(model, none), asked(model, boxes())
    assert "" in found and asked(model, nothing) == found
    assert [answer for answer, second in zip(found, again, strict=True) if answer] == [
        second for answer, second in zip(found, again, strict=False) if answer
    ]


def test_an_answer_ends_before_the_first_of_the_strings_it_shall_end_at(model, plain):
    image_of, prompt = questions.images(8), "detect gland"
    texts = [plain.text(image, prompt) for image in image_of]
    end = next(text for text in texts if len(text) > 12)[9:12]
    cut = asked(
        model, Task("t", lambda number: prompt, count=8, settings=SETTINGS | {"until": ["never written", end, end[-1]]})
    )
    assert cut == [
        text[: min(place for place in (text.find(end), text.find(end[-1]), len(text)) if place >= 0)] for text in texts
    ]
    assert cut != texts


def test_as_many_tokens_are_written_as_each_task_allows(model, plain):
    short, long = (
        Task(name, lambda number: "detect cell", count=8, settings=SETTINGS | {"max_new_tokens": length})
        for name, length in (("short", 2), ("long", 9))
    )
    found = asked(model, short, long, order=np.random.default_rng(0).permutation(16).tolist())
    expected = [
        plain.text(image, "detect cell", max_new_tokens=length) for length in (2, 9) for image in questions.images(8)
    ]
    assert found == expected and found[:8] != found[8:]


def test_settings_that_change_nothing_are_let_through(model):
    given = {
        "top_p": 0.9,
        "num_beams": 1,
        "temperature": 0.7,
        "do_sample": False,
        "image_aspect_ratio": "original",
        "max_new_tokens": tiny_paligemma.NEW_TOKENS,
    }
    assert asked(model, Task("t", lambda number: "detect cell", count=4, settings=given)) == asked(
        model, Task("t", lambda number: "detect cell", count=4)
    )


def test_what_a_checkpoint_says_about_sampling_is_not_obeyed(folder, folders):
    path = folder / "generation_config.json"
    path.write_text(
        json.dumps(
            json.loads(path.read_text())
            | {"do_sample": True, "temperature": 5.0, "repetition_penalty": 3.0, "num_beams": 3, "min_new_tokens": 5}
        )
    )
    found = [asked(PaliGemma(model=str(where), device="cpu"), boxes()) for where in (folder, folders["paligemma"])]
    assert found[0] == found[1]


@pytest.mark.parametrize("precision", ["bf16", "amp_bf16"])
def test_half_precision_runs_and_stays_near(folders, variant, precision, model):
    rough = asked(PaliGemma(model=str(folders[variant]), device="cpu", precision=precision), quiz())
    exact = asked(model, quiz())
    shares = [
        [list(json.loads(answer.rpartition("\n")[2])["probabilities"].values()) for answer in answers]
        for answers in (rough, exact)
    ]
    # bfloat16 has three digits; the random layers enlarge what is lost.
    differences = np.abs(np.concatenate(shares[0]) - np.concatenate(shares[1]))
    assert 0 < differences.mean() < 0.02


def test_no_request_is_no_work(model):
    assert model.generate_until([]) == []


# --- requests that cannot be answered ------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_sample": True}, "do_sample=True, temperature=None: PaliGemma writes the likeliest token"),
        ({"temperature": 0.7}, "do_sample=None, temperature=0.7: .*--gen_kwargs do_sample=False,temperature=0"),
        ({"num_beams": 5}, "num_beams=5: not supported"),
        ({"repetition_penalty": 1.2, "bad_words": ["A"]}, "repetition_penalty=1.2, bad_words=.*: not supported"),
        ({"max_new_tokens": 0}, "max_new_tokens: expected an integer of at least 1, got 0"),
        ({"max_new_tokens": "many"}, "max_new_tokens: expected an integer of at least 1, got 'many'"),
        ({"until": [""]}, "until: expected text that is not empty"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_obeyed_are_refused_before_anything_is_decoded(folders, settings, message, model):
    fine, wrong = boxes(), Task("wrong", lambda number: "detect cell", settings=settings)
    with pytest.raises(ValueError, match=f"Task wrong, generation_kwargs: .*{message}"):
        asked(model, fine, wrong)
    assert fine.decoded == wrong.decoded == []


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ([], "shows 0 images"),
        (None, "shows 0 images"),
        ([Image.new("RGB", (8, 8))] * 2, "shows 2 images"),
        (["clip.mp4"], "shows a str in the place of an image"),
    ],
    ids=["none", "nothing", "two", "video"],
)
def test_another_number_of_images_is_refused_before_inference(model, monkeypatch, shown, message):
    monkeypatch.setattr(model, "_generate", lambda *arguments: pytest.fail("inference"))
    other = boxes()
    other.name, other.doc_to_visual = "others", lambda doc: shown
    other.requests = lambda: [
        Instance(
            "generate_until",
            ("detect cell", SETTINGS, Shown(other).doc_to_visual, 0, "others", "test"),
            0,
            {"task": "others", "doc_id": 0, "repeats": 1},
        )
    ]
    with pytest.raises(
        ValueError,
        match=f"Task others {message} .*one question; PaliGemma only writes an answer to a prompt about one image",
    ):
        asked(model, boxes(), other)


class Shown:
    """A task that shows other images than its own, as the one that the adapter finds behind a bound method."""

    def __init__(self, task):
        self.config, self.show, self.dataset = task.config, task.doc_to_visual, task.dataset

    def doc_to_visual(self, doc):
        return self.show(doc)


def test_a_prompt_with_the_images_place_in_it_is_refused(model):
    with pytest.raises(ValueError, match="Task t: its prompts contain <image>"):
        asked(model, Task("t", lambda number: "<image> detect cell"))


@pytest.mark.parametrize("count", [0, 27])
def test_a_question_without_a_letter_for_every_choice_is_refused(model, count):
    with pytest.raises(ValueError, match=f"Task t, document 0: expected 1 to 26 choices, got {count}"):
        asked(model, Task("t", lambda number: "Which?", lambda number: ["option"] * count))


def test_other_kinds_of_requests_are_refused_by_name(model):
    for method, wanted in (("loglikelihood", "log-likelihoods"), ("generate_until_multi_round", "several rounds")):
        with pytest.raises(ValueError, match=f"boxes: asked for {wanted}, but a PaliGemma only writes an answer"):
            getattr(model, method)(boxes().requests())
    imageless = Instance("generate_until", ("Which?", SETTINGS), 0, {"task": "gsm8k", "doc_id": 0, "repeats": 1})
    with pytest.raises(ValueError, match="gsm8k: asked for an answer without an image"):
        model.generate_until([imageless])


def test_scores_that_are_not_finite_end_the_run_instead_of_answering_nothing(folders):
    broken = PaliGemma(model=str(folders["paligemma"]), device="cpu")
    broken.module.model.language_model.norm.weight.data.fill_(float("inf"))
    with pytest.raises(ValueError, match="the model's scores are not finite"):
        asked(broken, boxes())


# --- checkpoints ---------------------------------------------------------------------


def spoil(folder, change):
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


PROJECTION = "multi_modal_projector.linear.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.update({"lora_A.weight": state.pop(PROJECTION)}),
            rf"Keys: missing 1 \(model.{PROJECTION}\); unexpected 1 \(.*lora_A.weight\)",
        ),
        (
            lambda state: state.update({PROJECTION: torch.ones(3, 3)}),
            rf"of another shape 1 \(model.{PROJECTION}: \(3, 3\), expected \(64, 32\)\)",
        ),
        (
            lambda state: state[PROJECTION].fill_(float("nan")),
            rf"1 weights contain values that are not finite \(model.{PROJECTION}\)",
        ),
    ],
    ids=["missing and unexpected", "shape", "not finite"],
)
def test_weights_that_are_not_the_models_are_refused_by_name(folder, change, message):
    spoil(folder, change)
    with pytest.raises(ValueError, match=message):
        PaliGemma(model=str(folder), device="cpu")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["config.json"], "it has no config.json"),
        (
            ["processor_config.json"],
            "AutoProcessor cannot load it: .*needs config.json, preprocessor_config.json and the tokenizer's files",
        ),
        (
            ["tokenizer.json", "tokenizer_config.json"],
            "(its tokenizer lacks 1024 of the tokens <loc0000> to <loc1023>|AutoTokenizer cannot load it).*[Cc]opy",
        ),
        (["model.safetensors"], "transformers cannot load its weights: .*model.safetensors"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_folder_that_is_not_whole_is_refused_with_what_is_missing(folder, files, message):
    for name in files:
        (folder / name).unlink()
    with pytest.raises(ValueError, match=f"(?s)model={folder}.*{message}"):
        PaliGemma(model=str(folder), device="cpu")


def test_a_tokenizer_without_places_is_refused(folder):
    words = tiny_paligemma.tokenizer()
    transformers.GemmaTokenizer(vocab=words._vocab, merges=words._merges).save_pretrained(folder)
    with pytest.raises(
        ValueError,
        match="its tokenizer lacks 1024 of the tokens <loc0000> to <loc1023>, by which PaliGemma writes boxes. .*copy tokenizer.json",
    ):
        PaliGemma(model=str(folder), device="cpu")


def test_a_tokenizer_with_the_image_elsewhere_is_refused(folder):
    words = transformers.AutoTokenizer.from_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"image_token_index": 7}))
    with pytest.raises(
        ValueError,
        match=rf"has <image> as number {words.convert_tokens_to_ids('<image>')}, its config.json as 7. The tokenizer belongs to another model",
    ):
        PaliGemma(model=str(folder), device="cpu")


def test_another_type_of_model_is_refused_before_its_weights_are_read(folder):
    transformers.CLIPConfig().save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        ValueError, match=r"expected a checkpoint of type paligemma \(PaliGemma and PaliGemma 2\), got clip"
    ):
        PaliGemma(model=str(folder), device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "no/such-model"}, "model=no/such-model, revision=None: AutoConfig cannot load it"),
        (
            {},
            f"model=google/paligemma-3b-mix-224, revision={paligemma_adapter.DEFAULT_REVISION}: AutoConfig cannot load it",
        ),
        ({"revision": "bfloat16"}, "model=google/paligemma-3b-mix-224, revision=bfloat16: AutoConfig cannot load it"),
        ({"precision": "int4"}, "precision=int4: expected one of"),
        ({"precision": "int8"}, "precision=int8: expected one of fp32, fp16, bf16, amp, amp_bf16."),
        ({"precision": "fp16"}, "precision=fp16: half precision needs a GPU"),
        ({"batch_size": 0}, "batch_size: expected a positive integer, got 0"),
        ({"device": "gpu"}, "device=gpu: torch knows no such device"),
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused_before_loading(options, message):
    with pytest.raises(ValueError, match=message):
        PaliGemma(**({"device": "cpu"} | options))


def test_a_revision_of_a_local_folder_is_refused(folder):
    with pytest.raises(ValueError, match="revision=main: .* is a local folder and has none"):
        PaliGemma(model=str(folder), revision="main", device="cpu")


def test_unknown_model_args_are_named():
    with pytest.raises(
        ValueError,
        match="--model_args: max_new_tokens is unknown. PaliGemma takes model, revision, precision, batch_size, device, max_batch_size",
    ):
        PaliGemma.create_from_arg_string("model=x,max_new_tokens=5", {"batch_size": 1})


def test_the_record_says_what_was_loaded(folders, model, variant):
    record = model.record()
    assert record["checkpoint"] == record["files"]["model"] == str(folders[variant])
    assert record["architecture"]["text_config"]["model_type"] == tiny_paligemma.VARIANTS[variant][0]["model_type"]
    assert record["preprocessing"]["image_mean"] == [0.5] * 3
    assert (record["precision"], record["device"], record["tokenizer"]["class"]) == ("fp32", "cpu", "GemmaTokenizer")
    json.dumps(record)


def test_the_published_files_load_as_what_they_hold(folder, folders):
    """Weights by the names of the Hub's checkpoints, and the image processor's settings in the file of theirs."""
    names = {
        "language_model.model.": "model.language_model.",
        "vision_tower.vision_model.": "model.vision_tower.",
        "multi_modal_projector.": "model.multi_modal_projector.",
    }
    state = transformers.PaliGemmaForConditionalGeneration.from_pretrained(folder).state_dict()
    published = {
        old + name.removeprefix(new): values.contiguous()
        for old, new in names.items()
        for name, values in state.items()
        if name.startswith(new)
    }
    assert len(published) == len(state) - 1
    save_file(published, folder / "model.safetensors", metadata={"format": "pt"})
    settings = json.loads((folder / "processor_config.json").read_text())
    (folder / "processor_config.json").unlink()
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            settings["image_processor"]
            | {"processor_class": "PaliGemmaProcessor", "image_processor_type": "SiglipImageProcessor"}
        )
    )
    records = [PaliGemma(model=str(where), device="cpu").record() for where in (folder, folders["paligemma"])]
    for part in ("weights_sha256", "preprocessing", "tokenizer"):
        assert records[0][part] == records[1][part]


def test_weights_are_bit_for_bit_those_that_transformers_loads_itself(folders, model, variant):
    expected = transformers.PaliGemmaForConditionalGeneration.from_pretrained(folders[variant]).state_dict()
    found = model.module.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], values) for name, values in expected.items())


def test_an_output_matrix_of_its_own_is_kept_as_transformers_keeps_it_and_named(folder, monkeypatch):
    said = []
    monkeypatch.setattr(paligemma_checkpoint.logger, "warning", said.append)
    state = load_file(folder / "model.safetensors")
    [embedding] = [values for name, values in state.items() if name.endswith("embed_tokens.weight")]
    save_file(
        state | {"language_model.lm_head.weight": embedding * 1.5},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    found = PaliGemma(model=str(folder), device="cpu").module.state_dict()
    assert torch.equal(found["lm_head.weight"], embedding * 1.5)
    assert torch.equal(found["model.language_model.embed_tokens.weight"], embedding)
    assert [
        "ties the output matrix to the embeddings, but the weights contain a separate" in line for line in said
    ] == [True]
