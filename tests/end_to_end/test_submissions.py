"""Submissions of two real runs, written and checked with the commands that users type."""

from __future__ import annotations

import json
import shutil

import pytest

from microbench_tasks.submissions import limits
from tests.support import tiny_runs
from tests.support.commands import SCRIPTS, run
from tests.support.independent import OUTSIDE

MODELS = {
    "demo_clip": "microbench_fine,microbench_cognition",
    "microbench_random": "microbench_localization,microbench_cognition",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each model on the demo set, with --log_samples."""
    folder = tmp_path_factory.mktemp("runs")
    for model, tasks in MODELS.items():
        done = run(
            SCRIPTS / "lmms_eval", "--model", model, "--tasks", tasks, "--output_path", folder / model, "--log_samples"
        )
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def submissions(runs):
    """The finished process and the folder of each model's submission."""
    made = {}
    for model in MODELS:
        target = runs / f"{model}_submission"
        made[model] = (
            run(SCRIPTS / "microbench", "submit", runs / model, "--model-name", f"Demo {model}", "--out", target),
            target,
        )
    return made


@pytest.mark.parametrize("model", MODELS)
def test_a_run_becomes_a_submission_that_holds(model, submissions):
    done, folder = submissions[model]
    assert done.returncode == 0, done.stderr
    manifest = json.loads((folder / "submission.json").read_text())
    first, digest, *rest = done.stdout.splitlines()
    assert first == (
        f"{folder}: Demo {model} on demo data, {sum(manifest['num_samples'].values())} samples of "
        f"{len(manifest['num_samples'])} tasks"
    )
    assert digest == f"digest: {manifest['digest']}"
    assert "Nothing has been uploaded. These commands would open pull requests:" in rest
    checked = run(SCRIPTS / "microbench", "verify", folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    checks, said = (
        [line for line in checked.stdout.splitlines() if line.startswith("ok ") == is_check]
        for is_check in (True, False)
    )
    assert len(checks) == 11
    assert said == [
        f"Demo {model} on demo data, digest {manifest['digest']} (compare it with a published one: a digest is "
        "not a signature)",
        "what no check can know:",
        *(f"  - {line}" for line in limits.as_lines()),
    ]


def test_its_scores_are_those_of_the_harness_and_its_card_says_demo(submissions, runs):
    _, folder = submissions["demo_clip"]
    manifest = json.loads((folder / "submission.json").read_text())
    [results] = (runs / "demo_clip").rglob("*_results.json")
    logged = json.loads(results.read_text())["results"]
    for name in ("microbench_fine", "microbench_fine_pollen", "microbench_cognition"):
        for metric in ("acc", "acc_ci_low", "acc_strict"):
            assert manifest["scores"][name][metric] == pytest.approx(logged[name][f"{metric},none"], abs=1e-12)
    assert (
        manifest["model"]["loaded_model"]["weights_sha256"]
        == json.loads(results.read_text())["loaded_model"]["weights_sha256"]
    )
    assert (
        "# DEMO DATA, not Micro-Bench: Demo demo_clip\n\n**These are scores on the demo set"
        in (folder / "README.md").read_text()
    )
    assert sorted(path.name for path in folder.iterdir()) == [
        "DEMO-DATA.txt",
        "README.md",
        "samples",
        "submission.json",
    ]
    datasets = [
        json.loads(line)["acc"]["dataset"]
        for path in (runs / "demo_clip").rglob("*_samples_microbench_fine_*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert (
        f"| `microbench_fine` | {sum(dataset not in OUTSIDE for dataset in datasets)} |"
        in (folder / "README.md").read_text()
    )
    assert len(datasets) > sum(dataset not in OUTSIDE for dataset in datasets)


def test_the_commands_say_what_they_are_for():
    for command in ("submit", "verify"):
        done = run(SCRIPTS / "microbench", command, "--help")
        assert done.returncode == 0 and f"microbench {command} " in done.stdout.partition("example")[2]


def test_other_data_fail_and_without_data_the_submission_is_checked_within_itself(submissions, tmp_path):
    _, folder = submissions["demo_clip"]
    data = tiny_runs.data(tmp_path / "data")
    done = run(SCRIPTS / "microbench", "verify", folder, data=data)
    assert done.returncode == 1
    assert (
        "FAILED       the samples against the data (MICROBENCH_DATASET)\n             - "
        f"MICROBENCH_DATASET={data} is not what the submission is about (source demo" in done.stdout
    )
    assert f"{folder} verification failed: 2 check(s) FAILED" in done.stderr
    alone = run(SCRIPTS / "microbench", "verify", folder, "--without-data", data=data)
    assert alone.returncode == 0
    assert alone.stdout.splitlines()[-1].startswith(
        "CONSISTENCY ONLY: questions, right answers and images have not been compared with the data."
    )


def test_a_tampered_submission_ends_with_status_1_and_the_reason(submissions, tmp_path):
    folder = shutil.copytree(submissions["demo_clip"][1], tmp_path / "copy")
    tiny_runs.edited(
        folder / "submission.json", lambda manifest: manifest["scores"]["microbench_fine"].update(acc=0.999)
    )
    done = run(SCRIPTS / "microbench", "verify", "--without-data", tiny_runs.refreshed(folder))
    assert done.returncode == 1
    assert "             - submission.json, scores.microbench_fine.acc is 0.999; the samples give" in done.stdout


def test_a_run_that_is_none_is_refused_with_every_reason(runs, tmp_path):
    folder = shutil.copytree(runs / "demo_clip", tmp_path / "run")
    [results] = folder.rglob("*_results.json")
    tiny_runs.edited(results, lambda content: content["config"].update(limit=5, offset=2))
    next(folder.rglob("*_samples_microbench_fine_pollen.jsonl")).unlink()
    done = run(SCRIPTS / "microbench", "submit", folder, "--model-name", "x", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "cannot be a submission, for 3 reason(s):" in done.stderr
    for reason in ("microbench_fine_pollen: the run asked it", "--limit 5", "--offset 2"):
        assert f"  - {reason}" in done.stderr
    assert not (tmp_path / "out").exists()
