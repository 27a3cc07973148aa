"""Claims about variants of the coarse questions: what changes in them, what does not, and what is reported of them."""

import collections
import json
import math

import pytest
from lmms_eval.tasks import TaskManager

from microbench_tasks import catalog
from microbench_tasks.data import documents, micrographs, option_orders
from microbench_tasks.harness import baseline
from microbench_tasks.harness.patches import installation
from microbench_tasks.metrics.intervals import difference_interval
from microbench_tasks.runs import found_runs, rescoring, robustness, robustness_text, score_table
from microbench_tasks.tasks import prompts
from microbench_tasks.tasks.interval_settings import interval_settings
from microbench_tasks.tasks.results import microbench_process_results
from microbench_tasks.util.errors import DataError
from tests.support import release

KINDS = ("domain", "subdomain", "modality", "submodality", "stain")
PERMUTED = ("reversed", "rotated", "shuffled")
NONE = "none of the above"
VARIANT = "microbench_robustness_reversed"


# --- the order of the options --------------------------------------------------------


def in_order(permutation, options, gold=0, key="k"):
    fields = {"options": options, "captions": [f"a {option}" for option in options], "answer_idx": gold}
    return option_orders.permuted(fields, permutation, key)


@pytest.mark.parametrize(
    ("permutation", "options", "expected"),
    [
        ("reversed", ["p", "q", "r", NONE], ["r", "q", "p", NONE]),
        ("rotated", ["p", "q", "r", NONE], ["q", "r", "p", NONE]),
        ("rotated", ["p", "q"], ["q", "p"]),
        ("reversed", ["p", "None of the above ", "q", "r"], ["r", "None of the above ", "q", "p"]),
        ("reversed", ["p", NONE], ["p", NONE]),
        ("release", ["p", "q", NONE], ["p", "q", NONE]),
    ],
)
def test_the_order_is_the_named_one_and_none_of_the_above_stays(permutation, options, expected):
    assert in_order(permutation, options)["options"] == expected


@pytest.mark.parametrize("permutation", option_orders.PERMUTATIONS)
@pytest.mark.parametrize("gold", range(5))
def test_captions_and_the_right_option_go_along(permutation, gold):
    options = ["p", "q", "r", "s", NONE]
    found = in_order(permutation, options, gold)
    assert sorted(found["options"]) == sorted(options)
    assert found["captions"] == [f"a {option}" for option in found["options"]]
    assert found["options"][found["answer_idx"]] == options[gold]


def test_equal_options_are_told_apart_by_their_place():
    found = in_order("reversed", ["p", "p", "q"], gold=1)
    assert (found["options"], found["answer_idx"]) == (["q", "p", "p"], 1)


def test_shuffling_gives_every_order_about_as_often_and_the_same_one_each_time():
    counts = collections.Counter(
        tuple(in_order("shuffled", ["p", "q", "r", NONE], key=str(number))["options"]) for number in range(6000)
    )
    assert len(counts) == 6
    # 1,000 expected of each; the standard deviation of such a count is sqrt(6000 * 1/6 * 5/6) = 29.
    assert all(abs(count - 1000) < 5 * 29 for count in counts.values())
    assert in_order("shuffled", list("pqrs"), key="x") == in_order("shuffled", list("pqrs"), key="x")


# --- the documents -------------------------------------------------------------------


def made(task, rows):
    return getattr(documents, f"{task}_docs")(release.table(rows), "the source").remove_columns("image").to_list()


def rows_with_a_gap():
    rows = [release.row(index) for index in range(4)]
    rows[2]["questions"]["stain"] = None
    return rows


def coarse_questions(rows):
    """The coarse tasks' documents, by image and kind."""
    return {(doc["image_id"], doc["kind"]): doc for kind in KINDS for doc in made(f"microbench_coarse_{kind}", rows)}


@pytest.mark.parametrize("name", catalog.VARIANTS)
def test_a_variant_asks_all_coarse_questions_image_by_image(name):
    rows = rows_with_a_gap()
    expected = [
        (row["image_id"], kind)
        for index, row in enumerate(rows)
        for kind in KINDS
        if not (index == 2 and kind == "stain")
    ]
    assert [(doc["image_id"], doc["kind"]) for doc in made(name, rows)] == expected


@pytest.mark.parametrize("permutation", PERMUTED)
def test_in_another_order_everything_but_the_order_is_as_it_was(permutation):
    rows = rows_with_a_gap()
    before = coarse_questions(rows)
    moved = 0
    for doc in made(f"microbench_robustness_{permutation}", rows):
        original = before[doc["image_id"], doc["kind"]]
        assert {name: doc[name] for name in ("image_key", "dataset", "question")} == {
            name: original[name] for name in ("image_key", "dataset", "question")
        }
        assert dict(zip(doc["options"], doc["captions"], strict=True)) == dict(
            zip(original["options"], original["captions"], strict=True)
        )
        assert doc["options"][doc["answer_idx"]] == original["options"][original["answer_idx"]]
        assert doc["options"][-1] == NONE
        assert "wording" not in doc
        moved += doc["options"] != original["options"]
    assert moved > len(before) / 2


@pytest.mark.parametrize("wording", ["letter", "expert", "last"])
def test_in_other_words_the_question_is_as_it_was(wording):
    rows = rows_with_a_gap()
    before = coarse_questions(rows)
    for doc in made(f"microbench_robustness_reworded_{wording}", rows):
        assert doc.pop("wording") == wording
        assert doc == before[doc["image_id"], doc["kind"]]


def test_data_without_a_kind_are_refused_for_all_of_them():
    rows = [release.row(0)]
    rows[0]["questions"]["submodality"] = None
    with pytest.raises(
        DataError, match="microbench_robustness_rotated has nothing to ask: .* has a submodality question"
    ):
        made("microbench_robustness_rotated", rows)


def test_the_prompt_says_the_same_in_other_words():
    doc = {"question": "Which cell?", "options": ["platelet", "basophil"]}
    question = "Question:Which cell?\nA) platelet\nB) basophil"
    assert {
        wording: prompts.microbench_doc_to_text(doc | {"wording": wording})
        for wording in ("paper", "letter", "expert", "last")
    } == {
        "paper": f"Answer with a single letter, no extra details.\n{question}",
        "letter": f"Reply only with the letter of the correct option.\n{question}",
        "expert": "You are an expert in microscopy. Look at the micrograph and choose the correct option; "
        f"your reply is its letter and nothing else.\n{question}",
        "last": f"{question}\nAnswer with a single letter, no extra details.",
    }
    assert set(prompts.WORDINGS) == {task.wording for task in catalog.ALL_TASKS.values()}
    assert set(option_orders.PERMUTATIONS) == {task.permutation for task in catalog.ALL_TASKS.values()}


# --- the names -----------------------------------------------------------------------


def test_the_harness_finds_them_by_tag_and_no_group_has_them(use_source):
    use_source("demo")
    installation.install()
    manager = TaskManager()
    assert set(manager.match_tasks(["microbench_robustness_*"])) == set(catalog.VARIANTS)
    assert set(manager.task_index["microbench_robustness"]["task"]) == set(catalog.VARIANTS)
    assert catalog.tasks_named(["microbench_robustness"]) == tuple(catalog.VARIANTS)
    assert not set(catalog.tasks_named(["microbench_all"])) & set(catalog.VARIANTS)
    assert catalog.without_covered(["microbench_robustness_rotated", "microbench_robustness"]) == [
        "microbench_robustness"
    ]


# --- the report ----------------------------------------------------------------------


def scored(options, gold, response, image="1", kind="modality"):
    doc = {
        "image_id": image,
        "dataset": "acevedo_et_al_2020",
        "kind": kind,
        "options": options,
        "answer_idx": options.index(gold),
    }
    return microbench_process_results(doc, [response])


def two_ways():
    """Four questions in the release's order and in reverse, as a model with a liking for A answers them."""
    release_order = [
        scored(["p", "q"], *pair, image=image)
        for image, pair in zip("1234", [("p", "A"), ("q", "A"), ("p", "A"), ("q", "none")], strict=False)
    ]
    reverse_order = [
        scored(["q", "p"], *pair, image=image)
        for image, pair in zip("1234", [("p", "A"), ("q", "A"), ("p", "B"), ("q", "none")], strict=False)
    ]
    return release_order, reverse_order


def test_the_report_is_the_one_worked_out_by_hand():
    coarse, variant = two_ways()
    found = robustness.report({"microbench_coarse_modality": coarse, VARIANT: variant})
    original, way = found["ways"]["microbench_coarse"], found["ways"][VARIANT]
    # Right in the release's order: the first and third of four. A is right twice and read twice, B twice and never.
    expected = {"n": 4, "acc": 0.5, "acc_strict": 0.5, "recall": {"A": 1.0, "B": 0.0}, "recall_std": 0.5}
    assert {name: original[name] for name in expected} == expected
    # Right in reverse: the second and third. A is right for q: one of two; B is right for p: one of two.
    expected = {"n": 4, "acc": 0.5, "acc_strict": 0.5, "recall": {"A": 0.5, "B": 0.5}, "recall_std": 0.0}
    assert {name: way[name] for name in expected} == expected
    # Differences -1, 1, 0, 0. The same option twice over: p by A and by B, the third. "none" is no answer in either.
    assert (way["n_paired"], way["n_images"], way["difference"], way["same_option"]) == (4, 4, 0.0, 0.25)
    assert way["difference_ci_low"] < 0 < way["difference_ci_high"]
    assert (found["spread"], found["n_common"]) == (0.0, 4)


def test_null_values_are_those_worked_out_by_hand():
    coarse, variant = two_ways()
    found = robustness.report({"microbench_coarse_modality": coarse, VARIANT: variant})
    original, way = found["ways"]["microbench_coarse"], found["ways"][VARIANT]
    # Two right answers among four questions, two of them about A: recalls (1, 0), (0, 1), or 4 times of 6 (1/2, 1/2).
    assert original["recall_std_null"] == pytest.approx(0.5 * 2 / 6, abs=0.03)
    assert original["recall_std_p"] == pytest.approx(2 / 6, abs=0.05)
    # The original's p, p, p stand at B in reverse, which is read once in four answers: 3 * 1/4 of 4 questions.
    assert way["same_option_null"] == pytest.approx(3 / 16)
    assert way["same_option_p"] == pytest.approx(3 / 4, abs=0.05)
    # Ways differ on two images, once each way: spreads 2/4 or 0 by even chance.
    assert found["spread_null"] == pytest.approx(0.25, abs=0.03)
    # Signs of -1 and 1: at least as far from 0 as 0 in all of them.
    assert (way["difference_p"], found["spread_p"]) == (1, 1)


def test_a_variant_that_is_always_wrong_is_found():
    coarse = [scored(["p", "q"], "p", "A", image=str(number)) for number in range(8)]
    variant = [scored(["q", "p"], "p", "A", image=str(number)) for number in range(8)]
    found = robustness.report({"microbench_coarse_modality": coarse, VARIANT: variant})
    way = found["ways"][VARIANT]
    # 2 of 2^8 patterns of signs.
    assert (way["difference"], way["difference_p"]) == (-1, pytest.approx(2 / 2**8))
    assert way["difference_ci_low"] == -1 and way["difference_ci_high"] < 0
    # Always A: another option each time, as by chance.
    assert (way["same_option"], way["same_option_null"], way["same_option_p"]) == (0, 0, 1)
    assert found["spread"] == 1
    # Ways differ on each of 8 images: spreads |X - (8 - X)| / 8 with X heads of 8 coins.
    expected = sum(math.comb(8, heads) * abs(2 * heads - 8) / 8 for heads in range(9)) / 2**8
    assert found["spread_null"] == pytest.approx(expected, abs=0.03)


def test_p_values_and_intervals_hold_for_all_variants_at_once():
    coarse = [scored(["p", "q"], "p", "AB"[number == 0], image=str(number)) for number in range(8)]
    variants = {
        name: [scored(["q", "p"], "p", "BA"[number < wrong], image=str(number)) for number in range(8)]
        for name, wrong in zip(catalog.VARIANTS, (8, 1, 1, 1, 1, 1), strict=False)
    }
    found = robustness.report({"microbench_coarse_modality": coarse} | variants)
    ways = [found["ways"][name] for name in catalog.VARIANTS]
    # Seven differences of one sign in the first: 2 / 2^7; none elsewhere. Holm: times 6, and 1.
    assert [way["difference_p"] for way in ways] == [pytest.approx(2 / 2**7), 1, 1, 1, 1, 1]
    assert [way["difference_p_adjusted"] for way in ways] == [pytest.approx(6 * 2 / 2**7), 1, 1, 1, 1, 1]
    assert found["settings"]["num_compared"] == 6
    differences = [-1] * 7 + [0]
    expected = difference_interval(sorted(differences), range(8), confidence_level=1 - 0.05 / 6)
    simultaneous = [ways[0][f"difference_simultaneous_ci_{end}"] for end in ("low", "high")]
    assert simultaneous == pytest.approx([expected.low, expected.high])
    assert ways[0]["difference_ci_high"] < ways[0]["difference_simultaneous_ci_high"]


def test_answers_about_one_image_count_as_one_observation():
    """Five questions about one image, all of them worse in the variant, are no evidence."""
    kinds = ("domain", "subdomain", "modality", "submodality", "stain")
    coarse = {f"microbench_coarse_{kind}": [scored(["p", "q"], "p", "A", kind=kind)] for kind in kinds}
    found = robustness.report(coarse | {VARIANT: [scored(["q", "p"], "p", "A", kind=kind) for kind in kinds]})
    way = found["ways"][VARIANT]
    assert (way["n_paired"], way["n_images"], way["difference_p"], found["spread_p"]) == (5, 1, 1, 1)
    assert (way["difference_ci_low"], way["difference_ci_high"]) == (-1, 1)


def test_equal_options_are_the_same_option():
    coarse = [scored(["p", "p", "q"], "q", "B", image="1")]
    found = robustness.report(
        {"microbench_coarse_modality": coarse, VARIANT: [scored(["q", "p", "p"], "q", "C", image="1")]}
    )
    assert found["ways"][VARIANT]["same_option"] == 1


def test_only_questions_that_both_asked_are_compared():
    coarse, variant = two_ways()
    found = robustness.report({"microbench_coarse_modality": coarse[:3], "microbench_robustness_reversed": variant[1:]})
    way = found["ways"]["microbench_robustness_reversed"]
    # The second and third: right in the release's order 0, 1, in reverse 1, 1.
    assert (way["n"], way["n_paired"], way["difference"], found["n_common"], found["spread"]) == (3, 2, 0.5, 2, 0.5)


def test_repeated_images_are_paired_in_their_order_and_kinds_are_told_apart():
    again = [scored(["p", "q"], "p", "A"), scored(["p", "q"], "p", "B"), scored(["p", "q"], "p", "A", kind="stain")]
    mirrored = [scored(["q", "p"], "p", "B"), scored(["q", "p"], "p", "A"), scored(["q", "p"], "p", "B", kind="stain")]
    found = robustness.report(
        {
            "microbench_coarse_modality": again[:2],
            "microbench_coarse_stain": again[2:],
            "microbench_robustness_reversed": mirrored,
        }
    )
    assert found["ways"]["microbench_robustness_reversed"]["same_option"] == 1


def test_without_the_papers_way_variants_stand_alone():
    found = robustness.report({"microbench_robustness_reversed": two_ways()[1]})
    assert set(found["ways"]) == {"microbench_robustness_reversed"}
    assert "difference" not in found["ways"]["microbench_robustness_reversed"]
    assert found["spread"] is None
    text = robustness_text.render_report(found, lambda header, rows: "table")
    assert text.startswith("table\n\nrecall_std:")
    assert "difference" not in text and "spread" not in text


def test_the_text_shows_null_values_and_p_beside_the_figures():
    coarse, variant = two_ways()
    found = robustness.report({"microbench_coarse_modality": coarse, VARIANT: variant})
    tables = []
    text = robustness_text.render_report(
        found, lambda header, rows: tables.append([dict(zip(header, row, strict=False)) for row in rows]) or ""
    )
    way = found["ways"][VARIANT]
    [compared] = tables[1]
    assert (compared["pairs"], compared["images"], compared["same option"]) == ("4", "4", "0.2500")
    assert compared["difference in acc"].startswith("+0.0000 [-0.")
    assert compared["by chance"] == f"{way['same_option_null']:.4f}"
    assert tables[0][1]["p"] == f"{way['recall_std_p_adjusted']:.3f}"
    assert (
        f"spread of acc: 0.0000 over the 4 questions asked in every way (by chance {found['spread_null']:.4f}, p 1.000)"
        in text
    )


def test_without_a_variant_there_is_no_report():
    assert robustness.report({"microbench_coarse_modality": two_ways()[0]}) == {}


def test_ways_without_a_common_question_have_no_spread(tmp_path):
    coarse, variant = two_ways()
    found = robustness.report({"microbench_coarse_modality": coarse[:1], "microbench_robustness_reversed": variant[1:]})
    assert found["ways"]["microbench_robustness_reversed"]["n_paired"] == 0
    assert found["spread"] is None
    assert "no question was asked in every way" in robustness_text.render_report(found, lambda header, rows: "")


# --- logs ----------------------------------------------------------------------------


def logged(folder, use_source, items):
    """A log of the variant about two rows, answered A throughout, with its items or without."""
    use_source(release.write_parquet(folder / "data", [release.row(0), release.row(1)]))
    lines = []
    for doc_id, doc in enumerate(micrographs.resolve().documents(catalog.VARIANTS[VARIANT])):
        line = {
            "doc_id": doc_id,
            "target": str(doc["answer_idx"]),
            "filtered_resps": "A",
            "input": prompts.microbench_doc_to_text(doc),
        }
        lines.append(line | (microbench_process_results(doc, ["A"]) if items else {}))
    run = folder / "run"
    run.mkdir()
    # The harness writes what several processes answered in any order.
    (run / f"20260101_000000_samples_{VARIANT}.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in reversed(lines))
    )
    metadata = {"dataset": dict(micrographs.resolve().identity), "interval": interval_settings()}
    (run / "20260101_000000_results.json").write_text(
        json.dumps(
            {
                "configs": {VARIANT: {"metadata": metadata}},
                "n-samples": {VARIANT: {"original": 10, "effective": 10}},
                "results": {},
            }
        )
    )
    return run


@pytest.mark.parametrize("items", [True, False], ids=["with items", "responses alone"])
def test_a_variants_log_can_be_scored_again(items, tmp_path, use_source):
    found = rescoring.rescore(found_runs.find_run([logged(tmp_path, use_source, items)]))
    # Options 0 and 1 of three or more (besides "none of the above") are right, so that in reverse A never is.
    assert found.scores[VARIANT]["acc"] == 0
    assert {"acc_image_ci_low", "acc_image_ci_high"} <= found.scores[VARIANT].keys()
    assert found.robustness["ways"][VARIANT]["n"] == 10
    assert VARIANT in score_table.render_scores(found)


def test_a_variant_can_be_a_baseline(tmp_path, use_source):
    run = logged(tmp_path, use_source, items=True)
    assert {number: document.score for number, document in baseline.documents(run, VARIANT).items()} == dict.fromkeys(
        range(10), 0.0
    )
