"""Claims about how the harness comes to know the tasks."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import lmms_eval
import pytest
from lmms_eval.tasks import TaskManager

import yaml as pyyaml
from microbench_tasks import catalog
from microbench_tasks.harness import preflight
from microbench_tasks.harness.patches import definitions as definition_patches
from microbench_tasks.harness.patches import early_checks, installation, scoring
from microbench_tasks.tasks import definitions
from microbench_tasks.util.errors import DataError
from tests.support import commands

PLAIN_INDEX = inspect.unwrap(TaskManager.initialize_tasks)


@pytest.fixture(scope="module")
def manager():
    installation.install()
    return TaskManager()


def test_tasks_and_group_are_indexed(manager):
    assert set(catalog.ALL_TASKS) <= set(manager.all_subtasks)
    assert set(catalog.GROUPS) <= set(manager.all_groups)


def test_the_harness_own_tasks_stay_as_they_are(manager):
    plain = PLAIN_INDEX(manager)
    assert len(plain) > 500
    assert {name: entry for name, entry in manager.task_index.items() if not name.startswith("microbench")} == plain


def test_the_catalogue_and_the_yaml_name_the_same_tasks():
    files = {path.stem for path in definitions.yaml_folder().glob("*.yaml")}
    assert files == set(catalog.ALL_TASKS) | set(catalog.GROUPS)


@pytest.mark.parametrize("name", [name for name, task in catalog.ALL_TASKS.items() if task.subject != "cognition"])
def test_a_tasks_yaml_states_only_what_differs(name):
    lines = (definitions.yaml_folder() / f"{name}.yaml").read_text().splitlines()
    part = name.split("_")[1]
    template = f"_{part}_template_yaml" if part in ("localization", "robustness") else "_default_template_yaml"
    assert lines == [
        f"include: {template}",
        f"task: {name}",
        f"process_docs: !function microbench_tasks.data.documents.{name}_docs",
    ]


@pytest.mark.parametrize("name", [*catalog.ALL_TASKS, *catalog.GROUPS])
def test_every_task_and_group_has_the_interval_to_quote_and_the_counts_that_belong_to_it(name):
    subjects = {catalog.ALL_TASKS[task].subject == "boxes" for task in catalog.tasks_named([name])}
    expected = {"acc_image_ci_low", "acc_image_ci_high", "counts"} if False in subjects else set()
    expected |= {"grit_ci_low", "grit_ci_high", "boxes_counts"} if True in subjects else set()
    assert expected <= definitions.aggregations(name).keys()


@pytest.mark.parametrize("group", catalog.GROUPS)
def test_a_group_lists_the_catalogues_members(group):
    assert tuple(definitions.definition(group)["task"]) == catalog.GROUPS[group]


@pytest.mark.parametrize("group", catalog.GROUPS)
def test_a_groups_metric_is_its_tasks_or_derived_from_one(group):
    of_tasks = {metric for task in catalog.tasks_named([group]) for metric in definitions.aggregations(task)}
    for metric, aggregation in definitions.aggregations(group).items():
        assert getattr(aggregation, "derived_from", metric) in of_tasks, metric


@pytest.mark.parametrize("group", catalog.GROUPS)
def test_in_a_group_a_metric_comes_before_those_whose_names_contain_it(group):
    """The harness lets the last entry win whose name a metric contains."""
    metrics = list(definitions.aggregations(group))
    for position, metric in enumerate(metrics):
        assert not any(other in metric for other in metrics[position + 1 :])


@pytest.mark.parametrize("name", [*catalog.ALL_TASKS, *catalog.GROUPS])
def test_every_function_that_the_yaml_names_is_there(name):
    definition = definitions.definition(name)
    dotted = [
        value for value in definition.values() if isinstance(value, str) and value.startswith("microbench_tasks.")
    ]
    for path in dotted:
        module, _, attribute = path.rpartition(".")
        module = importlib.import_module(module)
        # Values of a data source are found only where there is one.
        assert attribute in getattr(module, "_VALUES", ()) or callable(getattr(module, attribute)), path
    assert all(map(callable, definitions.aggregations(name).values()))


@pytest.mark.parametrize("name", catalog.ALL_TASKS)
def test_answers_are_not_cut_at_blank_lines_and_have_room(name):
    stated = definitions.definition(name)["generation_kwargs"]
    assert stated["until"] == []
    # A box takes up to 30 tokens; a micrograph easily has a hundred instances.
    assert stated["max_new_tokens"] >= (3000 if name.startswith("microbench_localization") else 20)


def test_the_task_folder_is_no_package():
    assert not (definitions.yaml_folder() / "__init__.py").exists()
    assert "yaml" not in Path(pyyaml.__file__).parent.parent.parts


def test_an_included_folder_can_redefine_a_task(tmp_path, manager):
    (tmp_path / "mine.yaml").write_text("task: microbench_coarse_stain\ndataset_path: mine\n")
    assert TaskManager(include_path=str(tmp_path)).task_index["microbench_coarse_stain"]["yaml_path"] == str(
        tmp_path / "mine.yaml"
    )


def test_without_defaults_only_the_included_folder_is_indexed(tmp_path, manager):
    (tmp_path / "mine.yaml").write_text("task: mine\ndataset_path: mine\n")
    assert TaskManager(include_path=str(tmp_path), include_defaults=False).all_tasks == ["mine"]


@pytest.mark.skipif(not pyyaml.__with_libyaml__, reason="this PyYAML was built without libyaml")
def test_the_index_is_read_by_libyaml_and_pyyaml_left_as_it_was(tmp_path, manager, monkeypatch):
    (tmp_path / "mine.yaml").write_text("task: mine\ndataset_path: mine\ndoc_to_text: !function utils.text\n")
    before = pyyaml.full_load
    with monkeypatch.context() as patch:
        patch.setattr(pyyaml.FullLoader, "__init__", None)
        assert TaskManager(include_path=str(tmp_path), include_defaults=False).all_tasks == ["mine"]
    (tmp_path / "broken.yaml").write_text("task: [")
    with pytest.raises(pyyaml.YAMLError, match="broken.yaml"):
        TaskManager(include_path=str(tmp_path), include_defaults=False)
    assert pyyaml.full_load is before


def test_what_libyaml_refuses_is_read_in_python(tmp_path, manager):
    # An emoji as a JSON writer escapes it.
    (tmp_path / "mine.yaml").write_text('task: mine\ndataset_path: mine\ndescription: "\\ud83d\\ude00"\n')
    assert TaskManager(include_path=str(tmp_path), include_defaults=False).all_tasks == ["mine"]


def test_without_libyaml_the_index_is_the_same(tmp_path, manager, monkeypatch):
    (tmp_path / "mine.yaml").write_text("task: mine\ndataset_path: mine\ndoc_to_text: !function utils.text\n")
    monkeypatch.setattr(pyyaml, "__with_libyaml__", False)
    monkeypatch.setattr(pyyaml.CFullLoader, "__init__", None)
    assert TaskManager(include_path=str(tmp_path), include_defaults=False).all_tasks == ["mine"]


def test_installing_twice_changes_nothing(manager):
    before = TaskManager.initialize_tasks
    installation.install()
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


def test_a_harness_without_the_known_registry_loses_our_models_only(monkeypatch):
    import types

    from microbench_adapters import manifests

    warnings = []
    monkeypatch.setattr(manifests.logger, "warning", warnings.append)
    monkeypatch.setitem(sys.modules, "lmms_eval.models.registry_v2", types.ModuleType("registry_v2"))
    assert manifests.register() == []
    assert "demo_clip, microbench_random are not known to this version of lmms-eval" in warnings[0]


def test_importing_the_harness_models_is_enough():
    done = commands.run(
        sys.executable,
        "-c",
        "import lmms_eval.models\nfrom lmms_eval.tasks import TaskManager\n"
        "print('microbench_coarse' in TaskManager().all_tasks)",
    )
    assert done.stdout.splitlines()[-1] == "True", done.stderr


def test_a_group_asked_for_beside_a_larger_one_runs_within_it(manager):
    asked = []
    wrapped = early_checks.drop_covered(lambda self, task_list: asked.extend(task_list))
    wrapped(manager, ["microbench_coarse", "mmmu_val", "microbench_vqa", "microbench_fine_pollen"])
    assert asked == ["mmmu_val", "microbench_vqa"]


def test_a_task_is_told_its_model_and_its_options():
    calls = []

    class Bound:
        def record(self):
            return {"format": "bound"}

    class Unbound:
        def for_model(self, model, options):
            calls.append((model, options))
            return Bound()

    class Config:
        doc_to_text, doc_to_visual, process_results, metadata = Unbound(), None, print, {"version": 1}

    class Task:
        config, model_name, lmms_eval_specific_kwargs = Config(), "qwen3_vl", {"boxes": "neutral"}

    definition_patches.bind_to_model(lambda self: None)(Task)
    assert calls == [("qwen3_vl", {"boxes": "neutral"})]
    assert isinstance(Task.config.doc_to_text, Bound)
    assert Task.config.process_results is print
    assert Task.config.metadata == {"version": 1, "boxes": {"format": "bound"}}


def test_importing_the_packages_imports_nothing_heavy():
    ours = [
        "microbench_adapters",
        "microbench_adapters.manifests",
        "microbench_tasks",
        "microbench_tasks.data.documents",
        "microbench_tasks.data.micrographs",
        "microbench_tasks.data.table_rows",
        "microbench_tasks.demo.demo_set",
        "microbench_tasks.harness.patches.table",
        "microbench_tasks.harness.plugin",
    ]
    heavy = ["torch", "datasets", "pyarrow", "PIL", "skimage", "lmms_eval"]
    done = run(f"import sys, {', '.join(ours)}\nprint([name for name in {heavy} if name in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("scored_by", "given", "expected"),
    [
        (["microbench_tasks.tasks.results"], {}, 1),
        (["microbench_tasks.tasks.results", "microbench_tasks.tasks.localization"], {"process_docs_parallel": 4}, 1),
        # Another number was asked for, or another benchmark's functions may wait for something.
        (["microbench_tasks.tasks.results"], {"process_docs_parallel": 8}, 8),
        (["microbench_tasks.tasks.results", "lmms_eval.tasks.mmt.utils"], {}, 4),
    ],
)
def test_tasks_of_ours_alone_are_scored_without_threads(monkeypatch, scored_by, given, expected):
    def evaluate(lm, task_dict, process_docs_parallel=4):
        return process_docs_parallel

    def task(module):
        return SimpleNamespace(
            task=SimpleNamespace(config=SimpleNamespace(process_results=SimpleNamespace(__module__=module)))
        )

    evaluator = SimpleNamespace(
        evaluate=evaluate, get_task_list=lambda task_dict: [task(module) for module in task_dict]
    )
    monkeypatch.setitem(sys.modules, "lmms_eval.evaluator", evaluator)
    monkeypatch.setattr(lmms_eval, "evaluator", evaluator, raising=False)
    assert scoring.score_in_one_thread(evaluate)("model", task_dict=scored_by, **given) == expected
