"""Claims about finding the files of a run and reading its samples."""

import json
import re

import pytest

from microbench_tasks import catalog
from microbench_tasks.runs import logs
from microbench_tasks.util.errors import DataError
from tests.support.logged_runs import TASK, logged_sample, rescore, write_samples


def changed_sample(**fields):
    return json.dumps(logged_sample(1, "A") | fields)


def changed_item(**fields):
    return changed_sample(acc=logged_sample(1, "A")["acc"] | fields)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"doc_id": 1, "acc": {"', "incomplete JSON; if the run was killed while it wrote, run it again"),
        ("[]", "expected an object, got []"),
        ('{"filtered_resps": "A"}', "doc_id: is missing"),
        ('{"doc_id": [1], "filtered_resps": "A"}', "doc_id: expected a whole number, got [1]"),
        ('{"doc_id": true, "filtered_resps": "A"}', "doc_id: expected a whole number, got True"),
        ('{"doc_id": 1, "score": 1.0}', "filtered_resps: is missing"),
        ('{"doc_id": 1, "filtered_resps": 5}', "filtered_resps: expected a text or a list, got 5"),
        (changed_sample(score="1"), "score: expected a number, got '1'"),
        (changed_sample(target=0), "target: expected a text, got 0"),
        (changed_sample(input=7), "input: expected a text, got 7"),
        (changed_sample(acc="x"), "acc: expected an object, got 'x'"),
        (changed_sample(acc={"gold": "A"}), "acc.image_id: is missing"),
        (changed_item(options=5), "acc.options: expected a list, got 5"),
        (changed_item(options=["light", 5]), "acc.options[1]: expected a text, got 5"),
        (changed_item(gold="Q"), "acc.gold: expected a letter of 3 options, got 'Q'"),
    ],
)
def test_a_sample_that_is_malformed_is_named_by_file_line_and_field(line, message, tmp_path):
    path = write_samples(tmp_path, [logged_sample(0, "A")])
    path.write_text(path.read_text() + line + "\n")
    expected = f"{path}, line 2: not a sample of {TASK} as this version logs it ({message})."
    with pytest.raises(DataError, match=re.escape(expected)):
        rescore(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (json.dumps(logged_sample(0, "A")), "document 0 is there already, on line 1"),
        (changed_sample(target="1"), "the right letter is A, but the target is option 1: the log has been changed"),
        (changed_item(dataset="opencell"), f"the sample is of the dataset opencell, which {TASK} does not ask about"),
    ],
)
def test_a_sample_that_contradicts_its_task_or_itself_is_named_by_file_and_line(line, message, tmp_path):
    path = write_samples(tmp_path, [logged_sample(0, "A")])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=re.escape(f"{path}, line 2: {message}")):
        rescore(tmp_path)


def test_a_response_may_contain_an_unpaired_surrogate(tmp_path):
    """Python writes it as an escape, which other readers of JSON refuse."""
    path = write_samples(tmp_path, [logged_sample(0, "A \ud83d")])
    assert [sample.responses for sample in logs.read_samples(path, TASK)] == [["A \ud83d"]]


def test_a_response_may_hold_any_line_break(tmp_path):
    path = write_samples(tmp_path, [])
    # The harness writes text as it is.
    path.write_text(
        json.dumps(logged_sample(0, "A\u2028\x85\x0b\rB"), ensure_ascii=False) + "\n", encoding="utf-8", newline=""
    )
    assert rescore(path).scores[TASK]["acc"] == 1


def test_samples_of_other_tasks_are_named(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A")])
    write_samples(tmp_path, [{"doc_id": 0}], "my_glands")
    assert logs.find_run([tmp_path]).other_tasks == ("my_glands",)


def test_an_empty_log_is_named(tmp_path):
    path = write_samples(tmp_path, [])
    with pytest.raises(DataError, match=f"{path}: contains no samples"):
        rescore(path)


def test_samples_of_several_runs_are_not_mixed(tmp_path):
    for run in ("20260101_000000", "20260102_000000"):
        write_samples(tmp_path, [logged_sample(0, "A")], run=run)
    with pytest.raises(DataError) as refused:
        logs.find_run([tmp_path])
    # The latest first, each with what to type, model, tasks and time.
    advice, *lines = str(refused.value).splitlines()
    assert lines == [
        f"  - 20260102_000000: {tmp_path.name}, {TASK}, 2026-01-02 00:00:00",
        f"  - 20260101_000000: {tmp_path.name}, {TASK}, 2026-01-01 00:00:00",
    ]
    assert "--run latest" in advice
    assert logs.find_run([tmp_path], "20260101_000000").name == "20260101_000000"
    assert logs.find_run([tmp_path], "latest").name == "20260102_000000"


def test_the_latest_run_is_that_of_the_last_recorded_date_whatever_the_names(tmp_path):
    for name, date in (("zebra", "20260101_000000"), ("ant", "20260103_000000"), ("20260102_000000", None)):
        write_samples(tmp_path, [logged_sample(0, "A")], run=name)
        (tmp_path / f"{name}_results.json").write_text(json.dumps({"configs": {}, "date": date}))
    assert logs.find_run([tmp_path], "latest").name == "ant"


def test_runs_of_one_name_in_the_folders_of_two_models_are_told_apart_by_the_folder(tmp_path):
    for model in ("clip", "plip"):
        write_samples(tmp_path / model, [logged_sample(0, "A")], run="first")
        content = {"configs": {}, "config": {"model": model}}
        (tmp_path / model / "first_results.json").write_text(json.dumps(content))
    assert logs.run_names([tmp_path]) == ["clip/first", "plip/first"]
    with pytest.raises(DataError, match="- plip/first: plip, "):
        logs.find_run([tmp_path], "first")
    assert logs.find_run([tmp_path], "plip/first").record.config.model == "plip"


def test_groups_that_a_run_asked_whole_are_named_as_groups(tmp_path):
    for name in ("a", "b"):
        for task in catalog.tasks_named(["microbench_coarse", "microbench_fine_pollen"]):
            write_samples(tmp_path, [logged_sample(0, "A")], task, run=name)
    with pytest.raises(DataError, match=f"- a: {tmp_path.name}, microbench_coarse microbench_fine_pollen, "):
        logs.find_run([tmp_path])


def test_a_folder_without_samples_says_how_to_get_them(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A")], "mmmu_val")
    with pytest.raises(DataError, match="no samples file .*--log_samples"):
        logs.find_run([tmp_path])


def test_what_macos_leaves_beside_the_samples_is_no_run(tmp_path):
    file = write_samples(tmp_path, [logged_sample(0, "A")])
    file = file if file.is_file() else next(tmp_path.glob("*.jsonl"))
    file.with_name(f"._{file.name}").write_bytes(b"left by macOS")
    assert logs.find_run([tmp_path]).samples == {TASK: file}
