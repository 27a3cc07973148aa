"""Claims about images of documents: the column read alone gives what the whole document shows."""

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from microbench_adapters.models.document_images import DocumentImages
from microbench_adapters.models.task_functions import VisualRequest
from microbench_tasks.tasks import prompts

NUM_DOCS = 3


class Task:
    """What models read of a harness task; the functions of this package show its images."""

    def __init__(self, dataset, source):
        def show(doc):
            self.seen.append(set(doc))
            return prompts.microbench_doc_to_visual(doc)

        if source is not None:
            show.image_source = source
        self.seen = []
        self.dataset = {"test": dataset}
        self.config = type(
            "Config", (), {"doc_to_visual": staticmethod(show), "doc_to_text": None, "doc_to_choice": None}
        )

    def doc_to_visual(self, doc):
        return self.config.doc_to_visual(doc)


def images_of(dataset, source=("image", "1")):
    task = Task(dataset, source)
    return DocumentImages(VisualRequest("", {}, task.doc_to_visual, 0, "captions", "test")), task


@pytest.fixture
def dataset():
    """Colour, gray and 16 bits, in an order that a selection has changed."""
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 256, (5, 7, 3), dtype=np.uint8),
        rng.integers(0, 256, (6, 4), dtype=np.uint8),
        rng.integers(0, 4000, (4, 4), dtype=np.uint16),
    ]
    rows = Dataset.from_dict({"image": [Image.fromarray(array) for array in arrays], "question": ["a", "b", "c"]})
    return rows.select([2, 0, 1])


def test_the_column_alone_gives_the_pixels_of_the_whole_document(dataset):
    alone, task = images_of(dataset)
    whole, other = images_of(dataset, source=None)
    for doc_id in range(NUM_DOCS):
        assert alone.load(doc_id).mode == "RGB"
        assert np.array_equal(alone.load(doc_id), whole.load(doc_id))
    assert {frozenset(columns) for columns in task.seen} == {frozenset({"image"})}
    assert {frozenset(columns) for columns in other.seen} == {frozenset({"image", "question"})}


def test_a_digest_is_that_of_file_and_conversion(dataset):
    images, task = images_of(dataset)
    digests = [images.content(doc_id) for doc_id in range(NUM_DOCS)]
    assert len(set(digests)) == NUM_DOCS
    # Nothing was decoded for them.
    assert task.seen == []
    again, _ = images_of(dataset.select([1, 0, 2]))
    assert [again.content(doc_id) for doc_id in range(NUM_DOCS)] == [digests[1], digests[0], digests[2]]
    other, _ = images_of(dataset, source=("image", "2"))
    assert not {other.content(doc_id) for doc_id in range(NUM_DOCS)} & set(digests)


def test_without_a_source_the_digest_is_that_of_the_pixels(dataset):
    images, _ = images_of(dataset, source=None)
    twice = Dataset.from_list([dataset[1], dataset[1] | {"question": "d"}], features=dataset.features)
    same, _ = images_of(twice, source=None)
    assert same.content(0) == same.content(1) == images.content(1) != images.content(0)


def test_a_column_that_holds_no_images_is_not_read_alone():
    images, task = images_of(Dataset.from_dict({"image": [[[0, 255], [255, 0]]]}))
    task.config.doc_to_visual = lambda doc: [Image.fromarray(np.array(doc["image"], dtype=np.uint8))]
    images._doc_to_visual = task.config.doc_to_visual
    assert images.load(0).getpixel((1, 0)) == (255, 255, 255)
