"""Claims about finding the files of a run."""

import json
from pathlib import Path

import pytest

from microbench_tasks import catalog
from microbench_tasks.runs import found_runs
from microbench_tasks.util.errors import DataError
from tests.support.logged_runs import TASK, logged_sample, write_samples


def test_samples_of_other_tasks_are_named(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A")])
    write_samples(tmp_path, [{"doc_id": 0}], "my_glands")
    assert found_runs.find_run([tmp_path]).other_tasks == ("my_glands",)


def test_samples_of_several_runs_are_not_mixed(tmp_path):
    for run in ("20260101_000000", "20260102_000000"):
        write_samples(tmp_path, [logged_sample(0, "A")], run=run)
    with pytest.raises(DataError) as refused:
        found_runs.find_run([tmp_path])
    # The latest first, each with what to type, model, tasks and time.
    advice, *lines = str(refused.value).splitlines()
    assert lines == [
        f"  - 20260102_000000: {tmp_path.name}, {TASK}, 2026-01-02 00:00:00",
        f"  - 20260101_000000: {tmp_path.name}, {TASK}, 2026-01-01 00:00:00",
    ]
    assert "--run latest" in advice
    assert found_runs.find_run([tmp_path], "20260101_000000").name == "20260101_000000"
    assert found_runs.find_run([tmp_path], "latest").name == "20260102_000000"


def test_the_latest_run_is_that_of_the_last_recorded_date_whatever_the_names(tmp_path):
    for name, date in (("zebra", "20260101_000000"), ("ant", "20260103_000000"), ("20260102_000000", None)):
        write_samples(tmp_path, [logged_sample(0, "A")], run=name)
        (tmp_path / f"{name}_results.json").write_text(json.dumps({"configs": {}, "date": date}))
    assert found_runs.find_run([tmp_path], "latest").name == "ant"


def test_runs_of_one_name_in_the_folders_of_two_models_are_told_apart_by_the_folder(tmp_path):
    for model in ("clip", "plip"):
        write_samples(tmp_path / model, [logged_sample(0, "A")], run="first")
        content = {"configs": {}, "config": {"model": model}}
        (tmp_path / model / "first_results.json").write_text(json.dumps(content))
    assert found_runs.find_runs([tmp_path]).names == ["clip/first", "plip/first"]
    with pytest.raises(DataError, match="- plip/first: plip, "):
        found_runs.find_run([tmp_path], "first")
    assert found_runs.find_run([tmp_path], "plip/first").record.config.model == "plip"


def test_a_results_file_stands_for_the_samples_beside_it(tmp_path):
    for folder, run in ((tmp_path, "a"), (tmp_path, "a_2"), (tmp_path / "deeper", "a")):
        write_samples(folder, [logged_sample(0, "A")], run=run)
        (folder / f"{run}_results.json").write_text(json.dumps({"configs": {}, "config": {"model": run}}))
    found = found_runs.find_run([tmp_path / "a_results.json"])
    assert [file.parent for file in found.samples.values()] == [tmp_path] and found.name == "a"


def test_a_mistyped_name_is_no_lack_of_samples(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A")], run="first")
    with pytest.raises(DataError, match=": no run lates. Did you mean latest. There are runs first[.]$"):
        found_runs.find_run([tmp_path], "lates")


def test_runs_in_folders_of_one_name_are_told_apart_by_the_folders_above(tmp_path):
    for model in ("A", "B"):
        write_samples(tmp_path / model / "clip", [logged_sample(0, "A")], run="first")
    names = found_runs.find_runs([tmp_path]).names
    assert names == ["A/clip/first", "B/clip/first"]
    for name in names:
        found = found_runs.find_run([tmp_path], name)
        assert found.samples[TASK].parent.parent.name == name[0]
    runs = found_runs.find_runs([tmp_path])
    assert runs.fits("clip/first") and not runs.fits("p/first")


def test_where_one_path_ends_as_another_each_listed_name_chooses_its_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [write_samples(Path(folder), [logged_sample(0, "A")], run="r") for folder in (".", "a", "a/m", "m")]
    runs = found_runs.find_runs([Path()])
    assert [runs.choose(name).samples[TASK] for name in runs.names] == files
    # Both "m/r" and "a/m/r" end so; the first is what was typed.
    assert runs.choose("m/r").samples[TASK] == Path("m", files[-1].name)


def test_a_folder_that_is_named_twice_contains_each_run_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_samples(tmp_path / "m", [logged_sample(0, "A")], run="r")
    assert found_runs.find_run([Path("m"), tmp_path / "m"]).name == "r"


def test_groups_that_a_run_asked_whole_are_named_as_groups(tmp_path):
    for name in ("a", "b"):
        for task in catalog.tasks_named(["microbench_coarse", "microbench_fine_pollen"]):
            write_samples(tmp_path, [logged_sample(0, "A")], task, run=name)
    with pytest.raises(DataError, match=f"- a: {tmp_path.name}, microbench_coarse microbench_fine_pollen, "):
        found_runs.find_run([tmp_path])


def test_a_folder_without_samples_says_how_to_get_them(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A")], "mmmu_val")
    with pytest.raises(DataError, match="no samples file .*--log_samples"):
        found_runs.find_run([tmp_path])


def test_what_macos_leaves_beside_the_samples_is_no_run(tmp_path):
    file = write_samples(tmp_path, [logged_sample(0, "A")])
    file = file if file.is_file() else next(tmp_path.glob("*.jsonl"))
    file.with_name(f"._{file.name}").write_bytes(b"left by macOS")
    assert found_runs.find_run([tmp_path]).samples == {TASK: file}
