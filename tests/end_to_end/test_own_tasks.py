"""Own datasets through the real harness and every command, against independent computations."""

from __future__ import annotations

import itertools
import json
import math
import shutil

import numpy as np
import pytest

from microbench_tasks.metrics import intervals
from tests.support import own_data
from tests.support.chat_server import Reply, serving
from tests.support.commands import SCRIPTS, results_in, run
from tests.support.independent import grit

CELLS, SLIDES = "microbench_own_cells", "microbench_own_slides"
BOXES = f"{SLIDES}_boxes"
DATASET_OF = {CELLS: "cells", SLIDES: "slides", BOXES: "slides"}
PER_SLIDE = 3


def harness(out, own, *arguments, data="demo"):
    said = run(
        *(SCRIPTS / "lmms_eval", *arguments, "--output_path", out, "--log_samples"),
        data=data,
        MICROBENCH_OWN=str(own),
    )
    assert said.returncode == 0, said.stderr
    return results_in(out)


def microbench(*arguments, own="", status=0):
    done = run(SCRIPTS / "microbench", *arguments, MICROBENCH_OWN=str(own))
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def samples(out, task):
    [log] = out.rglob(f"*_samples_{task}.jsonl")
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Two datasets: questions alone, and questions and boxes with groups."""
    folder = tmp_path_factory.mktemp("own")
    own_data.questions(folder / "cells")
    own_data.slides(folder / "slides", per_slide=PER_SLIDE)
    return folder


@pytest.fixture(scope="module")
def outs(own, tmp_path_factory):
    """Runs of a contrastive and of a generative model; the release is not at hand."""
    folder = tmp_path_factory.mktemp("outs")
    harness(folder / "demo_clip", own, "--model", "demo_clip", "--tasks", "microbench_own", data="/no/release")
    tasks = "microbench_own,microbench_coarse_modality"
    harness(folder / "random", own, "--model", "microbench_random", "--tasks", tasks)
    return folder


def test_the_tag_asks_all_own_tasks_that_a_model_can_answer(outs):
    asked = {name: set(results_in(outs / name)["results"]) for name in ("demo_clip", "random")}
    assert asked["demo_clip"] == {CELLS, SLIDES}
    assert asked["random"] == {CELLS, SLIDES, BOXES, "microbench_coarse_modality"}
    assert results_in(outs / "demo_clip")["microbench_left_out"].keys() == {BOXES}


@pytest.mark.parametrize("model", ["demo_clip", "random"])
@pytest.mark.parametrize("task", [CELLS, SLIDES])
def test_figures_of_questions_are_those_of_an_independent_computation(outs, model, task):
    logged, figures = samples(outs / model, task), results_in(outs / model)["results"][task]
    # Options are "round" and "square" in this order, and images alternate.
    right = [sample["filtered_resps"][0] == "AB"[number % 2] for number, sample in enumerate(logged)]
    assert figures["acc,none"] == np.mean(right)
    group = [number // PER_SLIDE if task == SLIDES else number for number in range(len(logged))]
    interval = intervals.accuracy_interval(np.array(right, float), np.array(group), confidence_level=0.95)
    assert figures["acc_image_ci_low,none"] == pytest.approx(interval.low, abs=1e-12)
    assert figures["acc_image_ci_high,none"] == pytest.approx(interval.high, abs=1e-12)
    counts = {"questions": len(right), "images": len(right), "datasets": 1}
    assert figures["counts,none"] == counts | ({"groups": 4} if task == SLIDES else {})


def test_the_harness_clusters_its_standard_error_by_group_too(outs):
    logged, figures = samples(outs / "random", SLIDES), results_in(outs / "random")["results"][SLIDES]
    scores = np.array([sample["acc"]["score"] for sample in logged])
    differences = scores - scores.mean()
    # Products of different questions of a group.
    products = (differences.reshape(-1, PER_SLIDE).sum(axis=1) ** 2).sum() - (differences**2).sum()
    variance = scores.var(ddof=1) / len(scores) + products / len(scores) ** 2
    assert figures["acc_stderr_clustered,none"] == pytest.approx(math.sqrt(variance))


def test_boxes_are_scored_by_grit_with_the_groups_as_clusters(outs):
    logged, figures = samples(outs / "random", BOXES), results_in(outs / "random")["results"][BOXES]
    scores = []
    for sample in logged:
        answered = [[box[side] for side in ("x1", "y1", "x2", "y2")] for box in json.loads(sample["filtered_resps"])]
        scores.append(grit(answered, [[12, 12, 36, 36]]))
    assert figures["grit,none"] == pytest.approx(np.mean(scores))
    assert figures["boxes_counts,none"] == {"questions": 12, "images": 12, "datasets": 1, "groups": 4}


def test_a_served_model_is_asked_in_the_papers_words_and_scored(own, tmp_path):
    def answer(prompt, pixels):
        # Round cells leave the corners of the square dark.
        return Reply("A" if pixels[14, 14, 0] < 130 else "B")

    with serving(answer) as server:
        results = harness(
            *(tmp_path, own, "--model", "async_openai", "--tasks", CELLS),
            *("--model_args", f"model_version=stand-in,base_url={server.url},api_key=none"),
        )
    assert results["results"][CELLS]["acc,none"] == 1.0
    assert len(server.asked) == 8
    assert not server.faults
    assert all(
        own_data.QUESTION in prompt and "A) round" in prompt and "B) square" in prompt for prompt, _ in server.asked
    )


def test_official_tasks_ask_and_score_the_same_with_own_datasets_installed(own, outs, tmp_path):
    plain = harness(tmp_path, "", "--model", "microbench_random", "--tasks", "microbench_coarse_modality")
    task = "microbench_coarse_modality"
    assert plain["results"][task] == results_in(outs / "random")["results"][task]
    with_own = [
        {field: sample[field] for field in ("doc_id", "input", "target", "acc", "filtered_resps")}
        for sample in samples(outs / "random", task)
    ]
    assert with_own == [{field: sample[field] for field in with_own[0]} for sample in samples(tmp_path, task)]
    assert "group" not in with_own[0]["acc"]


def test_groups_of_the_benchmark_have_no_own_task(own):
    listed = run(SCRIPTS / "lmms_eval", "--tasks", "list_groups", MICROBENCH_OWN=str(own)).stdout
    assert "microbench_all" in listed
    assert "microbench_own" not in listed


def test_a_dataset_folder_can_be_included_instead(own, tmp_path):
    asked = ("--model", "microbench_random", "--tasks", "microbench_own", "--limit", "4")
    results = harness(tmp_path, "", *asked, "--include_path", own / "cells")
    assert results["results"].keys() == {CELLS}
    assert results["results"][CELLS]["counts,none"]["questions"] == 4


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ("microbench_own", "no own dataset is installed. Set MICROBENCH_OWN to a folder"),
        ("microbench_own_pollen", "the dataset pollen is not in MICROBENCH_OWN"),
    ],
)
def test_a_dataset_that_is_not_installed_is_refused_before_the_model_is_loaded(tasks, said, tmp_path):
    done = run(
        *(SCRIPTS / "lmms_eval", "--model", "demo_clip", "--tasks", tasks, "--output_path", tmp_path / "out"),
        MICROBENCH_OWN="",
    )
    assert done.returncode != 0
    assert said in done.stderr


def test_rescore_without_the_dataset_gives_the_same_figures(outs, tmp_path):
    said = microbench("rescore", outs / "random", "--out", tmp_path / "figures.json")
    scores = json.loads((tmp_path / "figures.json").read_text())["scores"]
    for task, figures in results_in(outs / "random")["results"].items():
        assert {f"{name},none": value for name, value in scores[task].items()}.items() <= figures.items()
    assert "groups" in said
    assert "the interval is about new groups" in said


def test_a_baseline_is_compared_by_group(own, outs, tmp_path):
    results = harness(
        *(tmp_path, own, "--model", "microbench_random", "--tasks", SLIDES, "--baseline", outs / "demo_clip"),
    )
    assert results["results"][SLIDES]["paired_num_documents"] == 12
    assert results["results"][SLIDES]["paired_num_images"] == 4


def test_the_report_shows_own_tasks_and_examples_where_the_data_are(own, outs, tmp_path):
    said = microbench("report", outs / "demo_clip", "--out", tmp_path / "with", own=own)
    page = (tmp_path / "with" / "report.html").read_text()
    assert "Accuracy on own data" in page and CELLS in page and "the own dataset cells (SHA-256" in page
    assert "Examples" in page
    assert "Left out" not in said.replace("Left out: calibration", "")
    said = microbench("report", outs / "demo_clip", "--out", tmp_path / "without")
    assert f"Left out: examples, for lack of the images of {CELLS}" in said
    assert "The run recorded MICROBENCH_OWN=" in said


@pytest.fixture(scope="module")
def submissions(outs, tmp_path_factory):
    """A submission of each run; made without the datasets."""
    folder = tmp_path_factory.mktemp("submissions")
    for name in ("demo_clip", "random"):
        microbench("submit", outs / name, "--model-name", name, "--out", folder / name)
    return folder


def test_a_submission_of_own_data_says_so(own, submissions):
    manifest = json.loads((submissions / "demo_clip" / "submission.json").read_text())
    assert manifest["data"]["kind"] == "own"
    source = manifest["data"]["sources"][SLIDES]
    assert (source["source"], source["name"], source["licence"], source["groups"]) == (
        *("own", "slides"),
        *("CC-BY-4.0", "slide"),
    )
    assert "path" not in source
    card = (submissions / "demo_clip" / "README.md").read_text()
    assert f"`slides` (SHA-256 `{source['sha256']}`, licence: CC-BY-4.0)" in card
    assert "OWN DATA, not Micro-Bench" in card and "12 in 4 groups" in card
    assert (submissions / "demo_clip" / "OWN-DATA.txt").exists()
    assert not (submissions / "demo_clip" / ".eval_results").exists()


def test_a_submission_of_both_marks_the_own_tasks(submissions, outs, tmp_path):
    manifest = json.loads((submissions / "random" / "submission.json").read_text())
    assert manifest["data"]["kind"] == "demo"
    assert f"`{CELLS}` (own data)" in (submissions / "random" / "README.md").read_text()
    arguments = ("submit", outs / "random", "--model-name", "random", "--out", tmp_path / "public")
    said = microbench(*arguments, "--without-own-data")
    assert f"left out, as they are about own data (--without-own-data): {CELLS}, {SLIDES}, {BOXES}" in said
    public = json.loads((tmp_path / "public" / "submission.json").read_text())
    assert public["num_samples"].keys() == {"microbench_coarse_modality"}


@pytest.mark.parametrize("name", ["demo_clip", "random"])
def test_a_submission_is_verified_against_the_dataset_and_without_it(own, submissions, name):
    said = microbench("verify", submissions / name, own=own)
    assert "the samples against the data (MICROBENCH_OWN)" in said
    assert "FAILED" not in said
    assert "FAILED" not in microbench("verify", submissions / name, "--without-data")
    said = microbench("verify", submissions / name, status=1)
    assert "Set MICROBENCH_OWN to the submission's data" in said


def test_verify_finds_other_data_of_the_same_name(own, submissions, tmp_path):
    shutil.copytree(own / "slides", tmp_path / "slides")
    own_data.questions(tmp_path / "cells", number=6)
    said = microbench("verify", submissions / "demo_clip", own=tmp_path, status=1)
    assert "is not what the submission is about (sha256" in said


def test_the_leaderboard_ranks_own_tasks_apart_by_content(own, outs, submissions, tmp_path):
    other = tmp_path / "other"
    own_data.questions(other / "cells", number=6)
    harness(tmp_path / "out", other, "--model", "microbench_random", "--tasks", CELLS)
    microbench("submit", tmp_path / "out", "--model-name", "other data", "--out", tmp_path / "third")
    folders = [submissions / "demo_clip", submissions / "random", tmp_path / "third"]
    microbench("leaderboard", *folders, "--out", tmp_path / "board")
    rankings = json.loads((tmp_path / "board" / "leaderboard.json").read_text())["rankings"]
    ranked = {(entry["group"], frozenset(row["model"] for row in entry["rows"])) for entry in rankings}
    assert ranked == {
        (CELLS, frozenset({"demo_clip", "random"})),
        (CELLS, frozenset({"other data"})),
        (SLIDES, frozenset({"demo_clip", "random"})),
        (BOXES, frozenset({"random"})),
    }
    assert all(entry["data"]["kind"] == "own" for entry in rankings)
    page = (tmp_path / "board" / "leaderboard.html").read_text()
    assert "12 questions about 12 images in 4 groups" in page
    assert "Own data, no part of the benchmark" in page


def test_many_models_are_run_and_ranked_on_own_data(own, tmp_path):
    models = tmp_path / "models.yaml"
    models.write_text("models:\n  - model: microbench_random\n  - {name: again, model: microbench_random}\n")
    out = tmp_path / "out"
    microbench("run", models, "--tasks", f"microbench_own,{CELLS}", "--output_path", out, own=own)
    rankings = json.loads((out / "leaderboard" / "leaderboard.json").read_text())["rankings"]
    assert [entry["group"] for entry in rankings] == [CELLS, SLIDES, BOXES]
    said = microbench("run", models, "--tasks", f"microbench_own,{CELLS}", "--output_path", out, own=own)
    assert said.count("; already done ===") == 2


def test_runs_are_compared_by_slide(outs, tmp_path):
    microbench("compare", outs / "demo_clip", outs / "random", "--out", tmp_path / "table.json")
    rows = json.loads((tmp_path / "table.json").read_text())["differences"]
    [row] = [row for row in rows if (row["name"], row["metric"]) == (SLIDES, "acc")]
    scores = [
        np.array([entry["score"] for entry in sorted(samples(outs / name, SLIDES), key=lambda entry: entry["doc_id"])])
        for name in ("demo_clip", "random")
    ]
    sums = (scores[1] - scores[0]).reshape(-1, PER_SLIDE).sum(axis=1)
    flipped = [abs(np.dot(signs, sums)) for signs in itertools.product((-1, 1), repeat=len(sums))]
    assert row["difference"] == pytest.approx(sums.sum() / scores[0].size)
    assert row["p"] == pytest.approx(np.mean(np.array(flipped) >= abs(sums.sum()) - 1e-9))
    assert (row["num_images"], row["num_clusters"]) == (scores[0].size, len(sums))
