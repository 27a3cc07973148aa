"""Claims about how the harness comes to know the tasks."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import yaml as pyyaml
from lmms_eval.tasks import TaskManager

from microbench_tasks import catalog, plugin, preflight
from microbench_tasks.schema import COARSE_KINDS, DataError

PLAIN_INDEX = inspect.unwrap(TaskManager.initialize_tasks)


@pytest.fixture(scope="module")
def manager():
    plugin.install()
    return TaskManager()


def test_tasks_and_group_are_indexed(manager):
    assert set(catalog.TASKS_OF_GROUP["microbench_coarse"]) <= set(manager.all_subtasks)
    assert "microbench_coarse" in manager.all_groups


def test_the_harness_own_tasks_stay_as_they_are(manager):
    plain = PLAIN_INDEX(manager)
    assert len(plain) > 500
    assert {name: entry for name, entry in manager.task_index.items() if not name.startswith("microbench")} == plain


def test_the_catalogue_and_the_yaml_name_the_same_tasks():
    files = {path.stem for path in plugin.yaml_folder().glob("*.yaml")}
    assert files == set(catalog.KIND_OF_TASK) | set(catalog.TASKS_OF_GROUP)


@pytest.mark.parametrize("kind", COARSE_KINDS)
def test_a_tasks_yaml_states_only_what_differs(kind):
    lines = (plugin.yaml_folder() / f"microbench_coarse_{kind}.yaml").read_text().splitlines()
    assert lines == ["include: _default_template_yaml", f"task: microbench_coarse_{kind}", f"process_docs: !function microbench_tasks.documents.microbench_coarse_{kind}_docs"]


def test_the_group_lists_the_catalogues_tasks():
    class Loader(pyyaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: node.value)
    group = pyyaml.load((plugin.yaml_folder() / "microbench_coarse.yaml").read_text(), Loader)
    assert tuple(group["task"]) == catalog.TASKS_OF_GROUP["microbench_coarse"]
    # The last entry whose name a metric contains wins: `acc` must come first.
    assert [entry["metric"] for entry in group["aggregate_metric_list"]] == ["acc", "acc_ci_low", "acc_ci_high"]


def test_the_task_folder_is_no_package():
    assert not (plugin.yaml_folder() / "__init__.py").exists()
    assert "yaml" not in Path(pyyaml.__file__).parent.parent.parts


def test_an_included_folder_can_redefine_a_task(tmp_path, manager):
    (tmp_path / "mine.yaml").write_text("task: microbench_coarse_stain\ndataset_path: mine\n")
    assert TaskManager(include_path=str(tmp_path)).task_index["microbench_coarse_stain"]["yaml_path"] == str(tmp_path / "mine.yaml")


def test_without_defaults_only_the_included_folder_is_indexed(tmp_path, manager):
    (tmp_path / "mine.yaml").write_text("task: mine\ndataset_path: mine\n")
    assert TaskManager(include_path=str(tmp_path), include_defaults=False).all_tasks == ["mine"]


def test_installing_twice_changes_nothing(manager):
    before = TaskManager.initialize_tasks
    plugin.install()
    assert TaskManager.initialize_tasks is before


def test_names_are_matched_and_their_data_checked_before_a_model_is_made(manager, use_source):
    preflight._passed.clear()
    use_source("/no/such/folder")
    with pytest.raises(DataError, match="/no/such/folder: no such folder"):
        manager.match_tasks(["microbench_coarse"])
    with pytest.raises(DataError, match="/no/such/folder: no such folder"):
        manager.load_task_or_group(["microbench_coarse"])
    assert manager.match_tasks(["mmmu_val"]) == ["mmmu_val"]


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_a_harness_whose_internals_moved_keeps_working_with_a_warning():
    done = run(
        "import lmms_eval.tasks as tasks\n"
        "def initialize_tasks(self, folders=None): return {}\n"
        "tasks.TaskManager.initialize_tasks = initialize_tasks\n"
        "import lmms_eval.models as models\n"
        "print('demo_clip' in models.list_available_models(), tasks.TaskManager.initialize_tasks is initialize_tasks)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True True"
    assert 'use: lmms-eval --include_path "$(microbench path)"' in done.stdout + done.stderr


def test_a_harness_without_the_known_registry_loses_our_models_only(monkeypatch):
    import types

    from microbench_adapters import manifests

    said = []
    monkeypatch.setattr(manifests.logger, "warning", said.append)
    monkeypatch.setitem(sys.modules, "lmms_eval.models.registry_v2", types.ModuleType("registry_v2"))
    assert manifests.register() == []
    assert "open_clip, demo_clip are not known to this version of lmms-eval" in said[0]


def test_importing_the_harness_models_is_enough():
    done = run("import lmms_eval.models\nfrom lmms_eval.tasks import TaskManager\nprint('microbench_coarse' in TaskManager().all_tasks)")
    assert done.stdout.splitlines()[-1] == "True", done.stderr


def test_importing_the_packages_imports_nothing_heavy():
    modules = "microbench_tasks, microbench_tasks.plugin, microbench_tasks.source, microbench_tasks.schema, microbench_tasks.documents, microbench_tasks.demo, microbench_adapters, microbench_adapters.manifests"
    done = run(f"import sys, {modules}\nprint([name for name in ('torch', 'datasets', 'pyarrow', 'PIL', 'skimage', 'lmms_eval') if name in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr
