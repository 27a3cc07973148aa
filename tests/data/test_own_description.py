"""The description of an own dataset, and the tasks that its name stands for."""

from __future__ import annotations

import pytest

from microbench_tasks.catalog import find_task
from microbench_tasks.catalog.own_tasks import box_task, is_dataset_name, own_task, question_task
from microbench_tasks.data.own_datasets.description import (
    DESCRIPTION_FILE,
    Description,
    read_description,
    write_description,
)
from microbench_tasks.util.errors import DataError

POLLEN = Description(
    name="pollen_2025",
    question="Which pollen is this?",
    captions="A micrograph of {class} pollen.",
    classes=["birch", "hazel"],
    licence="CC-BY-4.0",
    groups="slide",
    num_images=4,
    num_questions=4,
    num_boxes=0,
    table_sha256="0" * 64,
)


def test_a_description_is_read_as_it_was_written(tmp_path):
    write_description(tmp_path, POLLEN)
    assert read_description(tmp_path) == POLLEN


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: [", "expected YAML"),
        ("- a list", "expected an object"),
        ("name: Pollen", "name: expected lowercase letters"),
        ("name: pollen", "question: is missing"),
    ],
)
def test_a_wrong_description_is_refused_by_file_and_field(tmp_path, text, problem):
    (tmp_path / DESCRIPTION_FILE).write_text(text)
    with pytest.raises(DataError, match=rf"{DESCRIPTION_FILE}: .*{problem}"):
        read_description(tmp_path)


@pytest.mark.parametrize("name", ["pollen", "a", "pollen_2025", "b12_x"])
def test_tasks_are_derived_from_the_name_of_the_dataset(name):
    assert is_dataset_name(name)
    assert find_task(f"microbench_own_{name}") == question_task(name)
    assert find_task(f"microbench_own_{name}_boxes") == box_task(name)


@pytest.mark.parametrize(
    "name", ["opencell", "cognition", "", "Pollen", "2pollen", "a__b", "_a", "a_", "boxes", "é", "a-b", "a" * 65]
)
def test_other_names_are_no_datasets(name):
    assert not is_dataset_name(name)
    assert own_task(f"microbench_own_{name}") is None


def test_a_name_that_would_be_taken_for_the_boxes_of_another_dataset_is_refused():
    assert not is_dataset_name("my_boxes")
    assert own_task("microbench_own_my_boxes") == box_task("my")
