"""Claims about variants of the coarse questions: what changes in them, what does not, and what is reported of them."""

import collections
import json

import pytest
import release
from lmms_eval.tasks import TaskManager

from microbench_tasks import baseline, catalog, documents, patches, prompts, rescoring, robustness, score_table, source, variants
from microbench_tasks.aggregations import interval_settings
from microbench_tasks.results import microbench_process_results
from microbench_tasks.schema import DataError

KINDS = ("domain", "subdomain", "modality", "submodality", "stain")
PERMUTED = ("reversed", "rotated", "shuffled")
NONE = "none of the above"


# --- the order of the options --------------------------------------------------------


def in_order(permutation, options, gold=0, key="k"):
    fields = {"options": options, "captions": [f"a {option}" for option in options], "answer_idx": gold}
    return variants.permuted(fields, permutation, key)


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


@pytest.mark.parametrize("permutation", variants.PERMUTATIONS)
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
    counts = collections.Counter(tuple(in_order("shuffled", ["p", "q", "r", NONE], key=str(number))["options"]) for number in range(6000))
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
    expected = [(row["image_id"], kind) for index, row in enumerate(rows) for kind in KINDS if not (index == 2 and kind == "stain")]
    assert [(doc["image_id"], doc["kind"]) for doc in made(name, rows)] == expected


@pytest.mark.parametrize("permutation", PERMUTED)
def test_in_another_order_everything_but_the_order_is_as_it_was(permutation):
    rows = rows_with_a_gap()
    before = coarse_questions(rows)
    moved = 0
    for doc in made(f"microbench_robustness_{permutation}", rows):
        original = before[doc["image_id"], doc["kind"]]
        assert {name: doc[name] for name in ("image_key", "dataset", "question")} == {name: original[name] for name in ("image_key", "dataset", "question")}
        assert dict(zip(doc["options"], doc["captions"], strict=True)) == dict(zip(original["options"], original["captions"], strict=True))
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
    with pytest.raises(DataError, match="microbench_robustness_rotated has nothing to ask: .* has a submodality question"):
        made("microbench_robustness_rotated", rows)


def test_the_prompt_says_the_same_in_other_words():
    doc = {"question": "Which cell?", "options": ["platelet", "basophil"]}
    question = "Question:Which cell?\nA) platelet\nB) basophil"
    assert {wording: prompts.microbench_doc_to_text(doc | {"wording": wording}) for wording in ("paper", "letter", "expert", "last")} == {
        "paper": f"Answer with a single letter, no extra details.\n{question}",
        "letter": f"Reply only with the letter of the correct option.\n{question}",
        "expert": f"You are an expert in microscopy. Look at the micrograph and choose the correct option; your reply is its letter and nothing else.\n{question}",
        "last": f"{question}\nAnswer with a single letter, no extra details.",
    }
    assert set(prompts.WORDINGS) == {task.wording for task in catalog.ALL_TASKS.values()}
    assert set(variants.PERMUTATIONS) == {task.permutation for task in catalog.ALL_TASKS.values()}


# --- the names -----------------------------------------------------------------------


def test_the_harness_finds_them_by_tag_and_no_group_has_them(use_source):
    use_source("demo")
    patches.install()
    manager = TaskManager()
    assert set(manager.match_tasks(["microbench_robustness_*"])) == set(catalog.VARIANTS)
    assert set(manager.task_index["microbench_robustness"]["task"]) == set(catalog.VARIANTS)
    assert catalog.tasks_named(["microbench_robustness"]) == tuple(catalog.VARIANTS)
    assert not set(catalog.tasks_named(["microbench_all"])) & set(catalog.VARIANTS)
    assert catalog.without_covered(["microbench_robustness_rotated", "microbench_robustness"]) == ["microbench_robustness"]


# --- the report ----------------------------------------------------------------------


def scored(options, gold, response, image="1", kind="modality"):
    doc = {"image_id": image, "dataset": "acevedo_et_al_2020", "kind": kind, "options": options, "answer_idx": options.index(gold)}
    return microbench_process_results(doc, [response])


def two_ways():
    """Four questions in the release's order and in reverse, as a model with a liking for A answers them."""
    release_order = [scored(["p", "q"], *pair, image=image) for image, pair in zip("1234", [("p", "A"), ("q", "A"), ("p", "A"), ("q", "none")])]
    reverse_order = [scored(["q", "p"], *pair, image=image) for image, pair in zip("1234", [("p", "A"), ("q", "A"), ("p", "B"), ("q", "none")])]
    return release_order, reverse_order


def test_the_report_is_the_one_worked_out_by_hand():
    coarse, variant = two_ways()
    found = robustness.report({"microbench_coarse_modality": coarse, "microbench_robustness_reversed": variant})
    # Right in the release's order: the first and third of four. A is right twice and read twice, B twice and never.
    assert found["ways"]["microbench_coarse"] == {"n": 4, "acc": 0.5, "acc_strict": 0.5, "recall": {"A": 1.0, "B": 0.0}, "recall_std": 0.5}
    way = found["ways"]["microbench_robustness_reversed"]
    # Right in reverse: the second and third. A is right for q: one of two; B is right for p: one of two.
    assert {name: way[name] for name in ("n", "acc", "acc_strict", "recall", "recall_std", "n_paired")} == {"n": 4, "acc": 0.5, "acc_strict": 0.5, "recall": {"A": 0.5, "B": 0.5}, "recall_std": 0.0, "n_paired": 4}
    # Differences -1, 1, 0, 0. The same option twice over: p by A and by B, the third. "none" is no answer in either.
    assert (way["difference"], way["same_option"]) == (0.0, 0.25)
    assert way["difference_ci_low"] < 0 < way["difference_ci_high"]
    assert (found["spread"], found["n_common"]) == (0.0, 4)


def test_the_interval_is_that_of_paired_differences():
    """Where a model gets everything right in one order and everything wrong in the other, no resampling matters."""
    coarse = [scored(["p", "q"], "p", "A", image=str(number)) for number in range(5)]
    variant = [scored(["q", "p"], "p", "A", image=str(number)) for number in range(5)]
    found = robustness.report({"microbench_coarse_modality": coarse, "microbench_robustness_reversed": variant})
    way = found["ways"]["microbench_robustness_reversed"]
    assert (way["difference"], way["difference_ci_low"], way["difference_ci_high"], way["same_option"]) == (-1, -1, -1, 0)
    assert found["spread"] == 1


def test_only_questions_that_both_asked_are_compared():
    coarse, variant = two_ways()
    found = robustness.report({"microbench_coarse_modality": coarse[:3], "microbench_robustness_reversed": variant[1:]})
    way = found["ways"]["microbench_robustness_reversed"]
    # The second and third: right in the release's order 0, 1, in reverse 1, 1.
    assert (way["n"], way["n_paired"], way["difference"], found["n_common"], found["spread"]) == (3, 2, 0.5, 2, 0.5)


def test_repeated_images_are_paired_in_their_order_and_kinds_are_told_apart():
    again = [scored(["p", "q"], "p", "A"), scored(["p", "q"], "p", "B"), scored(["p", "q"], "p", "A", kind="stain")]
    mirrored = [scored(["q", "p"], "p", "B"), scored(["q", "p"], "p", "A"), scored(["q", "p"], "p", "B", kind="stain")]
    found = robustness.report({"microbench_coarse_modality": again[:2], "microbench_coarse_stain": again[2:], "microbench_robustness_reversed": mirrored})
    assert found["ways"]["microbench_robustness_reversed"]["same_option"] == 1


def test_without_the_papers_way_variants_stand_alone():
    found = robustness.report({"microbench_robustness_reversed": two_ways()[1]})
    assert set(found["ways"]) == {"microbench_robustness_reversed"}
    assert "difference" not in found["ways"]["microbench_robustness_reversed"]
    assert found["spread"] is None
    assert robustness.as_text(found, lambda header, rows: "table") == "table"


def test_without_a_variant_there_is_no_report():
    assert robustness.report({"microbench_coarse_modality": two_ways()[0]}) == {}


def test_ways_without_a_common_question_have_no_spread(tmp_path):
    coarse, variant = two_ways()
    found = robustness.report({"microbench_coarse_modality": coarse[:1], "microbench_robustness_reversed": variant[1:]})
    assert found["ways"]["microbench_robustness_reversed"]["n_paired"] == 0
    assert found["spread"] is None
    assert "no question was asked in every way" in robustness.as_text(found, lambda header, rows: "")


# --- logs ----------------------------------------------------------------------------

VARIANT = "microbench_robustness_reversed"


def logged(folder, use_source, items):
    """A log of the variant about two rows, answered A throughout, with its items or without."""
    use_source(release.write_parquet(folder / "data", [release.row(0), release.row(1)]))
    lines = []
    for doc_id, doc in enumerate(documents.TaskDocuments(catalog.VARIANTS[VARIANT])(source.load(source.current()))):
        line = {"doc_id": doc_id, "target": str(doc["answer_idx"]), "filtered_resps": "A", "input": prompts.microbench_doc_to_text(doc)}
        lines.append(line | (microbench_process_results(doc, ["A"]) if items else {}))
    run = folder / "run"
    run.mkdir()
    # The harness writes what several processes answered in any order.
    (run / f"20260101_000000_samples_{VARIANT}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))
    metadata = {"dataset": dict(source.current().identity), "interval": interval_settings()}
    (run / "20260101_000000_results.json").write_text(json.dumps({"configs": {VARIANT: {"metadata": metadata}}, "n-samples": {VARIANT: {"original": 10, "effective": 10}}, "results": {}}))
    return run


@pytest.mark.parametrize("items", [True, False], ids=["with items", "responses alone"])
def test_a_variants_log_can_be_scored_again(items, tmp_path, use_source):
    found = rescoring.rescore(rescoring.find_run([logged(tmp_path, use_source, items)]))
    # Options 0 and 1 of three or more (besides "none of the above") are right, so that in reverse A never is.
    assert found.scores[VARIANT]["acc"] == 0
    assert {"acc_image_ci_low", "acc_image_ci_high"} <= found.scores[VARIANT].keys()
    assert found.robustness["ways"][VARIANT]["n"] == 10
    assert VARIANT in score_table.as_text(found)


def test_a_variant_can_be_a_baseline(tmp_path, use_source):
    run = logged(tmp_path, use_source, items=True)
    assert {number: document.score for number, document in baseline.documents(run, VARIANT).items()} == dict.fromkeys(range(10), 0.0)
