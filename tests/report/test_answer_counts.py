"""Claims about confusions, letters and bins of GRIT scores."""

from __future__ import annotations

from microbench_tasks.report import (
    answer_counts,
)
from tests.support import tiny_runs
from tests.support.report_runs import (
    TASKS,
)


def test_confusions_count_options_by_hand():
    def sample(gold, read, options=("a", "b", "c")):
        return type(
            "Sample",
            (),
            {"items": {"acc": {"options": list(options), "gold": gold}, "acc_strict": {"predicted": read}}},
        )

    # The same letter stands for another option in the fourth, and no answer is read in the last.
    found = answer_counts.count_confusions(
        [sample("A", "A"), sample("A", "B"), sample("B", "B"), sample("A", "B", ("b", "a", "c")), sample("A", None)]
    )
    assert found.classes == ["a", "b"]
    assert found.counts == [[1, 1, 1], [1, 1, 0]]
    assert found.n == 5


def test_options_that_never_come_again_have_no_confusions(run):
    assert answer_counts.count_confusions(run.rescored.samples[tiny_runs.COGNITION]) is None


def test_the_letters_of_all_questions_are_counted(run):
    samples = [sample for task in TASKS if task != tiny_runs.BOXES for sample in run.rescored.samples[task]]
    found = answer_counts.count_letters(run)
    assert sum(found["gold"].values()) == sum(found["read"].values()) == len(samples) == 21
    assert found["read"]["no answer"] == sum("I cannot say" in sample.response for sample in samples) == 2
    assert found["gold"]["A"] == sum(sample.items["acc"]["gold"] == "A" for sample in samples)


def test_grit_scores_are_binned_from_zero_to_one(run):
    counts = answer_counts.count_grit(run, tiny_runs.BOXES)
    # One response without a box, one with a box of 18 x 9 around the gold one of 8 x 9: IoU 72 / 162.
    assert counts[0] == 1 and counts[int(72 / 162 * 20)] == 1 and sum(counts) == 2
