"""Claims about the table of metrics, and about the YAML that is written from it."""

import importlib.util
from pathlib import Path

import pytest

import yaml
from microbench_tasks import catalog
from microbench_tasks.tasks import aggregations, definitions, metric_table
from microbench_tasks.tasks.metric import Metric, Pooling, entries_of, takes
from microbench_tasks.tasks.metric_values import MetricCount, MetricFields, MetricValue, with_samples
from microbench_tasks.tasks.results import microbench_process_results, score_boxes

ROOT = Path(__file__).parents[2]
QUESTION = {
    "image_id": "17",
    "dataset": "burgess_et_al_2024_texture",
    "kind": "stain",
    "options": ["PAS", "H&E"],
    "answer_idx": 1,
}
BOX = {
    "image_id": "17",
    "dataset": "opencell",
    "kind": "boxes",
    "expression": "nucleus",
    "width": 9,
    "height": 9,
    "boxes": [[1, 2, 3, 4]],
}
DETECTION = ("boxes_precision", "boxes_recall", "boxes_f1", "boxes_count_error")
ITEMS = {
    "choice": microbench_process_results(QUESTION, ["B"]),
    "boxes": score_boxes(BOX, "[1, 2, 3, 4]", "pixels_xyxy", (9, 9)),
}


@pytest.fixture(scope="module")
def write_yaml():
    """Return the script that writes the YAML, as a module."""
    spec = importlib.util.spec_from_file_location("write_yaml", ROOT / "scripts" / "write_yaml.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- rows ----------------------------------------------------------------------------


@pytest.mark.parametrize("family", metric_table.FAMILIES)
def test_an_answer_has_an_item_for_every_entry_that_takes_fields_of_it(family):
    expected = {entry.name for entry in metric_table.task_entries(family) if entry.takes}
    assert ITEMS[family].keys() == expected | {"score"}
    for name in expected:
        assert list(ITEMS[family][name]) == [field for field, _ in metric_table.ENTRIES[name].takes]


@pytest.mark.parametrize("family", metric_table.FAMILIES)
def test_fields_that_are_kept_for_each_answer_or_compared_are_fields_of_the_item(family):
    for metric in metric_table.METRICS:
        if family in metric.families and metric.takes:
            fields = {*metric.per_answer, *([metric.compared] if metric.compared else [])}
            assert fields <= ITEMS[family][metric.name].keys(), metric.name


def test_metrics_that_share_a_function_are_computed_alike():
    by_function = {}
    for metric in metric_table.METRICS:
        if metric.function:
            by_function.setdefault(metric.function, []).append(metric)
    assert by_function.keys() == {"acc", "number_of_boxes", "counts", "repeats"}
    for function, metrics in by_function.items():
        own = metric_table.METRIC_BY_NAME.get(function, metrics[0])
        assert {(metric.compute, metric.pooling) for metric in metrics} == {(own.compute, own.pooling)}


def test_a_metric_that_groups_pool_must_know_which_questions_the_totals_leave_out():
    with pytest.raises(ValueError, match="Metric mine: its items need the field in_total"):
        Metric("mine", "", ("choice",), "", True, compute=len, takes=takes(gold="gold"))
    assert Metric("mine", "", ("choice",), "", True, compute=len, takes=takes(gold="gold"), pooling=Pooling.ALL)


@pytest.mark.parametrize("group", catalog.GROUPS)
def test_the_function_of_a_groups_entry_accepts_every_metric_whose_name_contains_its_name(group):
    """The harness calls it for each of them before the last one wins."""
    tasks = catalog.tasks_named([group])
    for entry in metric_table.group_entries(group):
        aggregate = getattr(aggregations, f"microbench_group_{entry.function}")
        for family in {metric_table.family_of(task) for task in tasks}:
            for other in metric_table.task_entries(family):
                if entry.name in other.name and other.takes:
                    samples = [ITEMS[family][other.name]]
                    value = getattr(aggregations, f"microbench_{other.function}")(samples)
                    aggregate([value, value], [1, 1], False)


def test_a_metric_of_groups_alone_names_the_tasks_metric_that_it_is_computed_from():
    derived = {metric.name: metric.derived_from for metric in metric_table.METRICS if metric.derived_from}
    assert derived == {"acc_macro": "acc", "acc_all": "acc"}
    for name in derived:
        for entry in entries_of(metric_table.METRIC_BY_NAME[name]):
            assert getattr(aggregations, f"microbench_group_{entry.function}").derived_from == "acc"
            assert not hasattr(aggregations, f"microbench_{entry.function}")


def test_only_groups_with_questions_outside_the_papers_totals_have_accuracy_over_all_questions():
    having = {
        group for group in catalog.GROUPS if "acc_all" in {entry.name for entry in metric_table.group_entries(group)}
    }
    assert having == {"microbench_fine", "microbench_vqa", "microbench", "microbench_all"}


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("scores", ["acc", "acc_strict", "unparsed", "acc_macro", "acc_all", "grit", *DETECTION, "boxes_unparsed"]),
        ("report", ["acc", "acc_strict", "unparsed", "grit", *DETECTION, "boxes_count_bias", "boxes_unparsed"]),
        ("leaderboard", ["acc_strict", "unparsed", "acc_macro", *DETECTION, "boxes_unparsed"]),
    ],
)
def test_each_table_shows_its_metrics_in_order(table, names):
    assert [metric.name for metric in metric_table.shown_in(table)] == names


def test_the_interval_to_quote_is_the_one_by_image():
    assert {family: metrics.interval for family, metrics in metric_table.FAMILIES.items()} == {
        "choice": "acc_image_ci",
        "boxes": "grit_ci",
    }


def test_detection_stands_beside_grit_and_never_in_its_place():
    assert metric_table.FAMILIES["boxes"].score == "grit"
    assert {metric.name for metric in metric_table.METRICS if not metric.is_fraction} == {
        "boxes_count_error",
        "boxes_count_bias",
    }


# --- values and functions ------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind"), [(0.5, MetricValue), (3, MetricCount), ({"empty": 1}, MetricFields)], ids=str
)
def test_a_value_keeps_its_kind_and_the_items_that_it_summarizes(value, kind):
    samples = [{"score": 1}]
    figure = with_samples(value, samples)
    assert (type(figure), figure, figure.samples) == (kind, value, samples)


def test_a_function_has_the_name_by_which_runs_have_recorded_it():
    names = {entry["aggregation"] for entry in definitions.definition("microbench_coarse_stain")["metric_list"]}
    assert "microbench_tasks.tasks.aggregations.microbench_acc_image_ci_low" in names
    for name in names:
        function = name.resolve()
        assert f"{function.__module__}.{function.__qualname__}" == name
        assert function.__doc__


def test_a_name_that_is_not_in_the_table_is_no_aggregation():
    with pytest.raises(AttributeError, match="has no attribute 'microbench_f1'"):
        aggregations.microbench_f1  # noqa: B018  # The access is what is tested.


# --- YAML ----------------------------------------------------------------------------


def test_the_shipped_yaml_is_what_the_script_writes(write_yaml):
    assert write_yaml.differing(definitions.yaml_folder(), write_yaml.files()) == []


def test_the_script_writes_and_checks_a_folder(write_yaml, tmp_path, capsys):
    assert write_yaml.main(["--check", "--folder", str(tmp_path)]) == 1
    assert "microbench_vqa.yaml" in capsys.readouterr().out
    assert write_yaml.main(["--folder", str(tmp_path)]) == 0
    assert write_yaml.main(["--check", "--folder", str(tmp_path)]) == 0
    (tmp_path / "microbench_of_yesterday.yaml").write_text("task: microbench_of_yesterday\n")
    assert write_yaml.main(["--check", "--folder", str(tmp_path)]) == 1
    assert "microbench_of_yesterday.yaml not as this script writes" in capsys.readouterr().out


def test_the_comments_that_say_why_are_in_the_yaml():
    text = (definitions.yaml_folder() / "_questions_template_yaml").read_text()
    assert "would cut answers at the first blank line" in text and "asked GPT-4o" in text


def test_a_new_row_is_in_the_yaml_of_tasks_and_groups_without_further_changes(write_yaml, monkeypatch):
    """A metric is a function and a row: here the share of answers that are the first option."""
    row = Metric(
        "first_option",
        "The share of answers A.",
        ("choice",),
        "first option %",
        higher_is_better=None,
        compute=lambda items: sum(item["predicted"] == "A" for item in items) / len(items),
        takes=takes(predicted="predicted", in_total="in_total"),
    )
    added = {entry.name: entry for entry in entries_of(row)}
    monkeypatch.setattr(metric_table, "ENTRIES", metric_table.ENTRIES | added)
    files = write_yaml.files()
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_constructor("!function", lambda loader, node: node.value)
    [entry] = [
        entry
        for entry in yaml.load(files["_questions_template_yaml"], loader)["metric_list"]
        if entry["metric"] == "first_option"
    ]
    assert entry == {
        "metric": "first_option",
        "aggregation": "microbench_tasks.tasks.aggregations.microbench_first_option",
        "higher_is_better": None,
    }
    assert "microbench_group_first_option" in files["microbench_coarse.yaml"]
    assert "first_option" not in files["microbench_localization.yaml"] + files["_boxes_template_yaml"]
