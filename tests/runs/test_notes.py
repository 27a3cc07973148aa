"""Claims about what a reader of rescored figures is told."""

import json

from microbench_tasks.runs import score_table
from microbench_tasks.tasks.interval_settings import interval_settings
from tests.support.logged_runs import PROMPT, TASK, logged_sample, rescore, write_results, write_samples


def test_a_log_of_another_version_is_read_anew_and_what_moved_is_counted(tmp_path):
    """Version 1.0 read other letters.

    It read a list of the options under a header as A, a bold letter before an explanation not at all, and an echo of
    the prompt by its options.
    """
    responses = [
        "Let's analyze each option:\nA) light - thin.\nB) electron - grainy.",
        "**B**\n\nThe contrast is electron-like.",
        f"{PROMPT} C",
        "B",
    ]
    samples = [logged_sample(number, response, gold=1) for number, response in enumerate(responses)]
    before = [(1.0, 0.0, "A"), (0.0, 0.0, None), (1.0, 0.0, "C"), (1.0, 1.0, "B")]
    for logged, (paper, strict, letter) in zip(samples, before, strict=True):
        logged["acc"] |= {"acc": paper, "score": paper}
        logged["score"] = paper
        logged["acc_strict"] = logged["acc_strict"] | {"score": strict, "predicted": letter}
        logged["unparsed"] = logged["unparsed"] | {"kind": "parsed" if letter else "unparsed"}
        del logged["failed"]["taken_off"]
    write_samples(tmp_path, samples)
    results = {
        "configs": {TASK: {"metadata": {"version": 1.0}}},
        "results": {},
        "n-samples": {},
        "config": {},
    }
    (tmp_path / "20260101_000000_results.json").write_text(json.dumps(results))
    found = rescore(tmp_path)
    assert found.version == 2.0 and found.summary()["version"] == 2.0
    # The right letter is B. The paper's rule finds it in the first response (in the list) and in the fourth, the
    # strict rule in the second and in the fourth.
    assert (
        found.scores[TASK]["acc"],
        found.scores[TASK]["acc_strict"],
    ) == (0.5, 0.5)
    assert (
        f"{TASK}: scored by version 1.0 in the run, by version 2.0 now; samples whose score changed: "
        "acc 1 (0 up, 1 down), acc_strict 1 (1 up, 0 down), kind of response 2" in found.notes
    )
    assert "microbench_coarse_modality: removed before the answer was read: 1 of 4 responses: prompt 1" in found.notes
    assert not any("logged score" in note for note in found.notes)


def test_a_limited_run_is_said_to_be_one(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "A")])
    write_results(tmp_path, effective=2, original=315)
    assert rescore(tmp_path).notes == [
        "microbench_coarse_modality: 2 of its 315 documents were asked (--limit or --offset)"
    ]


def test_figures_that_differ_from_the_results_file_are_said(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "B")])
    write_results(
        tmp_path,
        results={TASK: {"acc,none": 0.75, "acc_strict,none": 0.5, "unparsed_by_kind,none": {}}},
    )
    assert rescore(tmp_path).notes == [
        f"1 figure(s) differ from the results file, such as {TASK} acc (0.75 in 20260101_000000_results.json, 0.5 now)"
    ]


def test_another_kind_of_interval_than_the_runs_is_said(tmp_path, monkeypatch):
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "B")])
    write_results(tmp_path, interval=interval_settings())
    assert rescore(tmp_path).notes == []
    monkeypatch.setenv("MICROBENCH_INTERVAL", "percentile")
    [note] = rescore(tmp_path).notes
    assert "set MICROBENCH_INTERVAL to compute it alike" in note and note.startswith(
        "acc_ci is computed as {'method': 'percentile'"
    )


def test_a_log_of_a_version_with_other_intervals_is_scored_and_what_else_differs_is_said(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "B")])
    older = {"method": "basic", "confidence_level": 0.95, "num_resamples": 9999, "seed": 42}
    # Of two answers, one right: the bootstrap of then ends beyond 0 to 1, and the accuracy has been edited.
    figures = {"acc,none": 0.75, "acc_image_ci_low,none": -0.5, "acc_image_ci_high,none": 1.5}
    write_results(tmp_path, interval=older, results={TASK: figures})
    earlier, edited = rescore(tmp_path).notes
    assert earlier.startswith("the run is of an earlier version, whose intervals were all bootstrap intervals")
    assert edited == (
        f"1 figure(s) differ from the results file, such as {TASK} acc (0.75 in 20260101_000000_results.json, 0.5 now)"
    )


def test_an_unknown_method_of_the_intervals_to_quote_is_said(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "B")])
    write_results(tmp_path, interval=interval_settings() | {"quoted": {"method": "newer", "confidence_level": 0.95}})
    [note] = rescore(tmp_path).notes
    assert note.startswith("intervals other than acc_ci are computed as") and "'newer'" in note


def test_a_redefined_task_is_named_with_its_fields_in_notes_and_table(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "B")])
    differs = {"doc_to_messages": {"expected": None, "ran": "x"}, "filter_list": {"expected": None, "ran": []}}
    write_results(tmp_path, definition={"fields": {}, "differs": differs})
    found = rescore(tmp_path)
    assert found.notes == [
        f"{TASK} is NOT the benchmark's own task: its definition differs in doc_to_messages, filter_list"
    ]
    assert "| microbench_coarse_modality (REDEFINED) |" in score_table.render_scores(found)
    assert found.summary()["redefined"] == {TASK: ["doc_to_messages", "filter_list"]}


def test_an_older_run_without_a_definition_is_scored_with_a_note(tmp_path):
    write_samples(tmp_path, [logged_sample(0, "A"), logged_sample(1, "B")])
    write_results(tmp_path, definition=None)
    assert rescore(tmp_path).notes == [
        f"whether the tasks were the benchmark's own was not recorded (metadata.definition) for {TASK}"
    ]
