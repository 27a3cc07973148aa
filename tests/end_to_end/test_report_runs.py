"""From runs of the real harness to a report on the command line."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.support.commands import SCRIPTS, results_in, run
from tests.support.independent import dataset_of, raw_rows

ASKED = {
    "demo_clip": "microbench_coarse_modality,microbench_fine_pollen",
    "microbench_random": "microbench_coarse_modality,microbench_fine_pollen,microbench_localization_glands",
}


@pytest.fixture(scope="module")
def runs(demo_folder, tmp_path_factory):
    """The folders of two models' runs on the demo set."""
    folder = tmp_path_factory.mktemp("runs")
    for model, tasks in ASKED.items():
        done = run(
            SCRIPTS / "lmms_eval", "--model", model, "--tasks", tasks, "--output_path", folder / model, "--log_samples"
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return [folder / model for model in ASKED]


@pytest.fixture(scope="module")
def done(runs, tmp_path_factory):
    """A submission of the first beside the second run."""
    folder = tmp_path_factory.mktemp("report")
    submitted = run(
        SCRIPTS / "microbench", "submit", runs[0], "--model-name", "submitted clip", "--out", folder / "submission"
    )
    assert submitted.returncode == 0, submitted.stderr
    return run(
        SCRIPTS / "microbench", "report", folder / "submission", runs[1], "--out", folder / "out"
    ), folder / "out"


@pytest.fixture(scope="module")
def record(done):
    return json.loads((done[1] / "report.json").read_text())


def pictures(record):
    return {
        part["picture"]["name"]: part["picture"]["arguments"]
        for chapter in record["chapters"]
        for part in chapter["parts"]
        if "picture" in part
    }


def samples_of(folder, task):
    [path] = folder.rglob(f"*_samples_{task}.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_command_says_what_it_wrote_and_nothing_else_on_its_output(done):
    process, out = done
    assert process.returncode == 0, process.stderr
    found = list((out / "pictures").glob("*.pdf"))
    assert process.stdout.splitlines() == [
        f"{out / 'report.html'}: {len(found)} plots of submitted clip, microbench_random"
    ]
    assert "Drawing" in process.stderr


def test_figures_of_tasks_are_those_of_the_harness_with_a_submission_as_with_a_run(record, runs):
    series = pictures(record)["accuracy-fine"]["series"]
    for label, folder in zip(("submitted clip", "microbench_random"), runs, strict=False):
        figures = results_in(folder)["results"]["microbench_fine_pollen"]
        assert [series[label][column] for column in ("values", "lows", "highs")] == [
            [pytest.approx(figures[f"{name},none"])] for name in ("acc", "acc_image_ci_low", "acc_image_ci_high")
        ]


def test_slices_are_those_of_the_demo_sets_own_rows(record, runs, demo_folder):
    modality = {f"{dataset_of(row)}/{row['image_id']}": row["modality"] for row in raw_rows(demo_folder)}
    for label, folder in zip(("submitted clip", "microbench_random"), runs, strict=False):
        right = {}
        for sample in samples_of(folder, "microbench_coarse_modality"):
            right.setdefault(modality[sample["acc"]["image"]], []).append(sample["score"])
        drawn = pictures(record)["slice-modality-coarse"]
        assert [row.partition(" (")[0] for row in drawn["labels"]] == sorted(right)
        assert drawn["series"][label]["values"] == pytest.approx([np.mean(right[name]) for name in sorted(right)])
        assert all(
            f"n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{len(right[name])}" in row
            for name, row in zip(sorted(right), drawn["labels"], strict=False)
        )


def test_confusions_count_what_the_log_holds(record, runs):
    drawn = pictures(record)["confusion-2-coarse-modality"]
    counts = {}
    for sample in samples_of(runs[1], "microbench_coarse_modality"):
        item = sample["acc"]
        pair = tuple(
            item["options"]["ABCDEFGH".index(letter)] for letter in (item["gold"], sample["filtered_resps"].strip()[0])
        )
        counts[pair] = counts.get(pair, 0) + 1
    found = {
        (gold, answered): drawn["counts"][row][column]
        for row, gold in enumerate(drawn["classes"])
        for column, answered in enumerate(drawn["classes"])
        if drawn["counts"][row][column]
    }
    assert found == counts


def test_only_the_model_with_probabilities_has_a_calibration(record):
    assert list(pictures(record)["calibration-coarse"]["series"]) == ["submitted clip"]


def test_boxes_are_drawn_on_the_micrograph_of_their_image(done, demo_folder):
    """Away from lines, the example is the micrograph of the demo set."""
    record = json.loads((done[1] / "report.json").read_text())
    [cards] = [
        part["gallery"]["cards"]
        for chapter in record["chapters"]
        for part in chapter["parts"]
        if "gallery" in part and "Boxes" in part["gallery"]["title"]
    ]
    names = sorted((done[1] / "pictures").glob("example-*-boxes.png"))
    assert len(cards) == len(names) == 4
    raw = {f"{dataset_of(row)}/{row['image_id']}": row for row in raw_rows(demo_folder)}
    for card, path in zip(cards, names, strict=False):
        micrograph = np.asarray(Image.open(io.BytesIO(raw[card["facts"]["image"]]["image"]["bytes"])).convert("RGB"))
        shown = np.asarray(Image.open(path))
        assert shown.shape == micrograph.shape
        changed = (shown != micrograph).any(axis=2).mean()
        assert 0.01 < changed < 0.4


def test_what_cannot_be_reported_ends_with_its_reason_and_writes_nothing(tmp_path):
    done = run(SCRIPTS / "microbench", "report", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("microbench: error: ") and "nowhere: no such file or folder" in done.stderr
    assert not (tmp_path / "out").exists()


def test_help_shows_examples(tmp_path):
    done = run(SCRIPTS / "microbench", "report", "--help")
    assert done.returncode == 0 and "microbench report ./results --out report" in " ".join(done.stdout.split())
