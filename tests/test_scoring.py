"""Claims about items, and about the figures of tasks and groups."""

import json
import math

import numpy as np
import pytest

from microbench_tasks import aggregations
from microbench_tasks.results import microbench_process_results

DOC = {"image_id": "17", "dataset": "burgess_et_al_2024_texture", "kind": "stain", "options": ["PAS", "H&E", "none of the above"], "answer_idx": 1}


def item(response):
    return microbench_process_results(DOC, [response])["acc"]


def test_an_item_carries_what_a_reader_of_the_log_needs():
    assert item('B\n{"probabilities": {"A": 0.2, "B": 0.7, "C": 0.1}}') == {
        "acc": 1.0,
        "score": 1.0,
        "image": "burgess_et_al_2024_texture/17",
        "image_id": "17",
        "dataset": "burgess_et_al_2024_texture",
        "kind": "stain",
        "predicted": "B",
        "gold": "B",
        "probabilities": {"A": 0.2, "B": 0.7, "C": 0.1},
    }


@pytest.mark.parametrize(("response", "score", "predicted"), [("B) H&E", 1, "B"), ("C", 0, "C"), ("no idea", 0, None), ("", 0, None), ("A, or B) H&E", 1, "B")])
def test_score_and_letter_follow_the_papers_rule(response, score, predicted):
    found = item(response)
    assert (found["acc"], found["score"], found["predicted"]) == (score, score, predicted)


def test_a_response_that_never_came_is_wrong():
    assert microbench_process_results(DOC, [])["acc"]["acc"] == 0


def test_items_are_json():
    json.dumps(microbench_process_results(DOC, ["B"]))


def items(scores):
    return [{"acc": score, "correct": score} for score in scores]


def test_a_tasks_accuracy_is_the_mean_and_lies_in_its_interval():
    scores = [1.0] * 30 + [0.0] * 10
    low, acc, high = (getattr(aggregations, f"microbench_acc{end}")(items(scores)) for end in ("_ci_low", "", "_ci_high"))
    assert acc == 0.75
    # Normal approximation: 1.96 * sqrt(0.75 * 0.25 / 40) = 0.134.
    assert low == pytest.approx(0.75 - 0.134, abs=0.02)
    assert high == pytest.approx(0.75 + 0.134, abs=0.02)


def test_real_items_of_right_and_wrong_answers_give_the_figures():
    found = [microbench_process_results(DOC, [response]) for response in ["B", *"AAAAAAAAA"]]
    figures = {metric: getattr(aggregations, f"microbench_{metric}")([entry[metric] for entry in found]) for metric in ("acc", "acc_ci_low", "acc_ci_high")}
    assert figures["acc"] == pytest.approx(0.1)
    # A binomial count of 10 draws at 0.1: P(0) = 0.349, P(<= 2) = 0.930, P(<= 3) = 0.987, so the 2.5 and 97.5 %
    # points are 0 and 3. Mirrored at 1 they are -1 and 2: the basic interval, not the percentile one (0 to 0.3).
    assert figures["acc_ci_low"] == pytest.approx(-0.1)
    assert figures["acc_ci_high"] == pytest.approx(0.2)


def test_a_group_pools_questions_and_does_not_average_tasks():
    tasks = [aggregations.microbench_acc(items([1.0] * 9)), aggregations.microbench_acc(items([0.0]))]
    assert aggregations.microbench_pooled_acc(tasks, [9, 1], True) == pytest.approx(0.9)


def test_a_groups_interval_is_that_of_its_pooled_questions():
    scores = np.random.default_rng(0).integers(0, 2, 60).astype(float)
    parts = (scores[:10], scores[10:35], scores[35:])
    for end in ("_ci_low", "_ci_high"):
        of_tasks = [getattr(aggregations, f"microbench_acc{end}")(items(part)) for part in parts]
        pooled = getattr(aggregations, f"microbench_pooled_acc{end}")(of_tasks, [10, 25, 25], True)
        assert pooled == getattr(aggregations, f"microbench_acc{end}")(items(scores))


def test_groups_of_groups_pool_again():
    inner = aggregations.microbench_pooled_acc([aggregations.microbench_acc(items([1.0, 0.0]))], [2], True)
    assert aggregations.microbench_pooled_acc([inner, aggregations.microbench_acc(items([0.0, 0.0]))], [2, 2], True) == 0.25


def test_a_figure_prints_and_dumps_as_a_number():
    figure = aggregations.microbench_acc(items([1.0, 0.0]))
    assert json.dumps({"acc": figure}) == '{"acc": 0.5}'
    assert "%.4f" % figure == "0.5000"


def test_no_item_has_no_accuracy():
    assert math.isnan(aggregations.microbench_acc([]))
