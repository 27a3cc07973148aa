"""Claims about the summary of a run: what it shows, what may be quoted, and its forms."""

from __future__ import annotations

import dataclasses

import pytest

from microbench_tasks import catalog
from microbench_tasks.analysis import run_summary, run_summary_text
from microbench_tasks.data import source_identity
from microbench_tasks.runs.run_records import RunRecord

TASK = "microbench_coarse_stain"
OWN = "microbench_own_cells"
RELEASE, DEMO = source_identity.release_identity(), source_identity.demo_identity("ab")
FIGURES = {
    "acc": 0.625,
    "acc_image_ci_low": 0.25,
    "acc_image_ci_high": 0.875,
    "acc_ci_low": 0.5,
    "acc_ci_high": 0.75,
    "unparsed": 0.25,
    "counts": {"questions": 8, "images": 4, "datasets": 2},
}
BOXES = {
    "grit": 0.5,
    "grit_ci_low": 0.4,
    "grit_ci_high": 0.6,
    "boxes_unparsed": 0.5,
    "boxes_counts": {"questions": 2, "images": 1, "datasets": 1},
}
# Eight answers about four images.
ANSWERS = [{"image": f"set/{number // 2}", "failed": False} for number in range(8)]
TWO_FAILED = [answer | {"failed": number < 2} for number, answer in enumerate(ANSWERS)]


def record(*tasks, dataset=RELEASE, original=8, **further):
    return RunRecord.model_validate(
        {
            "config": {"model": "plip"},
            "configs": {task: {"metadata": {"dataset": dataset}} for task in tasks},
            "n-samples": {task: {"original": original, "effective": 8} for task in tasks},
            **further,
        }
    )


def summary_of(*tasks, figures=None, answers=ANSWERS, **recorded):
    names = tasks or (TASK,)
    return run_summary.summarize(
        record(*names, **recorded),
        dict.fromkeys(names, FIGURES) if figures is None else figures,
        dict.fromkeys(names, answers),
        dict.fromkeys(names, 1 / 6),
        dict.fromkeys(names, 0.5),
    )


def lines_of(summary):
    return run_summary_text.as_lines(summary, "out/run_…")


def test_a_summary_shows_the_interval_to_quote_with_chance_counts_files_and_the_sentence():
    """A quarter of 8 answers, so 2, could not be read."""
    assert lines_of(summary_of()) == [
        "Micro-Bench: plip; Micro-Bench release, 4 images",
        f"  {TASK}  acc 62.5 % [25.0, 87.5]; chance 16.7 %, majority answer 50.0 %; 8 questions, 4 images, 2 datasets",
        "  8 answers: 2 unparsed, 0 failed requests",
        "  files: out/run_…",
        f"  to quote: plip answered 62.5 % of the questions of {TASK} correctly (95 % interval 25.0 to 87.5 %, for new "
        "images of the same datasets; 8 questions about 4 images of 2 datasets; Micro-Bench release). Chance is "
        "16.7 %, and always giving the most frequent answer reaches 50.0 %.",
    ]


def test_boxes_have_a_score_from_0_to_1_and_no_chance():
    task = "microbench_localization_glands"
    summary = run_summary.summarize(
        record(task, original=2), {task: BOXES}, {task: [{"image": "a/1", "failed": False}] * 2}, {}, {}
    )
    assert lines_of(summary)[1:3] == [
        f"  {task}  grit 0.500 [0.400, 0.600]; 2 pairs, 1 image, 1 dataset",
        "  2 answers: 1 unparsed, 0 failed requests",
    ]
    assert "reached a GRIT score of 0.500" in run_summary_text.quotes(summary)[0]


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        ({"dataset": DEMO}, "nothing. The demo set is synthetic: its scores mean nothing for a paper."),
        ({"original": 20}, "nothing. Only 8 of 20 questions were asked"),
        ({"figures": {}}, "nothing. No task has a score."),
        ({"answers": TWO_FAILED}, "nothing. 2 requests got no response, so the run is not complete"),
        ({"dataset": None}, f"nothing. No results file says on which data {TASK} was asked"),
        ({"n-samples": {}}, f"nothing. No results file says on which data {TASK} was asked"),
    ],
    ids=["demo", "limit", "no score", "failed requests", "data not recorded", "number of questions not on record"],
)
def test_what_may_not_be_quoted_says_why(recorded, reason):
    [quoted] = run_summary_text.quotes(summary_of(**recorded))
    assert quoted.startswith(reason)


def test_without_a_results_file_nothing_is_to_quote():
    summary = run_summary.summarize(RunRecord(), {TASK: FIGURES}, {TASK: ANSWERS}, {}, {})
    assert summary.not_to_quote.startswith(f"No results file says on which data {TASK} was asked")


def test_a_redefined_task_is_not_to_quote():
    changed = record(TASK).model_dump(by_alias=True)
    changed["configs"][TASK]["metadata"]["definition"] = {"fields": {}, "differs": {"doc_to_text": {}}}
    summary = run_summary.summarize(RunRecord.model_validate(changed), {TASK: FIGURES}, {TASK: ANSWERS}, {}, {})
    assert summary.not_to_quote == f"Not the benchmark's own tasks: the definition of {TASK} was changed."


def test_a_group_stands_for_its_tasks_and_larger_groups_are_left_out():
    names = [*catalog.GROUPS, *catalog.TASKS]
    summary = summary_of(*names)
    assert [score.name for score in summary.main_scores] == [
        "microbench_coarse",
        "microbench_fine",
        "microbench_cognition",
        "microbench_localization",
    ]
    # The header, four scores, the answers, the files and the sentence.
    assert len(lines_of(summary)) == 8


def test_of_more_than_four_scores_three_are_shown():
    lines = lines_of(summary_of(*catalog.VARIANTS))
    assert len(lines) == 8
    assert lines[4] == "  3 more scores: see the summary file or the tables"


def test_without_an_answer_all_failed_requests_count_as_unparsed():
    summary = summary_of(figures={TASK: {"failed": 2}}, answers=TWO_FAILED)
    assert (summary.num_answers, summary.num_unparsed, summary.num_failed) == (8, 2, 2)


def test_groups_of_images_are_what_the_sentence_generalizes_to():
    counts = {**FIGURES["counts"], "groups": 3}
    [sentence] = run_summary_text.quotes(summary_of(figures={TASK: FIGURES | {"counts": counts}}))
    assert "for new groups of images of the same datasets; 8 questions about 4 images in 3 groups of" in sentence


def test_the_tables_have_a_column_of_groups_only_if_images_are_in_groups():
    in_groups = FIGURES | {"counts": {**FIGURES["counts"], "groups": 3}}
    summary = summary_of(TASK, OWN, figures={TASK: FIGURES, OWN: in_groups})
    rows = [line for line in run_summary_text.as_markdown(summary, "run").splitlines() if line.startswith("| ")]
    ends = {row.split(" | ")[0]: row.split(" | ")[-1] for row in rows}
    assert (ends["| task or group"], ends["| microbench_own_cells"]) == ("groups |", "3 |")
    assert ends["| microbench_coarse_stain"].strip() == "|"
    latex = run_summary_text.as_latex(summary, "run")
    assert r"\begin{tabular}{llrrrrrrrr}" in latex and "new images (or groups of images" in latex
    assert "groups" not in run_summary_text.as_latex(summary_of(), "run")


def test_own_data_are_shown_first_and_quoted_though_the_demo_set_is_not():
    names = [TASK, *catalog.VARIANTS, OWN]
    own = source_identity.own_identity("cells", "ab", {})
    recorded = record(*names, dataset=DEMO).model_dump(by_alias=True)
    recorded["configs"][OWN]["metadata"]["dataset"] = own
    parts = [dict.fromkeys(names, part) for part in (FIGURES, ANSWERS, 1 / 6, 0.5)]
    summary = run_summary.summarize(RunRecord.model_validate(recorded), *parts)
    lines = lines_of(summary)
    assert len(lines) == 8 and lines[1].split()[0] == OWN
    assert lines[-1].startswith(f"  to quote: plip answered 62.5 % of the questions of {OWN} correctly")
    page = run_summary_text.as_markdown(summary, "run")
    assert page.count("Nothing of microbench_") == page.count("The demo set is synthetic") == 1
    assert "% Not to quote: microbench_" in run_summary_text.as_latex(summary, "run")


def test_names_are_escaped_on_the_page_and_in_latex():
    summary = dataclasses.replace(summary_of(), model="a_b\n\\input{x} & |*c*|")
    page = run_summary_text.as_markdown(summary, "run_1")
    assert "- model: a_b \\\\input\\{x\\} \\& \\|\\*c\\*\\|" in page
    table = run_summary_text.as_latex(summary, "run_1")
    assert "% Model: a_b \\input{x} & |*c*|" in table.splitlines()
    [row] = [line for line in table.splitlines() if line.startswith("microbench")]
    assert row == (r"microbench\_coarse\_stain & acc & 62.5 & {[}25.0, 87.5{]} & 16.7 & 50.0 & 8 & 4 & 2 \\")
    # A column for each cell, and the rules of booktabs.
    assert r"\begin{tabular}{llrrrrrrr}" in table and row.count(" & ") == 8
    assert all(rule in table for rule in (r"\toprule", r"\midrule", r"\bottomrule"))


def test_each_main_score_has_its_sentence_and_the_summary_quotes_the_first():
    summary = summary_of(TASK, "microbench_coarse_domain")
    assert run_summary_text.as_markdown(summary, "run").count(" answered 62.5 % of ") == 2
    first, second = run_summary_text.quotes(summary)
    assert lines_of(summary)[-1] == f"  to quote: {first} Quote the other scores in the same form."
    assert [score.name in text for score, text in zip(summary.main_scores, (first, second), strict=True)] == [True] * 2
