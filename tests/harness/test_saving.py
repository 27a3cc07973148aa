"""Claims about a run's files: whole or absent, never shared, and copied elsewhere where they cannot be written."""

import errno
import hashlib
import json
import multiprocessing
from pathlib import Path
from types import SimpleNamespace

import pytest
from lmms_eval.loggers.evaluation_tracker import EvaluationTracker

from microbench_tasks.harness import model_folder, output_folder, run_names, run_state, running_command, unique_files
from microbench_tasks.harness.many_models import command
from microbench_tasks.harness.own_options import OwnOptions
from microbench_tasks.harness.patches import installation
from microbench_tasks.util import files
from microbench_tasks.util.errors import DataError

DATE = "20260101_120000"
TASK = "microbench_coarse_stain"


@pytest.fixture(autouse=True)
def installed(monkeypatch, tmp_path):
    installation.install()
    run_state.current.unsaved_files.clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def tracker(folder, model="openai", model_args="model=stand-in"):
    made = EvaluationTracker(output_path=str(folder))
    made.general_config_tracker.log_experiment_args(model, model_args, None, None, False)
    return made


def samples(number):
    return [
        {
            "doc_id": index,
            "doc": {},
            "doc_hash": "0",
            "arguments": ["Which?"],
            "target": "A",
            "resps": [["A"]],
            "filtered_resps": ["A"],
            "score": 1.0,
        }
        for index in range(number)
    ]


def save(folder, number=3, **options):
    saved = tracker(folder, **options)
    logged = samples(number)
    saved.save_results_aggregated({"results": {}}, {TASK: logged}, DATE)
    saved.save_results_samples(task_name=TASK, samples=logged)


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_files_are_named_as_the_harness_names_them(tmp_path):
    save(tmp_path / "out")
    assert names(tmp_path / "out" / "stand-in") == [f"{DATE}_results.json", f"{DATE}_samples_{TASK}.jsonl"]
    lines = (tmp_path / "out" / "stand-in" / f"{DATE}_samples_{TASK}.jsonl").read_text().splitlines()
    assert [json.loads(line)["doc_id"] for line in lines] == [0, 1, 2]


def test_a_model_whose_arguments_name_none_has_a_folder_too(tmp_path):
    save(tmp_path / "out", model="demo_clip", model_args="")
    assert {path.parent.name for path in (tmp_path / "out").rglob("*.json*")} == {"demo_clip"}


def _save_with(number):
    save(Path(number[0]), number=number[1])


def test_eight_runs_of_one_second_are_all_whole(tmp_path):
    """Each has another number of samples, by which its two files find each other."""
    with multiprocessing.get_context("fork").Pool(8) as pool:
        pool.map(_save_with, [(str(tmp_path / "out"), number) for number in range(1, 9)], chunksize=1)
    sample_files = sorted((tmp_path / "out").rglob("*_samples_*.jsonl"))
    assert sorted(len(path.read_text().splitlines()) for path in sample_files) == list(range(1, 9))
    dates = {path.name.partition("_samples_")[0] for path in sample_files}
    assert dates == {DATE, *(f"{DATE}-{number}" for number in range(2, 9))}
    assert {path.name.removesuffix("_results.json") for path in (tmp_path / "out").rglob("*_results.json")} == dates


def test_nothing_is_left_beside_the_files(tmp_path):
    save(tmp_path / "out")
    assert not [name for name in names(tmp_path / "out") if name.startswith(".")]


def test_an_output_folder_that_was_removed_is_made_again(tmp_path):
    saved = tracker(tmp_path / "out")
    (tmp_path / "out").rmdir()
    saved.save_results_aggregated({"results": {}}, {}, DATE)
    assert names(tmp_path / "out") == [f"{DATE}_results.json"]
    assert run_state.current.unsaved_files == []


def test_what_cannot_be_written_is_copied_elsewhere_and_reported(tmp_path):
    saved = tracker(tmp_path / "out")
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("")
    logged = samples(3)
    saved.save_results_aggregated({"results": {}}, {TASK: logged}, DATE)
    saved.save_results_samples(task_name=TASK, samples=logged)
    copies = files.cache_dir() / "unsaved" / "stand-in"
    assert names(copies) == [f"{DATE}_results.json", f"{DATE}_samples_{TASK}.jsonl"]
    assert [problem.partition(" could")[0] for problem in run_state.current.unsaved_files] == [
        f"{tmp_path}/out/stand-in/{name}" for name in names(copies)
    ]
    assert all(f"(Not a directory). A copy is in {copies}" in problem for problem in run_state.current.unsaved_files)


def test_a_sample_that_no_file_can_contain_is_named_as_the_reason(tmp_path):
    saved = tracker(tmp_path / "out")
    logged = samples(2)
    logged[1]["target"] = "\ud83d"
    saved.save_results_aggregated({"results": {}}, {TASK: logged}, DATE)
    saved.save_results_samples(task_name=TASK, samples=logged)
    [problem] = run_state.current.unsaved_files
    assert "UnicodeEncodeError" in problem
    assert names(tmp_path / "out") == [f"{DATE}_results.json"]


def test_an_output_path_that_is_a_file_is_refused_before_the_model(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(DataError, match=r"^--output_path .*/out: is a file\. Name a folder\.$"):
        EvaluationTracker(output_path=str(tmp_path / "out"))


def test_a_disk_without_room_is_refused(tmp_path, monkeypatch):
    """1,000 questions take 4 MB and the results file 1 MB."""
    monkeypatch.setattr(output_folder.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 5_000_000}))
    output_folder.check_free_space(tmp_path, 900)
    with pytest.raises(DataError, match=r"has 5\.0 MB free, but this run needs about 5\.1 MB"):
        output_folder.check_free_space(tmp_path, 1000)


def test_a_name_takes_the_place_of_the_date_and_gets_a_number_if_it_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("MICROBENCH_RUN_NAME", "first-try")
    save(tmp_path)
    save(tmp_path)
    assert names(tmp_path) == [
        "first-try-2_results.json",
        f"first-try-2_samples_{TASK}.jsonl",
        "first-try_results.json",
        f"first-try_samples_{TASK}.jsonl",
    ]


def test_a_name_that_becomes_invalid_during_a_run_costs_no_results(tmp_path, monkeypatch):
    saved = tracker(tmp_path)
    monkeypatch.setenv("MICROBENCH_RUN_NAME", "first try")
    saved.save_results_aggregated({"results": {}}, {TASK: samples(1)}, DATE)
    assert names(tmp_path) == [f"{DATE}_results.json"]


def test_an_invalid_name_is_refused_before_the_model_whatever_starts_the_harness(tmp_path, monkeypatch):
    """The harness makes its tracker first: under torchrun, and for tasks of other benchmarks."""
    monkeypatch.setenv("MICROBENCH_RUN_NAME", "first try")
    with pytest.raises(DataError, match="^MICROBENCH_RUN_NAME=first try: expected"):
        EvaluationTracker(output_path=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_lmms_eval_refuses_an_invalid_name_for_tasks_of_other_benchmarks(monkeypatch):
    monkeypatch.setattr(run_state.current, "own_options", OwnOptions(run_name="a b"))
    with pytest.raises(DataError, match="^--run-name a b: expected"):
        running_command.check_arguments(SimpleNamespace(tasks="mmmu_val", include_path=None))


@pytest.mark.parametrize("option", ["--run-name", "--run"])
def test_microbench_run_refuses_an_invalid_name_before_the_first_model(tmp_path, option):
    (tmp_path / "models.yaml").write_text("models: [{model: microbench_random}, {model: demo_clip}]")
    request = command.Request(
        str(tmp_path / "models.yaml"), "microbench_coarse", tmp_path / "out", None, [option, "a b"]
    )
    with pytest.raises(DataError, match="^--run-name a b: expected"):
        command.run(request)
    assert not (tmp_path / "out").exists()


def test_samples_never_replace_those_of_an_earlier_run_of_the_name(tmp_path, monkeypatch):
    """The output folder takes no file for a moment: the second run has its results in the cache, its samples here."""
    monkeypatch.setenv("MICROBENCH_RUN_NAME", "first-try")
    out = tmp_path / "out"
    save(out, number=3)
    saved = tracker(out)
    logged = samples(2)
    with monkeypatch.context() as moment:
        real = unique_files._copy_beside

        def fail_in_output(source, target):
            if target.is_relative_to(out):
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(source, target)

        moment.setattr(unique_files, "_copy_beside", fail_in_output)
        saved.save_results_aggregated({"results": {}}, {TASK: logged}, f"{DATE}9")
    saved.save_results_samples(task_name=TASK, samples=logged)
    assert names(files.cache_dir()) == [f"first-try-{DATE}9_results.json"]
    lines = {path.name: len(path.read_text().splitlines()) for path in out.rglob("*.jsonl")}
    assert lines == {f"first-try_samples_{TASK}.jsonl": 3, f"first-try-{DATE}9_samples_{TASK}.jsonl": 2}


def test_a_samples_file_whose_name_is_taken_is_saved_elsewhere(tmp_path):
    """Twice, so that the name is taken there, too."""
    for number in (3, 2, 1):
        saved = tracker(tmp_path / "out")
        saved.date_id = DATE
        saved.save_results_samples(task_name=TASK, samples=samples(number))
    lines = {path.relative_to(tmp_path): len(path.read_text().splitlines()) for path in tmp_path.rglob("*.jsonl")}
    copies = (files.cache_dir() / "unsaved" / "stand-in").relative_to(tmp_path)
    assert lines == {
        Path("out", "stand-in", f"{DATE}_samples_{TASK}.jsonl"): 3,
        copies / f"{DATE}_samples_{TASK}.jsonl": 2,
        copies / f"{DATE}-2_samples_{TASK}.jsonl": 1,
    }
    assert all("(File exists). A copy is in" in problem for problem in run_state.current.unsaved_files)


@pytest.mark.parametrize("name", ["latest", "a/b", "a b", ".a", "my_samples_x", "x_results", "a" * 81])
def test_a_name_that_files_cannot_have_is_refused(name, monkeypatch):
    monkeypatch.setenv("MICROBENCH_RUN_NAME", name)
    with pytest.raises(DataError, match="^MICROBENCH_RUN_NAME="):
        run_names.run_name()


def test_checkpoints_of_one_name_get_different_folders(tmp_path):
    for parent in ("a", "b"):
        (tmp_path / parent / "logs" / "plip").mkdir(parents=True)
    arguments = [
        f"model={tmp_path}/a/logs/plip",
        f"model={tmp_path}/b/logs/plip",
        "model=a/plip",
        "model=b/plip",
        "model=x/logs/plip",
        "model=y/logs/plip",
        "model=ViT-B-32,pretrained=openai",
        "model=ViT-L-14,pretrained=openai",
        "model=a/plip,revision=1",
        "model=a/plip,merge_with=clip,alpha=0.5",
        "merge_with=clip,alpha=0.25",
        "",
    ]
    for model_args in arguments:
        save(tmp_path / "out", model="plip", model_args=model_args)
    assert len({path.parent for path in (tmp_path / "out").rglob("*_results.json")}) == len(arguments)


def test_a_file_in_the_cache_of_the_hub_is_shown_by_its_own_name(tmp_path):
    """There it is a link to a file that is named by its hash."""
    blob = tmp_path / ("0123456789abcdef" * 4)
    blob.write_bytes(b"weights")
    (tmp_path / "plip.pt").symlink_to(blob)
    digest = hashlib.sha256(str(blob.resolve()).encode()).hexdigest()[:8]
    assert model_folder.folder_name("open_clip", f"model={tmp_path}/plip.pt") == f"plip.pt__{digest}"


@pytest.mark.parametrize("name", ["model_path", "model_base", "base_model", "model_id_name", "peft_model"])
def test_every_argument_that_names_weights_tells_folders_apart(name):
    first, second = (model_folder.folder_name("penguinvl", f"{name}=org/{end}") for end in "ab")
    assert (first, second) == ("org__a", "org__b")


@pytest.mark.parametrize(
    ("model_args", "name"),
    [
        ("pretrained=", "open_clip"),
        ("model=ViT-B-32,pretrained=", "ViT-B-32"),
        ("pretrained=~no-such-user/bar", "~no-such-user__bar"),
    ],
)
def test_an_empty_value_or_an_unknown_home_is_no_folder_on_disk(model_args, name):
    assert model_folder.folder_name("open_clip", model_args) == name


@pytest.mark.parametrize("value", ["é" * 300, "a" * 5000])
def test_the_name_of_a_folder_fits_a_file_system(value, tmp_path):
    """File systems take 255 bytes; an é has two."""
    (tmp_path / model_folder.folder_name("open_clip", f"model={value}")).mkdir()


def test_options_that_leave_the_weights_alone_leave_the_folder(tmp_path):
    for model_args in ("model=a/plip", "model=a/plip,batch_size=8,precision=bf16"):
        save(tmp_path, model="transformers_clip", model_args=model_args)
    assert {path.parent.name for path in tmp_path.rglob("*_results.json")} == {"a__plip"}
