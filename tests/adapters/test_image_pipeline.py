"""Claims about the order of reading and encoding, with a device whose work ends when the test says so."""

import multiprocessing
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lmms_eval.api.instance import Instance
from tqdm import tqdm

from microbench_adapters.models import choices as task_choices
from microbench_adapters.models import contrastive, image_pipeline, image_reading, pixel_store
from microbench_adapters.models.document_images import ImageQuestion
from microbench_adapters.models.dual_encoder import DualEncoder, Encoding
from microbench_adapters.models.image_reading import LoadedImage
from tests.support import questions


class Device(DualEncoder):
    """An encoder beside its caller: the vector of an image is its number and its first pixel.

    Attributes:
        given: the first pixels of the images of each batch that the device was given.
        num_done: batches that it has finished.
    """

    works_beside_caller = True
    resizing = "first pixel"

    def __init__(self):
        super().__init__(batch_size=2, device="cpu")
        self.given = []
        self.num_done = 0

    def preprocess(self, image):
        return {"pixels": torch.zeros(3, 1, 1, dtype=torch.uint8)}

    def load_image(self, question):
        return LoadedImage(question.key, b"", {"pixels": pixels(question.key)})

    def start_encoding(self, batch, kind):
        number, values = len(self.given), batch["pixels"][:, 0, 0, 0].tolist()
        self.given.append(values)

        def is_done():
            return number < self.num_done or not self.works_beside_caller

        return Encoding(is_done, lambda: np.array([[number, value] for value in values]))

    encode_images = encode_texts = tokenize = None


def pixels(number):
    return torch.full((3, 1, 1), number, dtype=torch.uint8)


def pipeline(device, numbers, features):
    images = [ImageQuestion(number, None, number) for number in numbers]
    return image_pipeline.ImagePipeline(device, images, features, tqdm(disable=True))


@pytest.fixture
def in_memory():
    """Ten resized images of an earlier model."""
    with pixel_store.shared():
        keys = [(Device.resizing, number) for number in range(10)]
        pixel_store.memory().add(keys, [b""] * 10, torch.stack([pixels(number) for number in range(10)]))
        yield


@pytest.mark.usefixtures("in_memory")
def test_a_device_is_given_three_batches_and_a_further_one_whenever_it_has_finished_one():
    device, features = Device(), {}
    with pipeline(device, range(10), features) as images:
        images.feed()
        assert device.given == [[0, 1], [2, 3], [4, 5]]
        images.feed()
        assert len(device.given) == 3
        device.num_done = 1
        images.feed()
        assert device.given[3:] == [[6, 7]]
        device.num_done = 4
        images.feed()
        assert device.given[4:] == [[8, 9]]
        # An error from now on would lose what the device still works at, and nothing else.
        assert sorted(features) == list(range(8))
        assert [list(keys) for keys in images] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    # The number of the batch, and the image.
    assert {key: vector.tolist() for key, vector in features.items()} == {n: [n // 2, n] for n in range(10)}


def test_images_that_are_still_read_are_not_waited_for(monkeypatch):
    fork = multiprocessing.get_context("fork")
    may_read = fork.Event()
    load = Device.load_image
    monkeypatch.setattr(Device, "load_image", lambda self, question: may_read.wait(60) and load(self, question))
    monkeypatch.setattr(image_reading, "use_processes", lambda num_images, device: num_images > 0)
    device = Device()
    with pipeline(device, range(10), {}) as images:
        images.feed()
        assert device.given == []
        may_read.set()
        # The first units of each process: they come together.
        assert images._readers._end_of(0).poll(60)
        assert images._readers._end_of(1).poll(60)
        images.feed()
        assert device.given == [[0, 1], [2, 3], [4, 5]]
        assert sum(images, []) == list(range(10))
    assert sum(device.given, []) == list(range(10))


@pytest.mark.usefixtures("in_memory")
def test_a_device_that_does_not_work_beside_its_caller_is_given_what_is_asked_for(monkeypatch):
    """The caller would wait for it; and a run that is killed loses no batch that is encoded."""
    monkeypatch.setattr(Device, "works_beside_caller", False)
    device, features = Device(), {}
    with pipeline(device, range(10), features) as images:
        images.feed()
        assert device.given == []
        for number, keys in enumerate(images, start=1):
            assert keys == device.given[-1]
            assert len(device.given) == number == len(features) / 2


@pytest.mark.usefixtures("in_memory")
def test_the_same_image_in_two_batches_is_encoded_once():
    device, features = Device(), {}
    with pipeline(device, [0, 1, 1, 2, 0, 1, 3], features) as images:
        images.feed()
        assert sum(images, []) == [0, 1, 1, 2, 0, 1, 3]
    assert device.given == [[0, 1], [2], [3]]


class Model(Device, contrastive.ContrastiveModel):
    """A contrastive model on such a device, for which all images and texts are the same."""

    logit_scale = 1.0

    def start_encoding(self, batch, kind):
        if kind == "images":
            return super().start_encoding(batch, kind)
        return Encoding(lambda: True, lambda: np.ones((len(batch["length"]), 2)))

    def tokenize(self, texts):
        return {"length": torch.tensor([[len(text)] for text in texts])}

    def longer_than_context(self, texts):
        return []

    def record(self):
        return {}


Model.__abstractmethods__ = frozenset()


class Task:
    """What the loop uses of a harness task: a question about each image, which must be in memory."""

    def __init__(self, numbers, doc_to_choice):
        def show(doc):
            raise AssertionError("an image in memory is read")

        show.image_key = lambda doc: doc["image"]
        docs = [{"image": number} for number in numbers]
        self.config = SimpleNamespace(doc_to_choice=doc_to_choice, doc_to_visual=show)
        self.dataset = {"test": docs}
        self.dataset_no_image = {"test": questions.Columns(docs)}
        self.doc_to_choice = doc_to_choice

    def doc_to_visual(self, doc):
        return self.config.doc_to_visual(doc)

    def requests(self):
        return [
            Instance(
                "generate_until",
                ("", {}, self.doc_to_visual, number, "t", "test"),
                0,
                {"task": "t", "doc_id": number, "repeats": 1},
            )
            for number in range(len(self.dataset["test"]))
        ]


@pytest.mark.usefixtures("in_memory")
def test_a_device_is_fed_while_the_texts_of_questions_are_read(monkeypatch):
    monkeypatch.setattr(task_choices, "_DOCS_BETWEEN", 1)
    model = Model()
    given = []

    def choices(doc):
        given.append(len(model.given))
        # Meanwhile it finishes a batch.
        model.num_done += 1
        return ["a", "b"]

    requests = Task(range(10), choices).requests()
    assert model.generate_until(requests) == ["A"] * 10
    # Three batches before the first question, and a further one after each until all five are given.
    assert given == [3, 4, 5, 5, 5, 5, 5, 5, 5, 5]


def test_reading_processes_begin_before_the_texts_of_questions_are_read(monkeypatch):
    events = []

    class Recorded(image_reading.ReadingProcesses):
        def __init__(self, *arguments):
            events.append("reading begins")
            super().__init__(*arguments)

    def choices(doc):
        events.append("texts")
        return ["a", "b"]

    monkeypatch.setattr(image_reading, "use_processes", lambda num_images, device: num_images > 0)
    monkeypatch.setattr(image_pipeline, "ReadingProcesses", Recorded)
    Model().generate_until(Task(range(2), choices).requests())
    assert events == ["reading begins", "texts", "texts"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_in_a_question_readers_are_gone_and_the_model_can_be_asked_again(monkeypatch, error):
    processes = []

    class Recorded(image_reading.ReadingProcesses):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            processes.append(self)

    def choices(doc):
        if faults:
            raise faults.pop()
        return ["a", "b"]

    monkeypatch.setattr(image_reading, "use_processes", lambda num_images, device: num_images > 0)
    monkeypatch.setattr(image_pipeline, "ReadingProcesses", Recorded)
    model, task, faults = Model(), Task(range(2), choices), [error("no options")]
    with pytest.raises(error, match="no options"):
        model.generate_until(task.requests())
    assert all(end.closed for end in processes[0]._ends)
    model.feed_device()
    assert model.generate_until(task.requests()) == ["A", "A"]
