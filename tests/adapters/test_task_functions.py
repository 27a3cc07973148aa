"""Claims about what models read of a task's documents."""

from types import SimpleNamespace

import datasets
import pytest

from microbench_adapters.models.task_functions import documents, image_keys

DOCS = [{"name": f"image {number % 3}", "number": number, "texts": ["a", "b"]} for number in range(9)]
IDS = [4, 0, 4, 2]


def key(doc):
    return doc["name"], doc["number"] % 2


def task(docs):
    return SimpleNamespace(dataset_no_image={"test": docs})


def selection():
    # Documents of a task are mostly a selection of the rows of a table.
    found = datasets.Dataset.from_list(DOCS[::-1]).select(range(8, -1, -1))
    assert found._indices is not None
    return found


@pytest.mark.parametrize("docs", [datasets.Dataset.from_list(DOCS), selection()], ids=["whole", "selection"])
def test_the_key_of_each_image_is_that_of_its_document(docs):
    expected = [("image 1", 0), ("image 0", 0), ("image 1", 0), ("image 2", 0)]
    assert image_keys(task(docs), "test", IDS, key) == expected
    assert [key(doc) for doc in documents(task(docs), "test", IDS)] == expected


@pytest.mark.parametrize("docs", [datasets.Dataset.from_list(DOCS), selection()], ids=["whole", "selection"])
def test_a_function_for_keys_sees_whole_documents(docs):
    assert image_keys(task(docs), "test", IDS, dict) == [DOCS[number] for number in IDS]
    assert image_keys(task(docs), "test", IDS, len) == [3] * 4
    with pytest.raises(KeyError, match="colour"):
        image_keys(task(docs), "test", IDS, lambda doc: doc["colour"])


@pytest.mark.parametrize("docs", [datasets.Dataset.from_list(DOCS), selection()], ids=["whole", "selection"])
def test_named_columns_are_read_as_in_whole_documents(docs):
    read = documents(task(docs), "test", IDS, ["texts", "number"])
    assert [(doc["number"], doc["texts"]) for doc in read] == [(number, ["a", "b"]) for number in IDS]


def test_columns_that_nobody_named_are_not_converted():
    (doc,) = documents(task(selection()), "test", [5], ["number"])
    assert doc == {"number": 5}
