"""Claims about the runs that a report reads, and their labels."""

from __future__ import annotations

import shutil

import pytest

from microbench_tasks.analysis import loaded_runs
from microbench_tasks.report import (
    runs,
)
from microbench_tasks.util.errors import DataError
from microbench_tasks.util.progress import no_progress
from tests.support import tiny_runs


def test_labels_are_names_of_models_without_local_folders_and_never_the_same(logged):
    found, _ = runs.read([logged, logged], no_progress)
    assert [run.label for run in found] == [
        "open_clip (clip)",
        "open_clip (clip) (2)",
    ]
    assert loaded_runs.unique_labels(["a", "a", "a (2)", "a"]) == ["a", "a (2)", "a (2) (2)", "a (3)"]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("model=gpt,api_key=Sup3rSecret,base_url=http://x/v1", "model=gpt,api_key=(removed),base_url=http://x/v1"),
        ({"model": "gpt", "hf_token": "Sup3rSecret"}, "model=gpt,hf_token=(removed)"),
        ("model=local-dir:/home/me/my models/clip,cache=~/x/y", "model=local-dir:clip,cache=y"),
        ("model=/home/me/my models/clip", "model=clip"),
        ("model=hf-hub:org/clip", "model=hf-hub:org/clip"),
        ("model=\ud800x", "model=?x"),
    ],
)
def test_a_label_has_no_secret_no_folder_and_nothing_that_cannot_be_written(arguments, shown, briefest, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(briefest, copy)
    tiny_runs.edited(next(copy.glob("*_results.json")), lambda content: content["config"].update(model_args=arguments))
    [found], _ = runs.read([copy], no_progress)
    assert found.model == f"open_clip ({shown})"
    assert found.label.startswith("open_clip (") and len(found.label) < 20


def test_a_folder_of_several_runs_needs_the_name_or_the_results_file_of_one(data, tmp_path):
    first = tiny_runs.write(
        tmp_path / "runs", {"microbench_coarse_stain": tiny_runs.samples("microbench_coarse_stain")}
    )
    for path in list(first.iterdir()):
        (first / path.name.replace(tiny_runs.NAME, "20270101_000000")).write_bytes(path.read_bytes())
    with pytest.raises(
        DataError, match=r"- 20270101_000000: open_clip \(clip\), microbench_coarse_stain, stain acc 66.7 %, "
    ):
        runs.read([first], no_progress)
    [found], _ = runs.read([first], no_progress, ["20270101_000000"])
    assert found.name == "20270101_000000"
    [found], _ = runs.read([first / "20270101_000000_results.json"], no_progress)
    assert found.name == "20270101_000000"
