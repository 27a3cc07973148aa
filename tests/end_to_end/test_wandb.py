"""What reaches Weights & Biases (offline), and what would be pushed to the Hub, from runs of the real command line."""

from __future__ import annotations

import collections
import json
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.chat_server import Reply, serving
from tests.support.commands import SCRIPTS, results_in, run
from tests.support.independent import BOXES, FINE, KINDS

COARSE_TASKS = [f"microbench_coarse_{kind}" for kind in KINDS]
FINE_TASKS = [f"microbench_fine_{name}" for name in FINE]
BOX_TASKS = [f"microbench_localization_{name}" for name in BOXES]
QUESTION_TASKS = [*COARSE_TASKS, *FINE_TASKS, "microbench_cognition"]

# What no task has: a logger that goes by tasks would lose it.
MACRO = {"acc_macro", "acc_macro_ci_low", "acc_macro_ci_high"}
ALL = {"acc_all", "acc_all_ci_low", "acc_all_ci_high"}
BY_IMAGE = {"acc_image_ci_low", "acc_image_ci_high"}
GRIT = {"grit", "grit_ci_low", "grit_ci_high"}


# What W&B itself says of a table.
_OF_TABLES = {("nrows",), ("ncols",), ("size",)}


@dataclass
class Logged:
    """An offline run of Weights & Biases.

    Attributes:
        figures: each number that was logged: ``task/metric`` and, of a mapping, its keys.
        summary: the same of what its page would show.
        settings: each number among those of the run, by its path.
        tables: columns and rows by key.
        name: of the run.
    """

    figures: dict[tuple[str, ...], float] = field(default_factory=dict)
    summary: dict[tuple[str, ...], float] = field(default_factory=dict)
    settings: dict[tuple[str, ...], float] = field(default_factory=dict)
    tables: dict[str, list[dict]] = field(default_factory=dict)
    name: str = ""


def logged_in(folder):
    """The one offline run below ``folder``, as W&B's own reader has it."""
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal.datastore import DataStore

    [path] = folder.rglob("run-*.wandb")
    store, logged, files = DataStore(), Logged(), {}
    store.open_for_scan(str(path))
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            logged.name = record.run.display_name
        for item in record.config.update:
            logged.settings |= {(item.key, *path): value for path, value in numbers(json.loads(item.value_json))}
        for items, target in ((record.history.item, logged.figures), (record.summary.update, logged.summary)):
            for item in items:
                key, value = tuple(item.nested_key) or (item.key,), json.loads(item.value_json)
                if is_number(value) and not key[0].startswith("_") and key[1:] not in _OF_TABLES:
                    target[key] = value
                elif target is logged.figures and key[1:] == ("path",):
                    files[key[0]] = value
    for key, name in files.items():
        table = json.loads((path.parent / "files" / name).read_text())
        logged.tables[key] = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    return logged


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def numbers(value, path=()):
    """Every number at any depth, by its path."""
    if is_number(value):
        yield path, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from numbers(child, (*path, str(key)))


def figures_in(results):
    """Return all numbers of tasks and groups in the results file, under the names of Weights & Biases."""
    return {
        (f"{path[0]}/{path[1].removesuffix(',none')}", *path[2:]): value for path, value in numbers(results["results"])
    }


def offline(folder):
    """Settings that keep everything of Weights & Biases in one folder, and off the network."""
    return {"WANDB_MODE": "offline", "WANDB_SILENT": "true"} | {
        f"WANDB_{name}": str(folder) for name in ("DIR", "CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "ARTIFACT_DIR")
    }


@dataclass(frozen=True)
class Run:
    results: dict
    logged: Logged
    said: str
    folder: Path


def tracked_run(folder, *command, status=0, **settings):
    (folder / "wandb").mkdir()
    done = run(*command, "--output_path", folder / "out", "--log_samples", **offline(folder / "wandb"), **settings)
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    return Run(results_in(folder / "out"), logged_in(folder / "wandb"), said, folder / "out")


def answer(prompt, pixels):
    """An answer of each kind, by the image."""
    choice = int(pixels.sum()) % 8
    if prompt.startswith("Detect"):
        return Reply(
            '[{"x1": 2, "y1": 3, "x2": 90, "y2": 80}, {"x1": 2, "y1": 3, "x2": 90, "y2": 80}, '
            '{"x1": 5, "y1": 5, "x2": 5, "y2": 9}' + "]" * (choice % 2)
        )
    return (
        Reply("A"),
        Reply("B"),
        Reply("I'm sorry, I can't help with that."),
        Reply(""),
        Reply("<think>It may be"),
        Reply("A, B"),
        Reply("I see a cell."),
        Reply(status=500, raw=b"{}"),
    )[choice]


@pytest.fixture(scope="module")
def served(demo_folder, tmp_path_factory):
    """Run so that every figure differs from zero somewhere; the run's name has a comma among its first letters."""
    with serving(answer) as server:
        arguments = f"model=x,base_url={server.url},api_key=none,max_retries=1,retry_backoff_s=0,num_concurrent=8"
        command = (
            SCRIPTS / "lmms_eval",
            "--model",
            "openai",
            "--model_args",
            arguments,
            "--tasks",
            "microbench_all",
            "--limit",
            "8",
        )
        return tracked_run(
            tmp_path_factory.mktemp("served"), *command, "--wandb_log_samples", "--wandb_args", "project=test", status=1
        )


def test_every_number_of_the_results_file_is_logged_and_no_other(served):
    expected = figures_in(served.results)
    assert {key[0].split("/")[0] for key in expected} >= {
        *QUESTION_TASKS,
        *BOX_TASKS,
        "microbench_coarse",
        "microbench_fine",
        "microbench_localization",
        "microbench_vqa",
        "microbench",
        "microbench_all",
    }
    assert served.logged.figures == expected
    assert served.logged.summary == expected


def test_every_other_number_of_the_results_file_is_among_the_run_s_settings(served):
    place = {"configs": ("task_configs",), "config": ("cli_configs",)}
    expected = {
        (*place.get(path[0], ("cli_configs", path[0])), *path[1:]): value
        for path, value in numbers(served.results)
        if path[0] not in ("results", "groups")
    }
    assert ("cli_configs", "n-samples", "microbench_fine_pollen", "effective") in expected
    assert {path: served.logged.settings.get(path) for path in expected} == expected


def test_what_is_counted_by_kind_is_logged_as_numbers(served):
    by_kind = {
        key[1]: value for key, value in served.logged.figures.items() if key[0] == "microbench_all/unparsed_by_kind"
    }
    assert set(by_kind) == {"ambiguous", "refusal", "empty", "truncated", "unparsed", "failed"}
    for kind, count in by_kind.items():
        # The fine total leaves out two datasets that the tasks hold.
        assert (
            0
            < count
            <= sum(served.logged.figures.get((f"{task}/unparsed_by_kind", kind), 0) for task in QUESTION_TASKS)
        )
    for metric in ("failed", "boxes_duplicate", "boxes_degenerate"):
        counts = [
            served.logged.figures[f"{task}/{metric}",]
            for task in (*QUESTION_TASKS, *BOX_TASKS)
            if metric == "failed" or task in BOX_TASKS
        ]
        assert served.logged.figures[f"microbench_all/{metric}",] == sum(counts) > 0


@pytest.mark.parametrize(
    ("group", "metrics"),
    [
        ("microbench_coarse", MACRO | BY_IMAGE),
        ("microbench_fine", MACRO | BY_IMAGE | ALL),
        ("microbench_vqa", MACRO | BY_IMAGE | ALL),
        ("microbench_localization", GRIT),
        ("microbench", MACRO | BY_IMAGE | ALL | GRIT),
        ("microbench_all", MACRO | BY_IMAGE | ALL | GRIT),
    ],
)
def test_what_only_groups_have_is_logged_shown_in_the_tables_and_in_the_results_file(group, metrics, served):
    assert {f"{group}/{metric}" for metric in metrics} <= {key[0] for key in served.logged.figures}
    assert metrics <= {
        row["Metric"] for row in served.logged.tables["evaluation/group_eval_results"] if row["Groups"] == group
    }
    printed = [
        [cell.strip(" -") for cell in line.split("|")] for line in served.said.splitlines() if line.startswith("|")
    ]
    assert metrics <= {row[4] for row in printed if row[1] == group}
    for metric in metrics:
        [shown] = {row[6] for row in printed if row[1] == group and row[4] == metric}
        assert float(shown) == pytest.approx(served.logged.figures[f"{group}/{metric}",], abs=5e-5)


@pytest.mark.parametrize(
    ("group", "tasks"),
    [("microbench_coarse", COARSE_TASKS), ("microbench_fine", FINE_TASKS), ("microbench_all", QUESTION_TASKS)],
)
def test_the_logged_macro_accuracy_is_the_mean_of_the_logged_accuracies(group, tasks, served):
    assert served.logged.figures[f"{group}/acc_macro",] == pytest.approx(
        statistics.fmean(served.logged.figures[f"{task}/acc",] for task in tasks)
    )


@pytest.mark.parametrize(
    ("key", "column", "part"),
    [("evaluation/eval_results", "Tasks", "results"), ("evaluation/group_eval_results", "Groups", "groups")],
)
def test_the_tables_have_a_row_for_each_figure(key, column, part, served):
    groups = set(served.results["groups"])
    rows = {(row[column], row["Metric"]): row["Value"] for row in served.logged.tables[key]}
    for name, figures in served.results[part].items():
        if part == "groups" or name not in groups:
            for metric, value in figures.items():
                # The error stands in a column of its row; an empty list is in place of a figure that does not exist.
                if metric != "alias" and not metric.endswith("_stderr,none") and value != []:
                    assert rows[name, metric.removesuffix(",none")] == str(value)


@pytest.mark.parametrize("task", ["microbench_coarse_stain", "microbench_cognition", "microbench_localization_glands"])
def test_a_table_of_samples_holds_what_was_asked_and_answered_and_how_it_was_scored(task, served):
    [file] = served.folder.rglob(f"*_samples_{task}.jsonl")
    samples = [json.loads(line) for line in file.read_text().splitlines()]
    rows = served.logged.tables[f"{task}_eval_results"]
    assert len(rows) == len(samples) == 8
    for row, sample in zip(rows, samples, strict=True):
        assert (row["id"], row["data"], row["filtered_predictions"]) == (
            sample["doc_id"],
            sample["input"],
            sample["filtered_resps"],
        )
        assert row["raw_predictions"] == sample.get("resps", sample["filtered_resps"])
        metric = "grit" if task in BOX_TASKS else "acc"
        logged = {
            column.removeprefix(f"{metric}."): cell for column, cell in row.items() if column.startswith(f"{metric}.")
        }
        assert logged == {
            name: json.dumps(value) if isinstance(value, list) else value for name, value in sample[metric].items()
        }


def test_all_tasks_have_a_table_of_samples(served):
    assert {f"{task}_eval_results" for task in (*QUESTION_TASKS, *BOX_TASKS)} <= set(served.logged.tables)
    assert "Logging to Weights and Biases failed" not in served.said


def test_a_run_is_named_after_its_model_arguments_though_they_have_commas(served):
    assert served.logged.name.startswith("openai_model=x base_")


# --- the harness's own command, and the Hub, which is the harness's business ---

_WITH_A_STAND_IN_FOR_THE_HUB = """
import json, pathlib, shutil, sys
from lmms_eval.loggers import evaluation_tracker as tracker

hub, calls = pathlib.Path(sys.argv.pop(1)), []

class Api:
    def __init__(self, token):
        assert token == "not-a-token"
    def create_repo(self, repo_id, **options):
        calls.append(["create_repo", repo_id])
    def upload_file(self, repo_id, path_or_fileobj, path_in_repo, **options):
        calls.append(["upload_file", repo_id])
        shutil.copy(path_or_fileobj, hub / pathlib.Path(path_in_repo).name)
    def upload_folder(self, repo_id, folder_path, **options):
        calls.append(["upload_folder", repo_id])
        shutil.copytree(folder_path, hub, dirs_exist_ok=True)

# The card asks the Hub what it holds.
tracker.EvaluationTracker.recreate_metadata_card = lambda self: calls.append(["card", self.details_repo_private])
tracker.HfApi = Api
classes = [tracker.EvaluationTracker, tracker.GeneralConfigTracker]
before = [dict(vars(one)) for one in classes]
# What the script lmms-eval runs; the plugin comes by its entry point.
from lmms_eval.cli import dispatch
dispatch.main()
after = [vars(one).items() for one in classes]
touched = [name for now, old in zip(after, before) for name, value in now if old.get(name) is not value]
print("CALLS " + json.dumps({"calls": calls, "touched": sorted(touched)}))
"""


@pytest.fixture(scope="module")
def pushed(demo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pushed")
    (folder / "hub").mkdir()
    settings = "hub_results_org=org,push_results_to_hub=True,push_samples_to_hub=True,token=not-a-token"
    command = (
        sys.executable,
        "-c",
        _WITH_A_STAND_IN_FOR_THE_HUB,
        folder / "hub",
        "--model",
        "microbench_random",
        "--model_args",
        "seed=1",
        "--tasks",
        "microbench_coarse",
        "--limit",
        "3",
    )
    return tracked_run(folder, *command, "--hf_hub_log_args", settings, "--wandb_args", "project=test,name=mine")


def test_the_harness_own_command_logs_the_same(pushed):
    assert pushed.logged.figures == figures_in(pushed.results)
    assert pushed.logged.name == "mine"
    assert {row["Metric"] for row in pushed.logged.tables["evaluation/group_eval_results"]} > MACRO


def test_the_hub_is_sent_the_run_s_own_files_by_the_harness_s_own_code(pushed):
    [line] = [line for line in pushed.said.splitlines() if line.startswith("CALLS ")]
    said = json.loads(line.removeprefix("CALLS "))
    # Saving is this package's, and sending the harness's.
    assert not [name for name in said["touched"] if "hub" in name or "push" in name]
    # One results file, and the folder anew after the samples of each of the five tasks.
    assert collections.Counter(call for call, _ in said["calls"]) == {
        "create_repo": 6,
        "upload_file": 1,
        "upload_folder": 5,
        "card": 1,
    }
    assert {repository for _, repository in said["calls"]} == {"org/lmms-eval-results-private"}
    hub = pushed.folder.parent / "hub"
    assert contents(hub) == contents(pushed.folder)
    assert "acc_macro,none" in results_in(hub)["groups"]["microbench_coarse"]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
