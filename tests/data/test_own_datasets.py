"""``MICROBENCH_OWN``: which datasets it names, and what their documents are."""

from __future__ import annotations

import pytest

from microbench_tasks import catalog
from microbench_tasks.data import source_identity, task_data
from microbench_tasks.data.own_datasets import setting
from microbench_tasks.data.own_datasets.description import DESCRIPTION_FILE, TABLE_FILE
from microbench_tasks.runs.mismatches import source_mismatch
from microbench_tasks.util.errors import DataError
from tests.support import own_data

CELLS, SLIDES = "microbench_own_cells", "microbench_own_slides"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Two datasets in one folder: questions alone, and questions and boxes with groups."""
    own_data.questions(tmp_path / "cells")
    own_data.slides(tmp_path / "slides")
    monkeypatch.setenv(setting.SETTING, str(tmp_path))
    return tmp_path


def resolve(name):
    return task_data.resolve(catalog.task_of(name))


def documents(name):
    return resolve(name).documents(catalog.task_of(name))


def test_the_setting_names_a_dataset_or_a_folder_of_datasets(installed, monkeypatch):
    both = [CELLS, SLIDES, f"{SLIDES}_boxes"]
    assert [task.name for task in setting.installed_tasks()] == both
    monkeypatch.setenv(setting.SETTING, f"{installed / 'slides'}, {installed / 'cells'}")
    assert [task.name for task in setting.installed_tasks()] == both
    monkeypatch.setenv(setting.SETTING, str(installed / "cells"))
    assert [task.name for task in setting.installed_tasks()] == [CELLS]


@pytest.mark.parametrize("value", ["", " , "])
def test_without_a_folder_no_dataset_is_installed(value, monkeypatch):
    monkeypatch.setenv(setting.SETTING, value)
    assert setting.installed() == {}


def test_a_folder_is_added_once_for_this_process_and_its_children(installed, monkeypatch):
    monkeypatch.setenv(setting.SETTING, str(installed / "cells"))
    for _ in range(2):
        setting.add_folder(installed / "cells")
        setting.add_folder(installed / "slides")
    assert list(setting.installed()) == ["cells", "slides"]
    monkeypatch.delenv(setting.SETTING)
    setting.add_folder(installed)
    assert list(setting.installed()) == ["cells", "slides"]


def test_questions_have_group_options_and_captions(installed):
    docs = documents(SLIDES)
    assert len(docs) == 12
    assert docs["group"] == [f"slide {number // 3}" for number in range(12)]
    first = docs[1]
    assert (first["image_id"], first["dataset"], first["kind"]) == ("image_1", "slides", "classification")
    assert (first["options"], first["answer_idx"]) == (["round", "square"], 1)
    assert first["captions"] == ["A micrograph of round cells.", "A micrograph of square cells."]


def test_an_image_without_group_is_a_group_of_its_own(installed):
    assert documents(CELLS)["group"] == [f"image_{number}" for number in range(8)]


def test_documents_of_boxes_have_the_group_too(installed):
    docs = documents(f"{SLIDES}_boxes")
    assert docs[4]["group"] == "slide 1"
    assert (docs[4]["expression"], docs[4]["boxes"]) == ("cell", [[12.0, 12.0, 36.0, 36.0]])


def test_the_record_of_a_dataset_names_it_and_its_content(installed):
    identity = resolve(SLIDES).identity
    stated = setting.installed()["slides"].description
    assert identity == {
        "source": "own",
        "name": "slides",
        "sha256": stated.table_sha256,
        "licence": "CC-BY-4.0",
        "groups": "slide",
        "path": str(installed / "slides"),
    }


def test_place_and_licence_do_not_make_other_data_but_the_content_does(installed):
    identity = resolve(SLIDES).identity
    assert source_mismatch(identity | {"path": "/elsewhere", "licence": "none"}, identity) == ""
    assert source_mismatch(identity | {"sha256": "0" * 64}, identity) == f"sha256 {'0' * 64}"
    assert source_identity.content_of(identity).keys() == {"source", "name", "sha256"}


def test_a_dataset_that_is_not_installed_is_named_with_the_setting(installed):
    with pytest.raises(
        DataError, match="the dataset pollen is not in MICROBENCH_OWN=.* It has cells, slides. Set MICRO"
    ):
        resolve("microbench_own_pollen")


def test_a_task_that_a_dataset_lacks_is_refused_with_those_that_it_has(installed):
    with pytest.raises(DataError, match="has no boxes. It has the task microbench_own_cells."):
        resolve(f"{CELLS}_boxes")


@pytest.mark.parametrize(
    ("place", "problem"), [("nowhere", "no such folder"), (".", "has no dataset"), ("file.txt", "no such folder")]
)
def test_a_folder_without_dataset_is_refused(tmp_path, monkeypatch, place, problem):
    (tmp_path / "file.txt").write_text("")
    monkeypatch.setenv(setting.SETTING, str(tmp_path / place))
    with pytest.raises(DataError, match=f"{problem}. Expected a folder that microbench new-dataset has written"):
        setting.installed()


def test_two_datasets_of_one_name_are_refused_with_both_folders(installed, tmp_path):
    own_data.questions(tmp_path / "other")
    with pytest.raises(DataError, match="cells and .*other are both named cells"):
        setting.installed()


def test_a_changed_table_is_refused(installed):
    table = installed / "cells" / TABLE_FILE
    table.write_bytes(table.read_bytes() + b" ")
    with pytest.raises(DataError, match=rf"{table}: has been changed since {DESCRIPTION_FILE} was written"):
        resolve(CELLS)


def test_a_missing_table_is_refused(installed):
    (installed / "cells" / TABLE_FILE).unlink()
    with pytest.raises(DataError, match="no such file, although .* describes it"):
        resolve(CELLS)


@pytest.mark.parametrize(
    ("stated", "problem"),
    [
        ({"num_images": 7}, "states num_images 7, the table has 2"),
        ({"num_questions": 1}, "states num_questions 1, the table has 2"),
        ({"num_boxes": 5}, "states num_boxes 5, the table has 2"),
        ({"name": "other"}, "row 0: column dataset: expected 'other', got 'cells'"),
    ],
)
def test_a_description_that_contradicts_its_table_is_refused(tmp_path, monkeypatch, stated, problem):
    rows = [own_data.row("cells", number, boxes=True) for number in range(2)]
    own_data.write(tmp_path / "cells", "cells", rows, **stated)
    monkeypatch.setenv(setting.SETTING, str(tmp_path))
    with pytest.raises(DataError, match=problem):
        resolve(f"microbench_own_{stated.get('name', 'cells')}")


def test_a_group_named_like_an_image_without_group_is_refused(tmp_path, monkeypatch):
    rows = [own_data.row("cells", 0), own_data.row("cells", 1, group="image_0")]
    own_data.write(tmp_path / "cells", "cells", rows)
    monkeypatch.setenv(setting.SETTING, str(tmp_path))
    with pytest.raises(DataError, match="row 1: column group: 'image_0' is also the name of an image without a group"):
        resolve(CELLS)


def test_a_table_that_is_replaced_is_read_again(installed, monkeypatch):
    assert len(documents(CELLS)) == 8
    (installed / "cells" / TABLE_FILE).unlink()
    (installed / "cells" / TABLE_FILE).parent.rmdir()
    own_data.questions(installed / "cells", number=6)
    assert len(documents(CELLS)) == 6
