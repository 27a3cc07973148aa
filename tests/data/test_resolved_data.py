"""Claims about resolved data: one object for a setting until its files change, rows and documents built once."""

import os

import datasets
import pytest

from microbench_tasks import catalog
from microbench_tasks.data import data_folder, documents, micrographs, resolved_data, task_documents
from microbench_tasks.tasks import yaml_values
from tests.support import release

TASK = catalog.TASKS["microbench_coarse_modality"]


@pytest.fixture
def folder(tmp_path, use_source):
    written = release.write_parquet(tmp_path / "data", [release.row(0), release.row(1)])
    use_source(written)
    return written


def test_a_folder_is_searched_once(folder, monkeypatch):
    first = micrographs.resolve()
    monkeypatch.setattr(micrographs, "data_files_of", lambda folder, label: pytest.fail("searched again"))
    assert micrographs.resolve() is first
    assert first.path == yaml_values.DATASET_PATH


def test_a_new_file_is_noticed(folder, tmp_path):
    first = micrographs.resolve()
    [more] = release.write_parquet(tmp_path / "more", [release.row(2)]).iterdir()
    more.rename(folder / "test-more.parquet")
    assert micrographs.resolve() is not first
    assert len(micrographs.resolve().rows) == 3


def test_a_removed_file_is_noticed(folder):
    [file] = data_folder.data_files_of(folder, "data")
    first = micrographs.resolve()
    file.rename(folder / "renamed.parquet")
    assert micrographs.resolve() is first, "the content is the same"
    (folder / "renamed.parquet").unlink()
    with pytest.raises(ValueError, match="contains no .arrow or .parquet files"):
        micrographs.resolve()


def test_loaded_rows_stay_in_use_while_the_content_is_the_same(folder):
    first = micrographs.resolve()
    [file] = data_folder.data_files_of(folder, "data")
    os.utime(file, ns=(0, 0))
    assert micrographs.resolve() is first


def test_a_forgotten_setting_is_resolved_again(folder):
    first = micrographs.resolve()
    resolved_data.forget()
    assert micrographs.resolve() is not first


def test_documents_are_built_once_and_given_to_the_harness(folder, monkeypatch):
    data = micrographs.resolve()
    built = data.documents(TASK)
    assert len(built) == 2
    monkeypatch.setattr(task_documents, "build", lambda split, task, where: pytest.fail("built again"))
    assert data.documents(TASK) is built
    # As the harness loads the rows (lmms_eval/api/task.py, ConfigurableTask.download).
    loaded_again = datasets.load_from_disk(data.path)["test"]
    assert documents.TaskDocuments(TASK)(loaded_again) is built
