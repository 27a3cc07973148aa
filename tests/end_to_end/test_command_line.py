"""Whole runs of the scripts, as users type them."""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path

import datasets
import pytest

from tests.support import release
from tests.support.commands import SCRIPTS, results_in, run

CONFIGS = Path(__file__).parents[1] / "support" / "configs"


@pytest.fixture(scope="module")
def first_command(demo_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    done = run(
        SCRIPTS / "lmms_eval",
        "--model",
        "demo_clip",
        "--tasks",
        "microbench_coarse",
        "--output_path",
        out,
        "--log_samples",
    )
    return done, out


def test_the_readmes_first_command_prints_the_table(first_command):
    done, out = first_command
    assert done.returncode == 0, done.stdout + done.stderr
    cells = [
        [cell.strip(" -") for cell in line.split("|")] for line in done.stdout.splitlines() if line.startswith("|")
    ]
    printed = {(row[1], row[4]): row[6] for row in cells}
    figures = results_in(out)["results"]
    for task in (
        "microbench_coarse",
        *(f"microbench_coarse_{kind}" for kind in ("domain", "subdomain", "modality", "submodality", "stain")),
    ):
        for metric in ("acc", "acc_ci_low", "acc_ci_high"):
            assert float(printed[task, metric]) == pytest.approx(figures[task][f"{metric},none"], abs=5e-5)


def test_the_summary_that_the_readme_shows_stands_above_the_tables(first_command):
    """But for the line about files: the README's command names no folder."""
    done, _ = first_command
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    shown = readme[readme.index("Micro-Bench: demo_clip") :].partition("```")[0].splitlines()
    above = done.stdout[: done.stdout.index("|microbench_coarse")].splitlines()
    assert len(shown) == 5
    assert [line for line in shown if "files: " not in line] == [line for line in above if line in shown]


def test_its_results_file_holds_source_version_and_samples(first_command):
    _, out = first_command
    found = results_in(out)
    assert found["configs"]["microbench_coarse_stain"]["metadata"]["dataset"]["source"] == "demo"
    [samples] = out.rglob("*_samples_microbench_coarse_stain.jsonl")
    first = json.loads(samples.read_text().splitlines()[0])
    assert sum(first["acc"]["probabilities"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "command", [[SCRIPTS / "lmms-eval"], [sys.executable, "-m", "lmms_eval"]], ids=["lmms-eval", "python -m lmms_eval"]
)
def test_the_harness_own_commands_give_the_same_figures(command, first_command, tmp_path):
    done = run(
        *command, "--model", "demo_clip", "--tasks", "microbench_coarse", "--output_path", tmp_path, "--batch_size", "7"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert results_in(tmp_path)["results"] == results_in(first_command[1])["results"]


def test_a_benchmark_of_the_harness_runs_in_the_same_command(tmp_path):
    """MMT-Bench as the harness ships it, its YAML included by one that names local data."""
    answers = ["A", "B", "A", "A"]
    rows = [
        {
            "image": release.row(index)["image"],
            "question": "Which?",
            "A": "a cell",
            "B": "a star",
            "answer": answer,
            "l2-category": "c",
            "split": "VAL",
            "index": index,
        }
        for index, answer in enumerate(answers)
    ]
    features = datasets.Features(
        {"image": datasets.Image(), "index": datasets.Value("int64")}
        | {name: datasets.Value("string") for name in ("question", "A", "B", "answer", "l2-category", "split")}
    )
    datasets.Dataset.from_list(rows, features=features).to_parquet(tmp_path / "mmt.parquet")
    template = (CONFIGS / "mmt_tiny.yaml").read_text()
    (tmp_path / "mmt_tiny.yaml").write_text(
        template.format(harness=files("lmms_eval") / "tasks", data=tmp_path / "mmt.parquet")
    )
    done = run(
        SCRIPTS / "lmms_eval",
        "--model",
        "demo_clip",
        "--tasks",
        "microbench_coarse,mmt_tiny",
        "--include_path",
        tmp_path,
        "--output_path",
        tmp_path / "out",
        "--log_samples",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = results_in(tmp_path / "out")
    assert found["n-samples"]["mmt_tiny"]["effective"] == len(answers)
    assert found["results"]["microbench_coarse"]["acc,none"] > 0.5
    [samples] = (tmp_path / "out").rglob("*_samples_mmt_tiny.jsonl")
    letters = [json.loads(line)["filtered_resps"][0] for line in samples.read_text().splitlines()]
    right = sum(letter == answer for letter, answer in zip(letters, answers, strict=True))
    assert found["results"]["mmt_tiny"]["accuracy,none"] == pytest.approx(100 * right / len(answers))


def test_bad_data_ends_the_run_with_status_1_and_its_place(tmp_path):
    row = release.row(1)
    row["questions"]["stain"] |= {"answer": "Gram"}
    folder = release.write_parquet(tmp_path / "data", [release.row(0), row])
    done = run(SCRIPTS / "lmms_eval", "--model", "demo_clip", "--tasks", "microbench_coarse", data=folder)
    assert done.returncode == 1
    reason = (
        f"MICROBENCH_DATASET={folder}: row 1 (image_id {row['image_id']}): column questions.stain.answer: 'Gram' "
        "is not among the options"
    )
    # Once, in the last message.
    assert (done.stdout + done.stderr).count(reason) == done.stderr.count(reason) == 1
    assert "Encoding" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--model", "demo_clip", "--tasks", "microbench_coarsest"],
            "--tasks: microbench_coarsest unknown. Did you mean microbench_coarse",
        ),
        (
            ["--model", "open_clip", "--model_args", "model=ViT-B-32", "--tasks", "microbench_coarse"],
            "without pretrained the weights would be random",
        ),
        (["--model", "demo_clip"], "Need to specify task"),
    ],
    ids=["unknown task", "bad model arguments", "no task"],
)
def test_a_run_that_fails_exits_with_status_1(arguments, message, demo_folder):
    done = run(SCRIPTS / "lmms_eval", *arguments)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr


def test_asking_for_the_list_of_tasks_is_no_failure():
    done = run(SCRIPTS / "lmms_eval", "--tasks", "list")
    assert done.returncode == 0
    assert " - microbench_coarse_stain" in done.stdout + done.stderr


def test_the_include_path_works_without_the_plugin(tmp_path):
    """What the warning advises for a harness whose internals moved; the model comes by its own entry point."""
    program = (
        "from microbench_tasks.harness.patches import installation\ninstallation.install = lambda: None\n"
        "from lmms_eval.cli import dispatch\ndispatch.main()\n"
    )
    folder = run(SCRIPTS / "microbench", "path").stdout.strip()
    command = [
        sys.executable,
        "-c",
        program,
        "--model",
        "demo_clip",
        "--tasks",
        "microbench_coarse_stain",
        "--output_path",
        tmp_path / "out",
    ]
    assert "Tasks not found" in run(*command).stdout
    done = run(*command, "--include_path", folder)
    assert results_in(tmp_path / "out")["results"]["microbench_coarse_stain"]["acc,none"] > 0.5, (
        done.stdout + done.stderr
    )
