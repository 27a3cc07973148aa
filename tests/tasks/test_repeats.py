"""Claims about several answers to each question (``--repeats``)."""

import itertools
import json
import math
import random

import numpy as np
import pytest
from lmms_eval import evaluator
from lmms_eval.api.instance import Instance
from lmms_eval.filters import build_filter_ensemble
from lmms_eval.loggers import EvaluationTracker

from microbench_tasks.harness import repeated_requests
from microbench_tasks.harness.guard.model_guard import guarding
from microbench_tasks.metrics.variance import variance_components
from microbench_tasks.parsing.failures import failure_mark
from microbench_tasks.runs import found_runs, rescoring, score_table
from microbench_tasks.submissions import eligibility
from microbench_tasks.tasks import aggregations, answer_warnings, repeats
from microbench_tasks.tasks.results import microbench_process_results, score_boxes
from microbench_tasks.util.errors import DataError
from tests.support.independent import StandIn

IMAGE = "acevedo_et_al_2020/17"
ORIGIN = {"image_id": "17", "dataset": "acevedo_et_al_2020"}
DOC = ORIGIN | {"kind": "modality", "options": ["a", "b", "c"], "answer_idx": 1}
BOX_DOC = ORIGIN | {"kind": "boxes", "expression": "nucleus", "width": 9, "height": 9, "boxes": [[1, 2, 3, 4]]}
TASK = "microbench_coarse_modality"


# --- variance components -------------------------------------------------------------


def test_the_components_are_those_of_the_analysis_of_variance():
    # Means 1, 0.5 and 0; mean squares 2 * (0.25 + 0 + 0.25) / 2 = 0.5 between and (0 + 0.5 + 0) / 3 = 1 / 6 within.
    found = variance_components([[1, 1], [1, 0], [0, 0]])
    assert found.within == pytest.approx(1 / 6)
    assert found.between == pytest.approx((0.5 - 1 / 6) / 2)


def test_the_components_are_unbiased_for_unlike_numbers_of_answers():
    # Questions that are right with 0.2, 0.5 and 0.8, drawn anew for each data set: variance 0.06 between, and the mean
    # of p (1 - p) = (0.16 + 0.25 + 0.16) / 3 = 0.19 within.
    rng = np.random.default_rng(0)
    sizes = [1, 2, 3, 8]
    drawn = []
    for _ in range(4000):
        rates = rng.choice([0.2, 0.5, 0.8], size=len(sizes))
        found = variance_components([rng.random(size) < rate for size, rate in zip(sizes, rates, strict=False)])
        drawn.append((found.between, found.within))
    errors = 4 * np.std(drawn, axis=0) / len(drawn) ** 0.5
    assert np.all(np.abs(np.mean(drawn, axis=0) - [0.06, 0.19]) < errors)


def test_there_are_no_components_of_single_answers_or_a_single_question():
    assert all(map(math.isnan, vars(variance_components([[1], [0]])).values()))
    alone = variance_components([[1, 0]])
    assert (math.isnan(alone.between), alone.within) == (True, 0.5)


@pytest.mark.parametrize("scores", [[[1, 0], []], [[1, math.nan]]])
def test_scores_that_cannot_be_used_are_refused(scores):
    with pytest.raises(ValueError, match="Expected finite scores of at least one answer to question"):
        variance_components(scores)


# --- responses and items -------------------------------------------------------------


def filtered(*responses):
    requests = [asked(number) for number in range(len(responses))]
    for request, found in zip(requests, responses, strict=False):
        request.resps = list(found)
    build_filter_ensemble("none", [[repeats.keep_all_responses, {}]]).apply(requests, None)
    return [request.filtered_resps["none"] for request in requests]


def test_the_filter_keeps_one_response_as_text_and_several_as_a_list():
    assert filtered(["A"], ["B"]) == ["A", "B"]
    assert filtered(["A", "B", "A"], ["B", "B", "B"]) == [["A", "B", "A"], ["B", "B", "B"]]


def test_responses_that_never_came_are_empty():
    assert filtered(["A"], []) == ["A", ""]
    assert filtered(["A", "B"], ["B"], []) == [["A", "B"], ["B", ""], ["", ""]]


def test_the_items_of_a_single_answer_are_as_without_repeats():
    assert "answers" not in json.dumps(microbench_process_results(DOC, ["B"]))
    assert "repeats" not in microbench_process_results(DOC, ["B"])


def test_scores_are_means_over_all_answers_and_each_answer_is_kept():
    found = microbench_process_results(DOC, [["B", "A", "The answer is B", "I cannot tell"]])
    # By the paper's rule the first is right, by the strict one also the third.
    assert found["score"] == found["acc"]["acc"] == found["acc"]["score"] == 0.25
    assert found["acc_strict"]["score"] == 0.5
    assert [answer["score"] for answer in found["acc"]["answers"]] == [1, 0, 0, 0]
    assert [answer["predicted"] for answer in found["acc_strict"]["answers"]] == ["B", "A", "B", None]
    assert found["acc"]["predicted"] == "B"
    assert found["acc_image_ci_low"] == {"score": 0.25, "in_total": True, "image": IMAGE}
    assert found["repeats"] == {"scores": [1, 0, 0, 0], "num_distinct": 4, "image": IMAGE, "in_total": True}
    json.dumps(found)


def test_boxes_are_scored_for_each_answer():
    found = score_boxes(BOX_DOC, ["[1,2,3,4]", "[]", "none of it"], "pixels_xyxy", (9, 9))
    assert found["score"] == found["grit"]["grit"] == pytest.approx(1 / 3, abs=1e-6)
    assert [answer["num_predicted"] for answer in found["grit"]["answers"]] == [1, 0, 0]
    assert found["boxes_repeats"]["scores"] == pytest.approx([1, 0, 0], abs=1e-6)
    assert aggregations.microbench_boxes_unparsed([found["boxes_unparsed"]]) == pytest.approx(1 / 3)


def test_detection_is_pooled_over_all_answers():
    """Three answers about one gold box: found, nothing, and a wrong box beside the right one."""
    responses = ["[1,2,3,4]", "[]", "[[1,2,3,4],[5,5,6,6]]"]
    found = score_boxes(BOX_DOC, responses, "pixels_xyxy", (9, 9))
    figures = {
        name: getattr(aggregations, f"microbench_boxes_{name}")([found[f"boxes_{name}"]])
        for name in ("precision", "recall", "f1", "count_error", "count_bias")
    }
    # Two of three predicted boxes, two of three times the gold box, and four of six; errors of counts 0, -1 and 1.
    expected = {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "count_error": 2 / 3, "count_bias": 0}
    assert figures == pytest.approx(expected)


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_the_interval_of_a_share_of_boxes_is_about_all_answers(name):
    """Thirty images, of which the first answer finds every box and the two others none."""
    responses = ["[1,2,3,4]", "[5,5,6,6]", "[5,5,6,6]"]
    docs = [BOX_DOC | {"image_id": str(number)} for number in range(30)]
    found = [score_boxes(doc, responses, "pixels_xyxy", (9, 9)) for doc in docs]
    low, high = (
        getattr(aggregations, f"microbench_boxes_{name}_ci_{end}")([items[f"boxes_{name}_ci_{end}"] for items in found])
        for end in ("low", "high")
    )
    # With the first answers alone, the share would be 1, and so would the upper end.
    assert low < 1 / 3 < high < 0.6


def test_counts_are_of_all_answers():
    answers = ["B", failure_mark("no"), "?"], ["B", "B", "<think>A?</think>B"]
    found = [microbench_process_results(DOC, [responses]) for responses in answers]
    entries = {metric: [items[metric] for items in found] for metric in found[0] if metric != "score"}
    assert aggregations.microbench_acc(entries["acc"]) == pytest.approx((1 / 3 + 1) / 2)
    assert aggregations.microbench_unparsed(entries["unparsed"]) == pytest.approx(2 / 6)
    assert sum(aggregations.microbench_unparsed_by_kind(entries["unparsed_by_kind"]).values()) == 2
    assert aggregations.microbench_failed(entries["failed"]) == 1
    # Means 1 / 3 and 1: mean squares 3 * 2 * (1 / 3)^2 = 2 / 3 between, 2 / 3 / 4 = 1 / 6 within.
    expected = {"answers": 3, "variance_between": round(1 / 6, 6), "variance_within": round(1 / 6, 6)}
    assert aggregations.microbench_repeats(entries["repeats"]) == expected


def test_answers_that_are_all_the_same_text_are_said_to_measure_nothing(warnings):
    entries = [microbench_process_results(DOC, [["B", "B"]])["repeats"]]
    figure = aggregations.microbench_repeats(entries)
    assert figure["variance_within"] == 0
    answer_warnings.log_warnings({"repeats": figure})
    [warning] = warnings
    assert "all answers to each question are the same text" in warning
    entries.append(microbench_process_results(DOC, [["B", "B."]])["repeats"])
    answer_warnings.log_warnings({"repeats": aggregations.microbench_repeats(entries)})
    assert len(warnings) == 1


# --- requests ------------------------------------------------------------------------


def asked(doc_id):
    arguments = ("prompt", {}, lambda doc: doc, doc_id, TASK, "test")
    return Instance("generate_until", arguments, 0, {"task": TASK, "doc_id": doc_id, "repeats": 3})


def test_each_of_several_equal_requests_has_an_index_of_its_own():
    first, second = asked(0), asked(1)
    found = repeated_requests.with_distinct_indices([first, first, second, first])
    assert [request.idx for request in found] == [0, 1, 0, 2]
    assert found[0] is first and first.idx == 0


def test_a_failure_marks_the_answer_that_failed_and_no_other():
    class Flaky:
        """Swallows the exception of its second request for document 0, as classes of the harness do."""

        def __init__(self):
            self.num_asked = 0

        def generate_until(self, requests):
            answers = []
            for request in requests:
                answer = ""
                try:
                    self.task_dict[request.args[4]][request.args[5]][request.args[3]]
                    self.num_asked += request.args[3] == 0
                    if request.args[3] == 0 and self.num_asked == 2:
                        raise RuntimeError("out of memory")
                    answer = "B"
                except RuntimeError as error:
                    from loguru import logger

                    logger.error(f"failed: {error}")
                answers.append(answer)
            return answers

    model = Flaky()
    model.task_dict = {TASK: {"test": [DOC, DOC]}}
    first, second = asked(0), asked(1)
    with guarding(model):
        found = model.generate_until([first, first, first, second, second, second])
    assert found.count("B") == 5 and found[1].startswith("[LMMS_EVAL_REQUEST_FAILED]")


# --- through the harness -------------------------------------------------------------


NUM_ANSWERS = 3
SAMPLED = "temperature=0.7,do_sample=true"
GLANDS = "microbench_localization_glands"
RESPONSES = ["A", "B", "The answer is C", "[1, 2, 30, 40]", "I cannot tell"]


class Named(StandIn):
    """Has one name in the keys of caches."""

    def __repr__(self):
        return "stand_in"


def evaluated(folder, gen_kwargs=SAMPLED, tasks=(TASK, GLANDS), answer=None, **options):
    """A run of the harness with a model that answers at random, and its files as the command line writes them."""
    rng = random.Random(0)
    model = Named(answer or (lambda prompt, image: rng.choice(RESPONSES)))
    settings = {"repeats": NUM_ANSWERS, "gen_kwargs": gen_kwargs, "limit": 20, "bootstrap_iters": 0}
    results = evaluator.simple_evaluate(model=model, tasks=list(tasks), **settings, **options)
    tracker = EvaluationTracker(output_path=str(folder))
    tracker.general_config_tracker.log_experiment_args("stand_in", "", "", "", False)
    samples = results.pop("samples")
    tracker.save_results_aggregated(results, samples, datetime_str="20260101_000000")
    for task in results["configs"]:
        tracker.save_results_samples(task, samples[task])
    return model, results


@pytest.fixture(scope="module")
def sampled_run(demo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MICROBENCH_DATASET", "demo")
        return folder, *evaluated(folder)


def test_every_question_is_asked_and_scored_as_often_as_was_asked_for(sampled_run):
    folder, model, results = sampled_run
    assert len(model.asked[TASK]) == 20 * NUM_ANSWERS
    figures = results["results"][TASK]
    [log] = folder.rglob(f"*_samples_{TASK}.jsonl")
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    # The paper's rule on these answers: the right letter alone.
    scores = [[float(response == sample["acc"]["gold"]) for response in sample["filtered_resps"]] for sample in logged]
    assert np.shape(scores) == (20, NUM_ANSWERS)
    assert figures["acc,none"] == pytest.approx(np.mean(scores))
    within = np.mean(np.var(scores, axis=1, ddof=1))
    between = np.var(np.mean(scores, axis=1), ddof=1) - within / NUM_ANSWERS
    assert figures["repeats,none"]["variance_within"] == pytest.approx(within, abs=1e-6)
    assert figures["repeats,none"]["variance_between"] == pytest.approx(between, abs=1e-6)
    assert figures["acc_image_ci_low,none"] <= figures["acc,none"] <= figures["acc_image_ci_high,none"]
    assert results["configs"][TASK]["repeats"] == NUM_ANSWERS
    assert results["configs"][TASK]["metadata"]["definition"]["differs"] == {}


def test_rescoring_gives_the_figures_of_the_run(sampled_run):
    folder, _, results = sampled_run
    found = rescoring.rescore(found_runs.find_run([folder]))
    for task, metric in ((TASK, "repeats"), (GLANDS, "boxes_repeats")):
        logged = {key.partition(",")[0]: value for key, value in results["results"][task].items()}
        assert found.scores[task][metric] == logged[metric]
        for name, value in found.scores[task].items():
            assert value == logged[name]
    assert any(note.startswith(f"{TASK}, {GLANDS}: 3 answers to each question") for note in found.notes)
    assert not any("differ" in note for note in found.notes)
    header = score_table.render_scores(found).splitlines()[0]
    assert [cell.strip() for cell in header.split("|")[-4:-1]] == ["answers", "between questions", "within"]


def test_a_log_with_another_number_of_answers_to_one_question_is_refused(sampled_run, tmp_path):
    [log] = sampled_run[0].rglob(f"*_samples_{TASK}.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines[4]["filtered_resps"].pop()
    (tmp_path / log.name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DataError, match="line 5: expected 3 answer.s. as on the first line, got 2"):
        rescoring.rescore(found_runs.find_run([tmp_path]))


def test_a_run_with_several_answers_cannot_be_submitted(sampled_run):
    reasons = eligibility.check_eligibility(found_runs.find_run([sampled_run[0]])).violations
    assert "--repeats 3: a submission has one answer to each question. Run again without --repeats." in reasons


def test_repeats_without_sampling_are_said_to_be_wasted(demo_folder, use_source, tmp_path, monkeypatch):
    use_source("demo")
    said = []
    monkeypatch.setattr(repeated_requests.logger, "warning", said.append)
    evaluated(tmp_path, gen_kwargs=None, tasks=[TASK], answer=lambda prompt, image: "A")
    [warning] = [line for line in said if "--repeats" in line]
    assert warning.startswith(f"--repeats 3: {TASK} will be answered without sampling")


def test_a_response_cache_keeps_each_of_several_answers(demo_folder, use_source, tmp_path):
    use_source("demo")
    letters, cache = itertools.cycle("ABC"), str(tmp_path / "cache")
    first, _ = evaluated(tmp_path / "first", None, [TASK], lambda prompt, image: next(letters), use_cache=cache)
    second, _ = evaluated(tmp_path / "second", None, [TASK], lambda prompt, image: "none", use_cache=cache)
    assert (len(first.asked[TASK]), len(second.asked[TASK])) == (60, 0)
    logs = [next((tmp_path / name).rglob("*_samples_*.jsonl")).read_text() for name in ("first", "second")]
    before, after = ([json.loads(line)["filtered_resps"] for line in log.splitlines()] for log in logs)
    assert before == after
    assert all(sorted(responses) == ["A", "B", "C"] for responses in after)


def test_answers_drawn_at_random_are_asked_anew_with_a_response_cache(demo_folder, use_source, tmp_path):
    use_source("demo")
    for name in ("first", "second"):
        model, _ = evaluated(tmp_path / name, tasks=[TASK], use_cache=str(tmp_path / "cache"))
        assert len(model.asked[TASK]) == 60
