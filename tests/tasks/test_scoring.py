"""Claims about items, and about the figures of tasks and groups."""

import copy
import json
import math
import pickle

import numpy as np
import pytest

from microbench_tasks.metrics import intervals
from microbench_tasks.tasks import aggregations, interval_settings
from microbench_tasks.tasks.results import microbench_process_results

DOC = {
    "image_id": "17",
    "dataset": "burgess_et_al_2024_texture",
    "kind": "stain",
    "options": ["PAS", "H&E", "none of the above"],
    "answer_idx": 1,
}


def scored(response, **changes):
    return microbench_process_results(DOC | changes, [response])


def test_an_item_carries_what_a_reader_of_the_log_needs():
    assert scored('B\n{"probabilities": {"A": 0.2, "B": 0.7, "C": 0.1}}')["acc"] == {
        "acc": 1.0,
        "score": 1.0,
        "image": "burgess_et_al_2024_texture/17",
        "image_id": "17",
        "dataset": "burgess_et_al_2024_texture",
        "kind": "stain",
        "options": ["PAS", "H&E", "none of the above"],
        "predicted": "B",
        "gold": "B",
        "probabilities": {"A": 0.2, "B": 0.7, "C": 0.1},
        "in_total": True,
    }


@pytest.mark.parametrize(
    ("response", "score", "predicted"),
    [("B) H&E", 1, "B"), ("C", 0, "C"), ("no idea", 0, None), ("", 0, None), ("A, or B) H&E", 1, "B")],
)
def test_score_and_letter_follow_the_papers_rule(response, score, predicted):
    found = scored(response)["acc"]
    assert (found["acc"], found["score"], found["predicted"]) == (score, score, predicted)


@pytest.mark.parametrize(
    ("response", "score", "predicted", "rule", "kind"),
    [
        ("B", 1, "B", "whole_letter", "parsed"),
        ("The answer is B.", 1, "B", "declaration", "parsed"),
        ("PAS", 0, "A", "option_text", "parsed"),
        # The paper's rule calls this right: its first character is the letter.
        ("Because it is pink", 0, None, None, "unparsed"),
        ("A or B", 0, None, None, "ambiguous"),
        ("Sorry, I cannot tell.", 0, None, None, "refusal"),
        ("", 0, None, None, "empty"),
        ("<think>B, surely", 0, None, None, "truncated"),
    ],
)
def test_the_strict_rule_is_scored_beside_it_with_the_rule_that_matched(response, score, predicted, rule, kind):
    found = scored(response)
    assert found["acc_strict"] == {"score": score, "predicted": predicted, "rule": rule, "in_total": True}
    assert found["unparsed"] == found["unparsed_by_kind"] == {"kind": kind, "in_total": True}


@pytest.mark.parametrize(
    ("dataset", "kind", "in_total"),
    [
        ("eulenberg_et_al_2017_darkfield", "classification", False),
        ("eulenberg_et_al_2017_epifluorescence", "classification", False),
        ("eulenberg_et_al_2017_brightfield", "classification", True),
        # Their coarse questions are among the paper's 79,716.
        ("eulenberg_et_al_2017_darkfield", "stain", True),
    ],
)
def test_two_datasets_are_outside_the_fine_total(dataset, kind, in_total):
    found = scored("B", dataset=dataset, kind=kind)
    assert {
        found[metric]["in_total"]
        for metric in ("acc", "acc_ci_low", "acc_ci_high", "acc_strict", "unparsed", "unparsed_by_kind")
    } == {in_total}


def test_a_response_that_never_came_is_wrong():
    found = microbench_process_results(DOC, [])
    assert (found["acc"]["acc"], found["acc_strict"]["score"], found["unparsed"]["kind"]) == (0, 0, "empty")


def test_items_are_json():
    json.dumps(microbench_process_results(DOC, ["B"]))


def test_the_top_of_a_sample_has_the_number_that_the_harness_reads_in_a_baseline():
    assert (scored("B")["score"], scored("A")["score"]) == (1.0, 0.0)


def test_what_the_interval_by_image_and_the_counts_need_is_kept_once_for_each_answer():
    found = microbench_process_results(DOC, ["B"])
    assert found["counts"] == {"score": 1.0, "in_total": True, "image": "burgess_et_al_2024_texture/17"}
    assert found["counts"] is found["acc_image_ci_low"] is found["acc_image_ci_high"]


# --- tasks ---


def items(scores, images=None, in_total=True):
    images = range(len(scores)) if images is None else images
    return [
        {"score": score, "image": f"set/{image}", "in_total": in_total}
        for score, image in zip(scores, images, strict=True)
    ]


def figure(metric, entries):
    return getattr(aggregations, f"microbench_{metric}")(entries)


def of_group(metric, figures):
    return getattr(aggregations, f"microbench_group_{metric}")(figures, [1] * len(figures), False)


def test_a_tasks_accuracy_is_the_mean_and_lies_in_its_interval():
    scores = [1.0] * 30 + [0.0] * 10
    low, acc, high = (figure(f"acc{end}", items(scores)) for end in ("_ci_low", "", "_ci_high"))
    assert acc == 0.75
    # Normal approximation: 1.96 * sqrt(0.75 * 0.25 / 40) = 0.134.
    assert low == pytest.approx(0.75 - 0.134, abs=0.02)
    assert high == pytest.approx(0.75 + 0.134, abs=0.02)


def test_real_items_of_right_and_wrong_answers_give_the_figures():
    found = [scored(response) for response in ["B", *"AAAAAAAAA"]]
    figures = {
        metric: figure(metric, [entry[metric] for entry in found]) for metric in ("acc", "acc_ci_low", "acc_ci_high")
    }
    assert figures["acc"] == pytest.approx(0.1)
    # A binomial count of 10 draws at 0.1: P(0) = 0.349, P(<= 2) = 0.930, P(<= 3) = 0.987, so the 2.5 and 97.5 %
    # points are 0 and 3. Mirrored at 1 they are -1 and 2: the basic interval, not the percentile one (0 to 0.3).
    assert figures["acc_ci_low"] == pytest.approx(-0.1)
    assert figures["acc_ci_high"] == pytest.approx(0.2)


def test_unparsed_answers_are_counted_by_kind():
    kinds = [scored(response)["unparsed"] for response in ["B", "A or B", "", "", "A"]]
    assert figure("unparsed", kinds) == 0.6
    assert figure("unparsed_by_kind", kinds) == {"ambiguous": 1, "empty": 2}


def test_answers_about_one_image_that_agree_widen_the_interval_by_image():
    """Five equal answers per image carry the information of one: the half width grows by sqrt(5)."""
    per_image = [1.0] * 600 + [0.0] * 400
    entries = items(np.repeat(per_image, 5).tolist(), np.repeat(np.arange(1000), 5).tolist())
    mean = figure("acc", entries)
    by_question = figure("acc_ci_high", entries) - mean
    by_image = figure("acc_image_ci_high", entries) - mean
    assert by_image / by_question == pytest.approx(math.sqrt(5), rel=0.08)
    assert mean - figure("acc_image_ci_low", entries) == pytest.approx(by_image, rel=0.1)


def test_the_score_of_boxes_has_an_interval_by_image():
    scores = np.random.default_rng(0).random(50)
    entries = items(np.repeat(scores, 2).tolist(), np.repeat(np.arange(50), 2).tolist())
    expected = intervals.score_interval(np.repeat(scores, 2), np.repeat(np.arange(50), 2))
    assert figure("grit", entries) == pytest.approx(scores.mean())
    assert figure("grit_ci_low", entries) == pytest.approx(expected.low)
    assert figure("grit_ci_high", entries) == pytest.approx(expected.high)


def test_responses_and_boxes_are_counted():
    found = [{"kind": kind} for kind in ("parsed", "unparsed", "truncated", "unparsed")]
    assert figure("boxes_unparsed", found) == 0.5
    assert figure("boxes_truncated", found) == 0.25
    assert figure("number_of_boxes", [{"count": 2}, {"count": 0}, {"count": 3}]) == 5


def test_no_item_has_no_accuracy():
    assert math.isnan(figure("acc", []))


# --- groups ---


def test_a_group_pools_questions_and_does_not_average_tasks():
    tasks = [figure("acc", items([1.0] * 9)), figure("acc", items([0.0]))]
    assert of_group("acc", tasks) == pytest.approx(0.9)
    assert of_group("acc_macro", tasks) == 0.5


def test_a_group_leaves_out_what_the_papers_totals_leave_out_and_acc_all_does_not():
    tasks = [figure("acc", items([1.0, 1.0, 0.0])), figure("acc", items([0.0, 0.0], in_total=False) + items([1.0]))]
    assert of_group("acc", tasks) == 0.75
    assert of_group("acc_all", tasks) == 0.5
    # The tasks themselves count all their questions: (2/3 + 1/3) / 2.
    assert of_group("acc_macro", tasks) == pytest.approx(0.5)


@pytest.mark.parametrize("metric", ["acc_ci_low", "acc_ci_high"])
def test_a_groups_interval_is_that_of_its_pooled_questions(metric):
    scores = np.random.default_rng(0).integers(0, 2, 60).astype(float).tolist()
    parts = (scores[:10], scores[10:35], scores[35:])
    pooled = of_group(metric, [figure(metric, items(part)) for part in parts])
    assert pooled == figure(metric, items(scores))


@pytest.mark.parametrize("end", ["low", "high"])
def test_the_interval_of_all_questions_is_the_one_to_quote(end):
    tasks = [
        figure("acc", items([1.0, 1.0, 0.0])),
        figure("acc", items([0.0, 0.0], [7, 7], in_total=False) + items([1.0])),
    ]
    everything = items([1.0, 1.0, 0.0]) + items([0.0, 0.0], [7, 7]) + items([1.0])
    assert of_group(f"acc_all_ci_{end}", tasks) == figure(f"acc_image_ci_{end}", everything)


def test_images_that_several_tasks_ask_about_are_kept_together():
    """Two tasks with the same answers about the same 400 images are worth one, but for what an interval adds."""
    scores = [1.0] * 280 + [0.0] * 120
    twice, once = ([figure("acc_image_ci_low", items(scores))] * number for number in (2, 1))
    for metric in ("acc_image_ci_low", "acc_image_ci_high", "acc_macro_ci_low", "acc_macro_ci_high"):
        assert of_group(metric, twice) == pytest.approx(of_group(metric, once), abs=0.003)


def test_the_interval_of_a_mean_of_tasks_is_that_of_independent_means():
    """Tasks of 400 and 100 images: variance (0.25 / 400 + 0.16 / 100) / 4."""
    tasks = [
        figure("acc", items([1.0, 0.0] * 200, range(400))),
        figure("acc", items([1.0] * 80 + [0.0] * 20, range(400, 500))),
    ]
    half = 1.96 * math.sqrt((0.25 / 400 + 0.16 / 100) / 4)
    assert of_group("acc_macro", tasks) == pytest.approx(0.65)
    assert of_group("acc_macro_ci_high", tasks) - 0.65 == pytest.approx(half, rel=0.08)
    assert 0.65 - of_group("acc_macro_ci_low", tasks) == pytest.approx(half, rel=0.08)


@pytest.mark.parametrize(
    ("scores", "low", "high"), [([1.0] * 12, 0.025 ** (1 / 12), 1), ([0.0] * 12, 0, 1 - 0.025 ** (1 / 12))]
)
def test_answers_all_right_or_all_wrong_have_the_exact_interval(scores, low, high):
    """All of n right happens 25 times in 1,000 at an accuracy p with p ** n = 0.025 (Clopper and Pearson 1934)."""
    entries = items(scores)
    assert (figure("acc_image_ci_low", entries), figure("acc_image_ci_high", entries)) == (
        pytest.approx(low),
        pytest.approx(high),
    )


def test_the_interval_of_the_paper_and_the_one_to_quote_stand_beside_each_other():
    """All of 12 right: a bootstrap gives a point, the exact interval starts at 0.025 ** (1 / 12) = 0.735."""
    found = [scored("B", image_id=str(number)) for number in range(12)]
    figures = {
        metric: figure(metric, [entry[metric] for entry in found])
        for metric in ("acc_ci_low", "acc_ci_high", "acc_image_ci_low", "acc_image_ci_high")
    }
    assert figures == {
        "acc_ci_low": 1,
        "acc_ci_high": 1,
        "acc_image_ci_low": pytest.approx(0.735, abs=0.001),
        "acc_image_ci_high": 1,
    }


def test_shares_of_right_answers_have_an_interval_too():
    """Answers given several times are scored as the share of right ones."""
    entries = items([0.25, 0.5, 1.0, 0.75] * 20)
    assert 0 < figure("acc_image_ci_low", entries) < 0.625 < figure("acc_image_ci_high", entries) < 1


def test_questions_images_and_datasets_are_counted():
    entries = items([1.0] * 5, [1, 1, 2, 3, 3])
    entries[4] |= {"image": "other/3"}
    assert figure("counts", entries) == {"questions": 5, "images": 4, "datasets": 2}
    assert figure("counts", []) == {"questions": 0, "images": 0, "datasets": 0}


def test_a_group_counts_what_its_accuracy_is_the_mean_of_each_image_once():
    tasks = [figure("counts", items([1.0] * 3)), figure("counts", items([0.0] * 4) + items([1.0], [9], in_total=False))]
    assert of_group("counts", tasks) == {"questions": 7, "images": 4, "datasets": 1}


def test_a_group_counts_unparsed_answers_and_boxes_over_all_tasks():
    kinds = [
        [{"kind": kind, "in_total": True} for kind in part] for part in (("parsed", "empty"), ("refusal", "empty"))
    ]
    kinds[0].append({"kind": "refusal", "in_total": False})
    assert of_group("unparsed", [figure("unparsed", part) for part in kinds]) == 0.75
    assert of_group("unparsed_by_kind", [figure("unparsed_by_kind", part) for part in kinds]) == {
        "empty": 2,
        "refusal": 1,
    }
    counts = [[{"count": 2}], [{"count": 4}, {"count": 1}]]
    assert of_group("number_of_boxes", [figure("number_of_boxes", part) for part in counts]) == 7


def test_a_figure_prints_dumps_and_is_copied_as_a_number():
    accuracy = figure("acc", items([1.0, 0.0]))
    assert json.dumps({"acc": accuracy}) == '{"acc": 0.5}'
    assert f"{accuracy:.4f}" == "0.5000"
    for copied in (copy.deepcopy(accuracy), pickle.loads(pickle.dumps(accuracy))):
        assert (type(copied), copied) == (float, 0.5)


def test_counts_dump_and_are_copied_as_a_mapping():
    counts = figure("unparsed_by_kind", [{"kind": "empty", "in_total": True}] * 2)
    assert json.dumps(counts) == '{"empty": 2}'
    assert (type(copy.deepcopy(counts)), copy.deepcopy(counts)) == (dict, {"empty": 2})


# --- settings ---


def test_intervals_are_basic_unless_the_environment_asks_for_percentiles(monkeypatch):
    entries = items([1.0] * 6 + [0.0] * 24)
    basic = figure("acc_ci_low", entries), figure("acc_ci_high", entries)
    monkeypatch.setenv("MICROBENCH_INTERVAL", "percentile")
    percentile = figure("acc_ci_low", entries), figure("acc_ci_high", entries)
    # One is the other, mirrored at the mean.
    assert basic == pytest.approx((0.4 - percentile[1], 0.4 - percentile[0]))
    assert basic != pytest.approx(percentile)
    assert interval_settings.interval_settings() == {
        "paper": {"method": "percentile", "confidence_level": 0.95, "num_resamples": 9999, "seed": 42},
        "quoted": {"method": "Clopper-Pearson, clustered by image", "confidence_level": 0.95},
    }


def test_the_setting_changes_the_papers_interval_alone(monkeypatch):
    entries = items([1.0] * 6 + [0.0] * 24)
    ends = [f"acc_image_ci_{end}" for end in ("low", "high")]
    before = [figure(end, entries) for end in ends]
    monkeypatch.setenv("MICROBENCH_INTERVAL", "percentile")
    assert [figure(end, entries) for end in ends] == before


def test_an_unknown_kind_of_interval_is_refused(monkeypatch):
    monkeypatch.setenv("MICROBENCH_INTERVAL", "bca")
    with pytest.raises(
        ValueError, match=r"MICROBENCH_INTERVAL=bca: Did you mean basic\? Expected one of basic, percentile"
    ):
        interval_settings.interval_settings()


def test_answers_share_the_items_that_say_the_same_of_them():
    first, second, wrong = (
        microbench_process_results(DOC | {"image_id": image}, [letter])
        for image, letter in (("one", "B"), ("two", "B"), ("two", "A"))
    )
    for metric in ("acc_ci_low", "acc_strict", "unparsed"):
        assert first[metric] is second[metric]
    assert first["acc_ci_low"] != wrong["acc_ci_low"]
    assert first["acc"] != second["acc"]
