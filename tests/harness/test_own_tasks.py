"""Own datasets in the harness's index: their YAML, their tag, and folders of ``--include_path``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lmms_eval import tasks
from lmms_eval.tasks import TaskManager

import yaml
from microbench_tasks import catalog
from microbench_tasks.data.own_datasets import setting
from microbench_tasks.harness import capabilities, own_tasks
from microbench_tasks.harness.patches import installation
from microbench_tasks.tasks import definitions
from microbench_tasks.util.errors import DataError
from tests.support import own_data

CELLS, SLIDES, BOXES = "microbench_own_cells", "microbench_own_slides", "microbench_own_slides_boxes"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    own_data.questions(tmp_path / "cells")
    own_data.slides(tmp_path / "slides")
    monkeypatch.setenv(setting.SETTING, str(tmp_path))
    return tmp_path


@pytest.fixture
def index(monkeypatch):
    """Returns the harness's index of tasks, less its own thousand."""
    installation.install()
    original = TaskManager._get_task_and_group
    harness = Path(tasks.__file__).parent

    def of_others(self, task_dir):
        return {} if Path(task_dir) == harness else original(self, task_dir)

    monkeypatch.setattr(TaskManager, "_get_task_and_group", of_others)
    return lambda **options: TaskManager(**options).task_index


def test_the_tag_stands_for_the_tasks_of_the_installed_datasets(installed, monkeypatch):
    assert own_tasks.tasks_named(["microbench_own", "mmlu", CELLS]) == (CELLS, SLIDES, BOXES)
    monkeypatch.setenv(setting.SETTING, str(installed / "slides"))
    assert own_tasks.tasks_named(["microbench_own"]) == (SLIDES, BOXES)


def test_an_included_folder_under_an_unknown_home_is_passed_over_and_one_that_cannot_be_read_is_named(
    tmp_path, monkeypatch
):
    """The harness warns of folders that it does not find."""
    own_tasks.add_included(["~nobody-of-this-name/tasks"])

    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(setting, "datasets_in", refuse)
    with pytest.raises(DataError, match=f"--include_path {tmp_path}: cannot be read .Permission denied."):
        own_tasks.add_included(str(tmp_path))


def test_an_own_dataset_under_an_unknown_home_is_not_found(monkeypatch):
    monkeypatch.setenv(setting.SETTING, "~nobody-of-this-name/cells")
    with pytest.raises(DataError, match="~nobody-of-this-name/cells"):
        setting.installed()


def test_the_index_of_the_harness_has_the_tasks_and_the_tag(installed, index):
    entries = index()
    assert {name for name in entries if catalog.is_own(name)} == {CELLS, SLIDES, BOXES}
    assert entries["microbench_own"]["type"] == "tag"
    assert sorted(entries["microbench_own"]["task"]) == [CELLS, SLIDES, BOXES]


def test_without_own_datasets_the_index_has_no_trace_of_them(index):
    entries = index()
    assert set(catalog.ALL_TASKS) <= set(entries)
    assert not [name for name in entries if name.startswith("microbench_own")]


def test_the_description_in_an_included_folder_is_taken_for_no_task(installed, monkeypatch, index):
    monkeypatch.setenv(setting.SETTING, "")
    plain = set(index())
    assert set(index(include_path=str(installed / "cells"))) - plain == {CELLS, "microbench_own"}
    assert os.environ[setting.SETTING] == str(installed / "cells")


def test_the_yaml_of_other_datasets_lies_elsewhere_and_stays(installed, monkeypatch):
    both = own_tasks.stub_folder()
    assert own_tasks.stub_folder() == both
    monkeypatch.setenv(setting.SETTING, str(installed / "cells"))
    one = own_tasks.stub_folder()
    assert one != both
    assert [path.name for path in one.iterdir()] == [f"{CELLS}.yaml"]
    assert len(list(both.iterdir())) == 3


def test_edited_yaml_is_refused(installed):
    folder = own_tasks.stub_folder()
    stub = folder / f"{CELLS}.yaml"
    before = stub.read_bytes()
    stub.write_text("task: other")
    try:
        with pytest.raises(DataError, match="has been changed since it was written. Delete that folder"):
            own_tasks.stub_folder()
    finally:
        stub.write_bytes(before)


@pytest.mark.parametrize(("name", "official"), [(CELLS, "fine_pollen"), (BOXES, "localization_glands")])
def test_an_own_task_differs_from_one_of_the_benchmark_only_in_data_and_clusters(name, official):
    own, other = definitions.definition(name), definitions.definition(f"microbench_{official}")
    differing = {field for field in own.keys() | other.keys() if own.get(field) != other.get(field)}
    assert differing == {"task", "tag", "cluster_key", "dataset_path", "metadata", "process_docs"}
    assert own["cluster_key"] == "group"


def test_no_task_about_other_data_includes_a_template_that_names_the_release():
    folder = definitions.yaml_folder()
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_constructor("!function", lambda loader, node: node.value)
    for name in (CELLS, BOXES, catalog.COGNITION_TASK):
        text = definitions.task_stub(catalog.task_of(name))
        while text:
            assert "DATASET_PATH" not in text and "yaml_values.METADATA" not in text
            included = yaml.load(text, loader).get("include")
            text = included and (folder / included).read_text()


def test_a_model_that_chooses_among_texts_is_asked_the_questions_of_the_tag_only(installed):
    model = type("Chooses", (), {"needs_choices": True})
    assert capabilities.answerable(["microbench_own"], model) == [CELLS, SLIDES]
    assert capabilities.record().keys() == {BOXES}
    # Questions about the same images, if the dataset has any.
    with pytest.raises(DataError, match=f"{BOXES}: asks for boxes, .* Instead: --tasks {SLIDES}$"):
        capabilities.answerable([BOXES], model)
    capabilities.reset_record()


def test_a_model_that_chooses_among_texts_and_boxes_without_questions_are_answered_with_other_models(
    tmp_path, monkeypatch
):
    own_data.write(tmp_path / "spots", "spots", [own_data.row("spots", 0, question=False, boxes=True)], question=None)
    monkeypatch.setenv(setting.SETTING, str(tmp_path))
    with pytest.raises(DataError, match="Instead: a chat model .docs/chat-models.md., or --model microbench_random"):
        capabilities.answerable(["microbench_own_spots_boxes"], type("Chooses", (), {"needs_choices": True}))


@pytest.mark.parametrize("name", ["microbench_own", "microbench_own_pollen"])
def test_what_is_not_installed_is_refused_with_the_setting(name):
    with pytest.raises(DataError, match=setting.SETTING):
        own_tasks.tasks_named([name])
