"""Claims about PaliGemma's answers: they are those of a plain loop of transformers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from lmms_eval.api.instance import Instance
from PIL import Image

from microbench_adapters.libraries.paligemma_adapter import PaliGemma
from tests.support import questions, tiny_paligemma, vision_tasks
from tests.support.vision_tasks import Task, asked

pytestmark = pytest.mark.usefixtures("quiet_transformers")

SETTINGS = vision_tasks.SETTINGS
OPTIONS = [["neuron", "platelet"], ["light microscopy", "electron microscopy", "none of the above"]]


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


@pytest.fixture(scope="module")
def plain(paligemma_folders, paligemma_variant):
    return tiny_paligemma.Plain(paligemma_folders[paligemma_variant])


# --- what is written -----------------------------------------------------------------


@pytest.mark.parametrize(("batch_size", "shuffled"), [(1, False), (7, False), (64, False), (7, True)])
def test_answers_are_those_of_one_image_at_a_time(paligemma_folders, paligemma_variant, plain, batch_size, shuffled):
    tasks = quiz(), boxes()
    order = np.random.default_rng(0).permutation(2 * questions.COUNT).tolist() if shuffled else None
    answers = asked(
        PaliGemma(model=str(paligemma_folders[paligemma_variant]), device="cpu", batch_size=batch_size),
        *tasks,
        order=order,
    )
    for answer, image, request in zip(answers, tasks[0].images, tasks[0].requests(), strict=False):
        text, _, line = answer.rpartition("\n")
        letters = "ABC"[: len(OPTIONS[request.doc_id % 2])]
        shares = json.loads(line)["probabilities"]
        assert text == plain.text(image, request.args[0])
        assert list(shares) == list(letters)
        assert list(shares.values()) == pytest.approx(plain.shares(image, request.args[0], letters), abs=1e-5)
        assert sum(shares.values()) < 1
    for answer, image, request in zip(answers[questions.COUNT :], tasks[1].images, tasks[1].requests(), strict=False):
        text = plain.text(image, request.args[0])
        again = request.args[0].replace("detect ", "")
        assert answer == (text if text else plain.text(image, f"segment {again}; {again}"))
    # Not one answer to all, and not all one kind of answer.
    assert len(set(answers[: questions.COUNT])) > 5 and len(set(answers[questions.COUNT :])) > 5


def test_the_tokens_of_places_and_segments_survive_decoding(paligemma_model, plain):
    written = ["<loc0000>", "<pad>", "<loc1023>", "<seg000>", "<seg127>", "<eos>", "<bos>"]
    assert (
        plain.processor.decode(plain.processor.tokenizer.convert_tokens_to_ids(written), skip_special_tokens=True)
        == "<loc0000><loc1023><seg000><seg127>"
    )
    text = "".join(asked(paligemma_model, quiz(), boxes()))
    assert text.count("<loc") > 20
    assert not any(token in text for token in ("<pad>", "<eos>", "<bos>", "<image>"))


def test_just_the_empty_answers_are_asked_again(paligemma_model, plain, monkeypatch):
    prompts = []
    inputs = PaliGemma._inputs
    monkeypatch.setattr(
        PaliGemma, "_inputs", lambda self, images, texts: (prompts.extend(texts), inputs(self, images, texts))[1]
    )
    task = boxes()
    answers = asked(paligemma_model, task)
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
    assert answers.count("") < len(empty)


def test_a_task_that_offers_no_second_prompt_keeps_its_empty_answers(paligemma_model):
    none, nothing = Task("boxes", detect), Task("boxes", detect, when_empty=lambda doc: None)
    answers, again = asked(paligemma_model, none), asked(paligemma_model, boxes())
    assert "" in answers and asked(paligemma_model, nothing) == answers
    assert [answer for answer, second in zip(answers, again, strict=True) if answer] == [
        second for answer, second in zip(answers, again, strict=False) if answer
    ]


def test_an_answer_ends_before_the_first_of_the_strings_it_shall_end_at(paligemma_model, plain):
    image_of, prompt = questions.images(8), "detect gland"
    texts = [plain.text(image, prompt) for image in image_of]
    end = next(text for text in texts if len(text) > 12)[9:12]
    cut = asked(
        paligemma_model,
        Task("t", lambda number: prompt, count=8, settings=SETTINGS | {"until": ["never written", end, end[-1]]}),
    )
    assert cut == [
        text[: min(place for place in (text.find(end), text.find(end[-1]), len(text)) if place >= 0)] for text in texts
    ]
    assert cut != texts


def test_as_many_tokens_are_written_as_each_task_allows(paligemma_model, plain):
    short, long = (
        Task(name, lambda number: "detect cell", count=8, settings=SETTINGS | {"max_new_tokens": length})
        for name, length in (("short", 2), ("long", 9))
    )
    answers = asked(paligemma_model, short, long, order=np.random.default_rng(0).permutation(16).tolist())
    expected = [
        plain.text(image, "detect cell", max_new_tokens=length) for length in (2, 9) for image in questions.images(8)
    ]
    assert answers == expected and answers[:8] != answers[8:]


def test_settings_that_change_nothing_are_let_through(paligemma_model):
    given = {
        "top_p": 0.9,
        "num_beams": 1,
        "temperature": 0.7,
        "do_sample": False,
        "image_aspect_ratio": "original",
        "max_new_tokens": tiny_paligemma.NEW_TOKENS,
    }
    assert asked(paligemma_model, Task("t", lambda number: "detect cell", count=4, settings=given)) == asked(
        paligemma_model, Task("t", lambda number: "detect cell", count=4)
    )


def test_what_a_checkpoint_says_about_sampling_is_not_obeyed(paligemma_folder, paligemma_folders):
    path = paligemma_folder / "generation_config.json"
    path.write_text(
        json.dumps(
            json.loads(path.read_text())
            | {"do_sample": True, "temperature": 5.0, "repetition_penalty": 3.0, "num_beams": 3, "min_new_tokens": 5}
        )
    )
    answers = [
        asked(PaliGemma(model=str(where), device="cpu"), boxes())
        for where in (paligemma_folder, paligemma_folders["paligemma"])
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("precision", ["bf16", "amp_bf16"])
def test_half_precision_runs_and_stays_near(paligemma_folders, paligemma_variant, precision, paligemma_model):
    rough = asked(PaliGemma(model=str(paligemma_folders[paligemma_variant]), device="cpu", precision=precision), quiz())
    exact = asked(paligemma_model, quiz())
    shares = [
        [list(json.loads(answer.rpartition("\n")[2])["probabilities"].values()) for answer in answers]
        for answers in (rough, exact)
    ]
    # bfloat16 has three digits; the random layers enlarge what is lost.
    differences = np.abs(np.concatenate(shares[0]) - np.concatenate(shares[1]))
    assert 0 < differences.mean() < 0.02


def test_no_request_is_no_work(paligemma_model):
    assert paligemma_model.generate_until([]) == []


# --- requests that cannot be answered ------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_sample": True}, "do_sample=True, temperature=None: PaliGemma writes the most probable token"),
        ({"temperature": 0.7}, "do_sample=None, temperature=0.7: .*--gen_kwargs do_sample=False,temperature=0"),
        ({"num_beams": 5}, "num_beams=5: not supported"),
        ({"repetition_penalty": 1.2, "bad_words": ["A"]}, "repetition_penalty=1.2, bad_words=.*: not supported"),
        ({"max_new_tokens": 0}, "max_new_tokens: expected an integer of at least 1, got 0"),
        ({"max_new_tokens": "many"}, "max_new_tokens: expected an integer of at least 1, got 'many'"),
        ({"until": [""]}, "until: expected text that is not empty"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_obeyed_are_refused_before_anything_is_decoded(
    paligemma_folders, settings, message, paligemma_model
):
    fine, wrong = boxes(), Task("wrong", lambda number: "detect cell", settings=settings)
    with pytest.raises(ValueError, match=f"Task wrong, generation_kwargs: .*{message}"):
        asked(paligemma_model, fine, wrong)
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
def test_another_number_of_images_is_refused_before_inference(paligemma_model, monkeypatch, shown, message):
    monkeypatch.setattr(paligemma_model, "_generate", lambda *arguments: pytest.fail("inference"))
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
        asked(paligemma_model, boxes(), other)


class Shown:
    """A task that shows other images than its own, as the one that the adapter finds behind a bound method."""

    def __init__(self, task):
        self.config, self.show, self.dataset = task.config, task.doc_to_visual, task.dataset

    def doc_to_visual(self, doc):
        return self.show(doc)


def test_a_prompt_with_the_images_place_in_it_is_refused(paligemma_model):
    with pytest.raises(ValueError, match="Task t: its prompts contain <image>"):
        asked(paligemma_model, Task("t", lambda number: "<image> detect cell"))


@pytest.mark.parametrize("count", [0, 27])
def test_a_question_without_a_letter_for_every_choice_is_refused(paligemma_model, count):
    with pytest.raises(ValueError, match=f"Task t, document 0: expected 1 to 26 choices, got {count}"):
        asked(paligemma_model, Task("t", lambda number: "Which?", lambda number: ["option"] * count))


def test_other_kinds_of_requests_are_refused_by_name(paligemma_model):
    for method, wanted in (("loglikelihood", "log-likelihoods"), ("generate_until_multi_round", "several rounds")):
        with pytest.raises(ValueError, match=f"boxes: asked for {wanted}, but a PaliGemma only writes an answer"):
            getattr(paligemma_model, method)(boxes().requests())
    imageless = Instance("generate_until", ("Which?", SETTINGS), 0, {"task": "gsm8k", "doc_id": 0, "repeats": 1})
    with pytest.raises(ValueError, match="gsm8k: asked for an answer without an image"):
        paligemma_model.generate_until([imageless])


def test_scores_that_are_not_finite_end_the_run_instead_of_answering_nothing(paligemma_folders):
    broken = PaliGemma(model=str(paligemma_folders["paligemma"]), device="cpu")
    broken.module.model.language_model.norm.weight.data.fill_(float("inf"))
    with pytest.raises(ValueError, match="the model's scores are not finite"):
        asked(broken, boxes())
