"""Claims about comparing runs: matched questions, and what is refused or noted."""

from __future__ import annotations

import numpy as np
import pytest

from microbench_tasks.analysis.comparison import compare_runs
from microbench_tasks.parsing.failures import failure_mark
from microbench_tasks.util.errors import DataError
from tests.support.compared_runs import COARSE, DOMAIN, MODALITY, SOURCE, answered, compared, loaded, row_of

# --- the same questions ----------------------------------------------------------------


def test_only_common_questions_are_compared_and_the_others_are_counted(tmp_path):
    whole = answered("AABBAABB")
    runs = [loaded(tmp_path / "0", {MODALITY: whole}, "all"), loaded(tmp_path / "1", {MODALITY: whole[2:5]}, "few")]
    comparison = compare_runs(runs)
    row = row_of(comparison)
    assert (row.num_questions, row.reference_score) == (3, 1 / 3)
    assert [note for note in comparison.notes if "left out" in note] == [
        "all: 5 questions are left out, since another run was not asked them: microbench_coarse_modality 5"
    ]


def test_a_group_is_compared_only_if_both_runs_answered_all_of_its_tasks(tmp_path):
    everything = {task: answered("AAB", task) for task in COARSE}
    part = {task: samples for task, samples in everything.items() if task != DOMAIN}
    comparison = compare_runs([loaded(tmp_path / "0", everything, "all"), loaded(tmp_path / "1", part, "part")])
    assert {row.name for row in comparison.differences} == set(COARSE) - {DOMAIN}
    assert f"not compared, since only all answered them: {DOMAIN}" in comparison.notes


def test_runs_without_a_common_task_are_refused(tmp_path):
    runs = [loaded(tmp_path / task, {task: answered("AAB", task)}, task[-6:]) for task in (DOMAIN, MODALITY)]
    with pytest.raises(DataError, match="no answered question in common: domain answered .*; dality answered"):
        compare_runs(runs)


def test_against_a_run_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    runs = [loaded(tmp_path / name, {DOMAIN: answered("AB", DOMAIN)}, name) for name in ("clip", "plip")]
    with pytest.raises(DataError, match=r"--against klip: no such run. Did you mean .*There are clip, plip"):
        compare_runs(runs, against="klip")
    with pytest.raises(DataError, match="several runs have this name"):
        compare_runs(runs, against=runs[0].name)


def test_one_run_is_not_compared(tmp_path):
    with pytest.raises(DataError, match="two or more runs to compare, got 1"):
        compare_runs([loaded(tmp_path, {MODALITY: answered("AB")})])


def test_other_data_are_refused_by_task_and_run(tmp_path):
    other = SOURCE | {"sha256": "cd" * 32}
    runs = [
        loaded(tmp_path / "0", {MODALITY: answered("AB")}, "one"),
        loaded(tmp_path / "1", {MODALITY: answered("AB")}, "two", dataset=other),
    ]
    expected = (
        r"microbench_coarse_modality was asked on different data: by one on source folder, sha256 abababababab, "
        r"is_release False, by two on source folder, sha256 cdcdcdcdcdcd"
    )
    with pytest.raises(DataError, match=expected):
        compare_runs(runs)


def digest(character):
    return {"asked": {"sha256": character * 64, "num_documents": 2}}


def test_the_digest_of_the_documents_decides_over_the_place_of_the_data(tmp_path):
    same = [
        loaded(tmp_path / "0", {MODALITY: answered("AB")}, **digest("a")),
        loaded(tmp_path / "1", {MODALITY: answered("AA")}, **digest("a"), dataset={"source": "demo", "sha256": "x"}),
    ]
    assert row_of(compare_runs(same)).num_questions == 2
    other = loaded(tmp_path / "2", {MODALITY: answered("AA")}, **digest("b"))
    with pytest.raises(DataError, match="documents aaaaaaaaaaaa, .* documents bbbbbbbbbbbb"):
        compare_runs([same[0], other])


def test_data_that_are_not_on_record_are_noted_and_another_question_is_refused(tmp_path):
    unknown = loaded(tmp_path / "0", {MODALITY: answered("AB")}, "unknown", dataset=None)
    known = loaded(tmp_path / "1", {MODALITY: answered("AA")}, "known")
    notes = compare_runs([known, unknown]).notes
    assert [note for note in notes if "not recorded" in note] == [
        "unknown: its data were not recorded for microbench_coarse_modality; only images, options and right answers "
        "were compared"
    ]
    shifted = loaded(tmp_path / "2", {MODALITY: answered("AA", questions_per_image=2)}, "shifted", dataset=None)
    with pytest.raises(DataError, match="document 1: known was asked about acevedo_et_al_2020/1 .* shifted about"):
        compare_runs([known, shifted])


# --- marks and notes -------------------------------------------------------------------


def test_redefined_tasks_are_marked(tmp_path):
    redefined = {"definition": {"fields": {}, "differs": {"doc_to_text": {"ran": "theirs"}}}}
    runs = [
        loaded(tmp_path / "0", {MODALITY: answered("AB")}, "own"),
        loaded(tmp_path / "1", {MODALITY: answered("AB")}, "changed", **redefined),
    ]
    comparison = compare_runs(runs)
    assert row_of(comparison).is_redefined
    assert comparison.labels == ("own", "changed [REDEFINED TASKS]")
    assert any("is NOT the benchmark's own task" in note for note in comparison.notes)


def test_failed_requests_are_noted_by_run_and_task_and_a_task_without_an_answer_is_left_out(tmp_path):
    failed = failure_mark("the server said no")
    runs = [
        loaded(tmp_path / "0", {MODALITY: answered("ABA"), DOMAIN: answered("ABA", DOMAIN)}, "whole"),
        loaded(
            tmp_path / "1",
            {MODALITY: answered(["A", failed, "A"]), DOMAIN: answered([failed] * 3, DOMAIN)},
            "broken",
        ),
    ]
    comparison = compare_runs(runs)
    assert {row.name for row in comparison.differences} == {MODALITY}
    # In the benchmark's order of tasks.
    assert comparison.notes[0] == (
        f"broken [4 FAILED REQUESTS]: requests that got no response count as wrong: 3 of {DOMAIN}, 1 of {MODALITY}"
    )
    assert comparison.labels == ("whole", "broken [4 FAILED REQUESTS]")
    assert any(f"not one answer to {DOMAIN}" in note for note in comparison.notes)


def test_other_versions_of_the_tasks_are_noted(tmp_path):
    runs = [
        loaded(tmp_path / str(version), {MODALITY: answered("AB")}, f"model {version}", version=version)
        for version in (1.0, 2.0)
    ]
    assert any(
        "different versions of the tasks (model 1.0 by 1.0, model 2.0 by 2.0)" in note
        for note in compare_runs(runs).notes
    )


# --- changes ---------------------------------------------------------------------------


def test_changes_name_each_question_that_was_answered_differently(tmp_path):
    comparison = compared(tmp_path, ["A", "A", "B", "B", "B"], ["A", "B", "A", "C", "no idea"])
    found = [
        (change.doc_id, change.image_id, change.reference_answer, change.answer, change.text, change.change)
        for change in comparison.changes
    ]
    assert found == [
        (1, "1", "A", "B", "electron", "worse"),
        (2, "2", "B", "A", "light", "better"),
        (3, "3", "B", "C", "none of the above", "same score"),
        (4, "4", "B", "", "", "same score"),
    ]
    first = comparison.changes[0]
    assert (first.task, first.dataset, first.kind) == (MODALITY, "acevedo_et_al_2020", "modality")
    assert (first.gold, first.gold_text, first.reference_text) == ("A", "light", "light")
    assert (first.reference, first.run) == ("model 0", "model 1")


def test_the_numbers_of_changes_are_those_of_the_table(tmp_path):
    rng = np.random.default_rng(3)
    comparison = compared(tmp_path, *(["AB"[number] for number in rng.integers(0, 2, 40)] for _ in range(3)))
    for row in comparison.of_metric("acc"):
        of_pair = [
            change for change in comparison.changes if (change.reference, change.run) == (row.reference, row.run)
        ]
        assert row.num_worse == sum(change.change == "worse" for change in of_pair)
        assert row.num_better == sum(change.change == "better" for change in of_pair)
