"""Claims about scoring logged runs again; whole runs are in end_to_end."""

import json

import pytest

from microbench_tasks import catalog
from microbench_tasks.analysis.loaded_runs import Run
from microbench_tasks.parsing.failures import failure_mark
from microbench_tasks.report import score_section
from microbench_tasks.report.runs import tasks_of
from microbench_tasks.runs import score_table
from microbench_tasks.tasks.results import microbench_process_results
from microbench_tasks.util.errors import DataError
from tests.support import release
from tests.support.logged_runs import (
    BOX_TASK,
    PROMPT,
    TASK,
    logged_boxes,
    logged_sample,
    question,
    rescore,
    write_results,
    write_samples,
)


def test_a_log_gives_the_scores_of_its_responses(tmp_path):
    write_samples(
        tmp_path,
        [
            logged_sample(0, "A"),
            logged_sample(1, "The answer is A"),
            logged_sample(2, "B", gold=1),
            logged_sample(3, "no idea"),
        ],
    )
    found = rescore(tmp_path)
    scores = found.scores[TASK]
    assert scores["acc"] == 0.5
    assert scores["acc_strict"] == 0.75
    assert scores["unparsed_by_kind"] == {"unparsed": 1}
    assert found.num_samples == {TASK: 4}
    assert found.letters[TASK] == {
        "gold": {"A": 3, "B": 1},
        "acc_strict": {"A": 2, "B": 1, "None": 1},
    }


def test_scores_come_from_the_responses_and_not_from_the_logged_scores(tmp_path):
    forged = logged_sample(1, "B")
    forged["acc"]["acc"] = forged["acc"]["score"] = forged["score"] = 1.0
    write_samples(tmp_path, [logged_sample(0, "A"), forged])
    found = rescore(tmp_path)
    assert found.scores[TASK]["acc"] == 0.5
    assert found.notes == ["microbench_coarse_modality: the logged score of 1 sample(s) differs, such as document 1"]


def test_boxes_are_read_by_the_logged_convention(tmp_path):
    # On a grid of 1000: 20 / 200, 10 / 100, 40 / 200, 30 / 100.
    response = '[{"bbox_2d": [100, 100, 200, 300], "label": "nucleus"}]'
    write_samples(tmp_path, [logged_boxes(response, "[[20.0, 10.0, 40.0, 30.0]]")], BOX_TASK)
    assert rescore(tmp_path).scores[BOX_TASK]["grit"] == pytest.approx(1, abs=1e-6)


def test_gold_boxes_that_are_not_the_target_are_refused(tmp_path):
    write_samples(tmp_path, [logged_boxes("[]", "[[20.0, 10.0, 40.0, 31.0]]")], BOX_TASK)
    with pytest.raises(DataError, match="line 1: the gold boxes are not the target's: the log has been changed"):
        rescore(tmp_path)


def test_a_samples_file_that_lost_lines_is_refused(tmp_path):
    path = write_samples(tmp_path, [logged_sample(0, "A")])
    write_results(tmp_path, effective=2)
    with pytest.raises(DataError, match=f"{path}: contains 1 samples, but the run asked 2 documents"):
        rescore(tmp_path)


def test_a_group_is_scored_once_all_its_tasks_are_there(tmp_path):
    for number, task in enumerate(["domain", "subdomain", "modality", "submodality"]):
        write_samples(
            tmp_path, [logged_sample(0, "A"), logged_sample(1, "A", gold=number % 2)], f"microbench_coarse_{task}"
        )
    assert "microbench_coarse" not in rescore(tmp_path).scores
    write_samples(tmp_path, [logged_sample(0, "A")], "microbench_coarse_stain")
    group = rescore(tmp_path).scores["microbench_coarse"]
    # Right are 2 + 1 + 2 + 1 + 1 of 9; by task 1, 0.5, 1, 0.5, 1.
    assert group["acc"] == pytest.approx(7 / 9)
    assert group["acc_macro"] == pytest.approx(0.8)


def test_a_log_of_responses_alone_takes_its_questions_from_the_source(tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0), release.row(1)]))
    question = release.question("modality", 0)
    prompt = "\n".join(
        [
            "…",
            f"Question:{question['question']}",
            *(f"{letter}) {option}" for letter, option in zip("ABCD", question["options"], strict=False)),
        ]
    )
    # The answers of rows 0 and 1 are the first and the second option.
    write_samples(
        tmp_path / "log",
        [{"doc_id": 0, "filtered_resps": "A", "input": prompt}, {"doc_id": 1, "filtered_resps": "A", "input": prompt}],
    )
    assert rescore(tmp_path / "log").scores[TASK]["acc"] == 0.5


@pytest.mark.parametrize(
    ("entry", "message"),
    [({"doc_id": 0, "input": "Which cell?"}, "is not in it"), ({"doc_id": 5, "input": ""}, "has number 5")],
)
def test_a_source_that_is_not_the_logs_is_refused(entry, message, tmp_path, use_source):
    use_source(release.write_parquet(tmp_path / "data", [release.row(0)]))
    path = write_samples(tmp_path / "log", [entry | {"filtered_resps": "A"}])
    with pytest.raises(DataError, match=rf"{path.name}, line 1: .*{message}.*Set MICROBENCH_DATASET"):
        rescore(tmp_path / "log")


def test_another_source_than_the_recorded_one_is_refused_before_it_is_read(tmp_path, monkeypatch):
    write_samples(tmp_path, [{"doc_id": 0, "filtered_resps": "A", "input": PROMPT}])
    metadata = {"dataset": {"source": "folder", "path": "/somewhere", "sha256": "abc"}}
    (tmp_path / "20260101_000000_results.json").write_text(json.dumps({"configs": {TASK: {"metadata": metadata}}}))
    # With the release wanted, nothing may be downloaded to find out.
    with pytest.raises(DataError, match="is not the run's data source .source folder"):
        rescore(tmp_path)
    monkeypatch.setenv("MICROBENCH_DATASET", str(release.write_parquet(tmp_path / "data", [release.row(0)])))
    with pytest.raises(DataError, match="is not the run's data source .sha256 abc"):
        rescore(tmp_path)


def test_a_task_without_any_answer_has_no_score_and_nor_has_its_group(tmp_path):
    failed = failure_mark("server down")
    for task in catalog.tasks_named(["microbench_coarse"]):
        write_samples(
            tmp_path,
            [logged_sample(0, failed), logged_sample(1, failed if task == "microbench_coarse_stain" else "A")],
            task,
        )
    found = rescore(tmp_path)
    assert found.unanswered == ["microbench_coarse_stain"]
    for name in ("microbench_coarse_stain", "microbench_coarse"):
        assert found.scores[name].keys() == {"failed", "unparsed_by_kind", "counts"}
    # One of two: a failed request counts as wrong.
    assert found.scores["microbench_coarse_domain"]["acc"] == 0.5
    [row] = [
        line for line in score_table.render_scores(found).splitlines() if line.startswith("| microbench_coarse_stain ")
    ]
    assert [cell.strip() for cell in row.split("|")[-4:-1]] == ["", "", ""]
    assert any(note.startswith("not one answer to microbench_coarse_stain") for note in found.notes)
    run = Run("label", "name", found, {})
    assert "microbench_coarse_stain" not in tasks_of(run, "coarse")
    assert "microbench_coarse_stain" not in str(score_section.score_section([run]))


def test_chance_is_the_mean_of_one_over_the_options_that_are_counted(tmp_path):
    counted = [logged_sample(0, "A"), logged_sample(1, "A")]
    counted[1] |= microbench_process_results(question(1) | {"options": ["light", "electron"]}, ["A"])
    write_samples(tmp_path, counted)
    # Three options and two.
    assert rescore(tmp_path).chance == {TASK: pytest.approx((1 / 3 + 1 / 2) / 2)}


def test_the_majority_answer_is_an_option_or_a_letter(tmp_path):
    """Where light is not offered, its letter may be right."""
    samples = [
        logged_sample(0, "A"),
        logged_sample(1, "A"),
        logged_sample(2, "A", gold=1),
        logged_sample(3, "A", gold=1),
    ]
    without = question(3) | {"options": ["electron", "none of the above"]}
    samples[3] |= {"target": "0"} | microbench_process_results(without, ["A"])
    samples.append(logged_sample(4, "A"))
    write_samples(tmp_path, samples)
    # Light is right in 0, 1 and 4. The letter A is right there and in 3, where it stands for electron.
    assert rescore(tmp_path).majority == {TASK: 4 / 5}


def test_the_majority_answer_is_chosen_for_each_task_of_a_group(tmp_path):
    for number, task in enumerate(["domain", "subdomain", "modality", "submodality", "stain"]):
        write_samples(
            tmp_path,
            [
                logged_sample(0, "A", gold=number % 2),
                logged_sample(1, "A", gold=number % 2),
                logged_sample(2, "A", gold=0),
            ],
            f"microbench_coarse_{task}",
        )
    # Even tasks: three of three; odd ones: two of three.
    assert rescore(tmp_path).majority["microbench_coarse"] == (3 * 3 + 2 * 2) / 15
