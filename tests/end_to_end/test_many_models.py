"""``microbench run`` with real models: the figures of single runs, a failing model, a second run, and a kill."""

from __future__ import annotations

import csv
import json
import signal
import sys
from pathlib import Path

import pytest

from tests.support import tiny_clip
from tests.support.commands import SCRIPTS, results_in, run

TASKS = "microbench_coarse"
# Ends itself, as a kill from outside would, when the vectors of 128 images of the last model are on disk.
KILLED = """
import os, signal, sys
from microbench_adapters.models import embeddings
from microbench_tasks.cli import program

embeddings._VECTORS_PER_FILE = 64
write = embeddings.Embeddings.write

def write_and_die(self):
    write(self)
    if self._folder.name == "images" and "second" in self._folder.parts and len(list(self._folder.glob("*.npz"))) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

embeddings.Embeddings.write = write_and_die
program.main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("many")


@pytest.fixture(scope="module")
def models(folder):
    """A list of a random model, two of one architecture, and one whose weights are missing."""
    for seed, name in enumerate(("first", "second")):
        tiny_clip.save(folder / name, seed=seed)
    path = folder / "models.yaml"
    path.write_text(
        f"""
        models:
          - model: microbench_random
          - {{name: missing, model: open_clip, model_args: "model=local-dir:{folder / "late"}"}}
          - {{name: first, model: open_clip, model_args: {{model: {folder / "first"}}}}}
          - {{name: second, model: open_clip, model_args: {{model: {folder / "second"}}}, batch_size: 64}}
        """
    )
    return path


def run_many(models, out, *options):
    return run(SCRIPTS / "microbench", "run", models, "--tasks", TASKS, "--output_path", out, *options)


@pytest.fixture(scope="module")
def killed(models, folder, demo_folder):
    """A run that is killed while its last model encodes images."""
    return run(sys.executable, "-c", KILLED, "run", models, "--tasks", TASKS, "--output_path", folder / "out")


@pytest.fixture(scope="module")
def restarted(killed, models, folder):
    return run_many(models, folder / "out")


@pytest.fixture(scope="module")
def mended(restarted, models, folder):
    """The same command, once the missing weights are there."""
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*_results.json")}
    tiny_clip.save(folder / "late", seed=2)
    return run_many(models, folder / "out"), before


def samples_in(folder):
    """The samples of each task, in the order of the documents."""
    return {
        path.name.partition("_samples_")[2]: sorted(map(json.loads, path.read_text().splitlines()), key=number)
        for path in Path(folder).rglob("*_samples_*.jsonl")
    }


def number(sample):
    return sample["doc_id"]


def figures_in(folder):
    results = results_in(folder)
    return {key: results[key] for key in ("results", "groups", "n-samples")} | {
        "weights": results.get("loaded_model", {}).get("weights_sha256")
    }


def test_a_kill_loses_at_most_the_batch_in_flight(killed, restarted, folder):
    assert killed.returncode == -signal.SIGKILL
    assert "model 4 of 4: second; 2 done, 1 failed" in killed.stdout
    assert "128 images and 42 texts of this model are known" in restarted.stdout
    assert not list((folder / "out").rglob("embeddings"))


def test_after_a_restart_only_what_is_missing_ran_and_the_failure_is_reported(restarted):
    assert restarted.returncode == 1
    for line in ("model 1 of 4: microbench_random; already done", "model 3 of 4: first; already done"):
        assert line in restarted.stdout
    assert "FAILED: missing: ValueError: " in restarted.stdout
    table = [line for line in restarted.stdout.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[:2] for line in table[2:]] == [
        ["| microbench_random", "already done"],
        ["| missing", "FAILED"],
        ["| first", "already done"],
        ["| second", "done"],
    ]
    assert "missing, as not complete yet: missing" in restarted.stdout


@pytest.mark.parametrize("name", ["microbench_random", "second"])
def test_samples_and_figures_are_those_of_single_runs(restarted, folder, tmp_path, name):
    model = ["--model", "microbench_random"]
    if name == "second":
        model = ["--model", "open_clip", "--model_args", f"model={folder / 'second'}"]
    single = run(SCRIPTS / "lmms_eval", *model, "--tasks", TASKS, "--log_samples", "--output_path", tmp_path)
    assert single.returncode == 0, single.stderr[-3000:]
    assert samples_in(folder / "out" / name) == samples_in(tmp_path)
    assert len(samples_in(tmp_path)) == 5
    assert figures_in(folder / "out" / name) == figures_in(tmp_path)
    # Only runs of a list have a name.
    assert [results_in(of).get("microbench_name") for of in (folder / "out" / name, tmp_path)] == [name, None]


def test_when_the_last_model_is_complete_the_command_succeeds_and_ranks_all(mended, folder):
    done, before = mended
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with (folder / "out" / "leaderboard" / "leaderboard.csv").open() as file:
        ranked = {row["model"] for row in csv.DictReader(file)}
    assert ranked == {"microbench_random", "missing", "first", "second"}


def test_other_options_are_refused_before_anything_runs(mended, models, folder):
    done = run_many(models, folder / "out", "--limit", "5")
    assert done.returncode == 1
    assert "4 problem(s), and nothing was run" in done.stderr
    assert "options was none, and is --limit=5.0. Choose another --output_path, or delete that folder" in done.stderr
    assert "=== model" not in done.stdout


def test_a_list_with_mistakes_is_refused_whole(folder, tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("models: [{model: clipp}, {model: microbench_random, model_args: sed=3}]")
    done = run_many(path, tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-3:] == [
        f"microbench: error: {path}: 2 problem(s), and nothing was run:",
        "  - entry 1 (clipp): the model 'clipp' is unknown. Did you mean clip or plip or openclip? lmms_eval models "
        "lists all. For weights of your own, the model is open_clip or transformers_clip, with the argument "
        "model=PATH.",
        "  - entry 2 (microbench_random_sed-3): model_args: microbench_random takes no sed. Did you mean seed? It "
        "takes seed, batch_size, device, max_batch_size.",
    ]
    assert not list((tmp_path / "out").iterdir())
