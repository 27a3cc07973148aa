"""Claims about what cannot be a submission: each reason by itself, and all of them at once."""

import json
import re

import pytest

from microbench_tasks import catalog
from microbench_tasks.runs import found_runs, rescoring
from microbench_tasks.submissions import data_kinds, eligibility, score_checks
from microbench_tasks.tasks.interval_settings import interval_settings
from tests.support import tiny_runs
from tests.support.tiny_runs import BOXES, COARSE, COGNITION

MODALITY = "microbench_coarse_modality"
DETECTION = ("boxes_precision", "boxes_recall", "boxes_f1", "boxes_count_")


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """Samples of all tasks of the small data, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", str(tiny_runs.data(tmp_path_factory.mktemp("data"))))
        yield (
            {task: tiny_runs.samples(task) for task in (*COARSE, BOXES, COGNITION)},
            {task: tiny_runs.metadata(task) for task in (*COARSE, BOXES, COGNITION)},
        )


@pytest.fixture
def run(logged, tmp_path, monkeypatch):
    """Write a run of some tasks, let a function change its results file and another its samples, and examine it."""

    def examine(tasks=(MODALITY,), change=lambda results: None, change_samples=lambda samples: None):
        samples, metadata = json.loads(json.dumps(logged[0])), logged[1]
        monkeypatch.setattr(tiny_runs, "metadata", lambda task: json.loads(json.dumps(metadata[task])))
        folder = tiny_runs.write(tmp_path / "run", {task: samples[task] for task in tasks})
        for task in tasks:
            change_samples(samples[task])
            (folder / f"{tiny_runs.NAME}_samples_{task}.jsonl").write_text(
                "".join(json.dumps(sample) + "\n" for sample in samples[task])
            )
        tiny_runs.edited(folder / f"{tiny_runs.NAME}_results.json", change)
        # What the first rescoring read of the results file must not be remembered.
        return eligibility.check_eligibility(found_runs.find_run([folder]))

    return examine


def test_a_whole_run_has_no_reason_against_it(run):
    found = run((*COARSE, BOXES, COGNITION))
    assert found.violations == ()
    assert {task: len(samples) for task, samples in found.samples.items()} == dict.fromkeys(COARSE, 4) | {
        BOXES: 2,
        COGNITION: 3,
    }
    assert found.rescored.scores["microbench_coarse"]["acc"] == 15 / 20


def test_tasks_without_their_group_are_enough_and_what_the_group_lacks_is_said(run):
    found = run(COARSE[:4])
    assert found.violations == ()
    assert found.notes == (
        "no whole group was asked, so the submission has the scores of single tasks only; "
        "microbench_coarse lacks microbench_coarse_stain",
    )


def metric_list(results):
    return results["configs"][BOXES]["metadata"]["definition"]["fields"]["metric_list"]


def test_a_run_that_was_made_before_there_was_a_metric_has_no_reason_against_it(run):
    def drop(results):
        kept = [entry for entry in metric_list(results) if not entry["metric"].startswith(DETECTION)]
        assert len(kept) == len(metric_list(results)) - 11
        metric_list(results)[:] = kept

    assert run((BOXES,), drop).violations == ()


def test_a_list_that_lacks_an_older_metric_is_no_list_of_an_older_version(run):
    [violation] = run((BOXES,), lambda results: metric_list(results).pop()).violations
    assert "metric_list is redefined" in violation


def of_every_task(name, value):
    def change(results):
        for config in results["configs"].values():
            config["metadata"][name] = value

    return change


def of_one_task(name, value):
    def change(results):
        results["configs"][MODALITY]["metadata"][name] = value

    return change


DEMO = {"source": "demo", "version": "1.0", "seed": 1, "sha256": "ab" * 32}
OLDER = {"method": "basic", "confidence_level": 0.95, "num_resamples": 9999, "seed": 42}
PERCENTILE = interval_settings() | {"paper": OLDER | {"method": "percentile"}}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda results: results["config"].update(limit=2), "--limit 2: a part"),
        (lambda results: results["config"].update(limit=0.5), "--limit 0.5: a part"),
        (lambda results: results["config"].update(offset=3), "--offset 3: a part"),
        (
            lambda results: results["n-samples"][MODALITY].update(original=9),
            f"{MODALITY}: 4 of its 9 documents were asked",
        ),
        (
            lambda results: results["n-samples"][MODALITY].update(original=5, effective=5),
            "contains 4 samples, but the run asked 5 documents",
        ),
        (
            lambda results: results["n-samples"].clear(),
            f"{MODALITY}: {tiny_runs.NAME}_results.json does not say how many documents",
        ),
        (lambda results: results["config"]["resolved_cli_args"].update(predict_only=True), "--predict_only"),
        (lambda results: results.update(system_instruction="Think first."), "--system_instruction"),
        (lambda results: results["n-shot"].update({MODALITY: 2}), "--num_fewshot 2"),
        (
            lambda results: results["config"].update(model_args="pretrained=org/x,system_prompt=You are a pathologist"),
            "--model_args: system_prompt: unknown argument: it may change the prompt or the image",
        ),
        (
            lambda results: results["config"].update(model_args={"options": {"Reasoning_Prompt": "Think."}}),
            "--model_args: options: unknown argument",
        ),
        (
            lambda results: results["config"].update(model_args="x={'prompt_suffix': 'Think.'}"),
            "--model_args: x: unknown argument",
        ),
        (
            lambda results: results["config"].update(model_args="chat_template={{ messages }}"),
            "--model_args: chat_template: unknown argument",
        ),
        (
            lambda results: results["config"].update(gen_kwargs="pre_prompt=Think."),
            "--gen_kwargs: pre_prompt: unknown argument",
        ),
        (
            lambda results: results["configs"].update(microbench_fine_pollen={}),
            "microbench_fine_pollen: the run asked it",
        ),
        (
            lambda results: results["configs"].pop("microbench_coarse_domain"),
            f"microbench_coarse_domain: has samples, but {tiny_runs.NAME}_results.json does not know it",
        ),
        (
            lambda results: results["results"][MODALITY].update({"acc,none": 0.9}),
            rf"1 figure\(s\) of the results file are not those of the samples, such as {MODALITY} acc \(0.9 in",
        ),
        (of_every_task("version", 0.5), "task version 0.5: this package asks and scores as version 2.0"),
        (
            of_one_task("version", 1.0),
            r"task version \(metadata.version\): mixed: 2.0 for microbench_coarse_domain; "
            "1.0 for microbench_coarse_modality. Run all tasks in one go",
        ),
        (
            of_every_task("version", None),
            "task version .*: not recorded for microbench_coarse_domain, microbench_coarse_modality",
        ),
        (
            of_one_task("microbench_version", "9.9"),
            "version of this package .*: mixed: .* 9.9 for microbench_coarse_modality",
        ),
        (of_one_task("interval", PERCENTILE), "interval settings .*: mixed"),
        (
            of_every_task("interval", OLDER),
            "the record of an earlier version, whose intervals were all bootstrap intervals. Run again",
        ),
        (
            of_every_task("interval", PERCENTILE),
            "acc_ci_. are percentile bootstrap intervals in the run .*Set MICROBENCH_INTERVAL=percentile",
        ),
        (of_one_task("dataset", DEMO), "data source .*: mixed"),
        (of_every_task("dataset", None), "data source .*: not recorded"),
    ],
)
def test_what_the_results_file_says_against_it_is_a_reason(change, reason, run):
    found = run(("microbench_coarse_domain", MODALITY), change)
    assert any(re.search(reason, given) for given in found.violations), found.violations


THOUGHT = "<think>A or B?</think>"


@pytest.mark.parametrize(
    ("said", "is_known"),
    [
        (lambda scored: f"{THOUGHT}\n{scored}", True),
        (lambda scored: [[f"{THOUGHT}{scored}"]], True),
        (lambda scored: f"I cannot tell. {scored}", False),
        (lambda scored: f"{THOUGHT} I cannot tell.", False),
        (lambda scored: [scored, "B"], False),
        (lambda scored: None, False),
    ],
)
def test_what_is_scored_must_be_what_the_model_said_without_its_reasoning(said, is_known, run):
    def tagged(results):
        results["config"]["resolved_cli_args"]["reasoning_tags"] = '[["<think>", "</think>"]]'

    reasons = run(
        change=tagged, change_samples=lambda samples: last(samples, resps=said(samples[-1]["filtered_resps"]))
    ).violations
    assert reasons == (
        ()
        if is_known
        else (
            f"{MODALITY}: what is scored (filtered_resps) of 1 sample(s) is not what the model said (resps) "
            "without its reasoning, such as document 3.",
        )
    )


def test_a_run_without_results_file_is_none(run, logged, tmp_path):
    folder = tiny_runs.write(tmp_path / "bare", {MODALITY: logged[0][MODALITY]})
    (folder / f"{tiny_runs.NAME}_results.json").unlink()
    [reason] = eligibility.check_eligibility(found_runs.find_run([folder])).violations
    assert reason.startswith(f"the results file {tiny_runs.NAME}_results.json is missing")


def last(samples, **changes):
    samples[-1] |= changes


PROMPT = "unknown prompt in 1 of 4 samples, such as that of document 3"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda samples: last(samples, input="Think step by step.\n" + samples[-1]["input"]), PROMPT),
        (lambda samples: last(samples, input=samples[-1]["input"] + "\nAnswer:"), PROMPT),
        (lambda samples: last(samples, input=samples[-1]["input"].replace("single letter", "letter")), PROMPT),
        (lambda samples: last(samples, input=samples[-1]["input"].replace("A) ", "A. ")), PROMPT),
        (lambda samples: last(samples, input=""), PROMPT),
        (lambda samples: last(samples, input=None), "input: expected a text, got None"),
        (lambda samples: samples.pop(), "contains 3 samples, but the run asked 4"),
        (lambda samples: samples[-1].update(doc_id=7), "no sample of document 3, but of later ones"),
        (
            lambda samples: last(samples, score=1 - samples[-1]["score"]),
            r"the logged score of 1 sample\(s\) is not that of the response, such as document 3",
        ),
        (
            lambda samples: last(samples, filtered_resps="[LMMS_EVAL_REQUEST_FAILED after 5 retries]"),
            r"1 request\(s\) got no response",
        ),
        (
            lambda samples: last(samples, filtered_resps="H"),
            r"figure\(s\) of the results file are not those of the samples",
        ),
        (lambda samples: samples[-1].pop("acc"), "1 of 4 samples have a response and no score"),
        (lambda samples: last(samples, target="9"), "line 4: the right letter is .* but the target is option 9"),
    ],
)
def test_what_the_samples_say_against_it_is_a_reason(change, reason, run):
    found = run(change_samples=change)
    assert any(re.search(reason, given) and MODALITY in given for given in found.violations), found.violations


def test_a_prompt_for_boxes_must_be_the_recorded_one(run):
    assert run((BOXES,)).violations == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda samples: last(samples, input=samples[-1]["input"] + " Please."),
        lambda samples: samples[-1]["grit"].update(convention="grid1000_xyxy"),
        lambda samples: samples[-1]["grit"].update(model_input_size=[640, 480]),
    ],
)
def test_boxes_asked_for_or_read_in_another_way_are_a_reason(change, run):
    assert any(
        "unknown prompt in 1 of 2 samples" in reason for reason in run((BOXES,), change_samples=change).violations
    )


def test_all_reasons_are_given_at_once(run):
    def change(results):
        results["config"].update(limit=4, offset=1)
        of_every_task("version", 0.5)(results)

    found = run(change=change, change_samples=lambda samples: last(samples, input="?"))
    assert [reason.split(":")[0] for reason in found.violations] == [
        "task version 0.5",
        "--limit 4",
        "--offset 1",
        MODALITY,
    ]


def test_damage_in_two_tasks_is_named_for_both(run):
    found = run(("microbench_coarse_domain", MODALITY), change_samples=lambda samples: samples.pop())
    assert sum("contains 3 samples" in reason for reason in found.violations) == 2


def test_variants_alone_are_none_and_beside_other_tasks_are_left_out(logged, tmp_path, monkeypatch):
    variant = "microbench_robustness_reversed"
    folder = tmp_path / "run"
    monkeypatch.setattr(tiny_runs, "metadata", lambda task: logged[1][MODALITY])
    tiny_runs.write(folder, {variant: logged[0][MODALITY]})
    [reason] = eligibility.check_eligibility(found_runs.find_run([folder])).violations
    assert reason.startswith("the run asked variants of the benchmark's tasks only")
    both = tiny_runs.write(tmp_path / "both", {MODALITY: logged[0][MODALITY], variant: logged[0][MODALITY]})
    (both / f"{tiny_runs.NAME}_samples_mmmu_val.jsonl").write_text("{}\n")
    found = eligibility.check_eligibility(found_runs.find_run([both]))
    assert found.violations == ()
    assert list(found.run.samples) == [MODALITY]
    assert found.notes[:2] == (
        f"left out, as they are variants of the benchmark's own tasks: {variant}",
        "left out, as these are not Micro-Bench's own tasks: mmmu_val",
    )


# By sha256sum, of the SHA-256 of the release's seven shards, with line ends between.
RELEASE_SHA256 = "f5f4cb95ef3846b326d22ca5729b69bf3d6f1737956b181dbd8612c77cf4e457"
WISHED = {
    "source": "hub",
    "id": "jnirschl/uBench",
    "config": "perception",
    "revision": "3f2c5b590bc7a208d5b60f3527ce4c76a331aa2b",
}
HUB = WISHED | {"sha256": RELEASE_SHA256, "is_release": True}


@pytest.mark.parametrize(
    ("identity", "kind"),
    [
        (HUB, "release"),
        (HUB | {"revision": "main"}, "local"),
        (HUB | {"note": "whatever"}, "local"),
        ({"source": "folder", "path": "/data", "sha256": RELEASE_SHA256, "is_release": True}, "release"),
        ({"source": "folder", "sha256": RELEASE_SHA256, "is_release": True, "note": "whatever"}, "local"),
        (HUB | {"id": "someone/uBench"}, "local"),
        (WISHED | {"config": "cognition", "revision": "main", "sha256": "ab" * 32}, "release"),
        (WISHED | {"config": "cognition", "revision": "main"}, "local"),
        (WISHED, "local"),
        (HUB | {"sha256": "ab" * 32}, "local"),
        (HUB | {"is_release": False}, "local"),
        ({"source": "folder", "sha256": RELEASE_SHA256, "is_release": True}, "release"),
        ({"source": "folder", "sha256": RELEASE_SHA256, "is_release": False}, "local"),
        ({"source": "folder", "sha256": "ab" * 32, "is_release": True}, "local"),
        ({"source": "folder", "sha256": "ab" * 32}, "local"),
        (DEMO, "demo"),
        ({}, "local"),
    ],
)
def test_only_the_pinned_revision_or_its_hashes_are_the_release(identity, kind):
    assert data_kinds.classify_source(identity) == kind


def test_the_release_must_have_all_its_questions(run):
    found = run(
        COARSE, lambda results: [config["metadata"].update(dataset=HUB) for config in results["configs"].values()]
    )
    assert found.violations == tuple(
        f"{task}: 4 samples, but the release has {15_196 if task.endswith('stain') else 16_130} questions."
        for task in COARSE
    )


@pytest.mark.parametrize(
    ("task", "in_total", "said"),
    [
        (
            "microbench_fine_fluorescent_structures",
            933,
            "microbench_fine_fluorescent_structures: 933 samples, but the release has 934 questions.",
        ),
        (
            "microbench_fine_cell_cycle",
            933 - 1_485,
            "the part of microbench_fine_cell_cycle outside the fine total: 1485 samples, but the release has 1486 "
            "questions.",
        ),
    ],
)
def test_single_fine_tasks_are_counted_where_the_releases_number_is_known(task, in_total, said):
    found = rescoring.Rescored(num_samples={task: 933}, num_in_total={task: in_total})
    assert score_checks.find_count_violations("release", found) == [said]
    assert score_checks.find_count_violations("local", found) == []


def test_the_fine_tasks_of_the_release_are_counted_together():
    fine = catalog.tasks_named(["microbench_fine"])
    structures, cycle = "microbench_fine_fluorescent_structures", "microbench_fine_cell_cycle"
    # The paper's total has 14,644 of the 16,130; the others are of two datasets of the cell cycle.
    sizes = dict.fromkeys(fine, 1_000) | {structures: 934, cycle: 16_130 - 934 - 11 * 1_000}
    whole = rescoring.Rescored(num_samples=dict(sizes), num_in_total=sizes | {cycle: sizes[cycle] - 1_486})
    assert score_checks.find_count_violations("release", whole) == []
    whole.num_samples[fine[0]] -= 1
    whole.num_in_total[fine[0]] += 1
    assert score_checks.find_count_violations("release", whole) == [
        "microbench_fine: 16129 samples, but the release has 16130 questions.",
        "the total of microbench_fine: 14645 samples, but the release has 14644 questions.",
    ]
    assert score_checks.find_count_violations("demo", whole) == []
