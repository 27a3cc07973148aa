"""Claims about the choice of examples and what is shown of them."""

from __future__ import annotations

from microbench_tasks.report import (
    data_rows,
    gallery_section,
    runs,
)
from tests.support import tiny_runs


def test_examples_are_of_their_kind_of_different_tasks_first_and_the_same_each_time(run):
    found = gallery_section.choose_examples(run, 3, seed=0)
    assert found == gallery_section.choose_examples(run, 3, seed=0) != gallery_section.choose_examples(run, 3, seed=1)
    by_kind = {kind: [example for example in found if example.kind == kind] for kind in gallery_section.KINDS}
    assert {kind: len(examples) for kind, examples in by_kind.items()} == {
        "right": 3,
        "wrong": 3,
        "unparsed": 2,
        "boxes": 2,
    }
    assert len({example.task for example in by_kind["right"]}) == 3
    assert all("I cannot say" in example.sample.response for example in by_kind["unparsed"])
    assert all(
        example.sample.items["acc"]["score"] == (example.kind == "right")
        for example in by_kind["right"] + by_kind["wrong"]
    )


def test_predicted_boxes_are_those_that_were_scored(run):
    none, one = run.rescored.samples[tiny_runs.BOXES]
    assert gallery_section.predicted_boxes(none).shape == (0, 4)
    assert gallery_section.predicted_boxes(one).tolist() == [[2, 3, 20, 12]]


def test_the_shown_micrograph_is_that_of_the_question(run, rows):
    [example] = [
        example
        for example in gallery_section.choose_examples(run, 9, 0)
        if example.task == "microbench_fine_pollen" and example.sample.doc_id == 0
    ]
    shown = data_rows.read([run]).of_task(example.task).image(runs.image_of(example.sample))
    # The first pollen is the fourth row.
    assert shown.getpixel((0, 0)) == (3 * 37 % 256, 3 * 91 % 256, 3 * 53 % 256)
